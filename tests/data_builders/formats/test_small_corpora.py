# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Small files of our own, written as the known corpora are: guessed, read whole, counted.

The tests of real corpora need those beside the checkout; these say the same of a few rows with the
same oddities, wherever the suite runs.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from data_builders.formats.registry import FILE_FAMILIES, guess_format
from data_builders.reading import sample_of, source_files
from data_builders.report import BuildReport
from data_builders.sources.sources import find_sources


class Corpus(NamedTuple):
    """A corpus of one file or two.

    Attributes:
        format: The family that reads it.
        files: Content by name.
        dialogues: How many there are, with the first one's turns.
        rejected: How many rows break which rule.
        notes: What is counted beside them.
    """

    format: str
    files: dict[str, bytes]
    dialogues: tuple[int, tuple[str, ...]]
    rejected: dict[str, int] = {}
    notes: dict[str, int] = {}


def lines(*rows: str, encoding: str = "utf-8") -> bytes:
    return "".join(f"{row}\n" for row in rows).encode(encoding)


def zipped_json(value: Any) -> bytes:
    return gzip.compress(json.dumps(value, ensure_ascii=False, indent=1).encode())


def archive(members: dict[str, Any]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, value in members.items():
            content = json.dumps(value, ensure_ascii=False).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def counsel(*said: str) -> list[dict[str, str]]:
    roles = ("client", "counselor") * len(said)
    return [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]


MARK = " +++$+++ "
TITLES = [f"L{n}{MARK}u0{MARK}m0{MARK}ANNA{MARK}Café, table {n}?" for n in range(1, 6)]
TALKS = [f"u0{MARK}u2{MARK}m0{MARK}{names}" for names in ("['L1', 'L2']", "['L3', 'L9', 'L4']")]
TASK = {
    "goal": [[1, "茶馆", "名称", "", False]],
    "messages": [
        {"content": "找个茶馆。", "role": "usr", "dialog_act": [["General"]]},
        {"content": "湖边有一家。", "role": "sys", "dialog_act": []},
    ],
}
CLINIC = ["department,title,ask,answer", "内科,头疼怎么办,睡不好的时候头疼,早点睡，多喝水。"]
CLINIC += ["内科,咳嗽,,", "内科,口渴,总是口渴,夏天要多喝水。"]
CORPORA = [
    Corpus(
        "conv",
        {"lost.conv.gz": gzip.compress(lines("E", "M 下雨了", "M 带伞吧", "E", "M 有人吗", "E"))},
        (1, ("下雨了", "带伞吧")),
        {"fewer than two turns": 1},
        {"blocks without an utterance": 1},
    ),
    Corpus(
        "blocks",
        {
            "talk.txt": lines(
                "Hi!", "hello", "", "Bye now.", "see you", "soon", "", "早", "早上好", ""
            )
        },
        (3, ("Hi!", "hello")),
    ),
    Corpus(
        "separated",
        {"qa_chat.txt": lines(*(f"{n} 加一等于几=等于 {n + 1}" for n in range(20)), "=没有问题")},
        (20, ("0 加一等于几", "等于 1")),
        {"empty text": 1},
    ),
    Corpus(
        "parallel",
        {
            "stc_train_post": lines("今天 下雨 了", "你 吃 饭 了 吗", "茶 很 香"),
            "stc_train_response": lines("记得 带 伞", "吃 过 了", "再 来 一 杯"),
        },
        (3, ("今天 下雨 了", "记得 带 伞")),
    ),
    Corpus(
        "dailydialog",
        {
            "zh_dev.txt": lines(
                "远吗？__eou__不远。__eou__\t3\t2 1\t0 0", "好。__eou__走。__eou__\t1"
            )
        },
        (2, ("远吗？", "不远。")),
        notes={"annotation columns left out": 4},
    ),
    Corpus(
        "cornell",
        {
            "movie_lines.txt.gz": gzip.compress(lines(*TITLES, encoding="latin-1")),
            "movie_conversations.txt": lines(*TALKS),
        },
        (1, ("Café, table 1?", "Café, table 2?")),
        {"missing line": 1},
        notes={"files read as cp1252, a guess": 1},
    ),
    Corpus(
        "csv",
        {"clinic.csv.gz": gzip.compress(lines(*CLINIC, encoding="gb18030"))},
        (2, ("睡不好的时候头疼", "早点睡，多喝水。")),
        {"empty text": 1},
        {"files with unused columns (department)": 1},
    ),
    Corpus(
        "instruction",
        {
            "alpaca.json.gz": zipped_json(
                [
                    {"instruction": "Translate.", "input": "heron", "output": "苍鹭"},
                    {"instruction": "Name a tree.", "input": "", "output": ""},
                ]
            )
        },
        (1, ("Translate.\nheron", "苍鹭")),
        {"empty text": 1},
    ),
    Corpus(
        "lccc",
        {
            "toy.json": json.dumps(
                {"train": [["猫 呢", "在 屋顶"]], "test": [["Hi", "Yes"]]}
            ).encode()
        },
        (2, ("猫 呢", "在 屋顶")),
        notes={
            "rows of the split 'train' of a file, split anew": 1,
            "rows of the split 'test' of a file, split anew": 1,
        },
    ),
    Corpus(
        "c3",
        {"c3.json.gz": zipped_json([[["女：走吗？", "女：快点。", "男：来了。"], [], "1"]] * 2)},
        (2, ("走吗？\n快点。", "来了。")),
        notes={
            "files with unused columns (1, 2)": 1,
            "turns joined to the one before, of the same speaker": 2,
        },
    ),
    Corpus(
        "crosswoz",
        {"val.json.gz": zipped_json({"7": TASK, "9": TASK})},
        (2, ("找个茶馆。", "湖边有一家。")),
        notes={"files with unused columns (goal)": 1},
    ),
    Corpus(
        "messages",
        {
            "talks.tar.gz": archive(
                {"0.json": counsel("睡不着", "几天了？"), "1.json": counsel("在吗")}
            )
        },
        (1, ("睡不着", "几天了？")),
        {"no reply": 1},
    ),
]


@pytest.fixture(params=CORPORA, ids=lambda corpus: corpus.format)
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Corpus:
    for name, content in request.param.files.items():
        (tmp_path / name).write_bytes(content)
    return request.param


def test_it_is_read_whole_and_what_is_left_out_is_counted(corpus: Corpus, tmp_path: Path) -> None:
    report, family = BuildReport(), FILE_FAMILIES[corpus.format]
    files = tuple(str(tmp_path / name) for name in corpus.files)
    found = list(family.read_sources(family.BUILDER_CONFIG_CLASS(files=files), report))
    assert (len(found), found[0].turns) == corpus.dialogues
    assert report.rejected == corpus.rejected
    assert {note: count for note, count in report.notes.items() if count} == corpus.notes


def test_its_format_is_guessed_from_its_beginning(corpus: Corpus, tmp_path: Path) -> None:
    for name in corpus.files:
        guess = guess_format(sample_of(next(source_files([str(tmp_path / name)]))))
        assert guess is not None and guess.format == corpus.format


def test_a_folder_of_all_is_found_whole(tmp_path: Path) -> None:
    for corpus in CORPORA:
        for name, content in corpus.files.items():
            (tmp_path / name).write_bytes(content)
    said: list[str] = []
    specs = find_sources([str(tmp_path)], say=said.append)
    # Plain lines only might be dialogues.
    alone = {"alternating", "blocks"}
    names = {name for corpus in CORPORA if corpus.format in alone for name in corpus.files}
    assert {line.split(":")[0] for line in said if "passed over" in line} <= names
    assert {spec.format for spec in specs} | alone == {corpus.format for corpus in CORPORA} | alone

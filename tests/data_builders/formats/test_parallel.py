# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Readers of parallel files, and which files are parallel by their names."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats.parallel import (
    ParallelConfig,
    ParallelCorpus,
    find_pairs,
    is_well_named,
    parallel_partner,
)
from data_builders.report import BuildReport
from tests.data_builders.formats.text_formats import arbitrary_lines, guess_of, pairs, rejected

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_two(folder, questions, replies, **settings):
    for name, content in (("q.txt", questions), ("r.txt", replies)):
        raw = content if isinstance(content, bytes) else content.encode("utf-8")
        folder.joinpath(name).write_bytes(raw)
    report = BuildReport()
    config = ParallelConfig(
        questions=str(folder / "q.txt"), replies=str(folder / "r.txt"), **settings
    )
    return list(ParallelCorpus.read_sources(config, report)), report


def test_pairs_about_a_picture_are_rejected(tmp_path):
    replies = "A boat.\n<img>hat.jpg</img>\nA cat."
    found, report = read_two(tmp_path, "<img>boat.jpg</img>?\nWhich hat?\nWhose <p>?", replies)
    assert [raw.turns for raw in found] == [("Whose <p>?", "A cat.")]
    assert rejected(report) == [(1, "image"), (2, "image")]


@one_folder
@given(pairs)
def test_written_and_read_back(tmp_path, expected):
    sides = ["\n".join(pair[side] for pair in expected) for side in (0, 1)]
    found, report = read_two(tmp_path, *sides, encoding="utf-8")
    assert [raw.turns for raw in found] == expected
    assert not report.rejected


@one_folder
@given(arbitrary_lines, arbitrary_lines)
def test_each_line_is_paired_or_rejected(tmp_path, questions, replies):
    found, report = read_two(tmp_path, "\n".join(questions), "\n".join(replies), encoding="utf-8")
    filled = [
        bool(question.strip()) + bool(reply.strip())
        for question, reply in itertools.zip_longest(questions, replies, fillvalue="")
    ]
    assert len(found) == filled.count(2)
    assert sum(report.rejected.values()) == filled.count(1)


@one_folder
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_bytes_never_crash(tmp_path, questions, replies):
    try:
        read_two(tmp_path, questions, replies)
    except UserError:
        pass  # What begins like an archive is a damaged one.


def test_line_that_is_empty_or_broken_costs_its_partner_only(tmp_path):
    found, report = read_two(
        tmp_path, b"q1\nq2\n\n\nq5\n", b"r1\n\xff\xfe\xff\nr3\n\nr5\n", encoding="utf-8"
    )
    assert [(raw.line, raw.turns) for raw in found] == [(1, ("q1", "r1")), (5, ("q5", "r5"))]
    assert {(2, "missing line"), (3, "empty text")} < set(rejected(report))
    assert sum(report.rejected.values()) == 3


def test_surplus_lines_are_rejected_in_their_file(tmp_path):
    found, report = read_two(tmp_path, "问一\n", "答一\n答二\n答三\n\n")
    assert [raw.turns for raw in found] == [("问一", "答一")]
    assert rejected(report) == [(2, "missing line"), (3, "missing line")]
    assert all(reject.file.endswith("r.txt") for reject in report.rejects)


def test_two_files_in_one_setting_are_put_in_order_by_their_names(tmp_path):
    for name in ("answer", "question"):
        tmp_path.joinpath(f"{name}.txt").write_text(name)
    files = tuple(sorted(map(str, tmp_path.iterdir())))
    (found,) = ParallelCorpus.read_sources(ParallelConfig(files=files), BuildReport())
    assert found.turns == ("question", "answer")
    assert found.source == "question.txt" and found.file == files[1]


def test_other_names_keep_their_order(tmp_path):
    for name in ("one", "two"):
        tmp_path.joinpath(name).write_text(name)
    config = ParallelConfig(files=(str(tmp_path / "two"), str(tmp_path / "one")), language="en")
    (found,) = ParallelCorpus.read_sources(config, BuildReport())
    assert found.turns == ("two", "one") and found.lang == "en"


def test_folders_are_matched_file_by_file(tmp_path):
    for side, name in itertools.product("qr", "12"):
        tmp_path.joinpath(side).mkdir(exist_ok=True)
        tmp_path.joinpath(side, name).write_text(side + name)
    config = ParallelConfig(questions=str(tmp_path / "q"), replies=str(tmp_path / "r"))
    found = ParallelCorpus.read_sources(config, BuildReport())
    assert [raw.turns for raw in found] == [("q1", "r1"), ("q2", "r2")]
    tmp_path.joinpath("r", "3").write_text("r3")
    with pytest.raises(UserError, match="no partner"):
        list(ParallelCorpus.read_sources(config, BuildReport()))


@pytest.mark.parametrize(
    "given",
    [{"questions": "a"}, {"replies": "b"}, {"questions": "a", "replies": "b", "files": ("c",)}],
)
def test_wrong_settings_are_refused(given):
    with pytest.raises(UserError, match="Set"):
        ParallelConfig(**given)


@pytest.mark.parametrize("files", [(), ("a",), ("a", "b", "c")])
def test_another_number_of_files_is_refused(files):
    with pytest.raises(UserError, match="two files"):
        list(ParallelCorpus.read_sources(ParallelConfig(files=files), BuildReport()))


def test_bytes_of_both_files_are_counted(tmp_path):
    sizes = []
    for name in ("q", "r"):
        tmp_path.joinpath(name).write_text(f"{name}\n" * 1_000)
    config = ParallelConfig(questions=str(tmp_path / "q"), replies=str(tmp_path / "r"))
    list(ParallelCorpus.read_sources(config, BuildReport(), sizes.append))
    assert sum(sizes) == 4_000


@pytest.mark.parametrize(
    ("name", "partner"),
    [
        ("data/src-train.txt", "data/tgt-train.txt"),
        ("tgt-train.txt", "src-train.txt"),
        ("weibo_post", "weibo_response"),
        ("Question.TXT.gz", "Answer.TXT.gz"),
        ("TARGET.txt", "SOURCE.txt"),
        ("train.enc", "train.dec"),
        ("chat.q", "chat.a"),
        ("chat.a", "chat.q"),
        ("source/1.txt", "target/1.txt"),
        ("a.txt", None),
        ("train.en", None),
        ("sourced.txt", None),
        ("q/1.txt", None),
    ],
)
def test_partner_of_a_name(name, partner):
    assert parallel_partner(name) == partner


def test_pairs_among_names():
    names = ["x/answer.txt", "x/question.txt", "y/answer.txt", "train.dec", "train.enc", "a.txt"]
    assert find_pairs(names) == [("x/question.txt", "x/answer.txt"), ("train.enc", "train.dec")]
    assert find_pairs(["query.txt", "reply.txt", "response.txt"]) == [("query.txt", "reply.txt")]
    assert find_pairs(["post.txt"]) == []


@given(st.lists(st.lists(st.sampled_from("src tgt . q a post reply / _".split())).map("".join)))
def test_no_name_is_in_two_pairs(names):
    found = [name for pair in find_pairs(names) for name in pair]
    assert len(found) == len(set(found)) and set(found) <= set(names)


def test_guess_rests_on_the_name():
    text = "one\ntwo\nthree\n"
    assert guess_of(ParallelCorpus, text, "src.txt").score > 0.5
    assert guess_of(ParallelCorpus, text, "train.enc").score < 0.4
    assert guess_of(ParallelCorpus, text, "talk.txt") is None
    assert guess_of(ParallelCorpus, '[{"a": 1}]', "src.txt") is None
    assert is_well_named("x.src") and not is_well_named("x.dec") and not is_well_named("x")


@pytest.mark.parametrize(
    ("questions", "replies", "pairs"),
    [
        pytest.param(
            "ptt/PTT_charactors/src-train.txt",
            "ptt/PTT_charactors/tgt-train.txt",
            46_030,
            marks=pytest.mark.slow,
        ),
        ("format_samples/stc_weibo_train_post", "format_samples/stc_weibo_train_response", 1_000),
    ],
)
def test_real_files(shared_data: Path, questions: str, replies: str, pairs: int):
    folder = shared_data / "zh_chitchat"
    report = BuildReport()
    config = ParallelConfig(files=(str(folder / replies), str(folder / questions)))
    assert sum(1 for _ in ParallelCorpus.read_sources(config, report)) == pairs
    assert not report.rejected and not report.notes

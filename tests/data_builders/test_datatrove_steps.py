# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A build as a datatrove pipeline: the rows, report and rejects of an ordinary one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

pytest.importorskip("datatrove")

from datatrove.executor import LocalPipelineExecutor

from data_builders import build_dialogues
from data_builders.datatrove_steps import (
    CleanDialogues,
    Corpus,
    ReadDialogues,
    SelectDialogues,
    WriteShards,
)
from data_builders.errors import UserError
from data_builders.report import BuildReport
from tests.commands import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture()
def chats(tmp_path: Path) -> Path:
    """Four files of three formats, with rejects, and copies across files."""
    folder = tmp_path / "chats"
    (folder / "more").mkdir(parents=True)
    for name, first in (("a", 0), ("b", 40)):
        rows = [f"第{n * n}个问题是什么\t这是第{n}个回答\n" for n in range(first, first + 60)]
        (folder / f"{name}.tsv").write_text("".join(rows) + "没有回答的一行\n", encoding="utf-8")
    blocks = [f"E\nM is it {n} or {n * 3}\nM it is {n * 2}\nM so be it\n" for n in range(50)]
    (folder / "c.conv").write_text("".join(blocks), encoding="utf-8")
    rows = [f'{{"question": "can we  meet at {n}", "reply": "yes, {n}"}}\n' for n in range(50)]
    text = "".join(rows) + "{broken\n" + '{"question": "\ufffd", "reply": "what"}\n'
    (folder / "more" / "d.jsonl").write_text(text, encoding="utf-8")
    return folder


def run(source: Path, folder: Path, tasks: int = 1, parts: int = 1, **settings: object) -> Path:
    corpus = Corpus(source, **settings)
    shards = folder / "shards"
    steps = [ReadDialogues(corpus), CleanDialogues(corpus), WriteShards(corpus, shards)]
    first = LocalPipelineExecutor(steps, tasks, workers=1, logging_dir=str(folder / "logs1"))
    last = SelectDialogues(corpus, shards, folder / "out", cache_dir=str(folder / "cache"))
    LocalPipelineExecutor(
        [last], parts, workers=1, depends=first, logging_dir=str(folder / "logs2")
    ).run()
    return folder / "out"


def assert_same(out: Path, result) -> None:
    for name, split in datasets.load_from_disk(str(out)).items():
        assert split.to_list() == result.dataset[name].to_list()
    report = BuildReport.load(out)
    assert report.to_dict() == result.report.to_dict()
    assert report.rejects == result.report.rejects


@pytest.mark.parametrize(
    "tasks", [3, *(pytest.param(tasks, marks=pytest.mark.slow) for tasks in (1, 9))]
)
def test_a_pipeline_gives_what_a_build_gives(chats, tmp_path, tasks):
    settings = {"test_fraction": 0.1, "cleaning": {"maximum_chars": 100}}
    result = build_dialogues(chats, cache_dir=str(tmp_path / "cache0"), **settings)
    assert result.report.rejected and result.report.changed and result.report.dropped
    assert result.report.duplicates == 20 and all(map(len, result.dataset.values()))
    assert_same(run(chats, tmp_path, tasks, **settings), result)
    assert (tmp_path / "out" / "README.md").is_file()


def test_a_mixture_keeps_its_weights_names_and_order(chats, tmp_path):
    mixture = tmp_path / "mix.yaml"
    mixture.write_text(
        "sources:\n- {files: chats/a.tsv, weight: 2, name: first, license: MIT}\n"
        "- {files: [chats/c.conv, chats/b.tsv]}\nseed: 3\nlanguages: [zh]\n",
        encoding="utf-8",
    )
    result = build_dialogues(mixture, cache_dir=str(tmp_path / "cache0"))
    assert result.report.filtered == 50 and result.report.extra_rows > 40
    assert_same(run(mixture, tmp_path, 2), result)


def test_each_part_alone_keeps_its_questions_on_their_sides(chats, tmp_path):
    whole = build_dialogues(chats, cache_dir=str(tmp_path / "cache0")).dataset
    sides = {row["turns"][0]: name for name, split in whole.items() for row in split}
    run(chats, tmp_path, tasks=4, parts=2)
    found = [
        (row["turns"][0], name)
        for part in ("out-00000-of-00002", "out-00001-of-00002")
        for name, split in datasets.load_from_disk(str(tmp_path / part)).items()
        for row in split
    ]
    assert len(found) == 200
    assert all(sides.get(question, name) == name for question, name in found)


def test_missing_and_mixed_shards_are_named(chats, tmp_path):
    run(chats, tmp_path, tasks=2)
    shards = tmp_path / "shards"
    last = SelectDialogues(Corpus(chats), shards, tmp_path / "again")
    shutil.copytree(shards / "00000-of-00002", shards / "00000-of-00003")
    with pytest.raises(UserError, match="runs of 2 and 3 tasks. Delete the older"):
        list(last.run())
    shutil.rmtree(shards / "00000-of-00003")
    shutil.rmtree(shards / "00001-of-00002")
    with pytest.raises(UserError, match="the shards of 1 of 2 tasks"):
        list(last.run())
    shutil.rmtree(shards)
    with pytest.raises(UserError, match="the shards of 0 of no tasks"):
        list(last.run())


def test_without_datatrove_the_extra_is_named():
    code = "import sys; sys.modules['datatrove'] = None\nimport data_builders.datatrove_steps"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert 'Run `pip install "tfchat-hf[datatrove]"`' in done.stderr

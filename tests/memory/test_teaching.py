# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A memory answers the questions of another corpus, for a network to learn from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_builders import build_dialogues, save_result
from tests.memory.small_memory import small_memory
from tfchat_hf.memory.__main__ import main

ASKED = {
    "你会下象棋吗？": "learned",  # not remembered in these words
    "你会下棋吗": "remembered",
    "qqq zzz": "unknown",
}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = [{"question": question, "reply": "随便"} for question in ASKED] * 2
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "asked.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "asked.jsonl"


def test_questions_in_new_words_get_the_remembered_reply(corpus: Path, capsys) -> None:
    memory = small_memory()
    memory.save_pretrained(corpus.parent)
    data = corpus.parent / "data"
    built = build_dialogues(str(corpus), validation_fraction=0.0, test_fraction=0.0)
    save_result(built, data)
    output = corpus.parent / "taught.jsonl"
    command = ["teach", str(corpus.parent), "--questions", str(data), "--output", str(output)]
    assert main(command) == 0
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    expected = memory.look_up(["你会下象棋吗？"])[0].reply
    assert rows == [{"question": "你会下象棋吗？", "reply": expected}]
    assert "1 questions with a reply" in capsys.readouterr().out
    assert main(command) == 2  # what was written stays
    assert "is there already" in capsys.readouterr().err


def test_nothing_is_left_of_a_file_that_was_stopped(corpus: Path, monkeypatch) -> None:
    small_memory().save_pretrained(corpus.parent)
    monkeypatch.setattr("tfchat_hf.memory.memory.Memory.look_up", _stopped)
    output = corpus.parent / "taught.jsonl"
    command = ["teach", str(corpus.parent), "--questions", str(corpus), "--output", str(output)]
    assert main(command) == 130
    assert not [path for path in corpus.parent.iterdir() if "taught" in path.name]


def _stopped(*_arguments: object, **_options: object) -> None:
    raise KeyboardInterrupt

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which files hold rows of dialogues, and which might hold anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_builders.errors import UserError
from data_builders.formats.registry import guess_format
from data_builders.formats.rows import KNOWN_ROWS, RowsConfig, RowsCorpus
from data_builders.reading import sample_of, source_files
from data_builders.report import BuildReport
from data_builders.sources.sources import find_sources
from tests.data_builders.formats.json_rows import as_lines, sample


def test_questions_alone_are_taken_only_when_told(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    rows = [{"question_id": i, "turns": ["写一封信。", "再短一些。"]} for i in range(3)]
    path.write_text(as_lines(*rows), encoding="utf-8")
    assert guess_format(sample_of(next(source_files([str(path)])))) is None
    report = BuildReport()
    config = RowsConfig(files=(str(path),), columns={"dialogue": "turns"})
    assert len(list(RowsCorpus.read_sources(config, report))) == 3


@pytest.mark.parametrize(
    "content",
    [
        [["big", "large", "huge"], ["small", "tiny"]],
        [["高兴", "快乐", "开心"], ["巨大", "大"]],
        {"animals": ["cat", "dog"]},
    ],
)
def test_lists_of_single_words_count_only_for_a_file_named_by_itself(
    tmp_path: Path, content: Any
) -> None:
    path = tmp_path / "synonyms.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match="no file of a known format"):
        find_sources([str(tmp_path)])
    assert find_sources([str(path)])


@pytest.mark.parametrize(
    "rows",
    [
        [1, 2],
        ["a", "b"],
        [{"name": "a", "age": 3}],
        [{"news_id": "1", "title": "a", "content": "b", "desc": "c"}],
        [{"text": "A long page of a book."}],
        [{"id": 1, "title": "a", "url": "u", "text": "b"}],
        [["a"], [["b"], [], "c"]],
        # An export of a messenger has stamps and names, and readers of its own.
        [{"messages": [{"id": 1, "date": "2024", "from": "Ann", "text": "hi"}] * 3}],
        [],
    ],
)
def test_other_json_resembles_no_rows(rows: list[Any]) -> None:
    for family in (RowsCorpus, *KNOWN_ROWS.values()):
        assert family.resembles(sample(rows)) is None or family.resembles(sample(rows)).alone


@pytest.mark.parametrize(
    "rows",
    [[{"source": "a", "target": "b"}], [{"input": "a", "output": "b"}]],
)
def test_names_of_anything_count_only_for_a_file_named_by_itself(rows: list[Any]) -> None:
    assert guess_format(sample(rows * 3)).guess.alone


def test_what_was_guessed_says_which_field_is_what() -> None:
    guess = guess_format(sample([{"query": "a", "response": "b", "history": []}] * 3))
    said = guess.sentence("a.jsonl")
    assert said.startswith("a.jsonl: format json (question = query, reply = response, history")

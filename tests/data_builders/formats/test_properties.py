# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What every family promises: what is written is read back, and nothing is lost or crashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats.alternating import AlternatingCorpus, BlockCorpus, ConvCorpus
from data_builders.formats.base import FileCorpus
from data_builders.formats.separated import DailyDialogCorpus, DoubanCorpus, SeparatedCorpus
from tests.data_builders.formats.text_formats import dialogues, read_text


@pytest.mark.parametrize(
    ("corpus", "mark", "end"),
    [
        (BlockCorpus, "\n", "\n"),
        (BlockCorpus, "\n", "\n\n\n"),
        (DailyDialogCorpus, " __eou__ ", ""),
        (DailyDialogCorpus, "__eou__", "__eou__"),
    ],
)
@given(expected=dialogues)
def test_talks_in_text_are_read_back_as_written(
    corpus: type[FileCorpus], mark: str, end: str, expected: list[tuple[str, ...]]
) -> None:
    text = "\n".join(mark.join(turns) + end for turns in expected)
    found, report = read_text(corpus, text, encoding="utf-8")
    assert [row.turns for row in found] == expected
    assert not report.rejected and not report.notes


@pytest.mark.parametrize(
    "corpus",
    [AlternatingCorpus, BlockCorpus, ConvCorpus, DailyDialogCorpus, DoubanCorpus, SeparatedCorpus],
)
@given(content=st.binary(max_size=200))
def test_bytes_are_read_or_asked_about(corpus: type[FileCorpus], content: bytes) -> None:
    try:
        read_text(corpus, content)
    except UserError as error:
        assert "its encoding cannot be told" in str(error)  # noqa: PT017

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What every family promises: what is written is read back, and nothing is lost or crashes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.formats.alternating import AlternatingCorpus, BlockCorpus, ConvCorpus
from data_builders.formats.base import FileCorpus
from data_builders.formats.c3 import C3Corpus
from data_builders.formats.chitchat import ChitchatCorpus
from data_builders.formats.community_qa import CommunityQACorpus
from data_builders.formats.crosswoz import CrossWozCorpus
from data_builders.formats.instruction import InstructionCorpus
from data_builders.formats.kdconv import KdConvCorpus
from data_builders.formats.lccc import LcccCorpus
from data_builders.formats.separated import DailyDialogCorpus, DoubanCorpus, SeparatedCorpus
from tests.data_builders.formats import test_c3, test_crosswoz, test_kdconv
from tests.data_builders.formats.json_rows import json_values, lines_of, one_file, sample, texts
from tests.data_builders.formats.text_formats import dialogues, read_text

Talks = list[list[str]]


def as_c3(talks: Talks) -> str:
    """Write talks as C3, whose two speakers take turns."""
    said = [
        [f"{who}：{text}" for who, text in zip("男女" * 3, talk, strict=False)] for talk in talks
    ]
    return json.dumps([[lines, test_c3.ASKED, "1"] for lines in said])


def as_crosswoz(talks: Talks) -> str:
    return json.dumps({str(n): test_crosswoz.task(*talk) for n, talk in enumerate(talks)})


def as_kdconv(talks: Talks) -> str:
    return json.dumps([test_kdconv.talk(*talk) for talk in talks])


@pytest.mark.parametrize(
    ("corpus", "write"),
    [
        (C3Corpus, as_c3),
        (CrossWozCorpus, as_crosswoz),
        (KdConvCorpus, as_kdconv),
        (LcccCorpus, json.dumps),
        (LcccCorpus, lambda talks: "\n".join(map(json.dumps, talks))),
    ],
)
@one_file
@given(talks=st.lists(st.lists(texts, min_size=2, max_size=5), min_size=2, max_size=4))
def test_talks_in_json_are_read_back_as_written(
    read, corpus: type[FileCorpus], write: Callable[[Talks], str], talks: Talks
) -> None:
    found, report = read(corpus, write(talks), name="a.json")
    assert not report.rejected
    assert [row.turns for row in found] == [tuple(text.strip() for text in talk) for talk in talks]


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
    ("corpus", "keys"),
    [
        (C3Corpus, ("question",)),
        (ChitchatCorpus, ("messages", "text", "sender")),
        (CommunityQACorpus, ("title", "desc", "answer", "content", "star")),
        (CrossWozCorpus, ("messages", "role", "content")),
        (InstructionCorpus, ("instruction", "input", "output", "en_output", "history", "system")),
        (KdConvCorpus, ("messages", "message", "attrs")),
        (LcccCorpus, ("train",)),
    ],
)
@one_file
@given(data=st.data())
def test_any_json_is_read_or_rejected(
    read, tmp_path, corpus: type[FileCorpus], keys: tuple[str, ...], data: st.DataObject
) -> None:
    value = json_values(*keys)
    rows = data.draw(st.lists(value | st.tuples(value, value), min_size=1))
    found, report = read(corpus, json.dumps(rows), name="a.json")
    told = {row.line for row in found} | {reject.line for reject in report.rejects}
    assert told == lines_of(tmp_path / "a.json")
    corpus.resembles(sample(rows))


@pytest.mark.parametrize(
    "corpus",
    [AlternatingCorpus, BlockCorpus, ConvCorpus, DailyDialogCorpus, DoubanCorpus, SeparatedCorpus],
)
@given(content=st.binary(max_size=200))
def test_bytes_never_crash(corpus: type[FileCorpus], content: bytes) -> None:
    read_text(corpus, content)

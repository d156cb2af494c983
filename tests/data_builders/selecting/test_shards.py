# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Shards: what is written comes back, with keys that mean what they say."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import data_builders.selecting.shards as shards_module
from data_builders.selecting.shards import (
    Dialogue,
    Shards,
    open_shard,
    read_turns,
    write_shard,
    write_table,
)
from data_builders.selecting.similarity import BANDS, MINIMUM_BANDS
from data_builders.selecting.splits import normalize_question, question_key
from tests.data_builders.memory_corpus import empty_folder

turns = st.lists(
    st.text(st.sampled_from("abAB .!天气\u200d1"), min_size=1, max_size=30), min_size=2, max_size=4
).map(tuple)


@st.composite
def dialogues(draw: st.DrawFn) -> Dialogue:
    """Draw a dialogue, with or without roles."""
    said = draw(turns)
    with_roles = draw(st.booleans())
    role = st.sampled_from(["user", "assistant"])
    roles = draw(st.lists(role, min_size=len(said), max_size=len(said))) if with_roles else []
    lang, source = draw(st.sampled_from(["zh", "en"])), draw(st.sampled_from(["one", "two"]))
    return Dialogue(said, tuple(roles), lang, source)


def pairs_of(dialogue: Dialogue) -> list[tuple[str, str]]:
    said, roles = dialogue.turns, dialogue.roles
    places = [i for i in range(1, len(said)) if not roles or roles[i] == "assistant"]
    return [(said[i - 1], said[i]) for i in places]


def key(text: str) -> int:
    return question_key(normalize_question(text))


# Shards of every size, the empty one too: all dialogues of a batch may have been dropped.
corpora = st.lists(st.lists(dialogues(), max_size=5), max_size=4)


@given(corpora)
def test_shards_are_one_corpus_of_dialogues_and_pairs(parts):
    whole = [dialogue for part in parts for dialogue in part]
    pairs = [pair for dialogue in whole for pair in pairs_of(dialogue)]
    with empty_folder() as folder:
        paths = [folder / f"{number:05d}.arrow" for number in range(len(parts))]
        for path, part in zip(paths, parts, strict=True):
            write_shard(path, part, list(range(len(part))))
        shards = Shards(paths)
        assert (len(shards), shards.pairs) == (len(whole), len(pairs))
        for numbers in (np.arange(len(whole)), np.arange(len(whole))[1::3]):
            read = list(read_turns(shards.paths, shards.first_rows, numbers))
            assert read == [(n, list(whole[n].turns)) for n in numbers.tolist()]
        assert shards.numbers("origin").tolist() == [n for part in parts for n in range(len(part))]
        assert shards.numbers("content").tolist() == [d.content_key for d in whole]
        assert shards.pair_keys("questions").tolist() == [key(question) for question, _ in pairs]
        assert shards.pair_keys("replies").tolist() == [key(reply) for _, reply in pairs]
        expected = [n for n, dialogue in enumerate(whole) for _ in pairs_of(dialogue)]
        assert np.repeat(np.arange(len(whole)), shards.pairs_of).tolist() == expected
        spans = list(shards.spans())
        assert [path for path, _, _ in spans] == [str(path) for path in paths]
        for (_, rows, _), part in zip(spans, parts, strict=True):
            assert whole[rows] == part
        cut = [pairs[span] for _, _, span in spans]
        assert cut == [[pair for d in part for pair in pairs_of(d)] for part in parts]


@given(st.lists(dialogues(), min_size=1, max_size=8))
def test_bands_and_folded_keys_are_of_the_folded_text(some):
    with empty_folder() as folder:
        write_shard(folder / "0.arrow", some, [0] * len(some))
        shards = Shards([folder / "0.arrow"])
        folded = ["\n".join(normalize_question(turn) for turn in d.turns) for d in some]
        keys = shards.numbers("folded").tolist()
        for one, other in combinations(range(len(some)), 2):
            assert (keys[one] == keys[other]) == (folded[one] == folded[other])
        for number in range(BANDS):
            long = [len(text) >= MINIMUM_BANDS for text in folded]
            assert (shards.band(number) != 0).tolist() == long


# --- identity -------------------------------------------------------------------------------


@given(dialogues(), dialogues())
def test_equal_content_has_equal_keys_and_other_content_others(one, other):
    same = (one.turns, one.roles) == (other.turns, other.roles)
    assert (one.content_key == other.content_key) == same
    assert (one.id == other.id) == (same and one.source == other.source)
    assert len(one.id) == 16 and int(one.id, 16) >= 0
    # The language is a guess that may get better: it is no part of the name.
    assert one.id == one._replace(lang="other").id


def test_turns_do_not_run_into_each_other():
    cuts = [("ab", "c", "d"), ("a", "bc", "d"), ("abc", "d"), ("a", "b", "c", "d")]
    assert len({Dialogue(cut, (), "en", "s").id for cut in cuts}) == len(cuts)


# --- writing --------------------------------------------------------------------------------


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path, monkeypatch):
    def broken(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    table = pa.table({"a": [1, 2]})
    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="No space"):
        write_table(tmp_path / "a.arrow", table)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    monkeypatch.setattr(shards_module.pa.ipc, "new_file", broken)
    with pytest.raises(OSError, match="No space"):
        write_table(tmp_path / "a.arrow", table)
    assert not list(tmp_path.iterdir())


def test_a_file_written_again_replaces_the_old_one(tmp_path):
    write_table(tmp_path / "a.arrow", pa.table({"a": [1]}))
    write_table(tmp_path / "a.arrow", pa.table({"a": [1, 2]}))
    assert open_shard(str(tmp_path / "a.arrow")).num_rows == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.arrow"]
    open_shard.cache_clear()


def test_shards_are_mapped_not_read(tmp_path):
    path = Path(tmp_path, "big.arrow")
    write_table(path, pa.table({"a": np.arange(2_000_000)}))
    before = pa.total_allocated_bytes()
    table = open_shard(str(path))
    assert table.nbytes == 16_000_000 and pa.total_allocated_bytes() - before < 100_000
    open_shard.cache_clear()

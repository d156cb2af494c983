# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The toy: a few Hanzi and the same backwards, none of them lost on the way to the network."""

from __future__ import annotations

from data_builders import build_dialogues
from data_builders.formats.toy import HANZI, LONGEST, SHORTEST, SIZES, toy_pairs


def test_each_reply_is_its_question_backwards_and_no_question_comes_twice():
    pairs = list(toy_pairs())
    assert all(reply == question[::-1] for _, question, reply in pairs)
    assert len({question for _, question, _ in pairs}) == len(pairs) == sum(SIZES.values())
    assert {len(question) for _, question, _ in pairs} == set(range(SHORTEST, LONGEST + 1))
    # A character that came twice could be looked for in two places.
    assert all(len(set(question)) == len(question) for _, question, _ in pairs)
    assert len(set(HANZI)) == len(HANZI)


def test_a_build_loses_none_and_leaves_each_on_its_side(tmp_path):
    built = build_dialogues("toy", cache_dir=str(tmp_path))
    assert {name: split.num_rows for name, split in built.dataset.items()} == SIZES
    assert built.report.kept == sum(SIZES.values())
    wanted = [question for split, question, _ in toy_pairs() if split == "test"]
    assert [turns[0] for turns in built.dataset["test"]["turns"]] == wanted

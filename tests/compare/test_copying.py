# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How much of a reply is copied from what was said before."""

from __future__ import annotations

import pytest

from tfchat_hf.compare.copying import copy_rate, echo_share


@pytest.mark.parametrize(
    ("reply", "turns", "rate"),
    [
        ("I like red shoes", ["do you like red shoes"], 3 / 4),
        ("I like red", ["like red"], 0),  # two words are no copy
        ("LIKE, red: shoes!", ["like red shoes?"], 1),  # case and punctuation do not matter
        ("你喜欢", ["你喜欢什么"], 0),  # three characters are no copy
        ("你喜欢什么呢", ["你喜欢什么"], 5 / 6),
        ("看NBA吗", ["你看NBA吗"], 1),  # three words, of which one is not Chinese
        ("a b c", ["a b", "b c"], 0),  # nobody said all of it
        ("a b c", ["x", "a b c", "y"], 1),  # an older turn counts too
        ("a b c d a b c", ["a b c"], 6 / 7),  # twice copied counts twice
        ("", ["a b c"], 0),
        ("a b c", [], 0),
    ],
)
def test_copied_words_by_hand(reply: str, turns: list[str], rate: float) -> None:
    assert copy_rate([reply], [turns]) == pytest.approx(rate)


def test_the_rate_is_of_all_words_not_of_all_replies() -> None:
    replies = ["a b c", "d e f g h i j"]
    assert copy_rate(replies, [["a b c"], ["x"]]) == pytest.approx(3 / 10)


def test_an_echo_is_the_newest_turn_again() -> None:
    replies = ["你好！", "first", "Yes.", ""]
    contexts = [["你好"], ["first", "second"], ["no", "yes?"], ["..."]]
    assert echo_share(replies, contexts) == 2 / 4


def test_nothing_is_copied_by_nobody() -> None:
    assert copy_rate([], []) == echo_share([], []) == 0

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which pairs are left out for what stands in them: too long, or no question and answer.

Lines of subtitles follow each other, but mostly one speaker goes on. What looks like a question,
and is followed by something that looks like no question, is talk between two far more often.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from data_builders.selecting.shards import Shards, open_shard
from data_builders.selecting.splits import reply_places

LONG_QUESTION, LONG_REPLY = "long question", "long reply"
NO_QUESTION, REPLY_ASKS = "no question", "reply asks"
NOT_SHORT, FOREIGN_NAME = "not short enough for talk", "name in Latin letters"
RULES = (LONG_QUESTION, LONG_REPLY, NO_QUESTION, REPLY_ASKS, NOT_SHORT, FOREIGN_NAME)

# In Chinese characters and Latin words: subtitles that are longer tell a story.
_QUESTION_WORDS, _ANSWER_WORDS = 25, 12
_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[A-Za-z\u00c0-\u024f0-9'’]+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN_NAME = re.compile(r"[A-Z][a-z]+")
_END = r"[\"'”’」』）)…。 ]*$"
# What ends so is a question; in Chinese lines without a mark 吗 is.
_QUESTION = re.compile(rf"(?:[?？]|吗|嗎){_END}")
# What may be a question too is at least no answer.
_MAYBE_QUESTION = re.compile(
    rf"(?:[?？]|[吗嗎呢么麼吧]){_END}"
    r"|^(?:谁|誰|什么|什麼|怎么|怎麼|为什么|為什麼|为何|哪|多少|几点|幾點)"
)


def broken_rule(question: str, answer: str) -> str:
    """Say what makes a pair of neighbouring lines no question and answer.

    Args:
        question: The first line.
        answer: The line after it.

    Returns:
        The rule, or "": ("你去哪儿？", "回家。") breaks none.
    """
    if not _QUESTION.search(question):
        return NO_QUESTION
    if _MAYBE_QUESTION.search(answer):
        return REPLY_ASKS
    sizes = [len(_WORD.findall(text)) for text in (question, answer)]
    if sizes[0] > _QUESTION_WORDS or sizes[1] > _ANSWER_WORDS:
        return NOT_SHORT
    # In English every sentence begins like a name.
    both = question + answer
    return FOREIGN_NAME if _HAN.search(both) and _LATIN_NAME.search(both) else ""


def rejected_pairs(shards: Shards, only_questions: Sequence[bool], settings: Any) -> np.ndarray:
    """Judge all pairs by their texts, shard after shard.

    Args:
        shards: The corpus.
        only_questions: For each source whether only its questions with their answers are wanted.
        settings: The `SelectionSettings`.

    Returns:
        uint8 per pair: 0 for a pair that stays, else 1 more than the place of its rule in `RULES`.
    """
    found = np.zeros(shards.pairs, dtype=np.uint8)
    bounds = (settings.maximum_question_chars, settings.maximum_reply_chars)
    if not any(bounds) and not any(only_questions):
        return found
    numbers = {rule: number for number, rule in enumerate(RULES, start=1)} | {"": 0}
    for path, _, pairs in shards.spans():
        rules = _rules_of(path, only_questions, *bounds)
        found[pairs] = np.fromiter((numbers[rule] for rule in rules), dtype=np.uint8)
    return found


def _rules_of(
    path: str, only_questions: Sequence[bool], longest_question: int, longest_reply: int
) -> Iterator[str]:
    table = open_shard(path).select(["turns", "roles", "origin"])
    for row in table.to_pylist():
        turns = row["turns"]
        for place in reply_places(turns, row["roles"]):
            question, reply = turns[place - 1], turns[place]
            if longest_question and len(question) > longest_question:
                yield LONG_QUESTION
            elif longest_reply and len(reply) > longest_reply:
                yield LONG_REPLY
            else:
                yield broken_rule(question, reply) if only_questions[row["origin"]] else ""

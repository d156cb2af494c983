# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a reader minds at once: stutter, replies that fit anything, the wrong language."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from data_builders.language import guess_language

from ..examples.questions import Question
from ..text.overlap import metric_tokens
from .metrics import describe_replies
from .stutter import stutter_share

# Said to anything, in any corpus. Without punctuation and in small letters.
_ALWAYS_DULL = {
    "".join(text.split())
    for text in (
        "我不知道|不知道|我也不知道|不知道啊|我也是|我也不是|是的|是啊|是吗|对|对啊|好|好的|好吧|嗯|嗯嗯|"
        "哦|啊|哈哈|哈哈哈|呵呵|谢谢|谢谢你|不客气|没有|没有啊|没事|没关系|不会|不是|不用|什么|为什么|"
        "真的吗|怎么了|我知道|我知道了|知道了|可以|当然|i don't know|i dont know|i'm not sure|"
        "i have no idea|yes|yeah|yep|no|nope|ok|okay|sure|of course|me too|me neither|thanks|"
        "thank you|you're welcome|what|why|really|oh|oh ok|i see|i know|i think so|that's good|"
        "that's great|that's cool|that's nice|nice|cool|good|great|lol|haha|right|well|maybe"
    ).split("|")
}


def describe_answers(
    replies: Sequence[str],
    questions: Sequence[Question],
    frequent: Collection[str] = (),
    references: Sequence[Sequence[str]] | None = None,
) -> dict[str, float | int | str]:
    """Gives the figures of `describe_replies`, and `stutter`, `dull` and `language_mismatch`.

    Args:
        replies: one text a question.
        questions: that they answer.
        frequent: replies that training has most often (`questions.frequent_replies`).
        references: right answers to each; those of the questions by default.
    """
    known = [question.references for question in questions] if references is None else references
    faults: dict[str, Any] = {
        "stutter": stutter_share(replies),
        "dull": dull_share(replies, frequent),
        "language_mismatch": language_mismatch(replies, [one.context[-1] for one in questions]),
    }
    return {**describe_replies(replies, known), **faults}


def dull_share(replies: Sequence[str], frequent: Collection[str] = ()) -> float:
    """Gives the share of replies that would fit any question.

    A reply is dull if it is nothing but one of about eighty that are said to anything (我不知道,
    是的, I don't know), or one that training has most often, whatever the punctuation and case.

    Args:
        replies: the texts.
        frequent: what training has most often.
    """
    dull = _ALWAYS_DULL | {_plain(reply) for reply in frequent}
    return sum(_plain(reply) in dull for reply in replies) / max(len(replies), 1)


def language_mismatch(replies: Sequence[str], questions: Sequence[str]) -> float:
    """Gives the share of replies that are English to a Chinese question, or the other way round.

    Mixed texts, and those of signs and digits alone, are no mismatch.

    Args:
        replies: one text a question.
        questions: the newest turns.
    """
    other = {"zh": "en", "en": "zh"}
    pairs = zip(replies, questions, strict=True)
    wrong = sum(guess_language([reply]) == other.get(guess_language([ask])) for reply, ask in pairs)
    return wrong / max(len(replies), 1)


def _plain(reply: str) -> str:
    """Gives the words of a reply without blanks, punctuation and capital letters."""
    return "".join(token for token in metric_tokens(reply.casefold()) if token[0].isalnum())

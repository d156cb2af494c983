# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Numbers about replies: likeness to references, variety, repetition. Plain text in, no model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

# A Chinese character is a token, a Latin word or number is one, and so is any other visible sign.
_TOKEN = re.compile(
    r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W_\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+(?:['’][^\W\d_]+)*"
    r"|\S"
)
PHRASE_REPEATS = 3
CHARACTER_REPEATS = 5


def metric_tokens(text: str) -> list[str]:
    """Splits a text for counting: Chinese by character, the rest by word.

    >>> metric_tokens("我不能。I can't 2 times")
    ['我', '不', '能', '。', 'I', "can't", '2', 'times']
    """
    return _TOKEN.findall(text)


def _ngrams(tokens: Sequence[str], order: int) -> list[tuple[str, ...]]:
    """Lists the runs of `order` neighbouring tokens."""
    return [tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1)]


def distinct(replies: Sequence[str], order: int) -> float:
    """Gives distinct-n: different n-grams over all n-grams of all replies (Li et al., 2016).

    It falls as replies grow in number, so compare only over equally many.
    """
    grams = [gram for reply in replies for gram in _ngrams(metric_tokens(reply), order)]
    return len(set(grams)) / len(grams) if grams else 0.0


def has_repetition(reply: str) -> bool:
    """Tells whether a reply loops.

    That is a phrase (two tokens or more, or one word) three times in a row, or a single
    character five times in a row: a laugh of three or four characters is ordinary chat.
    """
    tokens = metric_tokens(reply)
    for length in range(1, len(tokens) // PHRASE_REPEATS + 1):
        same = 0
        for i in range(len(tokens) - length):
            same = same + 1 if tokens[i] == tokens[i + length] else 0
            single = length == 1 and len(tokens[i]) == 1
            repeats = CHARACTER_REPEATS if single else PHRASE_REPEATS
            if same >= length * (repeats - 1):
                return True
    return False


def repetition_share(replies: Sequence[str]) -> float:
    """Gives the share of replies that loop."""
    return sum(map(has_repetition, replies)) / len(replies) if replies else 0.0


def top_reply_share(replies: Sequence[str]) -> float:
    """Gives the share of the most frequent reply: 1.0 says one thing to everybody."""
    return Counter(replies).most_common(1)[0][1] / len(replies) if replies else 0.0


def mean_length(replies: Sequence[str]) -> float:
    """Gives the mean number of tokens of a reply."""
    return sum(len(metric_tokens(reply)) for reply in replies) / len(replies) if replies else 0.0


def exact_match(replies: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Gives the share of replies that are one of their references."""
    hits = sum(reply in known for reply, known in zip(replies, references, strict=True))
    return hits / len(replies) if replies else 0.0


def corpus_bleu(replies: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Gives BLEU-4 from 0 to 100 over the whole set (Papineni et al., 2002), unsmoothed.

    Tokens are those of `metric_tokens`; of several references the one nearest in length counts
    for the brevity penalty, the shorter one of two equally near.
    """
    matched, total = [0] * 4, [0] * 4
    reply_length = reference_length = 0
    for reply, known in zip(replies, references, strict=True):
        tokens = metric_tokens(reply)
        known_tokens = [metric_tokens(text) for text in known]
        reply_length += len(tokens)
        reference_length += min(
            (abs(len(other) - len(tokens)), len(other)) for other in known_tokens
        )[1]
        for order in range(4):
            counts = Counter(_ngrams(tokens, order + 1))
            most: Counter[tuple[str, ...]] = Counter()
            for other in known_tokens:
                most |= Counter(_ngrams(other, order + 1))
            matched[order] += (counts & most).total()
            total[order] += counts.total()
    if not all(matched):
        return 0.0
    precision = sum(math.log(m / t) for m, t in zip(matched, total, strict=True)) / 4
    penalty = min(0.0, 1 - reference_length / reply_length)
    return 100 * math.exp(precision + penalty)


def describe_replies(
    replies: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float | int]:
    """Gives all of the above for one set of replies, ready for metrics.json."""
    return {
        "replies": len(replies),
        "exact_match": exact_match(replies, references),
        "bleu": corpus_bleu(replies, references),
        "distinct_1": distinct(replies, 1),
        "distinct_2": distinct(replies, 2),
        "repetition": repetition_share(replies),
        "top_reply_share": top_reply_share(replies),
        "mean_length": mean_length(replies),
    }

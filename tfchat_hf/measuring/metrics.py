# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Numbers about replies: likeness to references, variety, repetition. Plain text in, no model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ..text.overlap import metric_tokens, token_f1
from .bleu import corpus_bleu

PHRASE_REPEATS = 3
CHARACTER_REPEATS = 5
DISTINCT_REPLIES = 200


def _ngrams(tokens: Sequence[str], order: int) -> list[tuple[str, ...]]:
    """Lists the runs of `order` neighbouring tokens."""
    return [tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1)]


def perplexity(loss: float) -> float:
    """Gives e to the power of a cross-entropy in nats a token."""
    # exp(700) is close to the largest float: a diverged model must not end the run.
    return math.exp(min(loss, 700.0))


def bits_per_character(loss: float, tokens: int, characters: int) -> float:
    """Spreads a cross-entropy over characters, which makes tokenizers comparable.

    Args:
        loss: nats a token.
        tokens: tokens that the loss is the mean of, the one that ends a reply among them.
        characters: Unicode characters of the same replies.
    """
    return loss * tokens / math.log(2) / max(characters, 1)


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


def mean_f1(replies: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Gives the mean of `token_f1` over the replies."""
    scores = [token_f1(reply, known) for reply, known in zip(replies, references, strict=True)]
    return sum(scores) / len(scores) if scores else 0.0


def describe_replies(
    replies: Sequence[str],
    references: Sequence[Sequence[str]],
    distinct_sample: int = DISTINCT_REPLIES,
) -> dict[str, float | int | str]:
    """Gives all of the above for one set of replies, ready for metrics.json.

    Args:
        replies: one text a question.
        references: right answers to each question. Replies to questions without any are left out
            of exact match, BLEU and F1; `scored_replies` counts those that are in, and where it
            is 0 the three are left out altogether.
        distinct_sample: distinct-1 and distinct-2 look at the first so many replies, so that they
            can be compared between sets of different size; `distinct_replies` says how many.
    """
    scored = [pair for pair in zip(replies, references, strict=True) if pair[1]]
    first = replies[:distinct_sample]
    return {
        "replies": len(replies),
        "scored_replies": len(scored),
        **(_likeness(*map(list, zip(*scored, strict=True))) if scored else {}),
        "distinct_1": distinct(first, 1),
        "distinct_2": distinct(first, 2),
        "distinct_replies": len(first),
        "repetition": repetition_share(replies),
        "top_reply_share": top_reply_share(replies),
        "mean_length": mean_length(replies),
    }


def _likeness(
    replies: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float | str]:
    """Gives what compares replies with references."""
    bleu = corpus_bleu(replies, references)
    return {
        "exact_match": exact_match(replies, references),
        "bleu": bleu.score,
        "bleu_signature": bleu.signature,
        **{f"bleu_{language}": score for language, score in bleu.by_language.items()},
        "f1": mean_f1(replies, references),
    }

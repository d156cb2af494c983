# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The entropy filter: questions that get any reply, and replies that fit any question.

Csaky, Purgai and Recski, "Improving Neural Conversational Models with Entropy-Based Data
Filtering", ACL 2019, in its IDENTITY form: an utterance is compared with equal utterances only.
"""

from __future__ import annotations

import numpy as np

SIDES = ("none", "source", "target", "both")


def entropies(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Measure for each pair how open one of its sides is.

    Args:
        keys: The side measured, one key per pair.
        others: The other side.

    Returns:
        Bits: the entropy of the distribution of `others` among all pairs with the same key.
    """
    if not len(keys):
        return np.zeros(0)
    order = np.lexsort((others, keys))
    key, other = keys[order], others[order]
    new_key = np.r_[True, key[1:] != key[:-1]]
    new_pair = new_key | np.r_[True, other[1:] != other[:-1]]
    pair_counts = np.diff(np.r_[np.flatnonzero(new_pair), len(key)])
    key_counts = np.diff(np.r_[np.flatnonzero(new_key), len(key)])
    group_of_pair = (np.cumsum(new_key) - 1)[new_pair]
    share = pair_counts / key_counts[group_of_pair]
    bits = np.bincount(group_of_pair, weights=-share * np.log2(share), minlength=len(key_counts))
    result = np.empty(len(keys))
    result[order] = np.repeat(bits, key_counts)
    return result


def too_open(
    questions: np.ndarray, replies: np.ndarray, sides: str, threshold: float
) -> np.ndarray:
    """Mark pairs the filter takes out.

    Args:
        questions: One key per pair.
        replies: One key per pair.
        sides: "source" looks at the questions, "target" at the replies, "both" at either,
            "none" marks nothing.
        threshold: Bits; more is too much.

    Returns:
        True for pairs to leave out.
    """
    marked = np.zeros(len(questions), dtype=bool)
    if sides in ("source", "both"):
        marked |= entropies(questions, replies) > threshold
    if sides in ("target", "both"):
        marked |= entropies(replies, questions) > threshold
    return marked

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The scheme ``char``: each character is a token, as in the original."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer

from .pieces import SMALLEST_VOCABULARY, bpe_tokenizer
from .word_counts import ranked


def train_characters(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Makes the scheme ``char``: the most frequent characters, every one if there is room.

    A model of merges without a merge: nothing is ever joined, and it is the fastest there is.

    Args:
        texts: the corpus.
        vocab_size: the most tokens to have.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    outside = [character for character in ranked(counts) if ord(character) >= 128]
    return bpe_tokenizer(outside[: vocab_size - SMALLEST_VOCABULARY], [])

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Choosing a tokenizer's vocabulary: words of a corpus to pieces with scores, one file a scheme."""

from . import (
    byte_pairs,
    dictionary_words,
    likelihood,
    pieces,
    single_characters,
    unigram,
    word_counts,
    word_cutter,
)

# All that a vocabulary depends on: a cache must not outlive a change of any.
MODULES = (
    byte_pairs,
    dictionary_words,
    likelihood,
    pieces,
    single_characters,
    unigram,
    word_counts,
    word_cutter,
)

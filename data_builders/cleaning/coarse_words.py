# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How much abuse and obscenity is in texts, by a short list that comes with the package."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_builders.cleaning.block_list import read_terms
from data_builders.translation import marked

# What can be done about it.
HOW_TO_LEAVE_OUT = marked(
    "`python -m data_builders build ... --block-list FILE` leaves out dialogues with a word of a "
    "list of yours."
)
_LIST = Path(__file__).with_name("coarse_words.txt")


def hold_coarse_words(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Tell for each text whether a term of the list is in it, a Latin one as a whole word."""
    found = pc.match_substring_regex(texts, _pattern(), ignore_case=True)
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False)


@functools.cache
def _pattern() -> str:
    """Write the list as one expression of RE2, which takes time that grows with the text alone."""
    terms = [term for term in read_terms(_LIST.read_text(encoding="utf-8")) if term]
    latin = "|".join(re.escape(term) for term in terms if term.isascii())
    others = "|".join(re.escape(term) for term in terms if not term.isascii())
    return rf"\b(?:{latin})\b|{others}"

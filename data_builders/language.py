# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A guess of the language of a dialogue, good enough to choose rows by."""

from __future__ import annotations

import re
from collections.abc import Iterable

LANGUAGES = ("zh", "en", "mixed", "other")

_HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+")
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+")
# Kana, hangul, Cyrillic, Arabic and the rest: a letter that is neither Han nor Latin.
_OTHER = re.compile(r"(?![A-Za-z\u00c0-\u024f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])[^\W\d_]")


def guess_language(turns: Iterable[str]) -> str:
    """Guess the language from the share of Han characters.

    A Latin *word* weighs as much as a Han character, so that a Chinese sentence about an iPhone
    stays Chinese. Every language in Latin letters counts as English.

    Args:
        turns: The turns of one dialogue.

    Returns:
        One of `LANGUAGES`.
    """
    text = "\n".join(turns)
    rest, runs = _HAN_RUN.subn(" ", text)
    han = len(text) - len(rest) + runs
    latin = len(_LATIN_WORD.findall(rest))
    other = 0 if rest.isascii() else sum(1 for _ in _OTHER.finditer(rest))
    # A quarter of kana already makes a text Japanese, Han or not.
    if han + latin == 0 or other > (han + latin + other) / 4:
        return "other"
    share = han / (han + latin)
    if share >= 0.6:
        return "zh"
    return "en" if share <= 0.1 else "mixed"

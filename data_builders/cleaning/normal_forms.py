# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One way to write each thing, with Chinese punctuation left Chinese."""

from __future__ import annotations

import re
from unicodedata import is_normalized, normalize

# These are the full-width forms a Chinese keyboard gives: they stay, as do 。、《》「」… of
# course. ￥ and ￣ stay too: RMB is typed with the one, faces are drawn with the other. The rest,
# ＂＃＄％＆＇＊＋－．／＜＝＞＠［＼］＾＿｀｛｜｝, have no use of their own in Chinese:
# "１＋１＝２" and "1+1=2" are one text, and a vocabulary is better spent on something else.
_KEPT = "！（），：；？～"
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code) not in _KEPT}
# Half-width kana and hangul are letters and stay; these are Chinese marks in half width.
_HALF_MARKS = {0xFF61: "。", 0xFF62: "「", 0xFF63: "」", 0xFF64: "、"}
# What shows as a blank: no-break, ogham, en to hair, narrow, mathematical and ideographic
# space, the blank of Braille, the fillers of Hangul; and TAB, which has no use in a turn.
_BLANK_CODES = (0x09, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x2800, 0x3000)
_BLANKS = dict.fromkeys((*_BLANK_CODES, 0x3164, 0xFFA0), " ")
_FOLDED: dict[int, int | str] = {**_WIDE, **_HALF_MARKS, **_BLANKS}

FORM_CLASS = "".join(f"\\u{code:04x}" for code in sorted(_FOLDED))
_PLAIN = re.compile(f"[^{FORM_CLASS}]*+")
_SPACES = re.compile("  +")
_LINE_END = re.compile(r" ?\n ?")
_EMPTY_LINES = re.compile(r"\n{3,}")


def is_tidy(text: str) -> bool:
    """Say whether blanks and newlines are as `normal_forms` leaves them.

    Args:
        text: One turn.

    Returns:
        Whether there is no double space, no blank at an end, none beside a newline, and no more
        than one empty line in a row.
    """
    if "  " in text or text.strip() != text:
        return False
    return "\n" not in text or not (" \n" in text or "\n " in text or "\n\n\n" in text)


def normal_forms(text: str) -> str:
    """Write a text in NFC, letters and digits in half width, one blank where there are many.

    Args:
        text: One turn.

    Returns:
        "Ｈｅｌｌｏ，　１２３！" gives "Hello， 123！".
    """
    if not _PLAIN.fullmatch(text):
        text = text.translate(_FOLDED)
    if not is_normalized("NFC", text):
        text = normalize("NFC", text)
    return text if is_tidy(text) else _tidy(text)


def _tidy(text: str) -> str:
    text = _SPACES.sub(" ", text)
    if "\n" in text:
        text = _EMPTY_LINES.sub("\n\n", _LINE_END.sub("\n", text))
    return text.strip()

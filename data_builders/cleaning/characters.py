# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Characters that are no text: controls, what has no width, private use, noncharacters."""

from __future__ import annotations

import re

_PLANE_ENDS = "".join(f"\\U{plane:04x}fffe-\\U{plane:04x}ffff" for plane in range(1, 0xF))
_CONTROL_CLASS = (
    # C0 without \n and \t, DEL, C1; soft hyphen, grapheme joiner, Arabic letter mark, Mongolian
    # vowel separator.
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e"
    # Zero widths and directions; line and paragraph separators; word joiner, invisible operators.
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    # Private use; noncharacters; variation selectors; byte order mark; specials, with U+FFFD to
    # be seen by `is_damaged`.
    r"\ue000-\uf8ff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\ufff0-\uffff"
)
_ASTRAL_CLASS = (
    # Shorthand and musical controls; noncharacters; tags, more selectors; the private planes.
    rf"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a{_PLANE_ENDS}\U000e0000-\U0010ffff"
)
# For a first look every character beyond U+FFFF is suspect: `re` goes through ranges up there
# one by one, and 15 times faster through what it can put into one table.
SUSPECT_CLASS = rf"{_CONTROL_CLASS}\U00010000-\U0010ffff"
_PLAIN = re.compile(f"[^{SUSPECT_CLASS}]*+")
_NEW_LINE = re.compile("\r\n?|[\x0b\x0c\u2028\u2029]")

_EMOJI = (
    r"[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u23ff\u2460-\u24ff\u25a0-\u27bf"
    r"\u2900-\u297f\u2b00-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
# Scripts whose letters change with a (non-)joiner: Arabic and its kin, Indic, Burmese, Khmer,
# Mongolian.
_JOINING = (
    r"[\u0600-\u0604\u0606-\u061b\u061d-\u0dff\u1000-\u109f\u1780-\u180d\u180f-\u18af"
    r"\ua8e0-\ua8ff\ufb50-\ufdcf\ufe70-\ufefc]"
)
_SELECTOR = "[\ufe0e\ufe0f]"
# Group 1 stays, all else goes.
_KEPT_OR_NOT = re.compile(
    rf"([#*0-9]\ufe0f\u20e3"
    rf"|\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]+\U000e007f"
    rf"|{_EMOJI}{_SELECTOR}?(?:\u200d{_EMOJI}{_SELECTOR}?)*"
    rf"|{_JOINING}(?:\u200c(?={_JOINING})|\u200d))"
    rf"|[{_CONTROL_CLASS}{_ASTRAL_CLASS}]"
)


def is_damaged(text: str) -> bool:
    """Say whether a character of the text was lost before it came here.

    Args:
        text: One turn.

    Returns:
        Whether U+FFFD is in it, which stands where bytes could not be decoded.
    """
    return "\ufffd" in text


def remove_control_characters(text: str) -> str:
    r"""Remove what shows nothing, and write every line end as a newline.

    Joiners and variation selectors stay inside emoji ("👩‍🚀", "❤️"), tags inside flags, joiners
    between letters of scripts that need them. U+FFFD stays to be seen by `is_damaged`.

    Args:
        text: One turn.

    Returns:
        "a\x00b\u200bc\r\n" gives "abc\n".
    """
    if _PLAIN.fullmatch(text):
        return text
    text = _NEW_LINE.sub("\n", text)
    return _KEPT_OR_NOT.sub(_kept, text)


def _kept(match: re.Match[str]) -> str:
    if match[1] is not None:
        return match[1]
    return "\ufffd" if match[0] == "\ufffd" else ""

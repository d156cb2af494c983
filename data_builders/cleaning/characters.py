# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The steps on single characters: broken encodings, what shows nothing, one way to write each.

Layout stays: whoever wrote several lines, or a table, meant the blanks in them.
"""

from __future__ import annotations

import re
from unicodedata import is_normalized, normalize

from data_builders.dialogue import trimmed

# The first byte of UTF-8 of two to four bytes, in Latin-1 and Latin-2 or their Windows forms,
# followed by what the next byte can look like there; and the C1 controls, which no one types.
_LEAD = (
    r"\u00c2-\u00f4\u0102\u0103\u0106-\u0111\u0118-\u011b\u0139\u013a\u013d\u013e\u0143-\u0148"
    r"\u0150"
)
_NEXT = r"\x80-\xbf\u0100-\u02ff\u2010-\u203a\u20ac\u2122"
_MANGLED = re.compile(rf"[{_LEAD}][{_NEXT}]|[\x80-\x9f]")
_ENCODINGS = ("latin-1", "iso8859_2", "cp1252", "cp1250")
MOJIBAKE_CLASS = rf"\x80-\x9f{_LEAD}"

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
_NO_CONTROL = re.compile(f"[^{SUSPECT_CLASS}]*+")
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

# These are the full-width forms a Chinese keyboard gives: they stay, as do 。、《》「」… of
# course. ￥ and ￣ stay too: RMB is typed with the one, faces are drawn with the other. The rest,
# ＂＃＄％＆＇＊＋－．／＜＝＞＠［＼］＾＿｀｛｜｝, have no use of their own in Chinese:
# "１＋１＝２" and "1+1=2" are one text, and a vocabulary is better spent on something else.
_KEPT = "！（），：；？～"
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code) not in _KEPT}
# Half-width kana and hangul are letters and stay; these are Chinese marks in half width.
_HALF_MARKS = {0xFF61: "。", 0xFF62: "「", 0xFF63: "」", 0xFF64: "、"}
# What shows as a blank: no-break, ogham, en to hair, narrow, mathematical and ideographic
# space, the blank of Braille, the fillers of Hangul.
_BLANK_CODES = (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x2800, 0x3000)
_BLANKS = dict.fromkeys((*_BLANK_CODES, 0x3164, 0xFFA0), " ")
_FOLDED: dict[int, int | str] = {**_WIDE, **_HALF_MARKS, **_BLANKS}

FORM_CLASS = "\\t" + "".join(f"\\u{code:04x}" for code in sorted(_FOLDED))
_NO_FORM = re.compile(f"[^{FORM_CLASS}]*+")
# Chinese paragraphs begin with two wide blanks; code never does.
_PARAGRAPH = re.compile("(?m)^\u3000+")
# In several lines, in a row of a table and beside code in back-ticks blanks have a meaning.
_LAID_OUT = re.compile(r"[\n`]| \| ")
_FENCED = re.compile(r"(?s)(```.*?(?:```|\Z))")
_SPACES = re.compile("[ \t]+")
_LINE_END = re.compile(r"(?<![ \t])[ \t]+(?=\n)")
_EMPTY_LINES = re.compile(r"\n{3,}")


def mend_mojibake(text: str) -> str:
    """Undo a reading of UTF-8 in a one-byte encoding, in the whole turn or a part of it.

    "Itâ€™s" gives "It’s", "他说：ä½\u00a0å¥½" "他说：你好", "ĺ¤§ĺŽśĺĽ˝" "大家好"; "déjà vu" stays.
    """
    if not _MANGLED.search(text):
        return text
    # Strict UTF-8 from end to end is no accident, and ftfy is careful with Latin-2.
    for encoding in _ENCODINGS:
        try:
            return text.encode(encoding).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
    from ftfy import fix_encoding

    return fix_encoding(text)


LOST = "锟斤拷"
_ABOUT_LOST = re.compile(
    f"[编乱解]码|[“\"「『‘'《]{LOST}|{LOST}(?:是|的意思)|(?:是|叫|出现){LOST}(?!锟)"
)


def is_damaged(text: str) -> bool:
    """Say whether a character of a turn was lost before it came here.

    U+FFFD stands where bytes could not be decoded, and 锟斤拷 is two of them read as GBK;
    "锟斤拷是什么意思" is talk of it.
    """
    return "\ufffd" in text or (LOST in text and not _ABOUT_LOST.search(text))


def remove_control_characters(text: str) -> str:
    """Remove what shows nothing, and write every line end as a newline.

    Joiners and variation selectors stay inside emoji ("👩‍🚀", "❤️"), tags inside flags, joiners
    between letters of scripts that need them. U+FFFD stays to be seen by `is_damaged`.
    """
    if _NO_CONTROL.fullmatch(text):
        return text
    text = _NEW_LINE.sub("\n", text)
    return _KEPT_OR_NOT.sub(_kept, text)


def is_tidy(text: str) -> bool:
    """Say whether blanks and newlines are as `normal_forms` leaves them, tabs apart.

    There is then no blank at an end and none before a newline; no double blank in a turn of one
    line; no more than one empty line in a row outside code.
    """
    if "\n" in text:
        return " \n" not in text and "\n\n\n" not in text and trimmed(text) == text
    return text.strip() == text and ("  " not in text or _LAID_OUT.search(text) is not None)


def normal_forms(text: str) -> str:
    r"""Write a turn in NFC, letters and digits in half width, one blank where there are many.

    "Ｈｅｌｌｏ，　１２３！" gives "Hello， 123！". Blanks and tabs stay in turns of several lines
    and beside ` and " | ", but at the ends of lines: "if x:\n    y = 1" stays.
    """
    if not _NO_FORM.fullmatch(text):
        text = _PARAGRAPH.sub("", text).translate(_FOLDED)
    if not is_normalized("NFC", text):
        text = normalize("NFC", text)
    return text if "\t" not in text and is_tidy(text) else _tidy(text)


def _tidy(text: str) -> str:
    text = trimmed(text)
    if not _LAID_OUT.search(text):
        return _SPACES.sub(" ", text)
    parts = _FENCED.split(_LINE_END.sub("", text))
    # Every other part is code, with empty lines of its own.
    parts[::2] = [_EMPTY_LINES.sub("\n\n", part) for part in parts[::2]]
    return trimmed("".join(parts))


def _kept(match: re.Match[str]) -> str:
    if match[1] is not None:
        return match[1]
    return "\ufffd" if match[0] == "\ufffd" else ""

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One width for each mark: full in Chinese text, half in English.

"?" beside "？" is one thing in two tokens. What is no mark of the sentence stays: numbers, times,
addresses, names in file:line, code, faces, and the dot that parts a name (约翰.史密斯).
"""

from __future__ import annotations

import re

from data_builders.cleaning.kaomoji import remove_kaomoji
from data_builders.cleaning.settling import settled
from data_builders.language import guess_language

_HAN = r"\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAN_LETTER = re.compile(f"[{_HAN}]")
_ASCII_MARK = re.compile(r"[?!,.;:()]")
_WIDE_MARK = re.compile("[！（），：；？。、]")
_WIDE = str.maketrans("?!,;:", "？！，；：")
_ASCII = str.maketrans("！（），：；？。、", "!(),:;?.,")

# Their marks are their own; a face (":D", ";-)") is drawn with some.
_ADDRESS = r"(?:https?://|ftp://|www\.)[!-~]+|[\w.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+"
_FACE = r"[:;][-'^o]?[()DPpOo/\\\[\]](?![A-Za-z0-9])"
# What a mark of a Chinese sentence may follow: a character, or another such mark.
_BEFORE = rf"[{_HAN}。，、！？；：）」』》】”’…～〉〕~]"
_ADDRESSES = re.compile(_ADDRESS)
# A blank after a half-width mark is part of it: "你好, 你呢".
_CHINESE = re.compile(
    rf"(?P<kept>{_ADDRESS}|{_FACE})"
    r"|(?P<bracket>(?<![A-Za-z0-9_])\([^()（）\n]*[)）]|（[^()（）\n]*\))"
    rf"|(?P<marks>(?<={_BEFORE})[?!,.;:]+) ?"
    rf'|(?P<between>(?<=[A-Za-z0-9%"])[?!,]+|(?<!\.)\.{{2,}}) ?(?=[{_HAN}])'
    r'|(?P<last>(?<=[A-Za-z0-9%"])[?!]+$)'
)
_IN_BRACKETS = re.compile(rf"[{_HAN}\w][{_HAN}\w，。！？：；、…·“”《》 ,.?!:;%/~～-]*")
_MARK = re.compile(r"\.{2,}|.")
_ENGLISH = re.compile("（|[！），：；？。、]+")


def is_unified(text: str) -> bool:
    """Say at a glance whether no mark can be of the other width.

    Args:
        text: One turn.

    Returns:
        False also for some texts that `unify_punctuation` leaves alone.
    """
    if text.isascii():
        return True
    return not (_ASCII_MARK if _HAN_LETTER.search(text) else _WIDE_MARK).search(text)


@settled
def unify_punctuation(text: str) -> str:
    """Write the marks of Chinese in full width, and those of English in half width.

    Args:
        text: One turn; neither Chinese nor English by its letters, or with a block of code, it
            stays.

    Returns:
        "在吗?在的,3.5米..." gives "在吗？在的，3.5米……", "Yes！I am。" gives "Yes! I am.".
    """
    if is_unified(text) or "```" in text:
        return text
    language = guess_language((_ADDRESSES.sub("", text),))
    if language == "zh":
        return _CHINESE.sub(_full_width, text)
    if language == "en" and not _HAN_LETTER.search(text):
        return _ENGLISH.sub(_half_width, text)
    return text


def _full_width(match: re.Match[str]) -> str:
    if match["kept"] is not None:
        return match[0]
    if match["bracket"] is not None:
        return _bracket(match[0])
    marks = match["marks"] or match["between"] or match["last"]
    widened = "".join(_widened(mark) for mark in _MARK.findall(marks))
    # "约翰.史密斯", "百度.com": a dot with no blank after it ends no sentence.
    if widened.endswith("。") and match[0] == marks and _goes_on(match):
        return widened[:-1] + "."
    return widened


def _widened(mark: str) -> str:
    if mark == ".":
        return "。"
    return "……" if mark.startswith(".") else mark.translate(_WIDE)


def _goes_on(match: re.Match[str]) -> bool:
    return match.string[match.end() : match.end() + 1].isalnum()


def _bracket(text: str) -> str:
    inner = text[1:-1]
    if not _HAN_LETTER.search(inner) or not _IN_BRACKETS.fullmatch(inner):
        return text
    return f"（{inner}）" if remove_kaomoji(text) == text else text


def _half_width(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()] if match.start() else ""
    after = match.string[match.end() : match.end() + 1]
    if match[0] == "（":
        return " (" if before.isalnum() else "("
    marks = match[0].translate(_ASCII)
    number = before.isdigit() and after.isdigit()
    return f"{marks} " if after.isalnum() and not number else marks

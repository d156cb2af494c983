# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What stands where something is missing: a whole text (#N/A, [deleted], 如题), or a name in one.

Nothing here needs more than a string, so that readers of every container share it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence

# Blanks, quotes and brackets around them do not count, nor does case.
_WRAPPING = str.maketrans("", "", " \t\r\n\"'`“”‘’「」<>《》()（）[]【】{}\\|.。")
_LONGEST = 60
# What programs leave, people's deleted messages, and files that are no text.
_LEFT_BY_PROGRAMS = frozenset(
    "#n/a #na #name? #name #value! #value #ref! #ref #div/0! #div/0 #num! #num #null! #null "
    "#error! n/a null nan undefined noinput nooutput deleted removed deletedbyuser "
    "removedbymoderator thismessagewasdeleted youdeletedthismessage "
    "此消息已删除 该消息已删除 消息已删除 原帖已删除 该内容已被删除 此内容已被删除 "
    "image audio video photo picture sticker gif attachment mediaomitted imageomitted "
    "videoomitted audioomitted stickeromitted gifomitted documentomitted "
    "图片 图像 语音 视频 动画表情 表情包 文件 链接".split()
)
_SAME_AS_TITLE = frozenset("如题 同题 同上 同标题 如标题 见标题 rt".split())
# What a placeholder begins with, and blank texts: most texts need no second look.
BEGINNINGS = frozenset(
    first for name in _LEFT_BY_PROGRAMS | _SAME_AS_TITLE for first in (name[0], name[0].upper())
) | frozenset(" \t\r\n\f\v\u3000\u00a0\"'`“”‘’「」<>《》()（）[]【】{}\\|.。=&")
# A word of these is a turn of talk, unless it is written as a mark: <image>, [图片], [deleted].
_WORDS = frozenset(
    "undefined deleted removed image audio video photo picture sticker gif attachment "
    "图片 图像 语音 视频 动画表情 表情包 文件 链接".split()
)
# "没有" and "None." answer a question; in a field that need not be filled they fill it.
_IN_FIELDS = frozenset(
    "none na nil noinputrequired noinputneeded noinputnecessary noinputprovided noinputgiven "
    "notapplicable 无输入 没有输入 无需输入 不需要输入 无须输入 不适用 没有 无 暂无".split()
)
_EMPTY_MARKS = frozenset((".", "。", '""', "''", "``", "“”", "-", "--", "—", "——", "/", "\\N"))
# "=VLOOKUP(A2,B:C,2,0)", "=A1+B1", "=-B2"; "=_=" and "= 3" are something else.
_FORMULA = re.compile(
    r"=[-+@(]*(?:[A-Z][A-Z0-9.]{1,20}\(.{0,1000}|\$?[A-Z]{1,3}\$?\d{1,7}\b.{0,1000})", re.S
)
# Here a formula, NULL or nan is what was asked for.
_ASKED_FOR_CODE = re.compile(
    r"(?i)formula|excel|spreadsheet|\bsheets?\b|\bcells?\b|\bsql\b|python|pandas|numpy|javascript|"
    r"\bcode\b|program|output|print|return|null|\bnan\b|公式|表格|单元格|函数|代码|程序|输出|返回|编程"
)
# Python writes nothing as "None"; people answer so, without a full stop, only where these are.
_ASKED_HOW_MANY = re.compile(
    r"(?i)\bhow (?:many|much)\b|\bwhich\b|\bany|\b(?:is|are) there\b|\bdo you have\b"
    r"|多少|几|哪|有没有"
)

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_NAME = re.compile(
    r"%[A-Za-z_]{2,30}%|\{\{?(?!br\})[A-Za-z_]{2,30}\}?\}|@?\[[a-z_]{0,9}name\]"
    # "xx和xx" beside Chinese, three of them anywhere; "ooxx", "XXL" are words.
    r"|(?<![A-Za-z0-9])[Xx]{3,}(?![A-Za-z0-9])"
    rf"|(?<=[{_HAN}])(?:XX|xx)(?![A-Za-z0-9])|(?<![A-Za-z0-9])(?:XX|xx)(?=[{_HAN}])"
    r"|(?<!\*)\*{4,}(?!\*)"
    # A letter no language writes alone, such as Ṅ: what one robot put for its name and age.
    r"|(?<!\w)[\u1e00-\u1e95](?!\w)"
    rf"|(?<=[{_HAN}])[\u1e00-\u1e95](?![A-Za-z\u00c0-\u1eff])|(?<![A-Za-z\u00c0-\u1eff])"
    rf"[\u1e00-\u1e95](?=[{_HAN}])"
    # Where a character was lost between two others: "有`號".
    rf"|(?<=[{_HAN}]) ?` ?(?=[{_HAN}])"
)


def is_placeholder(text: str) -> bool:
    """Say whether a field that need not be filled has nothing in it, whatever the container.

    So have "", "N/A", "<noinput>", "无", "None", and what `is_missing_turn` knows.
    """
    if len(text) > _LONGEST:
        return _is_formula(text)
    bare = _bare(text)
    if bare in _IN_FIELDS or text.strip() in _EMPTY_MARKS:
        return True
    return not text.strip() or is_missing_turn(text)


def is_missing_turn(text: str, before: Sequence[str] = ()) -> bool:
    """Say whether a turn is only a mark that something is missing: "#N/A", "NULL", "[deleted]".

    "无", "没有" and "None." are answers; so are "NULL" and "=SUM(A1:A9)" after turns about code or
    tables.
    """
    if text and text[0] not in BEGINNINGS:
        return False
    if len(text) > _LONGEST:
        missing = _is_formula(text)
    elif text.strip() == "None":
        missing = bool(before) and not _ASKED_HOW_MANY.search(before[-1])
    else:
        bare = _bare(text)
        missing = bare in _SAME_AS_TITLE or _is_formula(text)
        if bare in _LEFT_BY_PROGRAMS:
            # "Nan" is a grandmother, "Removed" and "图片" are words.
            missing = text.strip() != "Nan" and (bare not in _WORDS or _is_marked(text))
    return missing and not (before and _ASKED_FOR_CODE.search(before[-1]))


def find_placeholder(text: str) -> str:
    """Give what stands where a name is missing in a turn, of "我是%name%" "%name%"; or ""."""
    match = _NAME.search(text)
    return match[0] if match else ""


def placeholder_filler(words: Mapping[str, str]) -> Callable[[str], str]:
    """Give the function that puts words for placeholders.

    One that begins or ends with a Latin letter or a digit is a whole word: "XXX" is not in "XXXL".
    """
    pattern = re.compile("|".join(map(_whole, sorted(words, key=len, reverse=True))))

    def fill_placeholders(text: str) -> str:
        return pattern.sub(lambda match: words[match[0]], text)

    return fill_placeholders


def _bare(text: str) -> str:
    return html.unescape(text).translate(_WRAPPING).lower()


def _is_marked(text: str) -> bool:
    return html.unescape(text).strip()[:1] in "<[(（【{《「"


def _is_formula(text: str) -> bool:
    return text.startswith("=") and _FORMULA.fullmatch(text.strip()) is not None


def _whole(placeholder: str) -> str:
    begin = "(?<![A-Za-z0-9])" if re.match("[A-Za-z0-9]", placeholder) else ""
    end = "(?![A-Za-z0-9])" if re.search("[A-Za-z0-9]$", placeholder) else ""
    return begin + re.escape(placeholder) + end

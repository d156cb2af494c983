# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Names that a corpus has left blank: %robotname%, XXX, {name}, ******."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_PLACEHOLDER = re.compile(
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


def find_placeholder(text: str) -> str:
    """Look for what stands where something is missing.

    Args:
        text: One turn, cleaned.

    Returns:
        The first one found, or "": "我是%name%" gives "%name%".
    """
    match = _PLACEHOLDER.search(text)
    return match[0] if match else ""


def placeholder_filler(words: Mapping[str, str]) -> Callable[[str], str]:
    """Give the function that puts words for placeholders.

    Args:
        words: What to put for each; none holds a placeholder itself.

    Returns:
        A pure function of one text. A placeholder that begins or ends with a Latin letter or a
        digit is found as a whole word: "XXX" is not in "XXXL".
    """
    pattern = re.compile("|".join(map(_whole, sorted(words, key=len, reverse=True))))

    def fill_placeholders(text: str) -> str:
        return pattern.sub(lambda match: words[match[0]], text)

    return fill_placeholders


def _whole(placeholder: str) -> str:
    begin = "(?<![A-Za-z0-9])" if re.match("[A-Za-z0-9]", placeholder) else ""
    end = "(?![A-Za-z0-9])" if re.search("[A-Za-z0-9]$", placeholder) else ""
    return begin + re.escape(placeholder) + end

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Traditional Chinese to simplified, through OpenCC."""

from __future__ import annotations

import re
from collections.abc import Callable

from data_builders.errors import UserError

# OpenCC's `t2s` leaves 著 alone, which Taiwan writes for 着 ("看著你"); its `tw2s` takes care of
# that, but spoils text that is simplified already (么 -> 幺, 显著 -> 显着). So `t2s` it is, and 著
# is turned unless it belongs to one of the words in which simplified Chinese has it too. 妳 and 牠
# OpenCC leaves alone as well.
_ASPECT = re.compile("(?<![原名巨专土显卓昭编译遗拙合论所撰])著(?![作名称者述书录]|有《|《)")
_PRONOUNS = str.maketrans("妳牠", "你它")


def load_simplifier() -> Callable[[str], str]:
    """Give the function that turns traditional Chinese into simplified.

    Returns:
        A pure function: "妳看著我" gives "你看着我"; simplified text stays.

    Raises:
        UserError: If the package `opencc` is not there.
    """
    try:
        from opencc import OpenCC
    except ImportError:
        raise UserError(
            "`to_simplified` needs the package OpenCC, which is not installed. Install it with "
            '`pip install "tfchat-hf[opencc]"`, or leave `to_simplified` off.'
        ) from None
    convert = OpenCC("t2s").convert

    def to_simplified(text: str) -> str:
        if text.isascii():
            return text
        text = convert(text).translate(_PRONOUNS)
        return _ASPECT.sub("着", text) if "著" in text else text

    return to_simplified

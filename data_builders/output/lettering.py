# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The letters of pictures: in the language of the user where a font has them, else in English.

The font that comes with matplotlib has no Chinese characters and draws boxes in their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from data_builders.translation import speaking, spoken_language

# As matplotlib calls them, the first that is found is taken. Latin letters are in all of them.
CHINESE_FONTS = (
    *("Noto Sans CJK SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Sans CJK JP"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "PingFang SC", "PingFang HK", "Hiragino Sans GB"),
    *("Heiti TC", "Microsoft YaHei", "SimHei"),
)
_FILES = re.compile(r"(?i)(cjk|sourcehan|wqy|pingfang|hiragino|heiti|msyh|simhei)[^/\\\\]*$")
# What each of them has: Latin letters, Chinese characters and their marks.
_DRAWN = re.compile(r"[\x20-\x7e\u3001-\u301f\u4e00-\u9fff\uff01-\uff5e]+")


@contextmanager
def lettering() -> Iterator[None]:
    """Draw in the language of the user, or speak English where no font has its letters.

    Texts take their font when they are made, those of the axes when the picture is saved.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    import matplotlib

    font = chinese_font()
    # The minus sign of matplotlib is not in all of them.
    letters = {"font.family": [font], "axes.unicode_minus": False} if font else {}
    with speaking("zh" if font else "en"), matplotlib.rc_context(letters):
        yield


def chinese_font() -> str | None:
    """Name a font for Chinese, where that is spoken and one is installed."""
    if spoken_language() != "zh":
        return None
    from matplotlib import font_manager

    known = font_manager.fontManager
    if not _first_of(known.ttflist):
        # Its list is of the day when matplotlib was first used here.
        for path in filter(_FILES.search, font_manager.findSystemFonts()):
            with suppress(OSError, RuntimeError):  # a broken file
                known.addfont(path)
    return _first_of(known.ttflist)


def _first_of(fonts: Iterable[Any]) -> str | None:
    installed = {font.name for font in fonts}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def can_be_drawn(name: str) -> bool:
    """Tell, within `lettering`, whether a name is no boxes in a picture."""
    is_known = name.isascii() or spoken_language() == "zh"
    return is_known and _DRAWN.fullmatch(name) is not None

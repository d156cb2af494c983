# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Takes ` and - from the ends of Chinese lines, where a corpus has put them for lost characters."""

from __future__ import annotations

import re

from data_builders.cleaning.settling import settled

_HAN_LETTER = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
# "-_-" and "^-^" are faces, "-5度" is a number, and "`ls`" is code.
_TRAILING = re.compile(r"(?:(?<=[^\W_])|(?<=[。，！？；：…”」』》）)~～?!,.])) ?(?:[`-] ?)*[`-]$")
_LEADING = re.compile(r"^[`-](?: ?[`-])* ?(?=[^\W\d_])")
_CODE = re.compile(r"`[^`\n]*[A-Za-z][^`\n]*`")


@settled
def remove_stray_marks(text: str) -> str:
    """Take single back-ticks and hyphens from both ends of a Chinese text.

    Args:
        text: One turn; without Chinese characters, or with code in back-ticks, it stays.

    Returns:
        "- 你笑了嗎 ` -" gives "你笑了嗎".
    """
    if not text.endswith(("`", "-")) and not text.startswith(("`", "-")):
        return text
    if not _HAN_LETTER.search(text) or _CODE.search(text):
        return text
    return _LEADING.sub("", _TRAILING.sub("", text))

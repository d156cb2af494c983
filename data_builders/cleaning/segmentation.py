# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Joins Chinese that was split into characters or words by spaces, and leaves English alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# What needs no space beside it: Han, kana, bopomofo, CJK and full-width marks, “”‘’—…·.
_WIDE = rf"{_HAN}\u2014\u2018\u2019\u201c\u201d\u2026\u00b7\u3001-\u30ff\u3100-\u312f\uff01-\uffef"
# Words keep a space between each other; anything else is a mark.
_MARK = r"(?:[^\w\s]|_)"
_SPACES = re.compile("  +")
_HAS_WIDE = re.compile(f"[{_WIDE}]")
_JOINED = re.compile(
    " (?:"
    # Beside Chinese, on either side.
    rf"(?<=[{_WIDE}] )|(?=[{_WIDE}])"
    # Between two marks ("! ! !"), before one that closes, after one that opens.
    rf"|(?:(?<=[^\w\s] )|(?<=_ ))(?={_MARK})|(?=[,.!?;:%)\]}}])|(?<=[(\[{{] )"
    # A decimal point, or a colon in a time: the space before it is gone by the rule above.
    r"|(?<=\d[.:] )(?=\d)|(?<=\d [.:] )(?=\d)"
    ")"
)
_HAN_PAIR = re.compile(f"(?=[{_HAN}]( *)[{_HAN}])")
# Words of Chinese have 1.5 to 1.7 characters, so about 0.6 of the gaps between characters hold a
# space (0.57 to 0.66 over four corpora split by words, 1.0 over those split by characters).
# Where a space stands for a pause it is below 0.05.
_SEGMENTED_SHARE = 0.35
_PAIRS_ENOUGH = 20_000


def looks_segmented(texts: Sequence[str]) -> bool:
    """Say whether the Chinese of some texts was split by spaces, into characters or words.

    Args:
        texts: Some hundred turns of one file.

    Returns:
        Whether over a third of the places between two Chinese characters hold a space. False
        for texts without Chinese, and where a space is but a pause ("爸爸  你喝了多少酒").
    """
    split = pairs = 0
    for text in texts:
        for match in _HAN_PAIR.finditer(text):
            pairs += 1
            split += bool(match[1])
        if pairs >= _PAIRS_ENOUGH:
            break
    return split > _SEGMENTED_SHARE * pairs


def join_segmented(text: str) -> str:
    """Take the spaces out of Chinese that was split into characters or words.

    Spaces between two Latin words or numbers stay, and so does a turn without any Chinese.
    Where *every* token is one character ("O K 啦", "我 1 8 岁") letters and digits were split too
    and are joined.

    Args:
        text: One turn of a corpus that is known to be split.

    Returns:
        "我 用 iPhone 12 手机 听 Taylor Swift 。" gives "我用iPhone 12手机听Taylor Swift。".
    """
    if " " not in text:
        return text
    if _all_single(text):
        return text.replace(" ", "")
    if not _HAS_WIDE.search(text):
        return text
    return _JOINED.sub("", _SPACES.sub(" ", text))


def _all_single(text: str) -> bool:
    tokens = [token for token in text.split(" ") if token]
    # Sorted out first: nearly all turns have more characters than that.
    return len(text) < 2 * len(tokens) + 2 and all(len(token) == 1 for token in tokens)

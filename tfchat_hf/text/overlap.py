# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Words and characters for counting, and how many of them two texts share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

# A Chinese character is a token, a Latin word or number is one, and so is any other visible sign.
_TOKEN = re.compile(
    r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W_\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+(?:['’][^\W\d_]+)*"
    r"|\S"
)


def metric_tokens(text: str) -> list[str]:
    """Split a text for counting: Chinese by character, the rest by word.

    >>> metric_tokens("我不能。I can't 2 times")
    ['我', '不', '能', '。', 'I', "can't", '2', 'times']
    """
    return _TOKEN.findall(text)


def token_f1(reply: str, references: Sequence[str]) -> float:
    """Return the overlap of words with the best reference (F1 of ConvAI2; Dinan et al., 2019).

    Words are `metric_tokens` in lower case without punctuation, and each counts as often as
    both texts have it.
    """
    if reply in references:
        return 1.0
    words = Counter(plain_words(reply))
    best = 0.0
    for reference in references:
        known = Counter(plain_words(reference))
        both = (words & known).total()
        if both:
            best = max(best, 2 * both / (words.total() + known.total()))
    return best


def plain_words(text: str) -> list[str]:
    """List the words and characters of a text, in lower case and without punctuation."""
    return [token for token in metric_tokens(text.casefold()) if token[0].isalnum()]

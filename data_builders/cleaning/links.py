# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Takes out web addresses and e-mail addresses."""

from __future__ import annotations

import re

from data_builders.cleaning.settling import cut, settled

# ASCII only, for Chinese goes on right after an address; the last one is no punctuation, for
# that belongs to the sentence.
_ADDRESS = r"[A-Za-z0-9\-._~:/?#@!$&*+,;=%|^()\[\]]*[A-Za-z0-9/_\-=&#%~+@$]"
_TOP_LEVEL = (
    "ac|ai|app|biz|br|ca|cc|ch|cn|co|com|de|dev|edu|es|eu|fr|gl|gov|hk|in|info|io|it|jp|kr|ly|me|"
    "mil|mobi|net|nl|org|ru|sg|site|top|tv|tw|uk|us|vip|xyz"
)
_URL = (
    rf"(?:https?|ftp|ed2k|thunder)://{_ADDRESS}"
    rf"|(?<![A-Za-z0-9@.])www\.[A-Za-z0-9\-]+\.[A-Za-z](?:{_ADDRESS})?"
    rf"|(?<![A-Za-z0-9@.\-/])(?:[A-Za-z0-9\-]{{1,63}}\.){{1,4}}(?:{_TOP_LEVEL})(?::\d+)?/"
    rf"(?:{_ADDRESS})?"
)
_MAIL = (
    r"(?<![A-Za-z0-9_.+\-])[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,4}[A-Za-z]{2,10}"
    r"(?![A-Za-z0-9])"
)
_PICTURE = re.compile(rf"!\[[^\[\]\n]*\]\((?:{_URL})\)", re.ASCII)
_NAMED_LINK = re.compile(rf"\[([^\[\]\n]*)\]\((?:{_URL})\)", re.ASCII)
_LINK = re.compile(rf"<(?:{_URL}|{_MAIL})>|\((?:{_URL})\)|{_URL}|{_MAIL}", re.ASCII)


@settled
def remove_links(text: str) -> str:
    """Take out URLs (http, www., a domain with a path) and e-mail addresses.

    Of `[words](address)` the words stay. A bare domain ("example.com") is a name and stays.

    Args:
        text: One turn.

    Returns:
        "看 https://a.example/b?c=1 吧" gives "看 吧".
    """
    # One of these is in each, and they are rare in talk.
    if "/" not in text and "@" not in text and "www." not in text.lower():
        return text
    if "](" in text:
        text = _NAMED_LINK.sub(r"\1", cut(_PICTURE, text))
    return cut(_LINK, text)

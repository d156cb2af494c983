# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The one error of both packages that is meant for a user, and names made fit to be shown."""

import unicodedata

from data_builders.translation import _

# Two of the marks that steer text are letters to Persian and to emoji.
_LETTERS = "\u200c\u200d"
_STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")


class UserError(ValueError):
    """What a user can put right: commands print its text as it is, and no traceback.

    Args:
        text: English, looked up as `_` does: a literal, so that it can be found.
        values: What stands for ``{name}`` in it.
    """

    def __init__(self, text: str = "", **values: object) -> None:
        """Say it in the language of the user."""
        super().__init__(_(text, **values))

    def __str__(self) -> str:
        """Give the text, in which no name can steer the terminal."""
        return shown_lines(super().__str__())


def shown_lines(text: str) -> str:
    """Make a text of several lines fit for a terminal, as `shown` does a name."""
    return "\n".join(map(shown, text.split("\n")))


def shown(name: object) -> str:
    """Make the name of a file or a source fit for a terminal, a card and a file of UTF-8.

    Args:
        name: Any name; bytes that are not UTF-8 stand in it as lone surrogates.

    Returns:
        The same on one line, with such bytes read as GB18030 or else escaped, and with characters
        that control a terminal or the direction of text escaped.
    """
    text = str(name)
    if text.isprintable():
        return text
    if any("\ud800" <= c <= "\udfff" for c in text):
        raw = text.encode("utf-8", "surrogateescape" if _is_escaped(text) else "backslashreplace")
        try:
            text = raw.decode("gb18030")
        except UnicodeDecodeError:
            text = raw.decode("utf-8", "backslashreplace")
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in _STEERING and c not in _LETTERS
        else c
        for c in text
    )


def _is_escaped(text: str) -> bool:
    return not any("\ud800" <= c <= "\udc7f" or "\udd00" <= c <= "\udfff" for c in text)

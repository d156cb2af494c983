# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The language in which commands, cards and pictures speak: English, or Chinese by a catalogue.

Texts are written in English in the code, as `_("{name} is empty.", name=path)`, and looked up when
they are shown. `zh.po` beside this file is the one catalogue; `make translations` brings it up to
date with the code and compiles it.
"""

from __future__ import annotations

import argparse
import gettext
import os
from collections.abc import Mapping
from pathlib import Path

LANGUAGES = ("en", "zh")
# As gettext reads them: the first that is set decides.
_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

_spoken = "en"
_catalogue = gettext.NullTranslations()


def language_of(environment: Mapping[str, str]) -> str:
    """Return the language that a locale asks for: ``zh`` for every Chinese one, else ``en``."""
    asked = next((environment[name] for name in _VARIABLES if environment.get(name)), "")
    return "zh" if asked.lower().startswith("zh") else "en"


def use_language(language: str) -> None:
    """Speak one of `LANGUAGES` from now on."""
    global _spoken, _catalogue
    _spoken = language
    _catalogue = gettext.NullTranslations()
    if language != "en":
        with (Path(__file__).parent / f"{language}.mo").open("rb") as file:
            _catalogue = gettext.GNUTranslations(file)


def spoken_language() -> str:
    """Return the language in which texts are shown now."""
    return _spoken


def _(text: str, **values: object) -> str:
    """Return a text in the language of the user, with values in the places of their names.

    Args:
        text: English, and the key of the catalogue. A literal, so that it can be found.
        values: What stands for ``{name}`` in it. Without any, braces are only braces.
    """
    # The header of a catalogue is filed under the empty text.
    found = _catalogue.gettext(text) if text else text
    return found.format(**values) if values else found


def counted_text(one: str, many: str, number: int, **values: object) -> str:
    """Return the first text for one and the second for more, with ``{number}`` in its place."""
    return _catalogue.ngettext(one, many, number).format(number=number, **values)


def joined(*sentences: str) -> str:
    """Put sentences one after the other: with a blank between them, which Chinese has not."""
    return ("" if _spoken == "zh" else " ").join(sentences)


use_language(language_of(os.environ))
# The words of argparse itself ("usage", "expected one argument") have no other door.
vars(argparse)["_"] = _

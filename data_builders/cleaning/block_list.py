# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Finds the terms of a block list, however many there are, in time that grows with the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add
from pathlib import Path

from data_builders.errors import UserError
from data_builders.translation import reason_of

_LATIN = r"a-z0-9\u00df-\u00f6\u00f8-\u024f"
_WORD = re.compile(f"[{_LATIN}]+")
# Terms made of Latin words and marks between them; all others may stand anywhere.
_ALL_LATIN = re.compile(f"[{_LATIN}][{_LATIN}\\s!-~’]*")
_COMMENT = re.compile(r"(?:^|\s)#.*")


class BlockList:
    """Terms that no turn may hold.

    A term of Latin letters and digits is found as whole words, whatever the case ("ass" is not
    in "class", but is in "你个ASS"); any other anywhere. Texts are looked up by their words and by
    their pairs of characters, so 5,000 terms cost no more than 5.

    Attributes:
        size: How many terms there are.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        """Sort the terms by what finds them."""
        lowered = {" ".join(term.lower().split()) for term in terms} - {""}
        self.size = len(lowered)
        self._words: dict[str, list[tuple[str, re.Pattern[str] | None]]] = {}
        self._pairs: dict[str, list[str]] = {}
        self._characters: set[str] = set()
        self._ascii_pairs = False
        for term in sorted(lowered):
            self._add(term)

    def find(self, text: str) -> str:
        """Give a term that is in a turn, or ""."""
        text = text.lower()
        found = ""
        if self._characters and not self._characters.isdisjoint(text):
            found = next(character for character in text if character in self._characters)
        if not found and self._words:
            found = self._word_in(text)
        if not found and self._pairs and (self._ascii_pairs or not text.isascii()):
            found = self._pair_in(text)
        return found

    def _add(self, term: str) -> None:
        if _ALL_LATIN.fullmatch(term):
            first = _WORD.findall(term)[0]
            whole = None if first == term else _whole_words(term)
            self._words.setdefault(first, []).append((term, whole))
        elif len(term) == 1:
            self._characters.add(term)
        else:
            self._pairs.setdefault(term[:2], []).append(term)
            self._ascii_pairs |= term.isascii()

    def _word_in(self, text: str) -> str:
        words = _WORD.findall(text)
        if self._words.keys().isdisjoint(words):
            return ""
        for word in dict.fromkeys(words):
            for term, whole in self._words.get(word, ()):
                if whole is None or whole.search(text):
                    return term
        return ""

    def _pair_in(self, text: str) -> str:
        pairs = self._pairs
        # All in C, and most turns end here.
        if pairs.keys().isdisjoint(map(add, text, text[1:])):
            return ""
        for start in range(len(text) - 1):
            for term in pairs.get(text[start : start + 2], ()):
                if text.startswith(term, start):
                    return term
        return ""


def load_block_list(path: str | Path, steps: Sequence[Callable[[str], str]] = ()) -> BlockList:
    """Read a block list: a UTF-8 file, one term a line, comments after `#`.

    `steps` is the cleaning that turns go through, to be done to the terms as well: a term in full
    width or traditional characters finds what it means.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            "`block_list`: {path} cannot be read ({reason}). Give the path of a text file with "
            "one term a line.",
            path=path,
            reason=reason_of(error),
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(
            "`block_list`: {path} is not UTF-8 (byte {number}). Save it as UTF-8.",
            path=path,
            number=error.start,
        ) from None
    block_list = BlockList(read_terms(text, steps))
    if not block_list.size:
        raise UserError(
            "`block_list`: {path} has no term. Write one a line, or leave it out.", path=path
        )
    return block_list


def read_terms(text: str, steps: Sequence[Callable[[str], str]] = ()) -> Iterator[str]:
    """Yield the terms of a list, one a line, which may be empty; `steps` are done to each."""
    for line in text.splitlines():
        term = _COMMENT.sub("", line).strip()
        for step in steps:
            term = step(term)
        yield term


def _whole_words(term: str) -> re.Pattern[str]:
    body = r"\s+".join(re.escape(word) for word in term.split())
    return re.compile(rf"(?<![{_LATIN}]){body}(?![{_LATIN}])")

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Cutting text into words: jieba's for Chinese, letters with the blank before them for the rest."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Regex, pre_tokenizers

from data_builders.errors import UserError

# Han characters as the inside of a character class. Written out, and not as \p{Han}, because
# Python's `re` and the tokenizer's own engine must agree on it.
HAN_CHARACTERS = (
    "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U000323af"
)
HAN = re.compile(f"[{HAN_CHARACTERS}]")

# A piece never joins Han with anything else; words that do (T恤) come from jieba alone.
_PIECE_PATTERN = "|".join(
    (
        f"[{HAN_CHARACTERS}]+",
        r"['’](?i:ll|ve|re|[sdmt])(?![\p{L}\p{M}])",  # don't -> don + 't
        rf" ?[[\p{{L}}\p{{M}}]&&[^{HAN_CHARACTERS}]]+",
        rf" ?[\p{{N}}&&[^{HAN_CHARACTERS}]]{{1,3}}",
        r"\s+(?!\S)",  # leaves the last blank to the word after it
        r"\s+",
        r"[^\s\p{L}\p{M}\p{N}]",  # punctuation marks and symbols, one by one
    )
)
_TOUCHING = re.compile(f"[A-Za-z0-9][{HAN_CHARACTERS}]|[{HAN_CHARACTERS}][A-Za-z0-9]")
_DICTIONARY_LINE = re.compile(r"(\S+)(?:\s+([0-9]+))?(?:\s+(\S+))?")


class WordCutter:
    """Cuts texts into words, which join to the text again.

    jieba runs without its hidden Markov model: that one invents words the dictionary does not
    hold, differently with every context.

    Attributes:
        frequencies: jieba's words with their frequencies, the user's among them; 0 stands for
            the mere beginning of a word.
        total: the sum of the frequencies.
        user_words: what the user's dictionaries hold, in their order.
    """

    def __init__(self, segmenter: Any, user_words: list[str]) -> None:
        """Wrap a `jieba.Tokenizer` that has read its dictionaries."""
        self._segmenter = segmenter
        self._splitter = pre_tokenizers.Split(Regex(_PIECE_PATTERN), "isolated")
        self.frequencies: Mapping[str, int] = segmenter.FREQ
        self.total: int = segmenter.total
        self.user_words = user_words

    def log_probability(self, word: str) -> float:
        """Return log(frequency / total); what the dictionary lacks has frequency 1, as in jieba.

        Args:
            word: any word.
        """
        return math.log(self.frequencies.get(word) or 1) - math.log(self.total)

    def jieba_words(self, text: str) -> list[str]:
        """Cut one text as jieba does: blanks alone, runs of letters whole.

        Args:
            text: any text.
        """
        return list(self._segmenter.cut(text, HMM=False))

    def cut(self, text: str) -> list[str]:
        """Cut one text.

        Args:
            text: any text.
        """
        if not _TOUCHING.search(text):
            return self._cut_unmixed(text)
        words: list[str] = []
        begin = end = 0
        for word in self.jieba_words(text):
            if _TOUCHING.search(word):
                words += self._cut_unmixed(text[begin:end])
                words.append(word)
                begin = end + len(word)
            end += len(word)
        return words + self._cut_unmixed(text[begin:])

    def _cut_unmixed(self, text: str) -> list[str]:
        """Cut a text that holds no word of Han and other characters together."""
        words: list[str] = []
        for piece, _place in self._splitter.pre_tokenize_str(text):
            if HAN.match(piece):
                words += self.jieba_words(piece)
            else:
                words.append(piece)
        return words


def load_word_cutter(user_dictionaries: Sequence[str | Path] = ()) -> WordCutter:
    """Make a cutter; loading jieba's dictionary takes about a second.

    Args:
        user_dictionaries: files in jieba's format: word, frequency and tag on each line, the
            last two optional.
    """
    try:
        import jieba
    except ImportError as error:
        raise UserError(
            "cutting text into words needs the package jieba. Install it (pip install jieba), "
            "or use the scheme `char`."
        ) from error
    segmenter = jieba.Tokenizer()
    # Not `initialize`, which loads a marshal file from a fixed name in the shared temporary folder:
    # another user could plant one there.
    segmenter.FREQ, segmenter.total = segmenter.gen_pfdict(segmenter.get_dict_file())
    segmenter.initialized = True
    user_words = [
        word for path in user_dictionaries for word in _read_dictionary(segmenter, Path(path))
    ]
    return WordCutter(segmenter, user_words)


def _read_dictionary(segmenter: Any, path: Path) -> list[str]:
    """Add a user's dictionary to the segmenter; return its words."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "a user dictionary must be a text file in UTF-8 (got {path}: {error}).",
            path=path,
            error=error,
        ) from error
    words = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found = _DICTIONARY_LINE.fullmatch(line.strip())
        if found is None:
            raise UserError(
                "{path}, line {number}: a user dictionary has a word, then a frequency and a "
                "tag if wanted, separated by blanks (got {line!r}).",
                path=path,
                number=number,
                line=line.strip(),
            )
        word, frequency, tag = found.groups()
        segmenter.add_word(word, None if frequency is None else int(frequency), tag)
        words.append(word)
    return words

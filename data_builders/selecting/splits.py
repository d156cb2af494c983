# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which side of the split a question stands on: a pure function of its text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import xxhash

from data_builders.errors import UserError

SPLITS = ("train", "validation", "test")
# In the place of a split: by the question.
BY_QUESTION = 255

_BUCKETS = 2.0**64
_WORD = re.compile(r"[^\W_]+")
# No word, and none of the usual punctuation: it may be a mark, or a sign as in 2+2, which stay.
_RARE = re.compile(
    r"[^\w\s!-#%-*,-/:;?@\[-\]{}~\u2010-\u2027\u3001-\u3003\u3008-\u3011"
    "\uff0c\uff01\uff1f\uff1a\uff1b\uff08\uff09]"
)
_NO_WORD = re.compile(r"[\W_]+")
# Not of digits: 1000 is not 100.
_REPEATED = re.compile(r"(\D)\1{2,}")

# Punctuation that means something is written as a sign of mathematics, which the fold leaves alone.
# (`/`, `^` and the like stand between digits or next to one, `#` behind a letter.)
_SIGNS = {
    ".": "\u22c5", ":": "\u2236", "/": "\u2215", "-": "\u2212", "\u2013": "\u2212",
    "~": "\u223c", "%": "\u2052", "*": "\u2217", "^": "\u2191", "#": "\u266f", "!": "\xac",
    ",": "\u2218", "\u3001": "\u2218", "+": "+", "(": "\u2208",
}  # fmt: skip
SIGNS = "".join(sorted({*_SIGNS.values(), "\u2223", "\u2296"}))
_APART, SAD = "\u2223", "\u2296"
_SADNESS = (
    "\u2639\U0001f494\U0001f44e\U0001f61e-\U0001f623\U0001f625-\U0001f62b\U0001f62d\U0001f630"
    "\U0001f631\U0001f612-\U0001f616\U0001f641\U0001f644\U0001f624\U0001f62f\U0001f92c"
    "\U0001f92e\U0001f922"
)
_RAISED = re.compile("[\xb2\xb3\xb9\u2070-\u2079]+")
_CIRCLED = re.compile("(?=[\u2460-\u249b\u24ea-\u24ff\u2776-\u2793])")
# Each begins with what it looks for: such a search passes over the rest of a text at once.
_MARKS = re.compile(
    rf"[\d\xb2\xb3\xb9\u2070-\u2079\u2160-\u24ff\u2776-\u2793#\uff03\u2260{_SADNESS}]"
)
# Most texts have nothing but these, which is seen three times as fast.
_UNUSUAL = re.compile(r"[^A-Za-z\u4e00-\u9fff\s,.?!'\"\uff0c\u3002\uff1f\uff01\u3001\u2026]")
_DOT = re.compile(r"\.(?<![\w.]\.)(?=[A-Z]{2}|net\b)")
_BRACKET = re.compile(r"\((?:(?<=:\()|(?<=:-\()|(?<=[a-zA-Z]\()(?<![a-zA-Z]{2}\()(?=\w))")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_BETWEEN = re.compile(r"(?<=\d)[^\w]+(?=\d)")
_MEANT = re.compile(
    r"(?<![a-zA-Z\d).+-])[-\u2013.](?=\d)|(?<=\d)%|(?<![^\W\d_])(?<=[a-zA-Z])#"
    r"|(?<=[a-zA-Z])(?<![a-zA-Z]{2})#|!(?==)"
    # .NET is no net, and f(x) no f and x.
    r"|(?<![\w.])\.(?=[A-Z]{2}|net\b)|(?<=[a-zA-Z])(?<![a-zA-Z]{2})\((?=\w)"
    r"|(?<=\d)\s*[*/^]\s*(?=[a-zA-Z(])|(?<=[a-zA-Z)])\s*[*^]\s*(?=\d)"
)
_SAD = re.compile(rf"(?:[{_SADNESS}]\ufe0f?)+|:-?\((?=\s|$)")
# Louis XII is not Louis XIII, though hiii is hii.
_ROMAN = re.compile(r"(?<![a-z])(?:[mdclxv]*iii|[mdcl]*xxx[ivx]+)(?![a-z])", re.IGNORECASE)


def normalize_question(question: str) -> str:
    """Fold what does not change a question: width, case, punctuation, blanks, emoji, repetition.

    What stands between two digits, signs of numbers, C#, exponents, != and sad faces do change it.

    Args:
        question: The question.

    Returns:
        The folded text. When nothing is left, the emoji and signs alone, without punctuation; and
        if there are none, the question itself, stripped: "?" and "!!" are two questions.
    """
    # Punctuation goes first: without it most Chinese is in NFKC already, which is quick to see.
    bare = _words_of(signed(question))
    folded = unicodedata.normalize("NFKC", bare).casefold()
    if folded != bare:
        folded = _words_of(folded)
    if _REPEATED.search(folded):
        folded = _REPEATED.sub(r"\1\1", folded)
    return folded.strip(SAD) and folded or _signs_of(question) or question.strip()


def signed(text: str) -> str:
    """Write punctuation that means something in `SIGNS`: 10:30 is not 1030, and C# is not C.

    Args:
        text: Any text.

    Returns:
        The text, in NFKC if there is such punctuation.
    """
    if not _may_mean(text):
        return text
    text = _CIRCLED.sub("\u2299", _RAISED.sub(lambda raised: "^" + raised.group(), text))
    text = unicodedata.normalize("NFKC", text).replace("\u2260", "!=")
    text = _THOUSANDS.sub(lambda number: number.group().replace(",", ""), text)
    text = _BETWEEN.sub(_between, text)
    text = _MEANT.sub(lambda mark: _SIGNS[mark.group().strip()], text)
    text = _ROMAN.sub(lambda number: _APART.join(number.group()), text)
    return _SAD.sub(SAD, text)


def _may_mean(text: str) -> bool:
    unusual = _UNUSUAL.search(text)
    letters = text.lower()
    return bool(
        (unusual and _MARKS.search(text, unusual.start()))
        or ("=" in text and ("!=" in text or "\uff01=" in text))
        or ("." in text and _DOT.search(text))
        or ("(" in text and _BRACKET.search(text))
        or "iii" in letters
        or "xxx" in letters
    )


def _between(match: re.Match[str]) -> str:
    visible = "".join(c for c in match.group() if unicodedata.category(c)[0] not in "ZC")
    if not visible:
        return _APART if any(c.isspace() for c in match.group()) else ""
    return "".join(_SIGNS.get(c, _APART) for c in visible)


def question_key(folded: str) -> int:
    """Give the number that stands for a question in a build, and decides its side.

    Args:
        folded: A question after `normalize_question`.

    Returns:
        64 bits: the xxh3 hash of its UTF-8.
    """
    return xxhash.xxh3_64_intdigest(folded.encode())


def reply_places(turns: Sequence[str], roles: Sequence[str] = ()) -> list[int]:
    """Say which turns are replies to learn: each has its question before it.

    Args:
        turns: The turns of a dialogue.
        roles: One role per turn, or nothing.

    Returns:
        Without roles every place but the first; with roles those of the assistant that follow
        something said to it.
    """
    if not roles:
        return list(range(1, len(turns)))
    places = [i for i in range(1, len(turns)) if roles[i] == "assistant"]
    return [i for i in places if roles[i - 1] != "system"] or places


def check_fractions(validation_fraction: float, test_fraction: float = 0.0) -> None:
    """Refuse fractions that leave nothing to train on.

    Args:
        validation_fraction: Share of questions for validation.
        test_fraction: Share of questions for the test split.

    Raises:
        UserError: If one is outside [0, 1) or both together reach 1.
    """
    settings = {"validation_fraction": validation_fraction, "test_fraction": test_fraction}
    for name, value in settings.items():
        if not 0.0 <= value < 1.0:
            raise UserError(
                "`{name}` must be at least 0 and below 1 (got {value}). Try 0.05.",
                name=name,
                value=value,
            )
    if validation_fraction + test_fraction >= 1.0:
        raise UserError(
            "`validation_fraction` and `test_fraction` together must stay below 1 (got "
            "{validation_fraction} + {test_fraction}). Try 0.05 and 0.05.",
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
        )


def split_of(question: str, validation_fraction: float, test_fraction: float = 0.0) -> str:
    """Say to which split a question belongs, whatever else is in the data.

    Validation takes the lowest hashes and test the highest: new data moves no old row, and a
    change of one fraction moves no row between train and the other side.

    Args:
        question: The first turn of a dialogue.
        validation_fraction: Share of distinct questions for validation.
        test_fraction: Share of distinct questions for the test split.

    Returns:
        "train", "validation" or "test".
    """
    key = np.array([question_key(normalize_question(question))], dtype=np.uint64)
    return SPLITS[sides_of(key, validation_fraction, test_fraction)[0]]


def sides_of(keys: np.ndarray, validation_fraction: float, test_fraction: float) -> np.ndarray:
    """Say to which split each of many questions belongs.

    Args:
        keys: Numbers of `question_key`, uint64.
        validation_fraction: Share of distinct questions for validation.
        test_fraction: Share of distinct questions for the test split.

    Returns:
        Places in `SPLITS`, uint8.
    """
    position = keys / _BUCKETS
    sides = np.zeros(len(keys), dtype=np.uint8)
    sides[position < validation_fraction] = SPLITS.index("validation")
    if test_fraction:
        # Without the question, the keys that round to 1.0 would go where no split is.
        sides[position >= 1.0 - test_fraction] = SPLITS.index("test")
    return sides


def split_number(split: str | None) -> int:
    """Give the place of a split in `SPLITS`, or `BY_QUESTION` for None."""
    return BY_QUESTION if split is None else SPLITS.index(split)


def first_question(turns: Sequence[str], roles: Sequence[str] = ()) -> str:
    """Give the turn that decides the split: the question before the first reply.

    A system prompt or a greeting of the assistant is often the same in every row and would put
    all of them on one side.

    Args:
        turns: The turns of a dialogue, at least one.
        roles: One role per turn, or nothing.

    Returns:
        The turn.
    """
    places = reply_places(turns, roles)
    return turns[places[0] - 1] if places else turns[0]


def _words_of(text: str) -> str:
    if _RARE.search(text) is None:
        return "".join(_WORD.findall(text))
    return _NO_WORD.sub(_spoken, text)


def _signs_of(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "PZC")


def _spoken(match: re.Match[str]) -> str:
    return _without_punctuation(match.group())


@lru_cache(maxsize=4096)
def _without_punctuation(text: str) -> str:
    return "".join(c for c in text if not _is_silent(c))


def _is_silent(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "PZC" or category in ("So", "Sk") or character in "~\uff5e\ufe0f"

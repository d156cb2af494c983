# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Puts tokenised English back together: "do n't ," becomes "don't,"."""

from __future__ import annotations

import re

from data_builders.cleaning.settling import settled

_ENDINGS = "(?:s|t|m|d|re|ve|ll)"
_AFTER = r"[\s\"'’”)\]]|$"
# In order; each pattern begins with something rare, so that most cost a scan and no more.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.ASCII), replacement)
    for pattern, replacement in (
        # Quotes of the Penn Treebank; "```" begins code.
        (r"(?<![^\s(])`` ?(?=[A-Za-z0-9'(])", '"'),
        (r"(?<=[\w.,!?]) ?''(?=[\s.,!?)]|$)", '"'),
        # "do n't", "don ’ t", "I ’ m", "that 's", "o ' clock".
        (r"(?<=[A-Za-z]) ?n ?['’] ?t\b", "n't"),
        (rf"(?<=[A-Za-z])(?: ['’] ?|['’] )({_ENDINGS})(?![\w'’])", r"'\1"),
        (r"(?<=[A-Za-z]) ['’] (am|all)\b", r"'\1"),
        (r"\b([Oo]) ?['’] ?clock\b", r"\1'clock"),
        # One apostrophe for both.
        (r"(?<=[A-Za-z])’(?=[A-Za-z])", "'"),
        # Words the Treebank splits.
        (r"\b([Gg]on|[Ww]an) na\b", r"\1na"),
        (r"\b([Gg]ot) ta\b", r"\1ta"),
        (r"\b([Gg]im|[Ll]em) me\b", r"\1me"),
        # "7 p . m ." before the full stops are seen to.
        (r"\b([AaPp]) ?\. ?([Mm]) \.", r"\1.\2."),
        # Numbers: "10 : 30", "1 , 000", "2 . 5", "$ 20", "5 %" ("15 % 3" is a sum).
        (r"(?<=\d) ?: (?=\d\d\b)|(?<=\d) :(?=\d\d\b)", ":"),
        (r"(?<=\d) , (?=\d{3}\b)", ","),
        (r"(?<=\d) \. (?=\d)", "."),
        (r"\$ (?=\d)", "$"),
        (rf"(?<=\d) +(?=%(?:[.,;!?]|{_AFTER})(?! ?[\d(]))", ""),
        # Brackets, but for ":(", and straight quotes in pairs.
        (r"(?<=[(\[])(?<![:;=\-].) +| +(?=[)\]])", ""),
        (r'(?<![^\s(])" ([^"\n]*[^"\s]) "(?!\w)', r'"\1"'),
        # A mark that closes follows its word; ":)" and ".5" are something else.
        (rf"(?<=[\w)\]\"'’”%,!?;:]) +(?=[,.!?]+(?:{_AFTER})|[;:](?:[\s\"’”]|$))", ""),
        (rf"(?<=\.) +(?=[.,!?](?:{_AFTER}))", ""),
        (r"(?<=[“‘]) +(?=\w)|(?<=[\w.,!?]) +(?=”)|(?<=[.,!?]) +(?=’(?:\s|$))", ""),
    )
)
_LETTER = re.compile("[A-Za-z]")
# One of these is in every text that a rule changes.
_TRACES = (
    *(" ,", " .", " !", " ?", " ;", " :", " %", " )", " ]", " '", " ’", " ”", " n't", " n’t"),
    *("( ", "[ ", "$ ", "“ ", "‘ ", '" ', "``", "''", "’", " na", " ta", " me"),
)


@settled
def rejoin_english(text: str) -> str:
    """Put the tokens of English text together as people write them.

    Args:
        text: One turn; Chinese is left alone.

    Returns:
        "I do n't know , Bob ( yet ) ." gives "I don't know, Bob (yet).", "isn ’ t it ?" gives
        "isn't it?".
    """
    if not _LETTER.search(text) or not any(trace in text for trace in _TRACES):
        return text
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text

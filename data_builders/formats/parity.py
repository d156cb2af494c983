# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which of alternating lines are questions, also after a line was lost.

A file of question, reply, question, reply loses its parity with one missing line: from there on
every reply is taken for a question. What gives it away is that the lines then look like the other
half of the file. So the file itself is the teacher:

- A small logistic regression learns, line by line, what its questions and its replies look like:
  characters, words, beginnings, ends, length, whole lines that come again, and how much a line
  has in common with its neighbours. It knows nothing when it begins, so that nothing has to be
  assumed of the language; that the first line is a question is all that is given.
- Its log odds are summed up as the likelihood that the lines since some place stand the other
  way round (Page's CUSUM). How much one line counts depends on how well the two halves are told
  apart, so a file whose questions look like its replies is left alone.
- A stretch is re-paired if that is beyond doubt, said to be doubtful if it is not, and nothing
  is learned from lines before it is known what they are.

Memory: the weights (2 MB), and at most `MAX_UNDECIDED` lines that wait for what follows them.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple
from zlib import crc32

# A number and a text; "" for a blank line, None for a line that was rejected.
Line = tuple[int, str | None]

MAX_UNDECIDED = 4_000
# So many lines are learned from before any is doubted, and so many must speak for a shift.
_LINES_TO_LEARN = 200
_MIN_RUN = 60
# Nats in favour of a shift. In 54 corpora in good order (400 to 80,000 lines) none was found.
_THRESHOLD = 30.0
# Lines out of step look as much like the other half as those in step look like their own. Where
# the evidence is weaker than this share of that, it is another topic: telephone numbers, links.
_MIN_SHARE = 0.5
_BITS = 18
_RATE = 0.3
_MAX_ODDS = 3.0
# How far back the mean and the variance of the evidence reach, in lines.
_MEMORY = 1_000
_MIN_VARIANCE = 0.05
_CHARS, _CHARS_COMPARED = 40, 200


class Stretch(NamedTuple):
    """Lines that look as if a line before them were missing, or one too many.

    Attributes:
        first: Number of the first line.
        last: Number of the last line.
        turned: Whether they were turned round; if not, the evidence is weak and they were left.
    """

    first: int
    last: int
    turned: bool

    @property
    def pairs(self) -> int:
        """How many pairs they make at most."""
        return (self.last - self.first + 1) // 2


class _Waiting(NamedTuple):
    line: Line
    asks: bool
    features: list[int]
    evidence: float


class ParityReader:
    """Says of each line whether it is a question, while the lines go by.

    Attributes:
        stretches: The stretches out of step, or perhaps so, in order; complete once all lines
            were read.
    """

    def __init__(self) -> None:
        """Begin with a question, and without any knowledge of what one looks like."""
        self.stretches: list[Stretch] = []
        self._turned_from = 0
        self._weights = array("d", bytes(8 << _BITS))
        self._mean, self._square, self._learned = 0.0, 1.0, 0
        self._run: list[_Waiting] = []
        self._sum = 0.0

    def read(self, lines: Iterable[Line]) -> Iterator[tuple[Line, bool]]:
        """Yield lines that alternate, and whether each is a question.

        Two questions or two replies in a row are the place where one was lost.
        """
        asks, line = True, None
        for line, features in _with_features(lines):
            odds = self._odds(features)
            waiting = _Waiting(line, asks, features, -odds if asks else odds)
            self._run.append(waiting)
            self._sum += self._likelihood(waiting.evidence)
            if self._sum <= 0:
                yield from self._decide(turned=False)
            elif self._is_shift():
                self._turn(self._run[0].line[0])
                yield from self._decide(turned=True)
                asks = not asks
            elif len(self._run) >= MAX_UNDECIDED:
                yield from self._decide(turned=False)
            asks = not asks
        yield from self._decide(turned=False)
        if self._turned_from and line is not None:
            self._turn(line[0] + 1)
        self.stretches.sort()

    def _turn(self, first: int) -> None:
        """Begin a stretch that is out of step, or end the one that has begun."""
        if self._turned_from:
            self.stretches.append(Stretch(self._turned_from, first - 1, True))
        self._turned_from = 0 if self._turned_from else first

    def _odds(self, features: list[int]) -> float:
        """Give the log odds that a line is a question, bounded: one line decides nothing."""
        if not features:
            return 0.0
        odds = sum(map(self._weights.__getitem__, features)) / math.sqrt(len(features))
        return max(-_MAX_ODDS, min(_MAX_ODDS, odds))

    def _likelihood(self, evidence: float) -> float:
        """Give the log likelihood ratio of "turned round" to "in step", both taken as normal."""
        if self._learned < _LINES_TO_LEARN:
            return 0.0
        variance = max(self._square - self._mean**2, _MIN_VARIANCE)
        return 2 * max(self._mean, 0.0) * evidence / variance

    def _is_shift(self) -> bool:
        if self._sum < _THRESHOLD or len(self._run) < _MIN_RUN:
            return False
        evidence = sum(waiting.evidence for waiting in self._run)
        return evidence >= _MIN_SHARE * self._mean * len(self._run)

    def _decide(self, turned: bool) -> Iterator[tuple[Line, bool]]:
        """Let the waiting lines go, and learn from them."""
        run, self._run = self._run, []
        if not turned and (doubtful := self._doubtful(run)):
            self.stretches.append(Stretch(run[0].line[0], doubtful, False))
        self._sum = 0.0
        for waiting in run:
            asks = waiting.asks != turned
            self._learn(waiting.features, asks)
            evidence = waiting.evidence if turned else -waiting.evidence
            self._learned += 1
            rate = max(1 / _MEMORY, 1 / self._learned)
            self._mean += rate * (evidence - self._mean)
            self._square += rate * (evidence**2 - self._square)
            yield waiting.line, asks

    def _doubtful(self, run: list[_Waiting]) -> int:
        """Give the line up to which a run looks turned round, or 0 if it does not."""
        best, last, now = 0.0, 0, 0.0
        for waiting in run if len(run) >= _MIN_RUN else ():
            now += self._likelihood(waiting.evidence)
            if now > best:
                best, last = now, waiting.line[0]
        return last if best >= _THRESHOLD else 0

    def _learn(self, features: list[int], asks: bool) -> None:
        if not features:
            return
        scale = math.sqrt(len(features))
        odds = sum(map(self._weights.__getitem__, features)) / scale
        probability = 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))
        step = _RATE * (asks - probability) / scale
        for feature in features:
            self._weights[feature] += step


def _with_features(lines: Iterable[Line]) -> Iterator[tuple[Line, list[int]]]:
    """Look two lines back and two ahead: neighbours tell as much as the line itself."""
    nothing: Line = (0, "")
    window = deque([nothing] * 4, maxlen=5)
    # The first two lines pushed have nothing in the middle yet, the last two bring the end.
    for place, line in enumerate(chain(lines, [nothing] * 2)):
        window.append(line)
        if place >= 2:
            yield window[2], _features(*(text or "" for _, text in window))


def _features(second_last: str, last: str, text: str, following: str, second: str) -> list[int]:
    if not text:
        return []
    head = text[:_CHARS]
    bits = len(text).bit_length()
    found = [
        f"length {bits} {len(text) >> max(0, bits - 2) & 1}",
        f"end {text[-1]}",
        f"end {text[-2:]}",
        f"begin {text[0]}",
        f"begin {text[:2]}",
        f"whole {text}",
        f"shared with the next {_shared(text, following)}",
        f"shared with the last {_shared(text, last)}",
        f"as the second last {_alike(text, second_last)}",
        f"as the second next {_alike(text, second)}",
    ]
    # Not a set: its order differs between runs, and with it the last bit of a sum.
    found += [f"holds {character}" for character in dict.fromkeys(head)]
    found += [f"holds {first}{then}" for first, then in zip(head, head[1:], strict=False)]
    return [crc32(name.encode("utf-8", "surrogatepass")) & ((1 << _BITS) - 1) for name in found]


def _shared(text: str, other: str) -> int:
    """Give the share of characters that two lines have in common, in quarters."""
    ours, theirs = set(text[:_CHARS_COMPARED]), set(other[:_CHARS_COMPARED])
    return round(4 * len(ours & theirs) / min(len(ours), len(theirs))) if theirs else 0


def _alike(text: str, other: str) -> int:
    """Say how far two lines are the same: 0 not at all, 3 to the end."""
    return (text[:1] == other[:1]) + (text[:2] == other[:2]) + (text == other)

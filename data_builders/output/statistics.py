# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What is in a dataset of dialogues, in numbers: counted over Arrow batches, in flat memory.

The rules of counting are here, the work over hashes of the texts is in `counting`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow.compute as pc

from data_builders.cleaning.coarse_words import hold_coarse_words
from data_builders.output.counting import TextCounts, count_texts, dialogue_batches

# Lower bounds of the bins, each about half as much again as the one before.
LENGTH_EDGES = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000)
TURN_EDGES = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100)
TOP_REPLIES = 20
# Longer replies are cut in the statistics, not in their counting.
MAX_REPLY = 1000
MAX_SOURCES = 200
OTHER_SOURCES = "(other sources)"


@dataclass(frozen=True)
class Histogram:
    """How often values fell into each bin.

    Attributes:
        edges: The smallest whole number of each bin; the last bin has no upper end.
        counts: How many values each bin holds.
        total: The sum of the values.
    """

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    total: int

    @property
    def mean(self) -> float:
        """The mean of the values; 0 if there are none."""
        number = sum(self.counts)
        return self.total / number if number else 0.0

    def bars(self) -> list[tuple[str, int]]:
        """Name the bins and their counts, without the empty bins at both ends."""
        filled = [place for place, count in enumerate(self.counts) if count]
        if not filled:
            return []
        places = range(filled[0], filled[-1] + 1)
        return [(self._label(place), self.counts[place]) for place in places]

    def _label(self, place: int) -> str:
        low = self.edges[place]
        if place + 1 == len(self.edges):
            return f"{low:,}+"
        high = self.edges[place + 1] - 1
        return f"{low}" if low == high else f"{low}-{high}"

    def __add__(self, other: Histogram) -> Histogram:
        """Join the counts of two histograms with the same bins."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return Histogram(self.edges, counts, self.total + other.total)


class FrequentReply(NamedTuple):
    """A frequent reply, cut to `MAX_REPLY` characters; `share` is of the pairs of its split."""

    text: str
    count: int  # type: ignore[assignment]  # hides `tuple.count`
    share: float


@dataclass(frozen=True)
class SplitStatistics:
    """The numbers of one split. A pair is a reply and the turn before it.

    Attributes:
        dialogues: Rows.
        pairs: Replies: every turn after the first, or with roles those of the assistant
            (`splits.reply_places`).
        distinct_questions: Different turns that a reply follows.
        distinct_replies: Different replies.
        multi_reply_questions: Questions with at least two different replies: in a held-out
            split those that have more than one reference.
        characters: Characters of all turns.
        coarse: Dialogues in which some turn holds a word of the list of coarse words.
        question_lengths: Characters of the question, over pairs.
        reply_lengths: Characters of the reply, over pairs.
        turns: Turns per dialogue.
        languages: Dialogues by language, most first.
        sources: Dialogues by source, most first; beyond `MAX_SOURCES` in one entry.
        top_replies: The most frequent replies, most first; of several that are equally frequent
            at the end of the list some may be missing.
    """

    dialogues: int
    pairs: int
    distinct_questions: int
    distinct_replies: int
    multi_reply_questions: int
    characters: int
    coarse: int
    question_lengths: Histogram
    reply_lengths: Histogram
    turns: Histogram
    languages: dict[str, int]
    sources: dict[str, int]
    top_replies: tuple[FrequentReply, ...]

    @property
    def top_reply_share(self) -> float:
        """The share of pairs that have the most frequent reply; 0 without pairs."""
        return self.top_replies[0].share if self.top_replies else 0.0


@dataclass(frozen=True)
class DatasetStatistics:
    """The numbers of a dataset, split by split."""

    splits: dict[str, SplitStatistics]

    @property
    def dialogues(self) -> int:
        """Rows over all splits."""
        return sum(split.dialogues for split in self.splits.values())

    @property
    def pairs(self) -> int:
        """Replies over all splits."""
        return sum(split.pairs for split in self.splits.values())

    @property
    def coarse(self) -> int:
        """Dialogues with a coarse word over all splits."""
        return sum(split.coarse for split in self.splits.values())

    def counts(self, name: str) -> dict[str, int]:
        """Add up dialogues by "languages" or "sources" over the splits, most first."""
        total: Counter[str] = Counter()
        for split in self.splits.values():
            total.update(getattr(split, name))
        return _ordered(total)

    def histogram(self, name: str) -> Histogram:
        """Add up "question_lengths", "reply_lengths" or "turns" over the splits."""
        edges = TURN_EDGES if name == "turns" else LENGTH_EDGES
        empty = Histogram(edges, (0,) * len(edges), 0)
        return sum((getattr(split, name) for split in self.splits.values()), empty)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, ready for JSON."""
        return {"splits": {name: asdict(split) for name, split in self.splits.items()}}


def describe(dataset: datasets.DatasetDict) -> DatasetStatistics:
    """Count what is in a dataset of dialogues; the numbers are the same on every machine."""
    return DatasetStatistics({str(name): _describe_split(s) for name, s in dataset.items()})


class _Bins:
    """A histogram that grows."""

    def __init__(self, edges: tuple[int, ...]) -> None:
        self.edges, self.total = edges, 0
        self.counts = np.zeros(len(edges), dtype=np.int64)

    def add(self, values: np.ndarray) -> None:
        places = np.searchsorted(self.edges, values, side="right") - 1
        self.counts += np.bincount(places, minlength=len(self.edges))
        self.total += int(values.sum())

    def histogram(self) -> Histogram:
        return Histogram(self.edges, tuple(self.counts.tolist()), self.total)


def _describe_split(split: datasets.Dataset) -> SplitStatistics:
    split = split.select_columns(["turns", "roles", "lang", "source"])
    dialogues = pairs = characters = coarse = 0
    turns, questions, replies = (_Bins(e) for e in (TURN_EDGES, LENGTH_EDGES, LENGTH_EDGES))
    columns: dict[str, Counter[str]] = {"lang": Counter(), "source": Counter()}
    for batch in dialogue_batches(split):
        lengths = pc.utf8_length(batch.turns).to_numpy(zero_copy_only=False)
        dialogues += len(batch.lengths)
        pairs += len(batch.replies)
        characters += int(lengths.sum())
        spoken_in = np.repeat(np.arange(len(batch.lengths)), batch.lengths)
        coarse += len(np.unique(spoken_in[hold_coarse_words(batch.turns)]))
        turns.add(batch.lengths)
        questions.add(lengths[batch.replies - 1])
        replies.add(lengths[batch.replies])
        for name, counter in columns.items():
            for found in pc.value_counts(batch.table[name]):
                counter[found["values"].as_py() or "(none)"] += found["counts"].as_py()
    texts = count_texts(split, pairs, TOP_REPLIES)
    return SplitStatistics(
        dialogues=dialogues,
        pairs=pairs,
        distinct_questions=texts.distinct_questions,
        distinct_replies=texts.distinct_replies,
        multi_reply_questions=texts.multi_reply_questions,
        characters=characters,
        coarse=coarse,
        question_lengths=questions.histogram(),
        reply_lengths=replies.histogram(),
        turns=turns.histogram(),
        languages=_ordered(columns["lang"]),
        sources=_first_sources(columns["source"]),
        top_replies=_frequent(texts, pairs),
    )


def _frequent(texts: TextCounts, pairs: int) -> tuple[FrequentReply, ...]:
    return tuple(
        FrequentReply(text if len(text) <= MAX_REPLY else text[: MAX_REPLY - 1] + "…", n, n / pairs)
        for text, n in texts.top_replies
    )


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _first_sources(counts: Mapping[str, int]) -> dict[str, int]:
    ordered = list(_ordered(counts).items())
    rest = sum(count for _, count in ordered[MAX_SOURCES:])
    return dict(ordered[:MAX_SOURCES]) | ({OTHER_SOURCES: rest} if rest else {})

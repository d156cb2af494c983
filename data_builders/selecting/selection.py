# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The second half of a build: what of the cleaned corpus stays, and on which side.

The steps work on whole dialogues first, then on (question, reply) pairs. A pair that is left out
cuts its dialogue in two there: nobody then learns to answer that question, and the rest stays.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from data_builders.report import EXACT_DUPLICATE, BuildReport
from data_builders.selecting.duplicates import (
    beginnings,
    near_duplicates,
    occurrence,
    repeated,
)
from data_builders.selecting.entropy import too_open
from data_builders.selecting.held_out import TRAIN, Pairs, questions_at
from data_builders.selecting.leaks import NearCopy, find_near_copies, leaking_pairs
from data_builders.selecting.pair_texts import RULES, rejected_pairs
from data_builders.selecting.shards import (
    SCHEMA,
    Dialogue,
    Shards,
    open_shard,
    read_turns,
    value_lengths,
)
from data_builders.selecting.similarity import distinct, mix
from data_builders.selecting.splits import BY_QUESTION, SPLITS, reply_places, sides_of

NEAR, BEGINNING = "near duplicate", "beginning of a longer dialogue"
ENTROPY, LEAK = "entropy filter", "near copy on another side"
REPLY_CAP, QUESTION_CAP = "reply too frequent", "question too frequent"
NO_PAIR, WEIGHT = "no reply to learn", "weight of the source"

# So many couples of dialogues lie in memory while they are written down.
_COUPLES_AT_ONCE = 5_000

ROW_SCHEMA = pa.schema([SCHEMA.field(n) for n in ("id", "turns", "roles", "lang", "source")])


class SelectedShard(NamedTuple):
    """A shard and what of it goes into the dataset.

    Attributes:
        path: The shard.
        choice: A file with `sides` and `copies` per dialogue, and `kept` per pair.
    """

    path: str
    choice: str


class _Corpus:
    """The masks over a corpus while it is being decided."""

    def __init__(self, shards: Shards) -> None:
        self.shards = shards
        self.dialogues = np.ones(len(shards), dtype=bool)
        self.pairs = np.ones(shards.pairs, dtype=bool)

    def spread(self, of_dialogues: np.ndarray) -> np.ndarray:
        """Give each pair what its dialogue has."""
        return np.repeat(of_dialogues, self.shards.pairs_of)

    def drop(self, gone: np.ndarray, rule: str, report: BuildReport) -> None:
        """Leave out whole dialogues."""
        gone &= self.dialogues
        report.drop(rule, int(gone.sum()))
        self.dialogues &= ~gone
        self.pairs &= self.spread(self.dialogues)

    def drop_pairs(self, gone: np.ndarray, rule: str, report: BuildReport) -> None:
        """Leave out pairs, and the dialogues that have none left."""
        gone &= self.pairs
        report.cut(rule, int(gone.sum()))
        self.pairs &= ~gone
        self.drop(~self.has_pairs(), rule, report)

    def begins(self) -> np.ndarray:
        """Mark the pairs that begin a row: those with no kept pair of their dialogue before."""
        begins = self.pairs.copy()
        begins[1:] &= ~self.pairs[:-1]
        # The first pair of a dialogue begins a row whatever stands before it.
        first = self.shards.first_pairs[:-1][self.shards.pairs_of > 0]
        begins[first] = self.pairs[first]
        return begins

    def has_pairs(self) -> np.ndarray:
        counts = np.concatenate([[0], np.cumsum(self.pairs)])
        return counts[self.shards.first_pairs[1:]] > counts[self.shards.first_pairs[:-1]]


def select(
    shards: Shards, config: Any, report: BuildReport, folder: Path, workers: int
) -> list[SelectedShard]:
    """Decide what goes into the dataset.

    Args:
        shards: The cleaned corpus.
        config: The settings of the build.
        report: Takes the counts.
        folder: Where the decisions are written.
        workers: How many processes.

    Returns:
        One entry per shard.
    """
    corpus = _Corpus(shards)
    corpus.drop(~corpus.has_pairs(), NO_PAIR, report)
    _drop_languages(corpus, config, report)
    _drop_by_text(corpus, config, report)
    _drop_duplicates(corpus, config.selection, report, workers)
    _drop_dull_pairs(corpus, config.selection, report)
    sides = _sides(corpus, config)
    if config.selection.leak_free:
        _drop_leaks(corpus, sides, report, folder / "leaks", workers)
    copies = _copies(corpus, sides, config, report)
    _count_held_out(corpus, sides, config, report)
    _count_origins(corpus, report)
    _count_rows(corpus, sides, copies, report)
    return [
        _write_choice(path, sides[rows], copies[rows], corpus.pairs[pairs])
        for path, rows, pairs in shards.spans()
    ]


def _drop_languages(corpus: _Corpus, config: Any, report: BuildReport) -> None:
    languages = config.languages_to_keep()
    if languages:
        parts = [
            np.isin(np.asarray(open_shard(path)["lang"].to_pylist(), dtype=str), languages)
            for path in corpus.shards.paths
        ]
        foreign = ~np.concatenate([np.zeros(0, bool), *parts]) & corpus.dialogues
        report.filtered += int(foreign.sum())
        corpus.dialogues &= ~foreign
        corpus.pairs &= corpus.spread(corpus.dialogues)


def _drop_by_text(corpus: _Corpus, config: Any, report: BuildReport) -> None:
    only_questions = config.only_questions()
    found = rejected_pairs(corpus.shards, only_questions, config.selection)
    if not found.any():
        return
    for number, rule in enumerate(RULES, start=1):
        corpus.drop_pairs(found == number, rule, report)
    if config.selection.near_duplicates and any(only_questions):
        # Cut out of their dialogues, short pairs are often the same; as dialogues they were not.
        cut = np.array(only_questions)[corpus.shards.numbers("origin")]
        keys = [corpus.shards.pair_keys(name) for name in ("questions", "replies")]
        both = mix(keys[0]) ^ keys[1]
        corpus.drop_pairs(repeated(both, corpus.pairs & corpus.spread(cut)), NEAR, report)


def _drop_duplicates(corpus: _Corpus, settings: Any, report: BuildReport, workers: int) -> None:
    if settings.exact_duplicates:
        gone = repeated(corpus.shards.numbers("content"), corpus.dialogues)
        corpus.drop(gone, EXACT_DUPLICATE, report)
    if settings.near_duplicates:
        kept, measured = near_duplicates(corpus.shards, corpus.dialogues, workers)
        _drop_copies(corpus, kept, measured, NEAR, report)
    if settings.exact_duplicates:
        _drop_copies(corpus, beginnings(corpus.shards, corpus.dialogues), {}, BEGINNING, report)


def _drop_copies(
    corpus: _Corpus, kept: np.ndarray, measured: dict[int, float], rule: str, report: BuildReport
) -> None:
    """Leave out the dialogues that another one stands for, and list both."""
    gone = np.flatnonzero(corpus.dialogues & (kept != np.arange(len(kept))))
    for begin in range(0, len(gone), _COUPLES_AT_ONCE):
        some = gone[begin : begin + _COUPLES_AT_ONCE]
        numbers = distinct(np.concatenate([some, kept[some]]))
        turns = dict(read_turns(corpus.shards.paths, corpus.shards.first_rows, numbers))
        report.list_dropped(
            rule, ((turns[n], turns[int(kept[n])], measured.get(n, 1.0)) for n in some.tolist())
        )
    corpus.drop(np.isin(np.arange(len(kept)), gone), rule, report)


def _drop_dull_pairs(corpus: _Corpus, settings: Any, report: BuildReport) -> None:
    if settings.entropy_filter != "none":
        alive = np.flatnonzero(corpus.pairs)
        asked, said = (corpus.shards.pair_keys(name)[alive] for name in ("questions", "replies"))
        gone = np.zeros(len(corpus.pairs), dtype=bool)
        gone[alive] = too_open(asked, said, settings.entropy_filter, settings.entropy_threshold)
        corpus.drop_pairs(gone, ENTROPY, report)
    share = int(settings.maximum_share * corpus.pairs.sum())
    if settings.maximum_reply_count:
        numbers = occurrence(corpus.shards.pair_keys("replies"), corpus.pairs)
        corpus.drop_pairs(numbers >= max(settings.maximum_reply_count, share), REPLY_CAP, report)
    if settings.maximum_question_count:
        # With other talk before it the same question is another one.
        alone = corpus.begins()
        numbers = occurrence(corpus.shards.pair_keys("questions"), alone)
        gone = alone & (numbers >= max(settings.maximum_question_count, share))
        corpus.drop_pairs(gone, QUESTION_CAP, report)


def _sides(corpus: _Corpus, config: Any) -> np.ndarray:
    """Place each dialogue where its corpus puts it, or else by its first question.

    That is the question as read: what was cut since moves nothing.
    """
    sides = np.zeros(len(corpus.shards), dtype=np.uint8)
    with_pairs = corpus.shards.pairs_of > 0
    first = corpus.shards.first_pairs[:-1][with_pairs]
    keys = corpus.shards.pair_keys("questions")[first]
    sides[with_pairs] = sides_of(keys, config.validation_fraction, config.test_fraction)
    given = corpus.shards.numbers("split")
    return np.where(given == BY_QUESTION, sides, given).astype(np.uint8)


def _drop_leaks(
    corpus: _Corpus, sides: np.ndarray, report: BuildReport, folder: Path, workers: int
) -> None:
    if not ((sides != TRAIN) & corpus.dialogues).any():
        return
    keys = corpus.shards.pair_keys("questions")
    pairs = Pairs(keys, corpus.spread(sides), corpus.pairs)
    near = find_near_copies(corpus.shards, pairs, folder, workers)
    gone = leaking_pairs(
        pairs,
        {side: np.array([copy.key for copy in near[side]], dtype=np.uint64) for side in near},
    )
    _list_leaks(
        corpus.shards, gone, {copy.key: copy for found in near.values() for copy in found}, report
    )
    corpus.drop_pairs(gone, LEAK, report)


def _list_leaks(
    shards: Shards, gone: np.ndarray, near: dict[int, NearCopy], report: BuildReport
) -> None:
    """List what is left out with what is asked on the other side: the same, or nearly."""
    for path, _, span in shards.spans():
        at = np.flatnonzero(gone[span])
        if len(at):
            keys = np.asarray(open_shard(path)["questions"].combine_chunks().flatten())[at]
            asked = zip(keys.tolist(), questions_at(path, at), strict=True)
            copies = ((text, near.get(key, NearCopy(key, text, 0.0))) for key, text in asked)
            report.list_dropped(LEAK, (([t], [copy.asked], 1 - copy.apart) for t, copy in copies))


def _copies(corpus: _Corpus, sides: np.ndarray, config: Any, report: BuildReport) -> np.ndarray:
    """Say how often each dialogue is written: held-out ones once, the others by their weight."""
    copies = corpus.dialogues.astype(np.uint8)
    weights = np.array([origin.weight for origin in report.origins])
    if (weights == 1).all():
        return copies
    weight = weights[corpus.shards.numbers("origin")]
    seed = np.uint64(getattr(config, "seed", None) or 0)
    chance = mix(corpus.shards.numbers("content") ^ mix(np.array([seed]))) / 2.0**64
    times = np.floor(weight) + (chance < weight % 1)
    train = corpus.dialogues & (sides == TRAIN)
    copies[train] = times[train].astype(np.uint8)
    corpus.drop(train & (copies == 0), WEIGHT, report)
    return copies


def _count_held_out(corpus: _Corpus, sides: np.ndarray, config: Any, report: BuildReport) -> None:
    """Count the questions of each side that is asked for."""
    keys, of_pairs = corpus.shards.pair_keys("questions"), corpus.spread(sides)
    for side, name in enumerate(SPLITS[1:], start=1):
        if getattr(config, f"{name}_fraction") or (sides == side).any():
            asked = distinct(keys[corpus.pairs & (of_pairs == side)])
            report.held_out[name] = len(asked)


def _count_origins(corpus: _Corpus, report: BuildReport) -> None:
    kept = np.bincount(
        corpus.shards.numbers("origin")[corpus.dialogues], minlength=len(report.origins)
    )
    for origin, count in zip(report.origins, kept.tolist(), strict=True):
        origin.kept = count


def _count_rows(
    corpus: _Corpus, sides: np.ndarray, copies: np.ndarray, report: BuildReport
) -> None:
    """Count the rows to come: one for each run of kept pairs, times its copies."""
    runs = np.concatenate([[0], np.cumsum(corpus.begins())])
    rows = (runs[corpus.shards.first_pairs[1:]] - runs[corpus.shards.first_pairs[:-1]]) * copies
    report.extra_rows = int(rows.sum() - (copies > 0).sum())
    for path, span, _ in corpus.shards.spans():
        langs = np.asarray(open_shard(path)["lang"].to_pylist(), dtype=object)
        for side, lang in product(range(len(SPLITS)), sorted(set(langs))):
            count = int(rows[span][(sides[span] == side) & (langs == lang)].sum())
            if count:
                report.keep(SPLITS[side], lang, count)


def _write_choice(
    path: str, sides: np.ndarray, copies: np.ndarray, kept: np.ndarray
) -> SelectedShard:
    choice = str(Path(path).with_suffix(".npz"))
    np.savez(choice, sides=sides, copies=copies, kept=kept)
    return SelectedShard(path, choice)


def selected_table(shard: SelectedShard, split: str) -> pa.Table:
    """Read the rows of one shard that go into a split.

    Args:
        shard: The shard and the decisions on it.
        split: The split.

    Returns:
        The rows in their order, with the columns of `ROW_SCHEMA`.
    """
    with np.load(shard.choice) as choice:
        sides, copies, kept = choice["sides"], choice["copies"], choice["kept"]
    table = open_shard(shard.path)
    in_split = (sides == SPLITS.index(split)) & (copies > 0)
    first_pairs = np.concatenate([[0], np.cumsum(value_lengths(table["questions"]))])
    lost = np.concatenate([[0], np.cumsum(~kept)])
    as_it_is = (lost[first_pairs[1:]] == lost[first_pairs[:-1]]) & (copies == 1)
    whole = np.flatnonzero(in_split & as_it_is)
    rows, places = [], [whole]
    for row in np.flatnonzero(in_split & ~as_it_is).tolist():
        mask = kept[first_pairs[row] : first_pairs[row + 1]].tolist()
        more = list(_written(table, row, mask, int(copies[row])))
        rows += more
        places.append(np.full(len(more), row))
    parts = [table.select(ROW_SCHEMA.names).take(whole)]
    parts.append(pa.Table.from_pylist(rows, schema=ROW_SCHEMA))
    # Most rows are taken as they are, in one go; the others then go back to their places.
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_tables(parts).combine_chunks().take(order)


def _written(
    table: pa.Table, row: int, kept: Sequence[bool], copies: int
) -> Iterator[dict[str, Any]]:
    """Write one dialogue in pieces, or several times."""
    columns = {name: table[name][row].as_py() for name in ROW_SCHEMA.names if name != "id"}
    dialogue = Dialogue(**columns)
    parts = pieces(dialogue, reply_places(dialogue.turns, dialogue.roles), kept)
    for number, piece in enumerate(parts):
        identity = dialogue.id
        if piece is not dialogue:
            # Not after its content: two dialogues may be cut to the same rest.
            identity = xxhash.xxh3_64_hexdigest(f"{identity}\x1d{number}".encode())
        for copy in range(copies):
            yield {"id": f"{identity}-{copy + 1}" if copy else identity, **piece._asdict()}


def pieces(dialogue: Dialogue, places: Sequence[int], kept: Sequence[bool]) -> Iterator[Dialogue]:
    """Cut a dialogue before each reply that is not to be learned.

    Args:
        dialogue: The whole dialogue.
        places: Where its replies stand.
        kept: For each of them whether it stays.

    Yields:
        The dialogue itself, or parts of it, each with at least one reply; a system prompt goes
        with every part.
    """
    if all(kept):
        yield dialogue
        return
    begins = [0] + [place for place, keep in zip(places, kept, strict=True) if not keep]
    replies = [place for place, keep in zip(places, kept, strict=True) if keep]
    for begin, end in zip(begins, [*begins[1:], len(dialogue.turns)], strict=True):
        inside = replies[bisect_right(replies, begin) : bisect_left(replies, end)]
        if not inside:
            continue
        span = slice(begin, inside[-1] + 1)
        turns, roles = tuple(dialogue.turns[span]), tuple(dialogue.roles[span])
        if begin and dialogue.roles and dialogue.roles[0] == "system":
            turns, roles = (dialogue.turns[0], *turns), ("system", *roles)
        yield dialogue._replace(turns=turns, roles=roles)

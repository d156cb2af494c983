# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The turns of real corpora that the tokenizer benchmarks work on; none is ever printed."""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_builders.errors import UserError
from tfchat_hf.text.vocabulary.word_cutter import HAN

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"
MIXED = "mixed"
_LATIN = re.compile(r"[A-Za-z]")


@dataclass
class Split:
    """Texts to measure on, and the others to train on.

    Attributes:
        held_out: for each group texts that `training` does not hold.
        training: all other texts of all groups, in a random order.
        by_group: for each group those of its texts that are in `training`.
    """

    held_out: dict[str, list[str]]
    training: list[str]
    by_group: dict[str, list[str]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the corpora are.

    Args:
        parser: what reads the command line.
    """
    parser.add_argument("--data", type=Path, default=DEFAULT_FOLDER, help="folder of corpora")
    parser.add_argument("--cache-dir", help="where `datasets` keeps the corpora it has built")


def read_turns(paths: Sequence[Path], cache_dir: str | None) -> list[str]:
    """Read corpora as a training reads them, and give their distinct turns.

    Args:
        paths: files or folders, in any format that `python -m data_builders` knows.
        cache_dir: where `datasets` keeps what it builds; None for its own default.

    Returns:
        The turns of two characters and more (shorter ones have no inner boundary), in order.
    """
    from datasets import disable_progress_bars

    from data_builders.sources.build import build_dialogues

    missing = [path for path in paths if not path.exists()]
    if missing:
        sys.exit(f"error: no {missing[0].name} in {missing[0].parent}: name the corpora by --data")
    disable_progress_bars()
    result = build_dialogues([str(p) for p in paths], cache_dir=cache_dir, say=lambda line: None)
    turns: dict[str, None] = {}
    for split in result.dataset.values():
        for batch in split.select_columns("turns").iter(1000):
            turns.update(dict.fromkeys(t for each in batch["turns"] for t in each if len(t) > 1))
    return list(turns)


def read_groups(folder: Path, cache_dir: str | None) -> dict[str, list[str]]:
    """Read a folder of corpora.

    Args:
        folder: each folder in it that holds dialogues is a group.
        cache_dir: as for `read_turns`.

    Returns:
        The distinct turns of each group, and as a group of their own those of all groups that
        hold both Han and Latin letters.
    """
    if not folder.is_dir():
        sys.exit(f"error: no folder of corpora in {folder}: name one by --data")
    groups = {}
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        try:
            groups[inner.name] = read_turns([inner], cache_dir)
        except UserError as error:
            print(f"{inner.name} is left out: it has no dialogues ({type(error).__name__})")
    both = (turn for turns in groups.values() for turn in turns if is_mixed(turn))
    return {**groups, MIXED: list(dict.fromkeys(both))}


def is_mixed(text: str) -> bool:
    """Say whether a text holds both Han and Latin letters.

    Args:
        text: any text.
    """
    return bool(HAN.search(text) and _LATIN.search(text))


def split(groups: Mapping[str, Sequence[str]], each: int, seed: int) -> Split:
    """Draw texts to measure on.

    Args:
        groups: texts that may be in several groups.
        each: how many to draw from each group.
        seed: the same seed draws the same texts.

    Returns:
        The texts drawn, and in a random order those that were drawn for no group.
    """
    chance = random.Random(seed)
    held_out = {name: chance.sample(list(t), min(each, len(t))) for name, t in groups.items()}
    drawn = {text for texts in held_out.values() for text in texts}
    rest = dict.fromkeys(t for texts in groups.values() for t in texts if t not in drawn)
    training = list(rest)
    chance.shuffle(training)
    by_group = {name: [t for t in texts if t in rest] for name, texts in groups.items()}
    for texts in by_group.values():
        chance.shuffle(texts)
    return Split(held_out, training, by_group)


def take(texts: Iterable[str], most: float) -> Iterator[str]:
    """Give texts until they have a size.

    Args:
        texts: any texts.
        most: bytes of UTF-8.
    """
    taken = 0
    for text in texts:
        if taken >= most:
            return
        taken += len(text.encode())
        yield text

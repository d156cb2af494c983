# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Memory and time of training a tokenizer, over the number of dialogues.

    python benchmarks/tokenizer_memory.py data/mine --rows 100000,1000000 --scheme word

The dialogues of a built data set are repeated until there are enough, and each reply gets a word
of eight letters that occurs nowhere else, so that the table of words grows as it never does on
real text. Each training is the command line in a process of its own.
"""

from __future__ import annotations

import argparse
import random
import string
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from measured import measure


def rows(turns: list[list[str]], count: int) -> Iterator[dict[str, Any]]:
    """Give dialogues, each with a word of its own.

    Args:
        turns: dialogues to repeat.
        count: how many to give.
    """
    dice = random.Random(0)
    for number in range(count):
        *first, last = turns[number % len(turns)]
        word = "".join(dice.choices(string.ascii_lowercase, k=8))
        yield {"turns": [*first, f"{last} {word}"]}


def write(source: str, count: int, folder: Path) -> float:
    """Write a data set of so many dialogues; give its megabytes of text.

    Args:
        source: a built data set.
        count: its dialogues.
        folder: where to write.
    """
    from datasets import Dataset, disable_progress_bars, load_from_disk

    turns = load_from_disk(source)["train"]["turns"][:]
    # Not through `gen_kwargs`: a list there is taken for shards.
    made = partial(rows, turns, count)
    disable_progress_bars()
    dataset = Dataset.from_generator(made, cache_dir=str(folder / "cache"))
    dataset.save_to_disk(str(folder / "data"))
    return sum(len(t.encode()) for row in turns for t in row) / len(turns) * count / 1e6


def main() -> None:
    """Read the command line and print a line for each number of dialogues."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="a folder made by `python -m data_builders`")
    parser.add_argument("--rows", default="100000,1000000", help="numbers of dialogues")
    parser.add_argument("--scheme", default="word")
    parser.add_argument("--vocab-size", default="16000")
    arguments = parser.parse_args()
    print("| scheme | dialogues | MB of text | s | CPU s | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for count in map(int, arguments.rows.split(",")):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            size = write(arguments.dataset, count, folder)
            command = [
                sys.executable,
                "-m",
                "tfchat_hf.text.tokenizer_training",
                str(folder / "data"),
            ]
            command += ["--scheme", arguments.scheme, "--vocab-size", arguments.vocab_size]
            found = measure([*command, "--output", str(folder / "tokenizer")])
            if found.code:
                sys.exit(found.output)
        print(
            f"| {arguments.scheme} | {count:,} | {size:.0f} | {found.seconds:.0f} "
            f"| {found.cpu_seconds:.0f} | {found.peak_megabytes:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

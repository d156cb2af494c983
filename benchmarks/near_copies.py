# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Near copies against pairs that a person has labelled: precision and recall, beside others.

    pip install rensa datasketch
    python benchmarks/near_copies.py pairs.tsv
    python benchmarks/near_copies.py tests/data_builders/selecting/copies.tsv --only ours,measure

A line of the file is question1, reply1, question2, reply2 and a label, 1 for a copy, with tabs
between, `\n` for a line break, and a line of names on top. Odd lines are one half, even ones the
other: settings may be chosen on one and must hold on the other.

* ours: both dialogues go through the search of a build; measure: they are measured at once
* datasketch, rensa: MinHash over character 4-grams of the whole dialogue, 128 permutations,
  a copy from an estimated similarity of 0.8, or of 0.7, on
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
Turns = tuple[str, str]
WAYS = ("ours", "measure", "datasketch 0.8", "datasketch 0.7", "rensa 0.8", "rensa 0.7")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--only", default=",".join(WAYS))
    arguments = parser.parse_args(argv)
    pairs = read_pairs(arguments.pairs)
    print("way             precision  recall   first half      second half")
    for way in arguments.only.split(","):
        judge = judge_of(way)
        found = [(judge(first, second), label) for first, second, label in pairs]
        cells = [scores(part) for part in (found, found[::2], found[1::2])]
        print(f"{way:15} {cells[0][0]:9.3f} {cells[0][1]:7.3f}"
              + "".join(f"   {p:.3f} / {r:.3f}" for p, r in cells[1:]))  # fmt: skip
    return 0


def read_pairs(path: Path) -> list[tuple[Turns, Turns, bool]]:
    """Read labelled pairs of dialogues."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    plain = [[cell.replace("\\n", "\n") for cell in row] for row in rows]
    return [((a, b), (c, d), label == "1") for a, b, c, d, label in plain]


def scores(found: Sequence[tuple[bool, bool]]) -> tuple[float, float]:
    """Give precision and recall."""
    right = sum(copy and label for copy, label in found)
    return right / max(1, sum(c for c, _ in found)), right / max(1, sum(la for _, la in found))


def judge_of(way: str) -> Callable[[Turns, Turns], bool]:
    """Give a function that says whether two dialogues are copies."""
    name, _, threshold = way.partition(" ")
    if name == "ours":
        return through_a_build
    if name == "measure":
        from data_builders.selecting.copies import alike

        return lambda first, second: bool(alike(first, second))
    signature = with_datasketch if name == "datasketch" else with_rensa
    least = float(threshold)
    return lambda first, second: signature(first).jaccard(signature(second)) >= least


def through_a_build(first: Turns, second: Turns) -> bool:
    """Search two dialogues as a build does."""
    import numpy as np

    from data_builders.selecting.duplicates import near_duplicates
    from data_builders.selecting.shards import Dialogue, Shards, open_shard, write_shard

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "0.arrow")
        write_shard(path, [Dialogue(turns, (), "en", "s") for turns in (first, second)], [0, 0])
        kept, _ = near_duplicates(Shards([path]), np.ones(2, dtype=bool), 1)
        open_shard.cache_clear()
    return bool(kept[1] == 0)


def grams(turns: Turns) -> list[str]:
    """Give the runs of four characters."""
    text = "\n".join(turns).lower()
    return [text[i : i + 4] for i in range(max(1, len(text) - 3))]


def with_datasketch(turns: Turns):  # type: ignore[no-untyped-def]
    """Sign a dialogue with datasketch."""
    from datasketch import MinHash

    signed = MinHash(num_perm=128)
    signed.update_batch([gram.encode() for gram in grams(turns)])
    return signed


def with_rensa(turns: Turns):  # type: ignore[no-untyped-def]
    """Sign a dialogue with rensa."""
    from rensa import RMinHash

    signed = RMinHash(num_perm=128, seed=42)
    signed.update(grams(turns))
    return signed


if __name__ == "__main__":
    sys.exit(main())

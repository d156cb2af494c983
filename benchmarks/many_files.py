# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How long a folder of many small files takes, beside a plain reader of fifteen lines.

    python benchmarks/many_files.py --files 100000

Makes the files in a temporary folder, reads them with the plain reader and builds them with one
worker, and prints both times, their ratio and the peak of memory. `--folders 100` spreads them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from data_builders import build_dialogues


def make(folder: Path, files: int, folders: int) -> None:
    """Write one dialogue a file.

    Args:
        folder: Where.
        files: How many.
        folders: In how many folders.
    """
    for number in range(folders):
        (folder / f"{number:04}").mkdir(parents=True)
    for i in range(files):
        talk = [
            {"role": "user", "content": f"Where is boat {i}?"},
            {
                "role": "assistant",
                "content": f"Boat {i} is at pier {i * 7 % 1000}, beside {i + 1}.",
            },
        ]
        (folder / f"{i % folders:04}" / f"{i}.json").write_text(json.dumps(talk))


def plain(folder: Path) -> int:
    """Read all files and count the dialogues that no other one equals."""
    seen = set()
    for where, _, names in os.walk(folder):
        for name in sorted(names):
            with open(os.path.join(where, name), encoding="utf-8") as file:
                turns = [message["content"].strip() for message in json.load(file)]
            if len(turns) > 1 and all(turns):
                seen.add(tuple(turns))
    return len(seen)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folders", type=int, default=1)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as place:
        corpus = Path(place, "corpus")
        make(corpus, arguments.files, arguments.folders)
        begin = time.perf_counter()
        count = plain(corpus)
        read = time.perf_counter()
        result = build_dialogues(str(corpus), cache_dir=str(Path(place, "cache")), workers=1)
        built = time.perf_counter()
    print(f"plain reader: {count:,} dialogues, {read - begin:.1f} s")
    print(f"data_builders: {result.report.rows_read:,} dialogues, {built - read:.1f} s")
    print(f"ratio: {(built - read) / (read - begin):.1f}")
    print(f"peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()

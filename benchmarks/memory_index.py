# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Which library finds the nearest of many questions: seconds, megabytes, and whether it fits.

    pip install scikit-learn bm25s tantivy faiss-cpu
    python benchmarks/memory_index.py data/zh --questions 200000

Each contender that is installed indexes the questions of a built data set's training side, in a
process of its own, and is asked held-out ones in another. CPU time of one thread; load and peak
are what a process needs on top of torch, transformers and datasets, which every chat has loaded,
the contender's own packages included. The last columns say how often the nearest *other*
question of the small talk asks the same thing (has the same `intent`), in Chinese and in English.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measured import measure
from memory_contenders import CONTENDERS, PACKAGES

ASKED = 500
ONE_THREAD = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


def questions_of(dataset: str, split: str, most: int) -> list[str]:
    """Read the newest turn before each reply of one side."""
    from datasets import load_from_disk

    from data_builders.selecting.splits import reply_places

    found = []
    for row in load_from_disk(dataset)[split]:
        found += [row["turns"][i - 1] for i in reply_places(row["turns"], row["roles"])]
        if len(found) >= most:
            break
    return found[:most]


def build(name: str, texts: Path, folder: Path) -> dict[str, float]:
    """Build one contender's index; give the seconds of CPU."""
    questions = json.loads(texts.read_text(encoding="utf-8"))["known"]
    started = time.process_time()
    CONTENDERS[name]().build(questions, folder)
    return {"build": time.process_time() - started}


def ask(name: str, texts: Path, folder: Path) -> dict[str, float]:
    """Load the index and ask; give seconds, milliseconds and megabytes."""
    asked = json.loads(texts.read_text(encoding="utf-8"))["asked"]
    importlib.import_module("tfchat_hf")
    before = _megabytes()
    started = time.process_time()
    contender = CONTENDERS[name]()
    contender.load(folder)
    contender.ask(asked[0], 20)
    loaded = time.process_time()
    for question in asked:
        contender.ask(question, 20)
    milliseconds = (time.process_time() - loaded) / len(asked) * 1000
    return {"load": loaded - started, "ms": milliseconds, "peak": _megabytes() - before}


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def same_intent(name: str, language: str, folder: Path) -> dict[str, float]:
    """Give the share of small talk questions whose nearest other question has their intent."""
    from data_builders.formats.small_talk import small_talk_rows

    rows = [row for row in small_talk_rows(language, "train") if "question" in row]
    contender = CONTENDERS[name]()
    contender.build([row["question"] for row in rows], folder)
    contender.load(folder)
    hits = 0
    for place, row in enumerate(rows):
        others = [found for found in contender.ask(row["question"], 2) if found != place]
        hits += bool(others) and rows[others[0]]["intent"] == row["intent"]
    return {language: hits / len(rows)}


def installed(name: str) -> bool:
    """Say whether a contender's package is here."""
    package = PACKAGES.get(name.partition(",")[0])
    return package is None or importlib.util.find_spec(package) is not None


def row_of(name: str, texts: Path) -> str:
    """Measure one contender, each step in its own process; give a row of the table."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for step in ("build", "ask", "zh", "en"):
            folder = Path(scratch, "index" if step in ("build", "ask") else step)
            folder.mkdir(exist_ok=True)
            command = [sys.executable, __file__, "--step", step, "--contender", name]
            found = measure([*command, "--texts", str(texts), "--folder", str(folder)], ONE_THREAD)
            if found.code:
                return f"| {name} | failed: {found.output.strip().splitlines()[-1]} |"
            figures |= json.loads(found.output.strip().splitlines()[-1])
        files = [path for path in Path(scratch, "index").rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1e6
    return (
        f"| {name} | {figures['build']:.1f} | {size:.0f} | {figures['load']:.2f} "
        f"| {figures['ms']:.2f} | {figures['peak']:.0f} "
        f"| {100 * figures['zh']:.1f} % | {100 * figures['en']:.1f} % |"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line, and prints a table or does one step of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", help="a folder made by `python -m data_builders`")
    parser.add_argument("--questions", type=int, default=200_000, metavar="N")
    for hidden in ("--step", "--contender", "--texts", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.step:
        paths = Path(arguments.texts), Path(arguments.folder)
        if arguments.step in ("build", "ask"):
            step = {"build": build, "ask": ask}[arguments.step]
            print(json.dumps(step(arguments.contender, *paths)))
        else:
            print(json.dumps(same_intent(arguments.contender, arguments.step, paths[1])))
        return 0
    if not arguments.dataset:
        parser.error("name a dataset, e.g. data/mine")
    known = questions_of(arguments.dataset, "train", arguments.questions)
    asked = questions_of(arguments.dataset, "validation", ASKED)
    print(f"{len(known):,} questions, {len(asked):,} asked")
    print("| | build, s | files, MB | load, s | ms a question | peak, MB | intent zh | intent en |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        texts = Path(scratch, "texts.json")
        texts.write_text(json.dumps({"known": known, "asked": asked}), encoding="utf-8")
        for name in filter(installed, CONTENDERS):
            print(row_of(name, texts), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How fast text becomes tokens on one core: MB of UTF-8 a second of CPU time, beside jieba.

    python benchmarks/tokenizing.py                            # ../shared/data beside the checkout
    python benchmarks/tokenizing.py --rounds 3 --slice-kb 100 --only "word;char"

Every contender has a process of its own, so that Python's garbage collector does not pay for the
objects of another. They take turns (A B C, A B C), and each round has texts of its own, so that
no cache serves them. All vocabularies have 16,000 tokens and are trained on texts that are not
timed. Calls are those of AutoTokenizer with 1,000 texts unless a row says otherwise. The packages
rjieba and sentencepiece are not needed by the project; without them their rows are left out.
No text is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import tokenizing_contenders
from real_text import add_options, read_turns
from tokenizing_contenders import CONTENDERS, REFERENCE, missing_package

KINDS = {
    "Chinese": (
        "zh_chitchat/chicken_and_gossip.txt",
        "zh_instruction/carbonz0",
        "zh_community_qa/toyhom_rekeyed_desc_answer.jsonl.gz",
        "zh_chitchat/ptt/Gossiping-QA-Dataset_10000.txt",
    ),
    "English": ("en_dialogue",),
}
_MOST_TRAINING_TEXTS = 30_000
_ONE_THREAD = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}


class Worker:
    """The process of one contender."""

    def __init__(self, name: str, folder: Path, slices: Path) -> None:
        """Start it.

        Args:
            name: one of `CONTENDERS`.
            folder: where the tokenizers are.
            slices: the file of the texts.
        """
        command = [sys.executable, tokenizing_contenders.__file__, name, str(folder), str(slices)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **_ONE_THREAD},
        )
        self.answer()

    def answer(self) -> str:
        """Wait for a line of the process."""
        line = self._process.stdout.readline()
        if not line:
            sys.exit("error: a contender ended; its message is above.")
        return line

    def work(self, number: int) -> float:
        """Let it tokenize one slice.

        Args:
            number: which slice.

        Returns:
            The CPU time in seconds.
        """
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        return float(self.answer())

    def stop(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait()


def slices_of(texts: Sequence[str], size: int, most: int) -> Iterator[list[str]]:
    """Put texts together until they have a size.

    Args:
        texts: the texts.
        size: bytes of a slice.
        most: how many slices to make.
    """
    slice_, taken, made = [], 0, 0
    for text in texts:
        slice_.append(text)
        taken += len(text.encode())
        if taken >= size and made < most:
            yield slice_
            slice_, taken, made = [], 0, made + 1


def measure(
    names: Sequence[str], slices: Sequence[Sequence[str]], folder: Path
) -> dict[str, list[float]]:
    """Time all contenders.

    Args:
        names: which of `CONTENDERS`.
        slices: the texts of each round; those of the first are for warming up.
        folder: what `prepare` filled.

    Returns:
        MB a second of each, for each round.
    """
    file = folder / "slices.json"
    file.write_text(json.dumps(slices), "utf-8")
    workers = {name: Worker(name, folder, file) for name in names}
    speeds: dict[str, list[float]] = {name: [] for name in names}
    for number, texts in enumerate(slices):
        megabytes = sum(len(text.encode()) for text in texts) / 1e6
        for name, worker in workers.items():
            seconds = worker.work(number)
            if number:
                speeds[name].append(megabytes / seconds)
    for worker in workers.values():
        worker.stop()
    return speeds


def print_table(kind: str, speeds: dict[str, list[float]]) -> None:
    """Print what was measured.

    Args:
        kind: of the texts.
        speeds: MB a second of each contender, for each round.
    """
    print(f"| {kind} | MB/s | least to most | times {REFERENCE} |\n| --- | ---: | ---: | ---: |")
    for name, values in speeds.items():
        pairs = zip(values, speeds[REFERENCE], strict=True)
        ratio = statistics.median(value / base for value, base in pairs)
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"| {name} | {statistics.median(values):.2f} | {spread} | {ratio:.1f} |")
    print(flush=True)


def run_kind(kind: str, arguments: argparse.Namespace, folder: Path) -> None:
    """Train and time on one kind of text.

    Args:
        kind: one of `KINDS`.
        arguments: the command line.
        folder: where the tokenizers go.
    """
    from tokenizing_vocabularies import prepare

    texts = read_turns([arguments.data / part for part in KINDS[kind]], arguments.cache_dir)
    random.Random(arguments.seed).shuffle(texts)
    slices = list(slices_of(texts, arguments.slice_kb * 1000, arguments.rounds + 1))
    training = texts[sum(map(len, slices)) :][:_MOST_TRAINING_TEXTS]
    if len(slices) <= arguments.rounds or not training:
        sys.exit("error: the corpora are too small: lower --rounds or --slice-kb")
    kept = folder / kind
    if not kept.exists():
        fresh = folder / f"{kind}-unfinished"
        fresh.mkdir(parents=True, exist_ok=True)
        prepare(training, fresh)
        fresh.rename(kept)
    if arguments.prepare_only:
        return
    print_table(kind, measure(arguments.names, slices, kept))


def main() -> None:
    """Read the command line and print the tables."""
    arguments = _read()
    with tempfile.TemporaryDirectory() as temporary:
        for kind in arguments.kinds.split(","):
            run_kind(kind, arguments, arguments.work or Path(temporary))


def _read() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--slice-kb", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--only", help=f"of: {'; '.join(CONTENDERS)} (separated by ;)")
    parser.add_argument("--work", type=Path, help="keep the trained tokenizers here")
    parser.add_argument(
        "--prepare-only", action="store_true", help="train into --work, time nothing"
    )
    read = parser.parse_args()
    if unknown := set(read.kinds.split(",")) - set(KINDS):
        parser.error(f"--kinds takes {', '.join(KINDS)} (got {', '.join(sorted(unknown))})")
    names = read.only.split(";") if read.only else list(CONTENDERS)
    if unknown := set(names) - set(CONTENDERS):
        parser.error(f"--only takes {'; '.join(CONTENDERS)} (got {'; '.join(sorted(unknown))})")
    read.names = [name for name in CONTENDERS if name in names or name == REFERENCE]
    for name in list(read.names):
        if package := missing_package(name):
            print(f"{name} is left out: it needs the package {package} (pip install {package})")
            read.names.remove(name)
    return read


if __name__ == "__main__":
    main()

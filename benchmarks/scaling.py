# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""What a larger corpus costs: start-up, time a token and memory at 10 thousand to 1 million pairs.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --pairs 10000 100000 --block 500 --rounds 1

The pairs are clauses of the ChatterBot corpus put together anew. Each size is started twice through
what train_hf.py calls: with nothing cached, and again, which is the start-up that is shown first.
Then all sizes take turns, a block of pairs each a round, so that they meet the same machine. "own
memory" is what the process holds without mapped files; "peak RSS" counts those, too.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import datasets
from data_building import clauses
from training_peers.job import Job, Shape
from training_peers.worker import Worker
from training_peers.workload import WorkloadStatistics, save_dialogues, save_tokenizer

HEAD = (
    "| pairs | start-up s, cached (of CPU) | first time (of CPU) | CPU s / 1,000 real tokens "
    "| peak RSS MB | own memory MB |\n|---|---|---|---|---|---|"
)
# The tokenizer is made from so many pairs: all sizes have the same characters.
TOKENIZER_PAIRS = 5000


class Start(NamedTuple):
    """Seconds until the first update could begin: on the clock, and of the process's CPU time."""

    wall: float
    cpu: float


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line, measures and prints the table."""
    arguments = _parser().parse_args(argv)
    datasets.disable_progress_bars()
    shape = Shape(arguments.d_model, arguments.heads, arguments.layers, arguments.ffn)
    starts: dict[int, list[Start]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, ExitStack() as stack:
        workers = {}
        for pairs in arguments.pairs:
            job = _prepared(Path(folder, str(pairs)), pairs, shape, arguments)
            worker, first = _started(job)
            worker.stop()
            workers[pairs], again = _started(job)
            stack.callback(workers[pairs].stop)
            starts[pairs] = [again, first]
            print(f"# {pairs:,} pairs: started in {again.wall:.1f} s, at first {first.wall:.1f} s")
        blocks = _blocks(workers, arguments.rounds, arguments.block, arguments.batch)
    rows = [_row(pairs, starts[pairs], found) for pairs, found in blocks.items()]
    print("\n".join(["", HEAD, *map(_line, rows)]))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    say = parser.add_argument
    say("--pairs", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    say("--contender", default="ours-bf16", choices=("ours", "ours-bf16"))
    say("--block", type=int, default=1000, help="pairs of a block")
    say("--rounds", type=int, default=3)
    say("--batch", type=int, default=50, help="pairs of an update")
    say("--threads", type=int, default=1)
    say("--device", default="cpu", choices=("cpu", "cuda"))
    say("--d-model", type=int, default=Shape.d_model)
    say("--heads", type=int, default=Shape.heads)
    say("--layers", type=int, default=Shape.layers)
    say("--ffn", type=int, default=Shape.ffn)
    say("--folder", help="where to work (default: the system's temporary folder)")
    say("--out", help="a JSON file for every figure")
    return parser


def invented(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Puts clauses together to pairs, without end; as good as all of them differ."""
    rng = random.Random(1)
    while True:
        question = "，".join(rng.choices(parts, k=2)) + "？"
        yield question, "，".join(rng.choices(parts, k=3)) + "。"


def _prepared(folder: Path, pairs: int, shape: Shape, arguments: argparse.Namespace) -> Job:
    """Writes a corpus of so many pairs."""
    parts = clauses([])
    tokenizer = save_tokenizer(folder, islice(invented(parts), TOKENIZER_PAIRS), shape.vocabulary)
    sample = [
        len(tokenizer(side)["input_ids"]) for pair in islice(invented(parts), 1000) for side in pair
    ]
    # Every side fits: a clause has at most 40 characters, a character at most 4 bytes.
    statistics = WorkloadStatistics(
        1000, sum(sample), 512, len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id
    )
    (folder / "statistics.json").write_text(json.dumps(asdict(statistics)))
    save_dialogues(folder, islice(invented(parts), pairs))
    settings = {"dataset_cache_dir": str(folder / "cache")}
    return Job(
        arguments.contender,
        str(folder),
        shape,
        arguments.batch,
        arguments.device,
        arguments.threads,
        settings=settings,
        whole_passes=False,
    )


def _started(job: Job) -> tuple[Worker, Start]:
    """Starts a training and waits until its first update could begin.

    Returns:
        The process and what it took, imports included.
    """
    began = time.perf_counter()
    worker = Worker(job, Path(job.workload))
    cpu = worker.answer()["cpu"]
    return worker, Start(time.perf_counter() - began, cpu)


def _blocks(
    workers: dict[int, Worker], rounds: int, block: int, batch: int
) -> dict[int, list[dict[str, Any]]]:
    """Lets the sizes take turns; the first, short round does not count."""
    found: dict[int, list[dict[str, Any]]] = {pairs: [] for pairs in workers}
    for number in range(rounds + 1):
        for pairs, worker in workers.items():
            answer = worker.run(block if number else batch)
            if number:
                found[pairs].append(answer)
    return found


def _row(pairs: int, starts: list[Start], blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "pairs": pairs,
        "cached": starts[0]._asdict(),
        "first": starts[1]._asdict(),
        "seconds": statistics.median(1000 * b["cpu"] / b["tokens"] for b in blocks),
        "rss_mb": max(b["rss_mb"] for b in blocks),
        "own_mb": max(b["own_mb"] for b in blocks),
    }


def _line(row: dict[str, Any]) -> str:
    return (
        f"| {row['pairs']:,} | {row['cached']['wall']:.1f} ({row['cached']['cpu']:.1f}) "
        f"| {row['first']['wall']:.1f} ({row['first']['cpu']:.1f}) | {row['seconds']:.3f} "
        f"| {row['rss_mb']:,.0f} | {row['own_mb']:,.0f} |"
    )


if __name__ == "__main__":
    sys.exit(main())

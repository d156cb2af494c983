# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Training throughput: this project against the original, transformers' Trainer and a plain loop.

    python benchmarks/training.py                                 # pairs of the ChatterBot corpus
    python benchmarks/training.py --workload-data short=chats.tsv long=my/saved_build \
        --original ../TFChat --rounds 3 --out results.json
    python benchmarks/training.py --only loop-bf16,ours-bf16 --block 1000 --rounds 5
    python benchmarks/training.py --against ../older              # did a change cost time?

* original: the code of jingyaogong/TFChat, read at run time from the checkout that --original names
* marian, marian-tuned: a Marian model in Seq2SeqTrainer, as it comes and with lengths of both sides
* loop: a hand-written torch loop with batches by a budget of tokens
* ours: what train_hf.py does

"-bf16" behind a name is its precision (else fp32); "-compile" is torch.compile; "-tf32" for ours.
All have the same shape and train on the same ids. Each is a process that stays alive; they take
turns, a block of pairs each a round; the first, short round only warms up. With one thread the rate
is per second of the process's own CPU time, which other work on the machine disturbs little;
otherwise per second of wall time. The best rate of a product of matrices is measured beside them.

--against names another checkout of this project. Unless other options say otherwise, both train
the quickstart's network then, on the corpus's short replies and on longer ones, in bf16 (where the
device multiplies it) and in fp32; the answer is the ratio of their times, the median over rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import datasets
from training_peers.arithmetic import needed, product_rates
from training_peers.job import Job, Shape
from training_peers.worker import Worker, WorkerError
from training_peers.workload import (
    DEFAULT_SOURCE,
    Workload,
    invented_texts,
    lengthened,
    read_texts,
    save_workload,
)

CONTENDERS = (
    "original",
    "marian",
    "marian-bf16",
    "marian-tuned",
    "marian-tuned-bf16",
    "loop",
    "loop-bf16",
    "ours",
    "ours-bf16",
)
FAMILIES = {name.split("-")[0] for name in CONTENDERS} | {"against"}
MAX_CHARACTERS = 256
TOKEN_TOLERANCE = 0.01
# A comparison of two checkouts, where nothing else is asked for.
TWO_CHECKOUTS = {
    "workload_data": ["short=chatterbot", "long=lengthened"],
    "block": 640,
    "batch": 32,
    "rounds": 9,
    "d_model": 256,
    "heads": 4,
    "ffn": 1024,
    "vocabulary": 4000,
}
ENOUGH_ALIKE = 0.02
HEAD = (
    "| contender | pairs/s | spread | real tokens/s | x original | x loop of its precision "
    "| peak RSS MB | utilisation | executed / needed |\n|---|---|---|---|---|---|---|---|---|"
)

Blocks = dict[str, list[dict[str, Any]]]


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line, measures each workload and prints a table for it."""
    arguments = _arguments(argv)
    datasets.disable_progress_bars()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder, ignore_cleanup_errors=True) as folder:
        for named in arguments.workload_data:
            name, _, source = named.rpartition("=")
            name = name or Path(source).stem
            work = make_workload(source, arguments.block, Path(folder, name), arguments)
            results[name] = measure(work, name, arguments)
            print(results[name]["table"], flush=True)
            print("\n".join(against_lines(name, results[name]["blocks"], arguments)), flush=True)
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0 if all(result["rows"] for result in results.values()) else 1


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line; with --against other things are the default."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.against:
        from tfchat_hf.settings.arguments import TFChatTrainingArguments

        with tempfile.TemporaryDirectory() as folder:
            use_cpu = arguments.device == "cpu"
            has_bf16 = TFChatTrainingArguments(output_dir=folder, use_cpu=use_cpu).bf16
        names = ["ours", "against"] + (["ours-bf16", "against-bf16"] if has_bf16 else [])
        parser.set_defaults(**TWO_CHECKOUTS, only=",".join(names))
        arguments = parser.parse_args(argv)
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    say = parser.add_argument
    say(
        "--workload-data",
        nargs="+",
        default=[DEFAULT_SOURCE],
        metavar="NAME=PATH",
        help="saved builds or corpus files; 'invented' puts clauses together anew, 'lengthened' "
        "replies of the corpus",
    )
    say("--block", type=int, default=4000, help="pairs of a workload, and of a block")
    say("--original-block", type=int, default=50, help="pairs of a block of the original")
    say("--rounds", type=int, default=3)
    say("--deadline", type=float, help="seconds after which no further round begins")
    say("--only", default=",".join(CONTENDERS))
    say("--original", help="a checkout of jingyaogong/TFChat, or its git directory")
    say("--against", metavar="CHECKOUT", help="another checkout of this project")
    say("--threads", type=int, default=1)
    say("--device", default="cpu", choices=("cpu", "cuda"))
    say("--batch", type=int, default=50, help="pairs of an update")
    say("--d-model", type=int, default=Shape.d_model)
    say("--heads", type=int, default=Shape.heads)
    say("--layers", type=int, default=Shape.layers)
    say("--ffn", type=int, default=Shape.ffn)
    say("--vocabulary", type=int, default=Shape.vocabulary)
    say("--setting", nargs="*", default=[], metavar="KEY=VALUE", help="of train_hf.py, for ours")
    say("--folder", help="where to work (default: the system's temporary folder)")
    say("--out", help="a JSON file for every figure")
    return parser


def make_workload(source: str, count: int, folder: Path, arguments: argparse.Namespace) -> Workload:
    """Draws the pairs of a workload and encodes them."""
    if source == "invented":
        texts = invented_texts(count, MAX_CHARACTERS)
    elif source == "lengthened":
        texts = lengthened(read_texts(DEFAULT_SOURCE, count, MAX_CHARACTERS), MAX_CHARACTERS // 2)
    else:
        texts = read_texts(source, count, MAX_CHARACTERS)
    return save_workload(folder, texts, arguments.vocabulary)


def measure(work: Workload, name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Lets the contenders take turns on one workload.

    Returns:
        The `table` as Markdown, its `rows` as numbers, all `blocks` and the `peaks`.
    """
    import torch

    torch.set_num_threads(arguments.threads)
    jobs = _jobs(work, arguments)
    with ExitStack() as stack:
        workers = _start(jobs, work.folder, stack)
        blocks, peaks = _take_turns(workers, work, name, arguments)
    blocks = {contender: found for contender, found in blocks.items() if found}
    check_tokens(blocks, work)
    peak = {kind: statistics.median(p[kind] for p in peaks) for kind in peaks[0]}
    rows = rows_of(blocks, work, arguments, peak)
    return {
        "table": _table(name, rows, work, arguments, peak),
        "rows": rows,
        "blocks": blocks,
        "peaks": peaks,
        "pairs": len(work.pairs),
        "tokens": work.statistics.tokens,
    }


def _take_turns(
    workers: list[Worker], work: Workload, name: str, arguments: argparse.Namespace
) -> tuple[Blocks, list[dict[str, float]]]:
    """Does all rounds; a contender that breaks is left out of the rest.

    Returns:
        The counted blocks of each contender, and the rates of a product in each round.
    """
    blocks: Blocks = {worker.job.name: [] for worker in workers}
    peaks: list[dict[str, float]] = []
    began = time.monotonic()
    for number in range(arguments.rounds + 1):
        if arguments.deadline and number > 1 and time.monotonic() - began > arguments.deadline:
            print(f"# {name}: the time is up after {number - 1} rounds", flush=True)
            break
        peaks.append(product_rates(arguments.device))
        # Back and forth, so that nobody always comes after the same one.
        for worker in workers[:: 1 if number % 2 else -1]:
            size = _block_size(worker.job, work, arguments, warm=number == 0)
            answer = _turn(worker, size)
            if answer is None:
                workers.remove(worker)
            elif number:
                blocks[worker.job.name].append(answer)
                _say_block(name, number, worker.job.name, answer)
    return blocks, peaks


def _jobs(work: Workload, arguments: argparse.Namespace) -> list[Job]:
    """Makes the jobs; leaves the original out, with a line, where no checkout is named."""
    shape = Shape(
        arguments.d_model,
        arguments.heads,
        arguments.layers,
        arguments.ffn,
        work.statistics.vocabulary,
        max(Shape.positions, work.statistics.longest),
    )
    jobs = []
    for name in arguments.only.split(","):
        if name.split("-")[0] not in FAMILIES:
            sys.exit(f"--only: {name!r} is none of {', '.join(sorted(FAMILIES))}")
        if name.startswith("against") and not arguments.against:
            sys.exit(f"--only: {name!r} needs --against CHECKOUT")
        if name.startswith("original") and not arguments.original:
            print("# original: left out, for --original names no checkout of jingyaogong/TFChat")
            continue
        against = arguments.against and str(Path(arguments.against).resolve())
        original = arguments.original and str(Path(arguments.original).resolve())
        settings = dict(item.split("=", 1) for item in arguments.setting)
        jobs.append(
            Job(
                name,
                str(work.folder),
                shape,
                arguments.batch,
                arguments.device,
                arguments.threads,
                original,
                settings,
                against=against if name.startswith("against") else None,
            )
        )
    return jobs


def _start(jobs: list[Job], folder: Path, stack: ExitStack) -> list[Worker]:
    """Starts the contenders; one that fails is left out with a line."""
    started = [Worker(job, folder) for job in jobs]
    workers = []
    for worker in started:
        stack.callback(worker.stop)
        try:
            ready = worker.answer()
        except WorkerError as error:
            _say_failure(error, worker)
            continue
        print(f"# {worker.job.name}: {ready['parameters'] / 1e6:.1f} M parameters", flush=True)
        workers.append(worker)
    return workers


def _turn(worker: Worker, size: int) -> dict[str, Any] | None:
    try:
        return worker.run(size)
    except WorkerError as error:
        _say_failure(error, worker)
        return None


def _say_failure(error: WorkerError, worker: Worker) -> None:
    lines = worker.log_path.read_text(encoding="utf-8").splitlines()[-12:]
    print("\n".join([f"# {error}:", *(f"#   {line}" for line in lines)]), flush=True)


def _say_block(name: str, number: int, contender: str, block: dict[str, Any]) -> None:
    print(
        f"# {name}, round {number}, {contender}: {block['pairs'] / block['cpu']:.2f} pairs/s of "
        f"CPU time, {block['pairs'] / block['wall']:.2f} of wall time, {block['rss_mb']:.0f} MB",
        flush=True,
    )


def _block_size(job: Job, work: Workload, arguments: argparse.Namespace, warm: bool) -> int:
    size = len(work.pairs)
    if job.family == "original":
        size = min(size, arguments.original_block)
    # Compiled code meets all its shapes in a whole pass; a GPU needs more than one update.
    if not warm or "compile" in job.options:
        return size
    return min(size, arguments.batch * (1 if arguments.device == "cpu" else 40))


def check_tokens(blocks: Blocks, work: Workload) -> None:
    """Makes sure that all have trained on equally many real tokens a pair.

    Raises:
        ValueError: If the counts differ by more than a hundredth; names the contender.
    """
    mean = work.statistics.mean
    for name, found in blocks.items():
        rate = sum(b["tokens"] for b in found) / sum(b["pairs"] for b in found)
        if abs(rate / mean - 1) > TOKEN_TOLERANCE:
            raise ValueError(
                f"{name} counts {rate:.2f} real tokens a pair, the workload has {mean:.2f}: "
                "the contenders do not train on the same text."
            )


def rows_of(
    blocks: Blocks, work: Workload, arguments: argparse.Namespace, peak: dict[str, float]
) -> list[dict[str, Any]]:
    """Turns blocks into figures.

    Args:
        blocks: What each contender measured.
        work: The workload.
        arguments: The command line.
        peak: FLOP per second of a matrix product in each precision.
    """
    shape = Shape(
        arguments.d_model,
        arguments.heads,
        arguments.layers,
        arguments.ffn,
        work.statistics.vocabulary,
    )
    need = needed(shape, work.pairs) / len(work.pairs)
    clock = "cpu" if arguments.threads == 1 and arguments.device == "cpu" else "wall"
    mean = work.statistics.mean
    rates = {name: [b["pairs"] / b[clock] for b in found] for name, found in blocks.items()}
    rows = []
    for name, found in blocks.items():
        kind = "bf16" if "bf16" in name.split("-") else "fp32"
        rate = statistics.median(rates[name])
        flops = sum(b["flops"] for b in found) / sum(b["pairs"] for b in found)
        loop = "loop-bf16" if kind == "bf16" else "loop"
        rows.append(
            {
                "contender": name,
                "pairs_per_second": rate,
                "spread": [min(rates[name]), max(rates[name])],
                "tokens_per_second": rate * mean,
                "x_original": _ratio(rates, name, "original"),
                "x_loop": _ratio(rates, name, loop),
                "rss_mb": max(b["rss_mb"] for b in found),
                "utilisation": rate * need / peak[kind],
                "executed": flops / need or None,
            }
        )
    return rows


def against_lines(name: str, blocks: Blocks, arguments: argparse.Namespace) -> list[str]:
    """Says for each precision whether the two checkouts take the same time.

    Args:
        name: The workload.
        blocks: What each contender measured; without another checkout nothing is said.
        arguments: The command line.
    """
    clock = "cpu" if arguments.threads == 1 and arguments.device == "cpu" else "wall"
    lines = []
    for ours in [one for one in blocks if one.startswith("ours")]:
        theirs = ours.replace("ours", "against")
        if theirs not in blocks:
            continue
        times = {one: [b[clock] / b["pairs"] for b in blocks[one]] for one in (ours, theirs)}
        pairs = zip(times[ours], times[theirs], strict=False)
        ratios = sorted(mine / yours for mine, yours in pairs)
        ratio = statistics.median(ratios)
        alike = "yes" if ratio <= 1 + ENOUGH_ALIKE else "NO"
        lines.append(
            f"{name}, {ours.replace('ours-', '').replace('ours', 'fp32')}: this checkout takes "
            f"{ratio:.3f} times the {clock} time of {arguments.against} (median of {len(ratios)} "
            f"rounds, {ratios[0]:.3f} to {ratios[-1]:.3f}); "
            f"at most {100 * ENOUGH_ALIKE:g} % more: {alike}"
        )
    return lines


def _ratio(rates: dict[str, list[float]], name: str, other: str) -> float | None:
    """Gives the median of the ratios of each round."""
    if other not in rates:
        return None
    pairs = zip(rates[name], rates[other], strict=False)
    return statistics.median(mine / yours for mine, yours in pairs)


def _table(
    name: str,
    rows: list[dict[str, Any]],
    work: Workload,
    arguments: argparse.Namespace,
    peak: dict[str, float],
) -> str:
    """Writes the table in Markdown."""
    heading = (
        f"{name}: {len(work.pairs):,} pairs of {work.statistics.mean:.1f} tokens, "
        f"{arguments.rounds} rounds, {arguments.device}, {arguments.threads} thread(s); a product "
        f"of matrices does {peak['fp32'] / 1e9:,.0f} GFLOP/s in fp32, {peak['bf16'] / 1e9:,.0f} "
        "in bf16"
    )
    lines = [
        f"| {r['contender']} | {r['pairs_per_second']:.3g} "
        f"| {r['spread'][0]:.3g} to {r['spread'][1]:.3g} | {r['tokens_per_second']:,.0f} "
        f"| {_shown(r['x_original'])} | {_shown(r['x_loop'])} | {r['rss_mb']:,.0f} "
        f"| {100 * r['utilisation']:.0f} % | {_shown(r['executed'])} |"
        for r in rows
    ]
    return "\n".join(["", heading, "", HEAD, *lines, ""])


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())

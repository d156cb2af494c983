# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""How long until a held-out loss: the original's code for a time, then ours until it is there.

    python benchmarks/time_to_loss.py --original ../TFChat --seconds 120 --device cuda
    python benchmarks/time_to_loss.py --original ../TFChat --workload-data my/saved_build \
        --seconds 3600 --setting learning_rate=0.001 warmup_steps=400

Both train on the same pairs and are measured on the same held-out ones, with no smoothing, in nats
a character of the replies. Blanks are taken out of the texts, as the original does with its own, so
that both have the same characters to learn. The clock stands while they are measured and does not
count the start of the processes. On one thread of a CPU it is CPU time, elsewhere wall time.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
from training_peers.held_out import save_held_out
from training_peers.job import Job, Shape
from training_peers.worker import Worker, WorkerError
from training_peers.workload import invented_texts, read_texts, save_workload

MAX_CHARACTERS = 256


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line, trains one after the other and says both times."""
    arguments = _parser().parse_args(argv)
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory(dir=arguments.folder, ignore_cleanup_errors=True) as folder:
        shape = _prepare(Path(folder, "workload"), arguments)
        try:
            theirs = _curve("original", shape, Path(folder, "workload"), arguments, None)
            target = min(point["loss"] for point in theirs)
            ours = _curve(arguments.contender, shape, Path(folder, "workload"), arguments, target)
        except WorkerError as error:
            print(f"error: {error}\n{_log(Path(folder, 'workload'))}", file=sys.stderr)
            return 1
    result = {"target": target, "original": theirs, "ours": ours, **_summary(theirs, ours, target)}
    print(_words(result))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(result, indent=1), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    say = parser.add_argument
    say("--original", required=True, help="a checkout of jingyaogong/TFChat")
    say("--workload-data", default="invented", help="a saved build, corpus files or 'invented'")
    say("--pairs", type=int, default=30_000)
    say("--held-out", type=int, default=1000, help="pairs that neither trains on")
    say("--seconds", type=float, default=120, help="training time of the original")
    say("--most", type=float, default=1.0, help="ours gives up after so many times that")
    say("--block", type=int, default=1000, help="pairs between two measurements of the original")
    say("--our-block", type=int, default=2000, help="the same for ours")
    say("--contender", default="ours-bf16")
    say("--setting", nargs="*", default=[], metavar="KEY=VALUE", help="of train_hf.py, for ours")
    say("--batch", type=int, default=50, help="pairs of an update of the original")
    say("--our-batch", type=int, default=200, help="pairs of an update of ours, on average")
    say("--threads", type=int, default=1)
    say("--device", default="cpu", choices=("cpu", "cuda"))
    say("--d-model", type=int, default=Shape.d_model)
    say("--heads", type=int, default=Shape.heads)
    say("--layers", type=int, default=Shape.layers)
    say("--ffn", type=int, default=Shape.ffn)
    say("--vocabulary", type=int, default=Shape.vocabulary)
    say("--folder", help="where to work (default: the system's temporary folder)")
    say("--out", help="a JSON file for every figure")
    return parser


def _prepare(folder: Path, arguments: argparse.Namespace) -> Shape:
    """Writes the workload and its held-out pairs."""
    count = arguments.pairs + arguments.held_out
    if arguments.workload_data == "invented":
        texts = invented_texts(count, MAX_CHARACTERS)
    else:
        texts = read_texts(arguments.workload_data, count, MAX_CHARACTERS)
    texts = [("".join(question.split()), "".join(reply.split())) for question, reply in texts]
    held_out = min(arguments.held_out, len(texts) // 2)
    work = save_workload(folder, texts[held_out:], arguments.vocabulary)
    save_held_out(folder, texts[:held_out])
    return Shape(
        arguments.d_model,
        arguments.heads,
        arguments.layers,
        arguments.ffn,
        work.statistics.vocabulary,
        max(Shape.positions, work.statistics.longest),
    )


def _curve(
    name: str, shape: Shape, folder: Path, arguments: argparse.Namespace, target: float | None
) -> list[dict[str, float]]:
    """Trains one contender and follows its loss.

    Args:
        name: The contender.
        shape: The network.
        folder: The workload.
        arguments: The command line.
        target: The loss to stop at; None for a training of `--seconds`.
    """
    theirs = name == "original"
    batch = arguments.batch if theirs else arguments.our_batch
    settings = {} if theirs else dict(item.split("=", 1) for item in arguments.setting)
    checkout = str(Path(arguments.original).resolve())
    job = Job(
        name,
        str(folder),
        shape,
        batch,
        arguments.device,
        arguments.threads,
        checkout,
        settings,
        whole_passes=False,
    )
    worker = Worker(job, folder)
    limit = arguments.seconds * (1.0 if theirs else arguments.most)
    points: list[dict[str, float]] = []
    try:
        worker.answer()
        while not points or not _over(points[-1], limit, target):
            answer = worker.run(arguments.block if theirs else arguments.our_block)
            points.append(_point(answer, points[-1] if points else None, arguments))
            print(
                f"# {name}: {points[-1]['seconds']:.1f} s, {points[-1]['pairs']:,} pairs, "
                f"held-out loss {points[-1]['loss']:.3f} a character",
                flush=True,
            )
    finally:
        worker.stop()
    return points


def _point(
    answer: dict[str, Any], before: dict[str, float] | None, arguments: argparse.Namespace
) -> dict[str, float]:
    """Adds a block to what was before it."""
    one_core = arguments.device == "cpu" and arguments.threads == 1
    seconds, pairs = answer["cpu" if one_core else "wall"], answer["pairs"]
    if before:
        seconds, pairs = seconds + before["seconds"], pairs + before["pairs"]
    return {"seconds": seconds, "pairs": pairs, "loss": answer["loss"]}


def _over(point: dict[str, float], limit: float, target: float | None) -> bool:
    return point["seconds"] >= limit or (target is not None and point["loss"] <= target)


def _summary(
    theirs: list[dict[str, float]], ours: list[dict[str, float]], target: float
) -> dict[str, float | None]:
    """Finds when each was there first."""
    reached = {
        name: next((p["seconds"] for p in points if p["loss"] <= target), None)
        for name, points in (("original_seconds", theirs), ("our_seconds", ours))
    }
    both = None not in reached.values()
    return {
        **reached,
        "ratio": reached["original_seconds"] / reached["our_seconds"] if both else None,
    }


def _words(result: dict[str, Any]) -> str:
    head = f"held-out loss {result['target']:.3f} a character: the original's code after "
    head += f"{result['original_seconds']:.1f} s"
    if result["ratio"] is None:
        last = result["ours"][-1]
        return f"{head}; ours not within {last['seconds']:.1f} s ({last['loss']:.3f})"
    return f"{head}, ours after {result['our_seconds']:.2f} s: {result['ratio']:.1f} times faster"


def _log(folder: Path) -> str:
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    return logs[-1].read_text(encoding="utf-8")[-2000:] if logs else ""


if __name__ == "__main__":
    sys.exit(main())

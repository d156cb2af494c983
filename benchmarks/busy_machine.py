# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""What other work on the machine costs a training: seconds per update, idle and busy.

    python benchmarks/busy_machine.py
    python benchmarks/busy_machine.py --policy "torch alone" "short spin" --rounds 5

Trains the quickstart under each policy in turn, several rounds long. Within each training, blocks
beside busy loops alternate with blocks in which the loops are stopped. Each loop runs in a session
of its own, like a program in another terminal: Linux then shares the CPUs between sessions, which
is harder on a training than loops of its own session (`--same-session`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tfchat_hf.training.threads import SPIN_COUNT

ROOT = Path(__file__).resolve().parents[1]
POLICIES = {
    "torch alone": {"GOMP_SPINCOUNT": "300000"},  # what GNU OpenMP takes where nothing is set
    "short spin": {"GOMP_SPINCOUNT": str(SPIN_COUNT)},  # what train_hf.py asks for
    "no spin": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
LEFT_OUT = 1  # updates at the beginning of a block that are not counted


class _MeasuredError(Exception):
    """Ends a training whose blocks are all measured."""


def main(argv: Sequence[str] | None = None) -> int:
    """Read the command line, train under each policy and print the table."""
    arguments = _parser().parse_args(argv)
    if arguments.measure:
        return _measure(arguments)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.policy}
    for number in range(arguments.rounds):
        first = number % len(arguments.policy)  # no policy is always the first of its round
        for name in arguments.policy[first:] + arguments.policy[:first]:
            results[name].append(_training(POLICIES[name], arguments))
            print(f"round {number + 1}, {name}: {results[name][-1]}", file=sys.stderr, flush=True)
    print(table(results))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    say = parser.add_argument
    say("--policy", nargs="+", choices=POLICIES, default=list(POLICIES), metavar="NAME")
    say("--settings", default="configs/quickstart.yaml", help="what is trained")
    say("--loops", type=int, default=2, help="busy loops beside the training")
    say("--same-session", action="store_true", help="the loops share the training's session")
    say("--rounds", type=int, default=3)
    say("--blocks", type=int, default=2, help="idle blocks of a training, and as many busy ones")
    say("--seconds", type=float, default=4.0, help="length of a block")
    say("--measure", metavar="FILE", help=argparse.SUPPRESS)
    return parser


def _training(policy: dict[str, str], arguments: argparse.Namespace) -> dict[str, float]:
    """Train once in a process of its own, since OpenMP reads its variables as torch is loaded."""
    unset = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "seconds.json")
        command = [sys.executable, __file__, "--measure", str(found)]
        for name in ("settings", "loops", "blocks", "seconds"):
            command += [f"--{name}", str(getattr(arguments, name))]
        command += ["--same-session"] * arguments.same_session
        subprocess.run(
            command,
            check=True,
            cwd=ROOT,
            env={**env, **policy, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
        )
        return json.loads(found.read_text(encoding="utf-8"))


def _measure(arguments: argparse.Namespace) -> int:
    """Train until all blocks are measured and write the seconds per update of each kind."""
    import train_hf

    with (
        _busy_loops(arguments.loops, arguments.same_session) as loops,
        tempfile.TemporaryDirectory() as folder,
    ):
        watch = _watch_training(loops, arguments.seconds, 2 * arguments.blocks)
        try:
            code = train_hf.main(
                [arguments.settings, "--output_dir", f"{folder}/run", "--save_strategy", "no"]
            )
        except _MeasuredError:
            Path(arguments.measure).write_text(json.dumps(watch()), encoding="utf-8")
            return 0
    print("error: the training ended before all blocks were measured", file=sys.stderr)
    return code or 1


@contextmanager
def _busy_loops(count: int, same_session: bool) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start loops that burn a CPU each, stopped for the time being, and end them afterwards."""
    command = [sys.executable, "-c", "while True: pass"]
    loops = [subprocess.Popen(command, start_new_session=not same_session) for _ in range(count)]
    try:
        for loop in loops:
            loop.send_signal(signal.SIGSTOP)
        yield loops
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _watch_training(
    loops: list[subprocess.Popen[bytes]], seconds: float, blocks: int
) -> Callable[[], dict[str, float]]:
    """Let every Trainer of this process alternate between idle and busy blocks.

    Args:
        loops: Processes that are stopped in the idle blocks.
        seconds: Least length of a block.
        blocks: After so many the training is left by `_MeasuredError`.

    Returns:
        A function that gives the mean seconds per update, idle and busy.
    """
    from transformers import TrainerCallback
    from transformers.trainer import DEFAULT_CALLBACKS

    spans: dict[str, list[float]] = {"idle": [], "busy": []}

    class Watch(TrainerCallback):
        """Times the updates."""

        done, updates, began, last = 0, 0, 0.0, 0.0

        def on_step_end(self, args: object, state: object, control: object, **_: object) -> None:
            """Count an update, and change from idle to busy or back where a block is over."""
            now = time.perf_counter()
            if self.updates >= LEFT_OUT:
                spans["busy" if self.done % 2 else "idle"].append(now - self.last)
            else:
                self.began = now
            self.updates += 1
            if self.updates >= LEFT_OUT + 3 and now - self.began >= seconds:
                self._change()
            self.last = time.perf_counter()

        def _change(self) -> None:
            self.done, self.updates = self.done + 1, 0
            for loop in loops:
                loop.send_signal(signal.SIGCONT if self.done % 2 else signal.SIGSTOP)
            if self.done == blocks:
                raise _MeasuredError

    DEFAULT_CALLBACKS.append(Watch)
    return lambda: {kind: statistics.mean(found) for kind, found in spans.items()}


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Word what each policy took and how that compares with the first policy on an idle machine.

    Args:
        results: Of each policy, the seconds per update of each training.

    Returns:
        A Markdown table of medians and, in brackets, of the lowest and the highest.
    """
    reference = statistics.median(run["idle"] for run in next(iter(results.values())))
    rows = [
        "| policy | s/update idle | s/update busy | busy / idle | idle / first | busy / first |"
    ]
    rows.append("|---|---|---|---:|---:|---:|")
    for name, runs in results.items():
        seconds = {kind: [run[kind] for run in runs] for kind in ("idle", "busy")}
        idle, busy = (statistics.median(seconds[kind]) for kind in ("idle", "busy"))
        words = [
            f"{statistics.median(found):.3f} ({min(found):.3f} to {max(found):.3f})"
            for found in seconds.values()
        ]
        words += [f"{ratio:.2f}" for ratio in (busy / idle, idle / reference, busy / reference)]
        rows.append(f"| {' | '.join([name, *words])} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())

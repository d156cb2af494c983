# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What each loss does to a small model: the same updates of the same data, a run for each loss.

    python benchmarks/losses.py data/mine --minutes-each 3
    python benchmarks/losses.py data/mine --max-steps 2000 --only plain,smoothed --out runs/losses
    python benchmarks/losses.py data/mine --max-steps 2000 -- --seed 7 --d_model 256

Each run is `train_hf.py` in a process of its own with one thread; all share data, tokenizer, seed
and number of updates. What stands behind `--` goes to train_hf.py as it is. The table, in
Markdown, is read from each run's metrics.json: the loss is the plain one on held-out replies,
whatever was trained; the replies are greedy answers to held-out questions. No text is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLAIN = {"label_smoothing_factor": 0.0}
SMOOTHED = {"label_smoothing_factor": 0.1}
LOSSES: dict[str, dict[str, float]] = {
    "plain": PLAIN,
    "smoothed": SMOOTHED,
    "unlikelihood-0.5": {**SMOOTHED, "unlikelihood_weight": 0.5},
    "unlikelihood-1": {**SMOOTHED, "unlikelihood_weight": 1.0},
    "frequency-0.5": {**SMOOTHED, "frequency_weight": 0.5},
    "both": {**SMOOTHED, "unlikelihood_weight": 0.5, "frequency_weight": 0.5},
}
# Large enough to answer in sentences after some minutes on one core, and no larger.
MODEL = {
    "d_model": 128,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 512,
    "decoder_ffn_dim": 512,
    "vocab_size": 4000,
    "max_source_length": 128,
    "max_target_length": 128,
    "max_position_embeddings": 128,
    "generation_max_new_tokens": 64,
}
TRAINING = {
    "learning_rate": 1.5e-3,
    "warmup_steps": 0.1,
    "eval_strategy": "no",
    "save_strategy": "no",
    "eval_max_samples": 500,
    "seed": 42,
}
# The first updates are slow; after so many the speed of one is known to a few per cent.
PROBE_STEPS = 60
BASELINES = {
    "human": "people",
    "nearest_question": "nearest training question",
    "random_training_reply": "random training reply",
    "most_frequent_reply": "most frequent reply",
}
COLUMNS = (
    ("loss", "held-out loss", "{:.3f}"),
    ("bits_per_character", "bits a character", "{:.3f}"),
    ("distinct_1", "distinct-1", "{:.3f}"),
    ("distinct_2", "distinct-2", "{:.3f}"),
    ("repetition", "repetition", "{:.1%}"),
    ("top_reply_share", "top reply", "{:.1%}"),
    ("mean_length", "length", "{:.1f}"),
    ("seconds_per_update", "CPU s an update", "{:.3f}"),
)


def train(folder: Path, settings: Mapping[str, Any], more: Sequence[str]) -> dict[str, Any]:
    """Run train_hf.py to its end.

    Args:
        folder: Where the run goes; its log becomes `folder`.log.
        settings: Keys and values of train_hf.py.
        more: Further arguments, which outweigh the settings.

    Returns:
        The content of metrics.json.
    """
    written = [f"--{key}={value}" for key, value in settings.items() if not _given(key, more)]
    command = [sys.executable, str(ROOT / "train_hf.py"), *written, *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    log = folder.with_suffix(".log")
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(
            [*command, "--output_dir", str(folder)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
        sys.exit(f"error: the run {folder.name} ended with {done.returncode}: {''.join(last)}")
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def seconds_per_update(metrics: Mapping[str, Any]) -> float:
    """Give the CPU time of one update; other work on the machine disturbs it little.

    Args:
        metrics: The content of metrics.json.

    Returns:
        Seconds.
    """
    return metrics["run"]["train_cpu_seconds"] / metrics["run"]["steps"]


def fitting_updates(
    work: Path, settings: Mapping[str, Any], minutes: float, more: Sequence[str]
) -> int:
    """Find out how many updates fit into a time, by a short run.

    Args:
        work: Where the run goes.
        settings: Keys and values of train_hf.py for all runs.
        minutes: CPU time that the training of one run may take.
        more: Further arguments.

    Returns:
        The number of updates.
    """
    few = {**settings, **SMOOTHED, "max_steps": PROBE_STEPS, "eval_max_samples": 1}
    metrics = train(work / "probe", few, more)
    return max(1, int(60 * minutes / seconds_per_update(metrics)))


def line(name: str, values: Mapping[str, float]) -> str:
    """Write one line of the table.

    Args:
        name: The loss or the baseline.
        values: By the first name of `COLUMNS`; what is missing stays empty.

    Returns:
        The line in Markdown.
    """
    cells = [shape.format(values[key]) if key in values else "" for key, _, shape in COLUMNS]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Read the command line, train and print the table line by line."""
    own, more = _split(sys.argv[1:])
    arguments = _read(own)
    names = arguments.only.split(",")
    shared = {**MODEL, **TRAINING, "dataset": arguments.dataset}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(arguments.out or temporary)
        work.mkdir(parents=True, exist_ok=True)
        shared["max_steps"] = arguments.max_steps or fitting_updates(
            work, shared, arguments.minutes_each, more
        )
        print(f"{shared['max_steps']:,} updates a run\n", flush=True)
        print("| loss | " + " | ".join(title for _, title, _ in COLUMNS) + " |")
        print("| --- |" + " ---: |" * len(COLUMNS), flush=True)
        metrics: dict[str, Any] = {}
        for name in names:
            metrics = train(work / name, {**shared, **LOSSES[name]}, more)
            shared.setdefault("tokenizer", str(work / name))  # the first run trained it
            values = {**metrics["validation"], "seconds_per_update": seconds_per_update(metrics)}
            print(line(f"`{name}`", values), flush=True)
        for key, title in BASELINES.items():
            if key in metrics["baselines"]:
                print(line(title, metrics["baselines"][key]))


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return list(arguments[:at]), list(arguments[at + 1 :])


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="a saved dataset or a corpus file")
    parser.add_argument("--only", default=",".join(LOSSES), help=f"of {', '.join(LOSSES)}")
    parser.add_argument("--out", help="keep the runs here (must not hold them yet)")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes-each", type=float, help="CPU time of each run's training")
    length.add_argument("--max-steps", type=int, help="updates of each run")
    read = parser.parse_args(arguments)
    unknown = set(read.only.split(",")) - set(LOSSES)
    if unknown:
        parser.error(f"--only takes {', '.join(LOSSES)} (got {', '.join(sorted(unknown))})")
    return read


def _given(key: str, arguments: Sequence[str]) -> bool:
    return any(given.split("=")[0] == f"--{key}" for given in arguments)


if __name__ == "__main__":
    main()

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Trains variants of one recipe at equal compute and tables what came of them.

    python benchmarks/recipes.py base.yaml --output runs/recipes --max_minutes 10 --seeds 1 2 3 \
        --variant "base:" --variant "wide: d_model=320,encoder_layers=1" \
        --variant "two stages: max_minutes=6 then max_minutes=4,dataset=data/clean"

Each variant is base.yaml with some settings changed, trained by train_hf.py on one core, once a
seed. `--max_minutes` are minutes of CPU time, so that other work on the machine takes nothing
away; evaluations and checkpoints count too, so base.yaml best has `eval_strategy: no`.
`--max_steps` counts updates instead. A later stage, behind `then`, begins with the model of the one
before it (`init_from`); without a budget of its own each stage has an equal share.

What is finished is not trained again: stop with Ctrl-C, go on with the same command, add variants
or seeds. `question_gain` and `hits_at_1` are shown where metrics.json has them. The table is also
written to OUTPUT/table.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BUDGETS = ("max_minutes", "max_steps")
# Columns of the table: where the figure stands in metrics.json, and its decimals.
FIGURES = {
    "loss": 3,
    "perplexity": 1,
    "bits_per_character": 3,
    "question_gain": 3,
    "hits_at_1": 3,
}
_BY_CPU_TIME = "by-cpu-time"


@dataclass(frozen=True)
class Variant:
    """A name, and the changed settings of each stage."""

    name: str
    stages: list[dict[str, str]] = field(default_factory=list)

    @property
    def slug(self) -> str:
        """Its name as that of a folder."""
        return re.sub(r"[^\w.]+", "-", self.name.lower()).strip("-")


def main(argv: Sequence[str] | None = None) -> int:
    """Trains what is not trained yet, then prints the table.

    Returns:
        0; 1 if a variant could not be trained; 2 for a command line that cannot be used; 130 when
        stopped.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == [_BY_CPU_TIME]:
        return _train_by_cpu_time(argv[1:])
    given = _parser().parse_args(argv)
    try:
        variants = [parse_variant(text) for text in given.variant]
        if len({variant.slug for variant in variants}) < len(variants):
            raise ValueError("two variants have the same name. Give each its own.")
        base = yaml.safe_load(given.base.read_text(encoding="utf-8"))
        failed = _train_all(given, variants, base)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped. The same command goes on.", file=sys.stderr)
        return 130
    text = "\n".join(table_lines(given.output, variants, given.seeds))
    print(text)
    (given.output / "table.md").write_text(text + "\n", encoding="utf-8")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", type=Path, help="settings of train_hf.py")
    parser.add_argument("--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument(
        "--variant",
        action="append",
        required=True,
        metavar="'NAME: KEY=VALUE,...'",
        help="may be given several times",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--max_minutes", type=float, help="minutes of CPU time of each training")
    budget.add_argument("--max_steps", type=int, help="updates of each training")
    parser.add_argument("--table", action="store_true", help="train nothing, only print the table")
    return parser


def parse_variant(text: str) -> Variant:
    """Reads `name: key=value,key=value then key=value`; a value may hold commas.

    Raises:
        ValueError: for a text of another form.
    """
    name, colon, rest = text.partition(":")
    if not colon or not name.strip():
        raise ValueError(f"--variant must be 'NAME: KEY=VALUE,...' (got {text!r}).")
    stages = []
    for part in re.split(r"(?:^|\s)then(?:\s|$)", rest):
        settings = {}
        for item in re.split(r",(?=\s*\w+\s*=)", part.strip()) if part.strip() else []:
            key, equals, value = item.partition("=")
            if not equals or not re.fullmatch(r"\w+", key.strip()):
                raise ValueError(f"--variant {name!r}: {item!r} is not KEY=VALUE.")
            settings[key.strip()] = value.strip()
        stages.append(settings)
    return Variant(name.strip(), stages)


def run_folders(output: Path, variant: Variant, seed: int) -> list[Path]:
    """Names the run folder of each stage, the last one that of the finished model."""
    last = output / f"{variant.slug}-seed-{seed}"
    return [
        *(last.with_name(f"{last.name}-stage-{n}") for n in range(1, len(variant.stages))),
        last,
    ]


def _train_all(given: argparse.Namespace, variants: list[Variant], base: Any) -> bool:
    """Trains each variant with each seed, all variants with the first seed first.

    Returns:
        Whether one has failed.
    """
    failed = False
    given.output.mkdir(parents=True, exist_ok=True)
    for seed in [] if given.table else given.seeds:
        for variant in variants:
            before = None
            folders = run_folders(given.output, variant, seed)
            for stage, folder in zip(variant.stages, folders, strict=True):
                settings = _settings(given, stage, len(folders), seed, before)
                if not train(given.base, base, settings, folder):
                    failed = True
                    break
                before = folder
    return failed


def _settings(
    given: argparse.Namespace, stage: Mapping[str, str], stages: int, seed: int, before: Path | None
) -> dict[str, str]:
    """Puts together what a stage changes of the base."""
    budget = {"max_minutes": "null", "max_steps": "-1"}
    if not any(name in stage for name in BUDGETS):
        if given.max_minutes is not None:
            budget["max_minutes"] = f"{given.max_minutes / stages:g}"
        else:
            budget["max_steps"] = str(given.max_steps // stages)
    begin = {} if before is None else {"init_from": str(before)}
    return {**budget, **begin, "seed": str(seed), **stage}


def train(base_file: Path, base: Any, settings: dict[str, str], folder: Path) -> bool:
    """Trains one run to its end, in a process of its own on one core.

    Args:
        base_file: settings of all variants.
        base: its content.
        settings: what is changed.
        folder: of the run; what it took is kept beside it.

    Returns:
        Whether it is finished.

    Raises:
        ValueError: if other settings were trained under this name before.
        KeyboardInterrupt: if it was stopped.
    """
    record_file = folder.with_name(f"{folder.name}.json")
    record: dict[str, Any] = {"base": base, "settings": settings, "cpu_seconds": 0.0}
    if record_file.is_file():
        before = json.loads(record_file.read_text(encoding="utf-8"))
        if [before["base"], before["settings"]] != [base, settings]:
            raise ValueError(
                f"{folder} was trained with other settings. Give the variant another name, or "
                f"delete {folder} and {record_file}."
            )
        record = before
        if (folder / "metrics.json").is_file():
            return True
    options = [f"--{key}={value}" for key, value in settings.items()]
    command = [sys.executable, str(Path(__file__).resolve()), _BY_CPU_TIME, str(base_file)]
    command += [*options, f"--output_dir={folder}", "--resume", "--disable_tqdm=true"]
    record_file.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    log = folder.with_name(f"{folder.name}.log")
    print(f"training {folder.name} ...", flush=True)
    code, seconds = _run(command, log)
    record["cpu_seconds"] += seconds
    record_file.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    if code == 130:
        raise KeyboardInterrupt
    if code:
        said = log.read_text(encoding="utf-8").strip().splitlines()
        print(f"failed: {folder.name}: {said[-1] if said else code}", file=sys.stderr)
    return code == 0


def _run(command: list[str], log: Path) -> tuple[int, float]:
    """Runs a command on one core; gives its exit code and the CPU seconds of it and its children.

    Ctrl-C reaches the command too, which then writes a checkpoint.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with open(log, "a", encoding="utf-8") as file:
        process = subprocess.Popen(command, env=env, stdout=file, stderr=subprocess.STDOUT)
        while True:
            try:
                _, status, usage = os.wait4(process.pid, 0)
                break
            except KeyboardInterrupt:
                print("stopping ...", file=sys.stderr)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def _train_by_cpu_time(arguments: list[str]) -> int:
    """Is the process of one run: train_hf.py, whose clock is that of the CPU."""
    import functools

    import train_hf
    from tfchat_hf.training import set_up
    from tfchat_hf.training.time_budget import TrainingClock

    set_up.TrainingClock = functools.partial(TrainingClock, now=time.process_time)
    return train_hf.main(arguments)


def table_lines(output: Path, variants: Sequence[Variant], seeds: Sequence[int]) -> list[str]:
    """Writes what the finished runs measured as a Markdown table, a variant a line.

    Several seeds are shown as their mean, and in brackets the lowest and highest.
    """
    heads = ["variant", "seeds", "parameters", "updates", "CPU minutes", *FIGURES]
    lines = [
        f"| {' | '.join(heads)} |".replace("_", " "),
        "|---" + "|---:" * (len(heads) - 1) + "|",
    ]
    for variant in variants:
        found = [_figures(run_folders(output, variant, seed)) for seed in seeds]
        rows = [row for row in found if row is not None]
        cells = [variant.name, str(len(rows))]
        for name, decimals in {"parameters": 0, "updates": 0, "minutes": 1, **FIGURES}.items():
            cells.append(spread([row.get(name) for row in rows], decimals))
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return lines


def _figures(folders: Sequence[Path]) -> dict[str, float] | None:
    """Reads the figures of one training; None if it is not finished."""
    if not (folders[-1] / "metrics.json").is_file():
        return None
    stages = [json.loads((f / "metrics.json").read_text(encoding="utf-8")) for f in folders]
    records = [json.loads(f.with_name(f"{f.name}.json").read_text()) for f in folders]
    return {
        **stages[-1]["validation"],
        "parameters": stages[-1]["run"]["parameters"],
        "updates": sum(stage["run"]["steps"] for stage in stages),
        "minutes": sum(record["cpu_seconds"] for record in records) / 60,
    }


def spread(values: Sequence[float | None], decimals: int) -> str:
    """Words the mean of some figures, and their range where they differ; "-" where one lacks."""
    if not values or any(value is None for value in values):
        return "-"
    shown = [f"{value:,.{decimals}f}" for value in (min(values), max(values))]
    mean = f"{sum(values) / len(values):,.{decimals}f}"
    return mean if shown[0] == shown[1] else f"{mean} ({shown[0]} to {shown[1]})"


if __name__ == "__main__":
    sys.exit(main())

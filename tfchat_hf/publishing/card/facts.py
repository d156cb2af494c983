# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a model card tells beside the metrics: the sources, the checkpoint kept, sample replies."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerState, TrainingArguments

from data_builders.output.card import without_paths
from data_builders.report import REPORT_FILE, BuildReport

MAX_SOURCES = 20
SAMPLE_ROWS = 8


def source_facts(report: BuildReport, dataset: str | Path) -> list[dict[str, Any]]:
    """Lists what the dialogues were built from, for `metrics["data"]["sources"]`.

    Args:
        report: the report of the build.
        dataset: the setting; a saved dataset has a report of its own, with the licences.

    Returns:
        `name`, `license` (None where nobody stated one) and `kept` dialogues of each source, the
        largest first, at most `MAX_SOURCES`, and the `hub_id` of one from the Hub; no paths.
    """
    origins = _saved_origins(Path(dataset)) or [vars(origin) for origin in report.origins]
    known = [
        {
            "name": without_paths(str(origin.get("name") or "")),
            "license": origin.get("license"),
            "kept": int(origin.get("kept") or 0),
            **({"hub_id": origin["hub_id"]} if origin.get("hub_id") else {}),
        }
        for origin in origins
    ]
    return sorted(known, key=lambda source: -source["kept"])[:MAX_SOURCES]


def _saved_origins(folder: Path) -> list[dict[str, Any]]:
    """Reads the sources of a dataset that was built and saved before; none if it does not say."""
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
        return [dict(origin) for origin in report["origins"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def selection_facts(state: TrainerState, args: TrainingArguments) -> dict[str, Any]:
    """Says which checkpoint the finished model is and by which rule, for `metrics["selection"]`.

    Args:
        state: of the trainer after training.
        args: the training settings.

    Returns:
        `rule` ("last" or the name of the metric), `step`, and for a metric its `value`,
        `greater_is_better` and `relevance_weight`.
    """
    best = state.best_model_checkpoint
    if not args.load_best_model_at_end or not best:
        return {"rule": "last", "step": state.global_step}
    named = Path(best).name.rpartition("-")[2]
    value = state.best_metric
    return {
        "rule": f"eval_{(args.metric_for_best_model or 'loss').removeprefix('eval_')}",
        "step": state.best_global_step or (int(named) if named.isdigit() else None),
        "value": value if value is not None and math.isfinite(value) else None,
        "greater_is_better": bool(args.greater_is_better),
        "relevance_weight": getattr(args, "selection_relevance_weight", None),
    }


def read_samples(path: str | Path, count: int = SAMPLE_ROWS) -> list[dict[str, Any]]:
    """Chooses rows of samples.jsonl for the card, at even distances and always the same.

    Args:
        path: the file; lines of `context`, `reference` and `reply`.
        count: at most this many.

    Returns:
        The rows; none if there is no such file.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return choose_samples([json.loads(line) for line in lines if line.strip()], count)


def choose_samples(
    rows: Sequence[Mapping[str, Any]] | Iterable[Mapping[str, Any]], count: int = SAMPLE_ROWS
) -> list[dict[str, Any]]:
    """Chooses rows at even distances: nobody picked the good ones."""
    rows = list(rows)
    if len(rows) <= count:
        return [dict(row) for row in rows]
    return [dict(rows[i * len(rows) // count]) for i in range(count)]

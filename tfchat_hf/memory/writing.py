# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The memory of a run: made of the data that its settings name, and put beside its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from datasets import Dataset

from ..engines.model_folder import load_for_chat
from ..examples.preparing import read_dialogues
from ..settings.arguments import DataArguments
from ..settings.reading import read_yaml
from ..settings.run_folder import SETTINGS_FILE
from ..text.errors import UserError
from .calibrating import calibrate
from .memory import Memory
from .opinion import ModelOpinion
from .ranking import Judge

Report = Callable[[str], None]


def write_memory(
    folder: str | Path,
    dialogues: Mapping[str, Dataset],
    report: Report,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Remember the training side of a corpus beside a model.

    Args:
        folder: the model's folder.
        dialogues: by split; where there is a validation side, the threshold is learned from it.
        report: takes the lines meant for the user.
        judge: the model's opinion (`ModelOpinion`); without it the texts alone decide.

    Returns:
        What metrics.json says of it.
    """
    memory = Memory.from_dataset(dialogues["train"])
    held_out = dialogues["validation"] if "validation" in dialogues else None
    if held_out is not None and len(held_out):
        calibrate(memory, held_out)
        if judge is not None:
            calibrate(memory, held_out, judge=judge)
    target = memory.save_pretrained(folder)
    threshold = memory.config.threshold if judge is None else memory.config.threshold_with_model
    words = _threshold_words(threshold, memory.config.calibration)
    report(f"memory: {len(memory):,} pairs in {target}; {words}")
    return {
        "pairs": len(memory),
        "threshold": threshold,
        "calibration": memory.config.calibration,
    }


def _threshold_words(threshold: float, noted: dict[str, Any] | None) -> str:
    """Says from which score on the memory answers, and why."""
    if noted is None:
        return f"answers from a score of {threshold:.2f} on, too few held-out questions"
    return (
        f"answers from a score of {threshold:.2f} on, which "
        f"{100 * noted['answered']:.0f} % of {noted['questions']:,} held-out questions reach"
    )


def data_of_run(folder: Path, dataset: str | None = None) -> DataArguments:
    """Reads which data a run was trained on.

    Args:
        folder: the run folder.
        dataset: another place or corpus, in the place of that in the settings.

    Raises:
        UserError: if neither the folder nor the argument says.
    """
    path = folder / SETTINGS_FILE
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder. Give the `output_dir` of a finished run.")
    if not path.is_file() and dataset is None:
        raise UserError(
            f"{folder} has no {SETTINGS_FILE} that names its data. Add --dataset, a corpus or "
            "what `python -m data_builders build` wrote."
        )
    settings = {}
    if path.is_file():
        names = {item.name for item in fields(DataArguments)}
        found = read_yaml(str(path))
        settings = {key: found[key].value for key in names & set(found)}
    return DataArguments(**{**settings, **({"dataset": dataset} if dataset else {})})


def build_for_run(folder: Path, dataset: str | None, report: Report) -> dict[str, Any]:
    """Writes the memory of an existing run."""
    built = read_dialogues(data_of_run(folder, dataset))
    return write_memory(
        folder, built.dataset, report, ModelOpinion(*load_for_chat(str(folder), "cpu"))
    )

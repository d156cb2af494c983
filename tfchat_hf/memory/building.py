# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The memory of a run, made of the data that its settings name, and how sure it must be to answer.

Held-out questions tell whether remembered replies are better than chance at all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from datasets import Dataset

from data_builders.translation import _, counted_text, joined

from ..engines.model_folder import load_for_chat
from ..examples.preparing import read_dialogues
from ..settings.arguments import DataArguments
from ..settings.reading import read_yaml
from ..settings.run_folder import SETTINGS_FILE, RunFolder
from ..text.overlap import token_f1
from .memory import ENOUGH, Memory, Pair, pairs_of
from .ranking import ModelScorer, Scorer

Report = Callable[[str], None]
# Held-out questions that are asked at most, and the fewest that say anything.
MOST_QUESTIONS = 1000
FEWEST_QUESTIONS = 100
# Where remembered replies are no better than any others, only the question itself is answered.
NEVER_BUT_EQUAL = 0.95
_RANDOM_REPLIES = 20
_FEWEST_GAINS = 30
_SURE = 1.645


def write_memory(
    folder: str | Path,
    dialogues: Mapping[str, Dataset],
    report: Report,
    scorer: Scorer | None = None,
) -> dict[str, Any]:
    """Remember the training side of a corpus beside a model.

    Args:
        folder: the model's folder.
        dialogues: by split; a validation side tells whether the memory is better than chance.
        report: takes the lines meant for the user.
        scorer: the model (`ModelScorer`), for a threshold of its own; None for the texts alone.

    Returns:
        What metrics.json says of it.
    """
    memory = Memory.from_dataset(dialogues["train"])
    validation = dialogues["validation"] if "validation" in dialogues else ()
    if len(validation):
        calibrate(memory, validation, scorer=scorer)
    target = memory.save_pretrained(folder)
    threshold = memory.config.threshold if scorer is None else memory.config.threshold_with_model
    words = _threshold_words(threshold, memory.config.calibration)
    found = counted_text(
        "memory: {number:,} pair in {folder};",
        "memory: {number:,} pairs in {folder};",
        len(memory),
        folder=RunFolder(folder).place
        / target.name,  # a run that replaces another is not there yet
    )
    report(joined(found, words))
    return {
        "pairs": len(memory),
        "threshold": threshold,
        "calibration": memory.config.calibration,
    }


def _threshold_words(threshold: float, noted: dict[str, Any] | None) -> str:
    """Word the score from which on the memory answers, and why."""
    if noted is None:
        return _(
            "answers from a score of {threshold:.2f} on, too few held-out questions",
            threshold=threshold,
        )
    return _(
        "answers from a score of {threshold:.2f} on, which {share:.0f} % of {questions:,} held-out "
        "questions reach",
        threshold=threshold,
        share=100 * noted["answered"],
        questions=noted["questions"],
    )


def data_of_run(folder: Path, dataset: str | None = None) -> DataArguments:
    """Read which data a run was trained on.

    Args:
        folder: the run folder.
        dataset: another place or corpus, in the place of that in the settings.
    """
    path, settings = folder / SETTINGS_FILE, {}
    if path.is_file():
        names = {item.name for item in fields(DataArguments)}
        found = read_yaml(str(path))
        settings = {key: found[key].value for key in names & set(found)}
    return DataArguments(**{**settings, **({"dataset": dataset} if dataset else {})})


def build_for_run(folder: Path, dataset: str | None, report: Report) -> dict[str, Any]:
    """Write the memory of an existing run."""
    built = read_dialogues(data_of_run(folder, dataset))
    return write_memory(
        folder, built.dataset, report, ModelScorer(*load_for_chat(str(folder), "cpu"))
    )


def calibrate(
    memory: Memory, validation: Dataset, seed: int = 0, scorer: Scorer | None = None
) -> dict[str, Any] | None:
    """Let the memory answer where it is likely to be right, if that is better than chance.

    Each held-out question is looked up. The gain of what was found is its likeness to the true
    reply (F1 of words) minus that of random replies of the same language. Where the gain from
    `ENOUGH` on is not above 0 with some certainty, replies here have little to do with their
    questions, and only one that is remembered itself is answered.

    Args:
        memory: Of the training side; takes the threshold.
        validation: Held-out dialogues.
        seed: Of the random replies, and of the choice where there are many questions.
        scorer: The model (`ModelScorer`), for the threshold where it is asked too.

    Returns:
        What is noted beside the thresholds, of the last one, or None where there are too few
        questions: then the thresholds stay.
    """
    pairs = list(pairs_of(validation))
    if len(pairs) > MOST_QUESTIONS:
        pairs = random.Random(seed).sample(pairs, MOST_QUESTIONS)
    rows = _scores_and_gains(memory, pairs, seed, scorer)
    if len(rows) < FEWEST_QUESTIONS:
        return None
    settings = ("threshold", "threshold_with_model")[: len(rows[0])]
    for setting, found in zip(settings, zip(*rows, strict=True), strict=True):
        scores, gains = np.array(found).T
        threshold = ENOUGH if better_than_chance(gains[scores >= ENOUGH]) else NEVER_BUT_EQUAL
        above = scores >= threshold
        setattr(memory.config, setting, threshold)
        memory.config.calibration = {
            "questions": len(scores),
            "answered": round(float(above.mean()), 4),
            "gain_above": round(float(gains[above].mean()), 4) if above.any() else None,
            "gain_below": round(float(gains[~above].mean()), 4) if not above.all() else None,
        }
    return memory.config.calibration


def better_than_chance(gains: np.ndarray) -> bool:
    """Tell whether the mean of some gains is above 0, with 95 % certainty (one-sided)."""
    if len(gains) < _FEWEST_GAINS:
        return False
    return bool(gains.mean() > _SURE * gains.std(ddof=1) / np.sqrt(len(gains)))


def _scores_and_gains(
    memory: Memory, pairs: Sequence[Pair], seed: int, scorer: Scorer | None
) -> list[list[tuple[float, float]]]:
    """Look up held-out questions; those that share nothing with the memory are left out.

    Returns:
        For each question the score and the gain of what the texts alone find and, with a scorer,
        of what it prefers.
    """
    draw = random.Random(seed)
    replies = memory.pairs["reply"][:]
    rows = []
    for pair in pairs:
        turns = [*pair.history, pair.question]
        found = memory.look_up(turns)
        if not found:
            continue
        first, end = next(
            ends for ends in memory.config.languages.values() if ends[0] <= found[0].place < ends[1]
        )
        by_chance = fmean(
            token_f1(replies[draw.randrange(first, end)], [pair.reply])
            for _ in range(_RANDOM_REPLIES)
        )
        best = [found[0], *(memory.rerank(turns, found, scorer)[:1] if scorer else ())]
        rows.append([(one.score, token_f1(one.reply, [pair.reply]) - by_chance) for one in best])
    return rows

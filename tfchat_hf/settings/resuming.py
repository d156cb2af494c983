# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""May a run be resumed with the settings of now: what is used, what is refused, what is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from data_builders.errors import UserError

from .arguments import DataArguments, TFChatTrainingArguments
from .keys import NETWORK
from .reading import read_yaml
from .run_folder import DATA_FILE, SETTINGS_FILE, RunFolder

# What ends a run: a finished one is trained further where these ask for more.
LENGTHS = ("num_train_epochs", "max_steps", "max_minutes")
# Where things lie or how fast they are read; the examples are compared by their digest.
_PLACES = ("dataset", "tokenizer", "dataset_cache_dir", "preprocessing_num_proc", "strict")
_FIXED = {*NETWORK, *(item.name for item in fields(DataArguments)), "init_from"} - {*_PLACES}
# These leave no trace in a model and its card.
_WITHOUT_TRACE = (
    *("output_dir", "disable_tqdm", "report_to", "run_name", "log", "push", "hub", "dataloader"),
    *("per_device_eval", "ddp_", "remove_unused_columns", "find_batch_size"),
)
# These change no weight.
_OF_THE_END = ("memory", "model_license", "generation", "eval_max_samples")
# Nor these, where the last weights are taken whatever an evaluation says.
_OF_SELECTION = (
    *("eval_", "save_", "metric_for_best_model", "greater_is_better", "predict_with_generate"),
    *("selection_relevance_weight", "early_stopping"),
)
# By these the best checkpoint until now was found; they count only where one is looked for.
_OF_THE_BEST = ("metric_for_best_model", "greater_is_better", "selection_relevance_weight")
# Schedules that keep more than the number of the update.
_OWN_STATE = ("reduce_lr_on_plateau", "greedy")

Settings = Mapping[str, object]
Changes = dict[str, tuple[object, object]]


def settings_before(folder: RunFolder) -> Settings | None:
    """Read what a run was trained with until now; None where its folder does not say it."""
    file = folder.path / SETTINGS_FILE
    if not file.is_file() or not (folder.path / DATA_FILE).is_file():
        return None
    return {key: setting.value for key, setting in read_yaml(str(file)).items()}


def changes(before: Settings, now: Settings, free: tuple[str, ...]) -> Changes:
    """Find the settings that have changed: by name, as they were and as they are.

    Args:
        before: As `resolved_settings` gives them; what nobody gave had its default.
        now: The same.
        free: How the names begin that do not matter.
    """
    if not now.get("load_best_model_at_end") and not before.get("load_best_model_at_end"):
        free += _OF_SELECTION
    defaults = {item.name: item.default for item in fields(TFChatTrainingArguments)}
    found = {}
    for key in dict.fromkeys((*now, *before)):
        if key in defaults or key in now:
            default = getattr(defaults.get(key), "value", defaults.get(key))
            was, value = before.get(key, default), now.get(key, default)
            if was != value and key not in _PLACES and not key.startswith(free):
                found[key] = (was, value)
    return found


def check_resumable(
    before: Settings, now: Settings, processes: tuple[int, int], folder: Path
) -> Changes:
    """Compare a run to resume with what it began as.

    Args:
        before: Its settings.
        now: The settings now.
        processes: How many trained it before, and now.
        folder: Of the run, or of its checkpoint.

    Returns:
        The other settings that have changed: used from now on, but no longer the same run.

    Raises:
        UserError: A setting that cannot change on the way.
    """
    changed = changes(before, now, (*_WITHOUT_TRACE, *_OF_THE_END))
    for key in _cannot_change(changed):
        was, value = changed[key]
        told = {"key": key, "was": was, "value": value}
        if key in _FIXED:
            raise UserError(
                "`{key}` was {was!r} when this run began (now {value!r}). Set it back to "
                "resume, or add --overwrite instead of --resume.",
                **told,
            )
        raise UserError(
            "`{key}` was {was!r} when this run began (now {value!r}). Set it back to resume, "
            "or begin another run with these weights: --init_from {folder}, another "
            "--output_dir.",
            folder=folder,
            **told,
        )
    if not now.get("tokens_per_update"):
        was, value = (
            _pairs(settings, count)
            for settings, count in zip((before, now), processes, strict=True)
        )
        if was != value:
            raise UserError(
                "an update was {was} pairs when the run in {folder} began "
                "(`per_device_train_batch_size` times `gradient_accumulation_steps` times the "
                "processes; now {value}), and its steps are counted in them. Make it {was} "
                "again to resume.",
                was=was,
                folder=folder,
                value=value,
            )
    return changed


def _cannot_change(changed: Changes) -> list[str]:
    """Name the changed settings that weights, optimizer or the count of updates depend on."""
    fixed = _FIXED | {"optim", "tokens_per_update", *_OF_THE_BEST}
    rates = changed.get("muon_learning_rate", (1, 1))
    if not all(rates):  # with Muon or without is another optimizer
        fixed |= {"muon_learning_rate"}
    if any(name in _OWN_STATE for name in changed.get("lr_scheduler_type", ())):
        fixed |= {"lr_scheduler_type"}
    return [key for key in changed if key in fixed]


def _pairs(settings: Settings, processes: int) -> int:
    counted = (settings["per_device_train_batch_size"], settings["gradient_accumulation_steps"])
    return int(str(counted[0])) * int(str(counted[1])) * processes


def check_same_data(folder: RunFolder, digest: str, dataset: object) -> None:
    """Refuse to go on with other training examples than a run began with."""
    told = json.loads((folder.path / DATA_FILE).read_text(encoding="utf-8"))
    if told["train_digest"] != digest:
        raise UserError(
            "`dataset` {dataset} gives other training examples than when the run in {folder} "
            "began. Put the data back to resume, or use --overwrite.",
            dataset=dataset,
            folder=folder.path,
        )


def asks_for_more(folder: RunFolder, now: Settings) -> bool:
    """Tell whether a finished run may have to be trained further.

    Raises:
        UserError: Settings have changed that nothing would be trained with.
    """
    before = settings_before(folder)
    changed = {} if before is None else changes(before, now, _WITHOUT_TRACE)
    if not changed or any(key in LENGTHS for key in changed):
        return bool(changed)
    key, (was, value) = next(iter(changed.items()))
    raise UserError(
        "{folder} holds a finished run, and `{key}` (was {was!r}, now {value!r}) would train "
        "nothing any more. Set it back, or raise `num_train_epochs` or `max_steps` as well, "
        "or train anew with --overwrite.",
        folder=folder.path,
        key=key,
        was=was,
        value=value,
    )

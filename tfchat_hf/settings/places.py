# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a command is pointed at, looked at before anything slow: models, files, shipped settings."""

from __future__ import annotations

import os
from pathlib import Path

from data_builders.errors import UserError
from data_builders.translation import _

_PACKAGE = Path(__file__).parents[1]


def find_settings(name: str) -> Path:
    """Return the settings file that is meant: a file, or one of those that come with this package.

    Args:
        name: A path, or the bare name of a shipped file, such as `quickstart`.

    Raises:
        UserError: A bare name that none of them has.
    """
    if Path(name).exists() or Path(name).suffix or "/" in name or os.sep in name:
        return Path(name)
    # In a checkout they stand beside the package, in a wheel inside it.
    folders = (_PACKAGE / "configs", _PACKAGE.parent / "configs")
    shipped = {path.stem: path for folder in folders for path in folder.glob("*.yaml")}
    if name not in shipped:
        raise UserError(
            "There is no settings file {name}, and none of that name comes with this package "
            "(which has {names}). Give a file, or one of these names.",
            name=name,
            names=", ".join(sorted(shipped)),
        )
    return shipped[name]


def find_model(name: str) -> str:
    """Return what to load of a folder or a Hub id.

    Raises:
        UserError: The path is missing, or there is no model in the folder.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(_unfinished_text(folder))
        return str(folder)
    if folder.exists():
        raise UserError("{name} is a file; give the folder of the model it belongs to.", name=name)
    if _looks_like_a_path(name):
        raise UserError(
            "There is no model folder {name}. Train the small one with `make chat` or "
            "`tfchat-train quickstart`, or give another folder or a Hub id.",
            name=name,
        )
    return name


def check_run_folder(run: Path) -> None:
    """Refuse what is no folder with a model in it; a Hub id is none either.

    Raises:
        UserError: Says what is there instead.
    """
    check_folder(run)
    find_model(str(run))


def check_folder(run: Path) -> None:
    """Refuse what is no folder."""
    if not run.is_dir():
        raise UserError(
            "There is no folder {run}. Give the `output_dir` of a finished run, such as runs/mine.",
            run=run,
        )


def _looks_like_a_path(name: str) -> bool:
    """Whether `name` cannot be a Hub id (`name` or `owner/name`), or starts in a folder here."""
    parts = name.replace("\\", "/").split("/")
    is_id_shaped = len(parts) <= 2 and all(parts) and name[:1] not in "./~" and "\\" not in name
    return not is_id_shaped or (len(parts) == 2 and (parts[0] == "runs" or Path(parts[0]).is_dir()))


def _unfinished_text(folder: Path) -> str:
    """Say that a folder holds no model, and name its newest checkpoint if there is one."""
    steps = [p for p in folder.glob("checkpoint-*") if p.name.rpartition("-")[2].isdigit()]
    newest = max(steps, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    if newest is None:
        return _(
            "{folder} holds no config.json, so no finished model; train one with `make chat`.",
            folder=folder,
        )
    return _(
        "{folder} holds no config.json, so no finished model; its newest checkpoint is {newest}.",
        folder=folder,
        newest=newest,
    )


def check_question_files(source: Path, output: Path, overwrite: bool) -> None:
    """Refuse a file of questions that is not there, and a file of replies that may not be written.

    Raises:
        UserError: Says which of the two, and why.
    """
    if not source.is_file():
        raise UserError(
            "`--input` {source} is not a file. Give a .jsonl or .txt file.", source=source
        )
    if output.is_dir():
        raise UserError("`--output` {output} is a folder; give a file name in it.", output=output)
    if output.exists() and os.path.samefile(source, output):
        raise UserError(
            "`--output` {output} is the input itself; give another name.", output=output
        )
    if output.exists() and not overwrite:
        raise UserError(
            "`--output` {output} is there already; add --overwrite to replace it.", output=output
        )


def check_training_questions(model: str, dataset: str | None) -> None:
    """Refuse to ask from the training data of a model whose folder does not name it.

    Raises:
        UserError: Says what to add.
    """
    if dataset is None and not (Path(model).expanduser() / "run_config.yaml").is_file():
        raise UserError(
            "`--from-training`: {model} holds no run_config.yaml that names its data. Add "
            "--dataset, a corpus or what `python -m data_builders build` wrote.",
            model=model,
        )

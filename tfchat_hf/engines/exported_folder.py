# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""An exported folder: written whole or not at all, and known to belong to its weights."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..model.configuration_tfchat import TFChatConfig
from ..text.errors import UserError
from ..text.tokenization import chat_template
from .made_from import code_sums, weight_sums
from .packages import HOW_TO_LOAD_MARIAN, MARIAN

NOTES = "tfchat_export.json"
# Raised when a folder of before can no longer be read.
FORMAT = 2
# The run's own files that an exported folder needs to work alone; `config.json` is a must.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
COPIED = ("config.json", "generation_config.json", *TOKENIZER_FILES)


def check_run(run: Path) -> None:
    """Refuse a folder that holds no finished model."""
    for name in ("config.json", "tokenizer.json"):
        if not (run / name).is_file():
            raise UserError(
                f"{run} holds no {name}, so no finished model. Give the folder of a finished run."
            )
    if not any(run.glob("model*.safetensors")):
        raise UserError(
            f"{run} holds no model.safetensors. Give the folder of a run, not of an export."
        )


@contextmanager
def new_folder(output: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder to fill, which gets its final name when the block ends well.

    Args:
        output: The final name.
        overwrite: Replace an exported folder of that name.

    Yields:
        A folder beside `output`; gone again if the block raises.

    Raises:
        UserError: if `output` exists and may not be replaced.
    """
    _check_place(output, overwrite)
    output.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        yield draft
        draft.chmod(0o755)  # mkdtemp lets nobody else read it
        if output.exists():
            _swap(draft, output)
        else:
            draft.rename(output)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _swap(draft: Path, output: Path) -> None:
    """Put `draft` where `output` stands; at no time is there half a folder."""
    old = Path(tempfile.mkdtemp(prefix=f".{output.name}.old.", dir=output.parent))
    os.rename(output, old / output.name)
    os.rename(draft, output)
    shutil.rmtree(old)


def _check_place(output: Path, overwrite: bool) -> None:
    """Refuse to replace what is there, always if it is no exported folder."""
    if not output.exists():
        return
    if not (output / NOTES).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(
            f"{output} exists and is no exported folder ({NOTES} is missing), so it is not "
            "replaced. Give another `--output`."
        )
    if not overwrite:
        raise UserError(f"{output} exists. Add `--overwrite`, or give another `--output`.")


def copy_run_files(run: Path, folder: Path, names: Iterable[str] = COPIED) -> None:
    """Copy tokenizer, configuration and generation settings into an exported folder."""
    for name in names:
        if (run / name).is_file():
            shutil.copyfile(run / name, folder / name)


def fit_template(folder: Path, config: TFChatConfig) -> None:
    """Let the copied tokenizer show the model what it reads: that of an older run shows more."""
    template = chat_template(config.max_context_turns, config.reads_system_messages)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    settings["truncation_side"] = "left"
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_notes(
    folder: Path, run: Path, engine: str, version: str, int8: bool, modules: Iterable[str]
) -> None:
    """Note what the folder is, and which weights and code it was made from.

    Args:
        folder: The exported folder.
        run: The run that is exported.
        engine: One of `ENGINES`.
        version: Of the engine's package.
        int8: Whether it can calculate in int8.
        modules: As `network_modules` names them.
    """
    modules = list(modules)
    notes = {
        "format": FORMAT,
        "engine": engine,
        "engine_version": version,
        "int8": int8,
        "sha256": weight_sums(run),
        "network_modules": modules,
        "code_sha256": code_sums(modules, run),
    }
    text = json.dumps(notes, indent=2) + "\n"
    (folder / NOTES).write_text(text, encoding="utf-8")


def read_notes(folder: Path, engine: str) -> dict[str, Any]:
    """Read the notes of an exported folder of `engine`.

    Raises:
        UserError: if they cannot be read, or tell of another engine or format.
    """
    try:
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        found, form = notes["engine"], notes["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder / NOTES} cannot be read ({error}). Export the run again with "
            f"`python -m tfchat_hf.engines.export RUN --engine {engine} --overwrite`."
        ) from error
    if found == MARIAN:
        raise UserError(f"{folder} holds a Marian model. {HOW_TO_LOAD_MARIAN}")
    if found != engine:
        raise UserError(
            f"{folder} was exported for the engine {found}, not {engine}. Use `--engine {found}`."
        )
    if form != FORMAT:
        raise UserError(
            f"{folder} has format {form}, this version reads {FORMAT}. Export the run again with "
            f"`python -m tfchat_hf.engines.export RUN --engine {engine} --overwrite`."
        )
    return notes


def find_export(name: str | os.PathLike, engine: str) -> Path:
    """Find the exported folder that `name` means, and check that it is not stale.

    Args:
        name: An exported folder, or the run's folder that it stands in.
        engine: One of `ENGINES`.

    Returns:
        The exported folder.

    Raises:
        UserError: if there is none, or weights or code have changed since.
    """
    given = Path(name).expanduser()
    folder = given if (given / NOTES).is_file() else given / engine
    run = given if folder != given else given.parent
    command = f"python -m tfchat_hf.engines.export {run} --engine {engine}"
    if not (folder / NOTES).is_file():
        if not given.is_dir():
            raise UserError(f"There is no folder {name}; an engine reads an exported folder.")
        raise UserError(f"{given} is not exported for this engine yet. Do it with `{command}`.")
    notes = read_notes(folder, engine)
    is_of_run = folder != given or folder.name == engine
    if is_of_run and any(run.glob("model*.safetensors")):
        _check_origin(notes, folder, run, f"{command} --overwrite")
    return folder


def _check_origin(notes: dict[str, Any], folder: Path, run: Path, command: str) -> None:
    """Refuse an export whose run has other weights or other code by now."""
    if notes["sha256"] != weight_sums(run):
        raise UserError(
            f"{folder} was made from other weights than those that are in {run} now. "
            f"Export again with `{command}`."
        )
    now = code_sums(notes["network_modules"], run)
    before = notes["code_sha256"]
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        raise UserError(
            f"{folder} was made from other code than the network's now (changed: "
            f"{', '.join(changed)}). Export again with `{command}`."
        )

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""An exported folder: written whole or not at all, known to belong to its weights, and loaded."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_builders.errors import UserError
from data_builders.translation import _, listed
from data_builders.writing import whole_folder

from ..settings.run_folder import write_json
from .dependencies import HOW_TO_LOAD, cannot_load, check_engine, engine_package, export_again
from .fingerprints import code_digests, file_digest, weight_digests

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

    from ..model.configuration_tfchat import TFChatConfig
    from .ctranslate2_model import CTranslate2Model
    from .onnx_model import OnnxModel

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
_CHANGEABLE = (
    NOTES,
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "README.md",
)
COPIED = ("config.json", "generation_config.json", *TOKENIZER_FILES)


def load_engine(
    name_or_folder: str | os.PathLike,
    engine: str,
    int8: bool = False,
    threads: int | None = None,
) -> OnnxModel | CTranslate2Model:
    """Load an exported model to be used in place of the torch model.

    Args:
        name_or_folder: An exported folder, or the run's folder that it stands in.
        engine: `ctranslate2` or `onnx`.
        int8: Calculate with weights in int8.
        threads: How many threads a reply may use; None for the engine's default.

    Returns:
        An object with `config`, `generation_config`, `device`, `preset_names()`, `preset()` and
        `generate()`.

    Raises:
        UserError: if the engine is not installed, or there is no export or a stale one.
    """
    check_engine(engine)
    engine_package(engine)
    return open_engine(find_export(name_or_folder, engine), engine, int8, threads)


def open_engine(
    folder: Path, engine: str, int8: bool = False, threads: int | None = None
) -> OnnxModel | CTranslate2Model:
    """Load what a folder holds, unasked whether it belongs to its run."""
    from transformers import GenerationConfig

    from .folder_check import CONFIG, GENERATION, check_config, check_generation, read_json

    config = check_config(folder / CONFIG, read_json(folder / CONFIG))
    if (folder / GENERATION).is_file():
        check_generation(folder / GENERATION, config.vocab_size)
        settings = GenerationConfig.from_pretrained(folder)
    else:
        settings = GenerationConfig.from_model_config(config)
    if engine == "onnx":
        from .onnx_model import OnnxModel as Model
    else:
        from .ctranslate2_model import CTranslate2Model as Model
    try:
        return Model(config, folder, settings, int8, threads)
    except UserError:
        raise
    except Exception as error:  # each engine has errors of its own
        raise cannot_load(folder, error, engine) from error


def find_export(name: str | os.PathLike, engine: str) -> Path:
    """Find the exported folder that `name` means, and check that it is not stale.

    Args:
        name: An exported folder, or the run's folder that it stands in.
        engine: One of `ENGINES`.

    Raises:
        UserError: if there is none, or weights or code have changed since.
    """
    given = Path(name).expanduser()
    folder = given if (given / NOTES).is_file() else given / engine
    run = given if folder != given else given.parent
    command = f"python -m tfchat_hf.engines.export {run} --engine {engine}"
    if not (folder / NOTES).is_file():
        if not given.is_dir():
            raise UserError(
                "There is no folder {name}; an engine reads an exported folder.", name=name
            )
        raise UserError(
            "{given} is not exported for this engine yet. Do it with `{command}`.",
            given=given,
            command=command,
        )
    notes = _read_notes(folder, engine)
    is_of_run = folder != given or folder.name == engine
    if is_of_run and any(run.glob("model*.safetensors")):
        _check_not_stale(notes, folder, run, f"{command} --overwrite")
    return folder


def _read_notes(folder: Path, engine: str) -> dict[str, Any]:
    """Read the notes of an exported folder; refuse those of another engine or format."""
    again = export_again(engine)
    try:
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        found, form = notes["engine"], notes["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            "{notes} cannot be read ({error}). {again}",
            notes=folder / NOTES,
            error=error,
            again=again,
        ) from error
    if found in HOW_TO_LOAD and found != engine:
        raise UserError(
            "{folder} is no folder of an engine, but of `--engine {found}`. {how_to_load}",
            folder=folder,
            found=found,
            how_to_load=_(HOW_TO_LOAD[found]),
        )
    if found != engine:
        raise UserError(
            "{folder} was exported for the engine {found}, not {engine}. Use `--engine {found}`.",
            folder=folder,
            found=found,
            engine=engine,
        )
    if form != FORMAT:
        raise UserError(
            "{folder} has format {form}, this version reads {format}. {again}",
            folder=folder,
            form=form,
            format=FORMAT,
            again=again,
        )
    for name, digest in notes.get("files", {}).items():
        path = folder / name
        if path.is_file() and file_digest(path) != digest:  # what is missing, its reader names
            why = _("it is not as it was exported, but cut off or changed")
            raise cannot_load(path, why, engine)
    return notes


def _check_not_stale(notes: dict[str, Any], folder: Path, run: Path, command: str) -> None:
    """Refuse an export whose run has other weights, settings or other code by now."""
    noted, found = notes["sha256"], weight_digests(run)
    if noted != found:
        changed = [name for name in {**noted, **found} if noted.get(name) != found.get(name)]
        raise UserError(
            "{folder} was made from other weights or settings than those that are in "
            "{run} now (changed: {changed}). Export again with `{command}`.",
            folder=folder,
            run=run,
            changed=listed(changed),
            command=command,
        )
    before, now = notes["code_sha256"], code_digests(notes["network_modules"], run)
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed:
        raise UserError(
            "{folder} was made from other code than the network's now (changed: "
            "{changed}). Export again with `{command}`.",
            folder=folder,
            changed=listed(changed),
            command=command,
        )


def check_run(run: Path) -> None:
    """Refuse a folder that holds no finished model."""
    for name in ("config.json", "tokenizer.json"):
        if not (run / name).is_file():
            raise UserError(
                "{run} holds no {name}, so no finished model. Give the folder of a finished run.",
                run=run,
                name=name,
            )
    if not any(run.glob("model*.safetensors")):
        raise UserError(
            "{run} holds no model.safetensors. Give the folder of a run, not of an export.", run=run
        )


@contextmanager
def new_folder(output: Path, overwrite: bool) -> Iterator[Path]:
    """Yield a folder to fill, which gets its final name when the block ends well.

    Args:
        output: The final name.
        overwrite: Replace an exported folder of that name.

    Yields:
        A folder beside `output`; gone again if the block raises.

    Raises:
        UserError: if `output` exists and may not be replaced.
    """
    check_output(output, overwrite)
    with whole_folder(output) as draft:
        yield draft


def check_output(output: Path, overwrite: bool) -> None:
    """Refuse to replace what exists, always if it is no exported folder."""
    if not output.exists():
        return
    if not (output / NOTES).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(
            "{output} exists and is no exported folder ({notes} is missing), so it is "
            "not replaced. Give another `--output`.",
            output=output,
            notes=NOTES,
        )
    if not overwrite:
        raise UserError(
            "{output} exists. Add `--overwrite`, or give another `--output`.", output=output
        )


def copy_run_files(run: Path, folder: Path, names: Iterable[str] = COPIED) -> None:
    """Copy tokenizer, configuration and generation settings into an exported folder."""
    for name in names:
        if (run / name).is_file():
            shutil.copyfile(run / name, folder / name)


def fit_template(folder: Path, tokenizer: Tokenizer, config: TFChatConfig) -> None:
    """Let the copied tokenizer show the model what it reads: that of an older run shows more."""
    from ..text.tokenization import fit_tokenizer

    fit_tokenizer(tokenizer, config)
    (folder / "chat_template.jinja").write_text(tokenizer.chat_template, encoding="utf-8")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    settings["truncation_side"] = "left"
    write_json(settings, path)


def write_notes(
    folder: Path, run: Path, engine: str, version: str, int8: bool, modules: list[str]
) -> None:
    """Note what the folder is, and which weights and code it was made from.

    Args:
        folder: The exported folder.
        run: The run that is exported.
        engine: One of `EXPORTS`.
        version: Of the engine's package.
        int8: Whether it can calculate in int8.
        modules: As `network_modules` names them.
    """
    notes = {
        "format": FORMAT,
        "engine": engine,
        "engine_version": version,
        "int8": int8,
        "sha256": weight_digests(run),
        "network_modules": modules,
        "code_sha256": code_digests(modules, run),
    }
    write_json(notes, folder / NOTES)


def note_files(folder: Path) -> None:
    """Note what the files of a finished folder are, so that a torn copy is known as such."""
    notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    # Settings may be changed by hand.
    files = {name: path for name, path in named.items() if name not in _CHANGEABLE}
    digests = {name: file_digest(path) for name, path in files.items()}
    write_json(notes | {"files": digests}, folder / NOTES)

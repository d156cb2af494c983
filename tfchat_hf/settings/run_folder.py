# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The folder of one run: may it be written, which checkpoints can be resumed from, is it finished.

Nothing that lies in it is run: no pickle is loaded that names more than tensors need.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from data_builders.errors import UserError
from data_builders.translation import _
from data_builders.writing import only_writer, write_whole

from .places import check_folder
from .reading import write_yaml

METRICS_FILE = "metrics.json"
SETTINGS_FILE = "run_config.yaml"
DATA_FILE = "data_report.json"
# Beside a model.
MEMORY_FOLDER = "memory"
SAMPLES_FILE = "samples.jsonl"
CURVES_PICTURE = "curves.png"
# Where `--overwrite` trains: what stands in the folder stays until the new run is whole. Then it is
# renamed to the second, and from there its parts take their places.
REPLACEMENT, _ARRIVING = ".replacement", ".arriving"
_WRITTEN_FILES = (
    METRICS_FILE,
    SETTINGS_FILE,
    DATA_FILE,
    SAMPLES_FILE,
    "samples_during_training.jsonl",
    CURVES_PICTURE,
    "model.safetensors",
)
# Written too, and left where they are until the next run writes its own.
_MODEL_FILES = (
    *("README.md", "config.json", "generation_config.json", "tokenizer.json"),
    *("tokenizer_config.json", "chat_template.jinja", MEMORY_FOLDER),
)
# A checkpoint is written here and renamed when it is whole. The dot and the missing number keep
# every reader of `checkpoint-*` from taking it for one.
STAGING = ".saving"
STATE_FILE = "trainer_state.json"
_JSON_FILES = (STATE_FILE, "config.json")
_WEIGHTS_FILE = "model.safetensors"
# FSDP writes optimizer.bin.
_OPTIMIZER_FILES = ("optimizer.pt", "optimizer.bin")
_RANDOM_FILES = "rng_state*.pth"


class RunFolder:
    """The names in a run folder; `metrics.json` is written last and means finished."""

    def __init__(self, path: str | Path) -> None:
        """Keep the path; nothing is made yet."""
        self.path = Path(path)

    @property
    def finished(self) -> bool:
        """Tell whether a run has ended here."""
        return (self.path / METRICS_FILE).is_file()

    def checkpoints(self) -> list[Path]:
        """List checkpoint folders, the newest step first."""
        return list_checkpoints(self.path)

    def last_checkpoint(self, report: Callable[[str], None]) -> Path | None:
        """Find the newest whole checkpoint, and report those that are not whole."""
        for path in self.checkpoints():
            problem = checkpoint_problem(path)
            if problem is None:
                return path
            report(_("skipping {name}: {problem}", name=path.name, problem=problem))
        return None

    @property
    def place(self) -> Path:
        """Where the run is found in the end."""
        return self.path.parent if self.path.name == REPLACEMENT else self.path

    def workplace(self, overwrite: bool, resume: bool) -> RunFolder:
        """Say where to train: here, or apart from a run that stays until the new one is whole."""
        apart = RunFolder(self.path / REPLACEMENT)
        replaces = overwrite and (self.finished or self.checkpoints() or apart.path.is_dir())
        return apart if replaces or (resume and apart.checkpoints()) else self

    def check_free(self, overwrite: bool, resume: bool = False) -> None:
        """Refuse a folder of somebody else, and one that holds a run which may not be replaced.

        Raises:
            UserError: says what is there and what to do.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                "`output_dir` {path} is a file. Choose another name for the run folder.",
                path=self.path,
            )
        self._check_own(resume)
        if overwrite or resume:
            return
        if RunFolder(self.path / REPLACEMENT).checkpoints():
            raise UserError(
                "`output_dir` {path} holds a run and an unfinished one that is to replace it. "
                "Add --resume to go on with the new one, or --overwrite to begin it anew.",
                path=self.path,
            )
        if self.finished:
            raise UserError(
                "`output_dir` {path} holds a finished run. Add --overwrite to train it anew, "
                "or choose another --output_dir.",
                path=self.path,
            )
        if checkpoints := self.checkpoints():
            raise UserError(
                "`output_dir` {path} holds an unfinished run ({name}). Add --resume to go on "
                "with it, or --overwrite to begin anew.",
                path=self.path,
                name=checkpoints[0].name,
            )

    def _check_own(self, resume: bool) -> None:
        """Refuse to write over files where no run has begun: they are somebody's."""
        # The last two: a process was killed while a whole run took the place of the one before.
        marks = (SETTINGS_FILE, _ARRIVING, f"{REPLACEMENT}/{METRICS_FILE}")
        if any((self.path / mark).exists() for mark in marks) or (resume and self.checkpoints()):
            return
        names = [name for name in (*_WRITTEN_FILES, *_MODEL_FILES) if (self.path / name).exists()]
        names += [path.name for path in self.checkpoints()]
        if names:
            raise UserError(
                "`output_dir` {path} holds {names}, which no run of this program wrote and "
                "this one would write over. Choose another --output_dir, or move them away.",
                path=self.path,
                names=", ".join(names[:3]) + (" ..." if len(names) > 3 else ""),
            )

    def settle(self) -> None:
        """Put a run that is whole in the place of the one before it, metrics.json last.

        A process killed within this leaves the rest to the next one.
        """
        new, arriving = RunFolder(self.path / REPLACEMENT), self.path / _ARRIVING
        if new.finished:
            self.clear()
            os.replace(new.path, arriving)
        if not arriving.is_dir():
            return
        for part in sorted(arriving.iterdir(), key=lambda part: part.name == METRICS_FILE):
            if (self.path / part.name).is_dir():
                shutil.rmtree(self.path / part.name)
            os.replace(part, self.path / part.name)
        arriving.rmdir()

    def clear(self) -> None:
        """Remove what a run wrote, and nothing that it did not write."""
        if self.path.name == REPLACEMENT:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        # metrics.json first: whatever stops this half-way leaves no folder that looks finished.
        for name in _WRITTEN_FILES:
            (self.path / name).unlink(missing_ok=True)
        for checkpoint in self.checkpoints():
            discard(checkpoint)
        # A checkpoint moved aside in there would be brought back into the new run, and the memory
        # may be of another corpus.
        for name in (STAGING, MEMORY_FOLDER):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def start(self, settings: dict[str, object], data_report: dict[str, Any]) -> None:
        """Write what a resumed run must agree with."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.note_settings(settings)
        write_json(data_report, self.path / DATA_FILE)

    def note_settings(self, settings: dict[str, object]) -> None:
        """Write the settings that a run is trained with."""
        write_yaml(settings, self.path / SETTINGS_FILE)

    @contextmanager
    def adding(self) -> Iterator[Path]:
        """Lend an empty folder, and put the files in it into the run folder at the end, each whole.

        Whatever stops the work leaves the files that were there, and no mark of a finished run.
        """
        # Of a run that was trained further, the figures are no longer those of its model.
        for name in (METRICS_FILE, CURVES_PICTURE):
            (self.path / name).unlink(missing_ok=True)
        staging = self.path / STAGING
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            yield staging
            for file in sorted(staging.iterdir()):
                os.replace(file, self.path / file.name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def finish(self, metrics: dict[str, Any]) -> None:
        """Write metrics.json, the mark of a finished run, and take the place of the one before."""
        write_json(metrics, self.path / METRICS_FILE)
        if self.place != self.path:
            RunFolder(self.place).settle()


def only_training(folder: Path) -> AbstractContextManager[None]:
    """Keep a second training out of a run folder."""
    folder = folder.expanduser().absolute()
    # Of a folder that is mounted alone, the one above cannot hold a lock.
    apart = not folder.is_dir() or os.access(folder.parent, os.W_OK)
    return only_writer(folder if apart else folder / "training")


def check_not_in_training(folder: Path) -> None:
    """Refuse a run whose files are about to change.

    Raises:
        UserError: Says which process trains it, and since when.
    """
    places = (folder, folder.expanduser().absolute().parent)
    if any(os.access(place, os.W_OK) for place in places):  # else nothing can be trained there
        with only_training(folder):
            pass


def check_finished(folder: Path, with_memory: bool) -> None:
    """Refuse a folder that is no finished run, or has no memory where one was asked for."""
    check_folder(folder)
    if not (folder / METRICS_FILE).is_file():
        raise UserError(
            "{folder} holds no finished run (no {file} in it). Finish it with the command that "
            "began it and --resume, then push.",
            folder=folder,
            file=METRICS_FILE,
        )
    if with_memory and not (folder / MEMORY_FOLDER).is_dir():
        raise UserError(
            "{folder} has no memory to push. Write it with `python -m tfchat_hf.memory build "
            "{folder}`, or leave out --push_memory.",
            folder=folder,
        )


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write JSON so that the file is there whole or not at all."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_whole(path, text + "\n")


def checkpoint_step(path: Path) -> int:
    """Read the number of updates from the name of a checkpoint folder.

    Raises:
        ValueError: if the folder is not called `checkpoint-<number>`.
    """
    return int(path.name.removeprefix("checkpoint-"))


def list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoint folders of a run, the newest step first."""
    found = [
        path
        for path in folder.glob("checkpoint-*")
        if path.is_dir() and path.name.removeprefix("checkpoint-").isdigit()
    ]
    return sorted(found, key=checkpoint_step, reverse=True)


def discard(checkpoint: Path) -> None:
    """Delete a checkpoint; a process killed on the way leaves no half of it under its name."""
    staging = checkpoint.parent / STAGING
    staging.mkdir(exist_ok=True)
    os.replace(checkpoint, staging / f"removed-{checkpoint.name}")
    shutil.rmtree(staging, ignore_errors=True)


def checkpoint_problem(path: Path) -> str | None:
    """Say why a checkpoint cannot be resumed from, or None if it can."""
    for name in (*_JSON_FILES, _WEIGHTS_FILE, "scheduler.pt"):
        if not (path / name).is_file() or not (path / name).stat().st_size:
            return _("{file} is missing or empty", file=name)
    optimizer = next((path / name for name in _OPTIMIZER_FILES if (path / name).is_file()), None)
    if optimizer is None:
        return _("{file} is missing", file=_OPTIMIZER_FILES[0])
    random_states = sorted(path.glob(_RANDOM_FILES))
    if not random_states:
        return _("{file} is missing", file="rng_state.pth")
    problem = _json_problem(path) or weights_problem(path / _WEIGHTS_FILE)
    scaler = [path / "scaler.pt"] if (path / "scaler.pt").exists() else []
    for file in (optimizer, path / "scheduler.pt", *scaler, *random_states):
        problem = problem or pickle_problem(file)
    return problem


def _json_problem(path: Path) -> str | None:
    """Say what is wrong with the JSON files of a checkpoint."""
    for name in _JSON_FILES:
        try:
            content = json.loads((path / name).read_text(encoding="utf-8"))
        except ValueError:
            return _("{file} is cut off", file=name)
        if not isinstance(content, dict):
            return _("{file} is not a mapping", file=name)
        # transformers would begin at update 0 with these weights, without a word.
        if name == STATE_FILE and content.get("global_step") != checkpoint_step(path):
            return _("{file} is of step {step}", file=name, step=content.get("global_step"))
    return None


def weights_problem(path: Path) -> str | None:
    """Say whether a safetensors file is cut off, or holds what is no number."""
    try:
        with safe_open(path, framework="pt") as file:
            whole = all(file.get_tensor(name).isfinite().all() for name in file.keys())  # noqa: SIM118
    except SafetensorError:
        return _("{file} is cut off", file=path.name)
    return None if whole else _("{file} holds weights that are no numbers", file=path.name)


def pickle_problem(path: Path) -> str | None:
    """Say why a file of `torch.save` must not be loaded, or None; runs nothing of it.

    Each byte is checked against the archive's sums (a gigabyte a second), and the pickle may name
    nothing but what `weights_only=True` allows: a pickle can call any function it names.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError):
        return _("{file} is cut off or damaged", file=path.name)
    if damaged:
        return _("{file} is damaged", file=path.name)
    import torch  # here: whether a folder may be written is told without it
    from transformers.trainer_pt_utils import safe_globals

    try:
        with safe_globals():
            named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # hostile bytes can break the reader anywhere
        return _("{file} cannot be read", file=path.name)
    if named:
        return _(
            "{file} would run code ({names}), which no checkpoint needs",
            file=path.name,
            names=", ".join(sorted(named)),
        )
    return None


def process_count(checkpoint: Path) -> int:
    """Count the processes that wrote a checkpoint: each left a file of its random numbers."""
    return len(list(checkpoint.glob(_RANDOM_FILES)))

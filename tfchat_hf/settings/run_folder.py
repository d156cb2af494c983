# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The folder of one run: whether it may be written, where it resumes, when it is finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from data_builders.writing import write_whole

from ..text.errors import UserError
from .checkpoint_files import STAGING, checkpoint_problem, list_checkpoints
from .reading import read_yaml, write_yaml

METRICS_FILE = "metrics.json"
SETTINGS_FILE = "run_config.yaml"
DATA_FILE = "data_report.json"
# Beside a model.
MEMORY_FOLDER = "memory"
SAMPLES_FILE = "samples.jsonl"
WRITTEN_FILES = (
    METRICS_FILE,
    SETTINGS_FILE,
    DATA_FILE,
    SAMPLES_FILE,
    "samples_during_training.jsonl",
    "curves.png",
    "model.safetensors",
)


class RunFolder:
    """Knows the names in a run folder; `metrics.json` is written last and means finished."""

    def __init__(self, path: str | Path) -> None:
        """Keeps the path; nothing is made yet."""
        self.path = Path(path)

    @property
    def finished(self) -> bool:
        """Tells whether a run has ended here."""
        return (self.path / METRICS_FILE).is_file()

    def checkpoints(self) -> list[Path]:
        """Lists checkpoint folders, the newest step first."""
        return list_checkpoints(self.path)

    def last_checkpoint(self, report: Callable[[str], None]) -> Path | None:
        """Finds the newest whole checkpoint, saying which torn ones it passes over."""
        for path in self.checkpoints():
            problem = checkpoint_problem(path)
            if problem is None:
                return path
            report(f"skipping {path.name}: {problem}")
        return None

    def check_free(self, overwrite: bool) -> None:
        """Refuses a folder that holds a run, unless it may be replaced.

        Raises:
            UserError: says what is there and what to do.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                f"`output_dir` {self.path} is a file. Choose another name for the run folder."
            )
        if overwrite:
            return
        if self.finished:
            raise UserError(
                f"`output_dir` {self.path} holds a finished run. Add --overwrite to train it "
                "anew, or choose another --output_dir."
            )
        if self.checkpoints():
            raise UserError(
                f"`output_dir` {self.path} holds an unfinished run "
                f"({self.checkpoints()[0].name}). Add --resume to go on with it, or --overwrite "
                "to begin anew."
            )

    def clear(self) -> None:
        """Removes what a run wrote, and nothing that it did not write."""
        # metrics.json first: whatever stops this half-way leaves no folder that looks finished.
        for name in WRITTEN_FILES:
            (self.path / name).unlink(missing_ok=True)
        for checkpoint in self.checkpoints():
            shutil.rmtree(checkpoint)
        # A checkpoint moved aside in there would be brought back into the new run.
        shutil.rmtree(self.path / STAGING, ignore_errors=True)
        # Of another corpus, perhaps.
        shutil.rmtree(self.path / MEMORY_FOLDER, ignore_errors=True)

    def start(self, settings: dict[str, object], data_report: dict[str, Any]) -> None:
        """Writes what a resumed run must agree with."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_yaml(settings, self.path / SETTINGS_FILE)
        write_json(data_report, self.path / DATA_FILE)

    def check_same_run(
        self, settings: dict[str, object], fixed: Iterable[str], data_digest: str
    ) -> list[str]:
        """Compares a run to resume with what it began as.

        Args:
            settings: the settings now.
            fixed: keys that cannot change in the middle of a run.
            data_digest: digest of the training examples now.

        Returns:
            Notes on other settings that have changed: allowed, but no longer the same run.

        Raises:
            UserError: if model or data are not those of the run.
        """
        file = self.path / SETTINGS_FILE
        if not file.is_file() or not (self.path / DATA_FILE).is_file():
            return [f"{self.path} has no {SETTINGS_FILE}: the settings could not be compared"]
        before = {key: setting.value for key, setting in read_yaml(str(file)).items()}
        changed = [k for k, v in settings.items() if k in before and before[k] != v]
        for key in changed:
            if key in fixed:
                raise UserError(
                    f"`{key}` was {before[key]!r} when this run began (now {settings[key]!r}). "
                    "Set it back to resume, or add --overwrite instead of --resume."
                )
        digest = json.loads((self.path / DATA_FILE).read_text(encoding="utf-8"))["train_digest"]
        if digest != data_digest:
            raise UserError(
                f"`dataset` {settings['dataset']} gives other training examples than when the run "
                f"in {self.path} began. Put the data back to resume, or use --overwrite."
            )
        return [f"`{key}` was {before[key]!r}, now {settings[key]!r}" for key in changed]

    def finish(self, metrics: dict[str, Any]) -> None:
        """Writes metrics.json, the mark of a finished run."""
        write_json(metrics, self.path / METRICS_FILE)


def write_json(content: dict[str, Any], path: Path) -> None:
    """Writes JSON so that the file is there whole or not at all."""
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_whole(path, text + "\n")

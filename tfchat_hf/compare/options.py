# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the ladder can be told, checked before a model is loaded for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..text.errors import UserError

SPLITS = ("test", "validation")


@dataclass
class LadderOptions:
    """One call of the command.

    Attributes:
        run: folder of a finished run.
        dataset: where its data lies now, if not where it lay.
        split: that asks; None is the test split where there is one.
        questions: the most to ask; 0 for all.
        presets: names of those to take; None for all.
        settings: rows beside the presets, as `rows.read_setting` takes them.
        reverse_model: folder of a run that was trained with the sides swapped.
        batch_size: questions at a time.
        output: folder for what is written; RUN/ladder by default.
        seeds: how often rows that draw at random are decoded.
        samples: questions and replies to write to samples.jsonl.
        device: for `load_session`.
    """

    run: Path
    dataset: str | None = None
    split: str | None = None
    questions: int = 500
    presets: list[str] | None = None
    settings: list[str] = field(default_factory=list)
    reverse_model: Path | None = None
    batch_size: int = 32
    output: Path | None = None
    seeds: int = 1
    samples: int = 0
    device: str = "auto"

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        return self.output or self.run / "ladder"

    def check(self) -> None:
        """Refuses numbers and folders that cannot be.

        Raises:
            UserError: names the option, the rule and the value.
        """
        least = {"questions": 0, "batch_size": 1, "seeds": 1, "samples": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value < low:
                option = "--" + name.replace("_", "-")
                raise UserError(f"`{option}` must be at least {low} (got {value}).")
        if self.split is not None and self.split not in SPLITS:
            raise UserError(f"`--split` must be {' or '.join(SPLITS)} (got {self.split!r}).")
        for path in (self.run, self.reverse_model):
            if path is not None and not path.is_dir():
                raise UserError(
                    f"There is no folder {path}. Give the folder of a finished run of train_hf.py."
                )
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(
                f"`--output` {self.folder} is a file. Choose another name for the folder."
            )

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The memory of a corpus: what was answered to the questions that resemble what is asked."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, load_from_disk
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError

from data_builders.language import guess_language

from ..examples.cache_entries import fresh_entry
from ..text.errors import UserError
from . import MEMORY_FOLDER
from .answering import MemoryAnswer, generated_reply
from .index import QuestionIndex
from .pairs import as_dataset, pairs_by_language
from .ranking import JUDGED, Judge, Remembered, rank

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.json"
PAIRS_FOLDER = "pairs"
FORMAT = 1
# From here on a memory that was not calibrated answers by itself.
DEFAULT_THRESHOLD = 0.4
# Among so many the ranking chooses, however few are asked for.
_POOL = 50


@dataclass
class MemoryConfig:
    """What a memory's `config.json` holds beside the number of its format.

    Attributes:
        languages: The first row and the row behind the last of each language.
        threshold: From this score on a remembered reply is the answer.
        threshold_with_model: The same for scores that a model's opinion is part of.
        calibration: What they were chosen by; None where nobody chose them.
    """

    languages: dict[str, tuple[int, int]]
    threshold: float = DEFAULT_THRESHOLD
    threshold_with_model: float = DEFAULT_THRESHOLD
    calibration: dict[str, Any] | None = None


class Memory:
    """Questions and replies of a corpus, and an index of the questions for each language.

    Args:
        pairs: Rows of `PAIR_FEATURES`, one language after the other.
        indexes: For each language the index of its questions.
        config: Where each language lies, and from which score on the memory answers.

    Example:
        memory = Memory.from_pretrained("runs/mine")
        print(memory.look_up(["你好"])[0].reply)
        print(memory.answer(model, tokenizer, ["你好"]).reply)
    """

    def __init__(
        self, pairs: Dataset, indexes: Mapping[str, QuestionIndex], config: MemoryConfig
    ) -> None:
        """Take over the parts."""
        self.pairs = pairs
        self.indexes = dict(indexes)
        self.config = config

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def threshold_of(self, remembered: Remembered) -> float:
        """Say from which score on something remembered is the answer."""
        if remembered.judged:
            return self.config.threshold_with_model
        return self.config.threshold

    @classmethod
    def from_dataset(cls, dialogues: Dataset) -> Memory:
        """Remember dialogues: each question with its reply and the turns before.

        Args:
            dialogues: The training split, with `turns`, `roles` and `source`.

        Raises:
            UserError: There is no question with a reply in it.
        """
        found, left_out = pairs_by_language(dialogues)
        if not found:
            raise UserError(
                f"These {len(dialogues):,} dialogues hold no question with a reply to remember. "
                "Give the training side of a corpus."
            )
        logger.info("%d pairs left out of the memory", left_out)
        languages, first = {}, 0
        for language, part in found.items():
            languages[language] = (first, first + len(part))
            first += len(part)
        indexes = {
            language: QuestionIndex.build([pair.question for pair in part])
            for language, part in found.items()
        }
        return cls(as_dataset(found), indexes, MemoryConfig(languages))

    def save_pretrained(self, folder: str | os.PathLike) -> Path:
        """Write the memory beside a model, whole or not at all.

        Args:
            folder: The model's folder.

        Returns:
            The folder `memory` in it.
        """
        target = Path(folder, MEMORY_FOLDER)
        with fresh_entry(target) as fresh:
            self.pairs.save_to_disk(str(fresh / PAIRS_FOLDER))
            for language, index in self.indexes.items():
                index.save(fresh / language)
            content = {"format": FORMAT, "pairs": len(self), **asdict(self.config)}
            text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
            (fresh / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
        return target

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike) -> Memory:
        """Load the memory of a model.

        Args:
            name: The model's folder, or its id on the Hub, of which only the memory is loaded.

        Raises:
            UserError: It has none, or one that this version cannot read.
        """
        folder = _memory_folder(name)
        try:
            content = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise UserError(
                    f"The memory {folder} has the format {content['format']} (this version reads "
                    f"{FORMAT}). Build it anew with `python -m tfchat_hf.memory build`."
                )
            languages = {name: tuple(ends) for name, ends in content["languages"].items()}
            names = ("threshold", "threshold_with_model", "calibration")
            config = MemoryConfig(languages, *(content[name] for name in names))
            indexes = {language: QuestionIndex.load(folder / language) for language in languages}
            pairs = load_from_disk(str(folder / PAIRS_FOLDER))
        except UserError:
            raise
        except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
            raise UserError(
                f"The memory {folder} is damaged ({error}). Build it anew with "
                "`python -m tfchat_hf.memory build`."
            ) from error
        return cls(pairs, indexes, config)

    def look_up(
        self, turns: Sequence[str], k: int = JUDGED, judge: Judge | None = None
    ) -> list[Remembered]:
        """Find what was answered to the questions that resemble the newest turn.

        Only pairs in the language of the question are looked at; all where that is neither
        Chinese nor English.

        Args:
            turns: The conversation, the turn to answer last.
            k: How many to give at most.
            judge: A model's opinion (`ModelOpinion`); without it the texts alone decide.

        Returns:
            The best first, each reply once; empty where no question shares anything.
        """
        candidates = []
        for language in self._languages_for(turns[-1]):
            first = self.config.languages[language][0]
            found = self.indexes[language].nearest(turns[-1], _POOL)
            candidates += [(first + place, score) for place, score in found]
        rows = self.pairs[[place for place, _ in candidates]] if candidates else {}
        found = [
            Remembered(question, reply, tuple(history), source, score, place)
            for (place, score), question, reply, history, source in zip(
                candidates, *(rows.get(name, ()) for name in self.pairs.features), strict=True
            )
        ]
        return rank(turns, found, self._carried, judge)[:k]

    def answers(self, remembered: Sequence[Remembered]) -> bool:
        """Say whether the first of what was found is good enough to be the answer."""
        return bool(remembered) and remembered[0].score >= self.threshold_of(remembered[0])

    def answer(
        self, model: Any, tokenizer: Any, turns: Sequence[str], **generation: Any
    ) -> MemoryAnswer:
        """Answer with what the corpus knows, and in the model's own words where it knows nothing.

        Args:
            model: The model, of `AutoModelForSeq2SeqLM.from_pretrained`.
            tokenizer: Its tokenizer.
            turns: The conversation, the turn to answer last.
            generation: For `model.generate`.

        Returns:
            The reply, where it comes from, and what was found.
        """
        from .opinion import ModelOpinion  # loads torch, which a look-up does without

        remembered = self.look_up(turns, judge=ModelOpinion(model, tokenizer))
        if self.answers(remembered):
            return MemoryAnswer(remembered[0].reply, "memory", remembered)
        reply = generated_reply(model, tokenizer, turns, **generation)
        return MemoryAnswer(reply, "model", remembered)

    def _carried(self, asked: str, remembered: str, reply: str) -> float:
        language = guess_language([remembered, reply])
        index = self.indexes.get(language) or next(iter(self.indexes.values()))
        return index.carried(asked, remembered, reply)

    def _languages_for(self, question: str) -> list[str]:
        language = guess_language([question])
        if language in ("zh", "en"):
            return [language] if language in self.indexes else []
        return list(self.indexes)


def has_memory(folder: str | os.PathLike) -> bool:
    """Say whether a model's folder on this machine has a memory."""
    return Path(folder, MEMORY_FOLDER, CONFIG_FILE).is_file()


def _memory_folder(name: str | os.PathLike) -> Path:
    """Find the memory of a folder, or download that of a model on the Hub."""
    folder = Path(name).expanduser()
    if not folder.exists():
        try:
            folder = Path(snapshot_download(str(name), allow_patterns=[f"{MEMORY_FOLDER}/*"]))
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"{name} is no folder here, and its memory cannot be had from the Hub: {reason}"
            ) from error
    if not has_memory(folder):
        raise UserError(
            f"{name} has no memory. Write one with `python -m tfchat_hf.memory build {name}`, or "
            "train with `memory: true`."
        )
    return folder / MEMORY_FOLDER

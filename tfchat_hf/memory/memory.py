# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The memory of a corpus: what was answered to the questions that resemble what is asked."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datasets import Dataset, Features, List, Value, load_from_disk
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError

from data_builders.errors import UserError
from data_builders.language import guess_language
from data_builders.selecting.splits import reply_places
from data_builders.translation import counted_text
from data_builders.writing import whole_folder

from ..settings.run_folder import write_json
from ..text.dialogue import check_turns, encode_context
from . import CONFIG_FILE, MEMORY_FOLDER, check_memory
from .index import QuestionIndex, normalize
from .ranking import RERANKED, ModelScorer, Remembered, Scorer, rank, rerank
from .wordings import wording_encoder

logger = logging.getLogger(__name__)

PAIRS_FOLDER = "pairs"
FORMAT = 1
# A score is about the chance that a reader accepts the reply; of a network this small one reply in
# five is accepted at best.
ENOUGH = 0.2
# Among so many the ranking chooses, however few are asked for.
_RANKED = 50
# Turns before a question that are kept with it.
HISTORY_TURNS = 2
# Nobody asks a page; a page is near to everything.
LONGEST_QUESTION = 200
# Of a message of a megabyte the end is asked, or everybody would wait three seconds for it.
_LONGEST_ASKED = 2000
# What damaged files lead to, besides safetensors' own error.
_DAMAGES = (OSError, KeyError, TypeError, ValueError, AttributeError, IndexError)
PAIR_FEATURES = Features(
    {
        "question": Value("string"),
        "reply": Value("string"),
        "history": List(Value("string")),
        "source": Value("string"),
        "times": Value("int32"),
    }
)
Origin = Literal["memory", "model"]


class Pair(NamedTuple):
    """One thing to remember, and how often the data has it: the weight of its source."""

    question: str
    reply: str
    history: tuple[str, ...]
    source: str
    times: int = 1


@dataclass(frozen=True)
class MemoryAnswer:
    """A reply and where it comes from.

    Attributes:
        reply: What to say.
        source: "memory" where the corpus has it, "model" where the network wrote it.
        remembered: What the memory found, best first.
    """

    reply: str
    source: Origin
    remembered: list[Remembered] = field(default_factory=list)


@dataclass
class MemoryConfig:
    """What a memory's `config.json` holds beside the number of its format.

    Attributes:
        languages: The first row and the row behind the last of each language.
        threshold: From this score on a remembered reply is the answer.
        threshold_with_model: The same for scores that a model's figures are part of.
        calibration: What they were chosen by; None where nobody chose them.
    """

    languages: dict[str, tuple[int, int]]
    threshold: float = ENOUGH
    threshold_with_model: float = ENOUGH
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
        """Return the score from which on something remembered is the answer."""
        config = self.config
        return config.threshold_with_model if remembered.by_model else config.threshold

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
                "there is no question with a reply to remember in {dialogues}. Give the "
                "training side of a corpus.",
                dialogues=counted_text(
                    "{number:,} dialogue", "{number:,} dialogues", len(dialogues)
                ),
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
        return cls(_as_dataset(found), indexes, MemoryConfig(languages))

    def save_pretrained(self, folder: str | os.PathLike) -> Path:
        """Write the memory beside a model, whole or not at all.

        Args:
            folder: The model's folder.

        Returns:
            The folder `memory` in it.
        """
        target = Path(folder, MEMORY_FOLDER)
        with whole_folder(target) as fresh:
            self.pairs.save_to_disk(str(fresh / PAIRS_FOLDER))
            for language, index in self.indexes.items():
                index.save(fresh / language)
            content = {"format": FORMAT, "pairs": len(self), **asdict(self.config)}
            write_json(content, fresh / CONFIG_FILE)
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
                    "The memory {folder} has the format {found} (this version reads {format}). "
                    "Build it anew with `python -m tfchat_hf.memory build`.",
                    folder=folder,
                    found=content["format"],
                    format=FORMAT,
                )
            languages = {name: tuple(ends) for name, ends in content["languages"].items()}
            names = ("threshold", "threshold_with_model", "calibration")
            config = MemoryConfig(languages, *(content[name] for name in names))
            indexes = {language: QuestionIndex.load(folder / language) for language in languages}
            pairs = load_from_disk(str(folder / PAIRS_FOLDER))
        except UserError:
            raise
        except (*_DAMAGES, SafetensorError) as error:
            raise UserError(
                "The memory {folder} is damaged ({error}). Build it anew with `python -m "
                "tfchat_hf.memory build`.",
                folder=folder,
                error=error,
            ) from error
        return cls(pairs, indexes, config)

    def look_up(
        self, turns: Sequence[str], k: int = RERANKED, scorer: Scorer | None = None
    ) -> list[Remembered]:
        """Find what was answered to the questions that resemble the newest turn.

        Only pairs in the language of the question are looked at; all where that is neither
        Chinese nor English.

        Args:
            turns: The conversation, the turn to answer last.
            k: How many to give at most.
            scorer: A model that is asked too (`ModelScorer`); None to rank by the texts alone.

        Returns:
            The best first, each reply once; empty where no question shares anything.
        """
        check_turns(turns)
        turns = [turn[-_LONGEST_ASKED:] for turn in turns]
        candidates = []
        for language in self._languages_for(turns[-1]):
            first = self.config.languages[language][0]
            nearest = self.indexes[language].nearest(turns[-1], _RANKED)
            candidates += [(first + place, score) for place, score in nearest]
        ranked = rank(turns, self._remembered(turns[-1], candidates), self._carried)
        return (self.rerank(turns, ranked, scorer) if scorer else ranked)[:k]

    def rerank(
        self, turns: Sequence[str], ranked: Sequence[Remembered], scorer: Scorer
    ) -> list[Remembered]:
        """Order what `look_up` found by the texts alone again, by what a model makes of it too.

        Args:
            turns: The conversation, the turn to answer last.
            ranked: What `look_up` returned.
            scorer: The model (`ModelScorer`).
        """
        turns = [turn[-_LONGEST_ASKED:] for turn in turns]
        return rerank(turns, ranked, self._carried, scorer)

    def answers(self, remembered: Sequence[Remembered]) -> bool:
        """Return whether the first of what was found is good enough to be the answer."""
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
        remembered = self.look_up(turns, scorer=ModelScorer(model, tokenizer))
        if self.answers(remembered):
            return MemoryAnswer(remembered[0].reply, "memory", remembered)
        reply = _generated_reply(model, tokenizer, turns, **generation)
        return MemoryAnswer(reply, "model", remembered)

    def _remembered(self, asked: str, candidates: Sequence[tuple[int, float]]) -> list[Remembered]:
        """Fetch what stands at places of the memory, each with the cosine of its question."""
        if not candidates:
            return []
        columns = self.pairs[[place for place, _ in candidates]]
        columns.setdefault("times", [1] * len(candidates))  # Older memories do not say it.
        alike = wording_encoder().similarities(asked, columns["question"])
        return [
            Remembered(
                question,
                reply,
                tuple(history),
                source,
                similarity=by_letters,
                wording_similarity=by_letters if by_wording is None else by_wording,
                place=place,
                times=times,
            )
            for (place, by_letters), by_wording, question, reply, history, source, times in zip(
                candidates, alike, *(columns[name] for name in PAIR_FEATURES), strict=True
            )
        ]

    def _carried(self, asked: str, remembered: str, reply: str) -> float:
        language = guess_language([remembered, reply])
        index = self.indexes.get(language) or next(iter(self.indexes.values()))
        return index.carried(asked, remembered, reply)

    def _languages_for(self, question: str) -> list[str]:
        language = guess_language([question])
        if language in ("zh", "en"):
            return [language] if language in self.indexes else []
        return list(self.indexes)


def pairs_of(dialogues: Dataset) -> Iterator[Pair]:
    """Cut dialogues into questions and replies.

    Args:
        dialogues: Rows with `turns`, `roles` and `source`, as the data builders make them.

    Yields:
        Each question with its reply, in the order of the rows.
    """
    columns = dialogues.select_columns(["turns", "roles", "source"])
    for batch in columns.iter(1000):
        for turns, roles, source in zip(
            batch["turns"], batch["roles"], batch["source"], strict=True
        ):
            for place in reply_places(turns, roles):
                before = turns[max(0, place - 1 - HISTORY_TURNS) : place - 1]
                yield Pair(turns[place - 1], turns[place], tuple(before), source)


def pairs_by_language(dialogues: Dataset) -> tuple[dict[str, list[Pair]], int]:
    """Collect what is worth remembering, by the language of question and reply.

    Args:
        dialogues: As for `pairs_of`.

    Returns:
        The pairs of each language, and how many were left out: the same question with the same
        reply once more, replies without a letter, questions of a page.
    """
    first: dict[tuple[str, str], Pair] = {}
    times: Counter[tuple[str, str]] = Counter()
    left_out = 0
    for pair in pairs_of(dialogues):
        key = (normalize(pair.question), pair.reply)
        says_something = any(character.isalnum() for character in pair.reply)
        if not says_something or not 0 < len(key[0]) <= LONGEST_QUESTION:
            left_out += 1
            continue
        first.setdefault(key, pair)
        times[key] += 1
    found: dict[str, list[Pair]] = {}
    for key, pair in first.items():
        language = guess_language([pair.question, pair.reply])
        found.setdefault(language, []).append(pair._replace(times=times[key]))
    return dict(sorted(found.items())), left_out + times.total() - len(first)


def _as_dataset(pairs: dict[str, list[Pair]]) -> Dataset:
    """Make one Arrow dataset of the pairs, one language after the other."""
    rows = [pair for part in pairs.values() for pair in part]
    columns = {name: [getattr(pair, name) for pair in rows] for name in PAIR_FEATURES}
    columns["history"] = [list(history) for history in columns["history"]]
    return Dataset.from_dict(columns, features=PAIR_FEATURES)


def _generated_reply(model: Any, tokenizer: Any, turns: Sequence[str], **generation: Any) -> str:
    """Let the model, with this package's code or its own, write a reply."""
    import torch

    newest = list(turns)[-max(1, model.config.max_context_turns) :]
    room = min(model.config.max_position_embeddings, tokenizer.model_max_length)
    ids = encode_context(tokenizer, newest, room).input_ids
    source = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        output = model.generate(
            input_ids=source, attention_mask=torch.ones_like(source), **generation
        )
    return tokenizer.decode(output[0], skip_special_tokens=True).replace("\ufffd", "").strip()


def _memory_folder(name: str | os.PathLike) -> Path:
    """Find the memory of a folder, or download that of a model on the Hub."""
    folder = Path(name).expanduser()
    if not folder.exists():
        try:
            folder = Path(snapshot_download(str(name), allow_patterns=[f"{MEMORY_FOLDER}/*"]))
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                "{name} is no folder here, and its memory cannot be had from the Hub: {reason}",
                name=name,
                reason=reason,
            ) from error
    check_memory(folder, str(name))
    return folder / MEMORY_FOLDER

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The validation or test split of a finished run, with its questions, read from its settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import pyarrow.compute as pc
from datasets import Dataset, DatasetDict
from transformers import PreTrainedTokenizerBase

from data_builders.errors import UserError
from data_builders.translation import counted_text, listed

from ..settings.arguments import DataArguments, RunArguments
from ..settings.parsing import build_arguments
from ..settings.reading import COMMAND_LINE, Setting, read_yaml
from ..settings.run_folder import SETTINGS_FILE
from .preparing import load_or_train_tokenizer, prepare_data, read_dialogues
from .questions import Question, collect_questions, frequent_replies
from .rows import arrow_column

# A finished run has its tokenizer, so a scheme that is no longer there does no harm.
_TOKENIZER_TRAINING = ("tokenizer", "tokenizer_scheme", "vocab_size", "tokenizer_user_dictionaries")
# Beside the data: what says which questions are drawn, and what the lengths are checked against.
_OTHER_KEYS = (
    "seed",
    "eval_max_samples",
    "max_position_embeddings",
    "generation_max_new_tokens",
)


@dataclass
class EvaluationSplit:
    """The split on which a finished run is measured: test or validation.

    Attributes:
        split: which part.
        questions: its distinct questions, or so many of them, with every reply of the corpus.
        examples: all its pairs, of `prepare_data`.
        train: the pairs that the run was trained on.
        tokenizer: of the run.
        seed: with which the questions were drawn.
        dataset: the name of the source, without its place.
        fingerprint: of the split, as `datasets` has it.
    """

    split: str
    questions: list[Question]
    examples: Dataset
    train: Dataset
    tokenizer: PreTrainedTokenizerBase
    seed: int
    dataset: str
    fingerprint: str

    def characters(self) -> int:
        """Count the characters of all replies."""
        return pc.sum(pc.utf8_length(arrow_column(self.examples, "reply"))).as_py() or 0

    @cached_property
    def frequent(self) -> list[str]:
        """What the training pairs have most often as a reply."""
        return frequent_replies(self.train)

    @cached_property
    def digest(self) -> str:
        """Name the questions and their right answers: others, or another order, change it."""
        rows = [[question.input_ids, question.references] for question in self.questions]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def load_evaluation_split(
    folder: Path, dataset: str | None = None, split: str | None = None, limit: int | None = None
) -> EvaluationSplit:
    """Read a split as a finished run would, from the settings of the run.

    Args:
        folder: a finished run of train_hf.py.
        dataset: where its data lies now, if not where it lay.
        split: "test" or "validation"; None is the test split where there is one.
        limit: at most so many questions, 0 for all; None for as many as the run was measured on.

    Raises:
        UserError: the folder is no finished run, or there is no such split.
    """
    run = run_settings(folder, dataset)
    settings = run.data
    built = read_dialogues(settings).dataset
    chosen = choose_split(built, split, settings.dataset)
    tokenizer = load_or_train_tokenizer(built["train"], settings, settings.max_source_length)
    train, examples, corpus = _examples(built, chosen, tokenizer, settings)
    limit = run.training.eval_max_samples if limit is None else limit
    seed = run.training.seed
    questions = collect_questions(examples, corpus, tokenizer, limit, seed)
    if not questions:
        raise UserError(
            "`dataset` {dataset}: no question of its {split} split is left; each of them is in "
            "the training split too, or its replies are too long. Take another one.",
            dataset=settings.dataset,
            split=chosen,
        )
    name, fingerprint = Path(settings.dataset).name, built[chosen]._fingerprint
    return EvaluationSplit(chosen, questions, examples, train, tokenizer, seed, name, fingerprint)


def run_settings(folder: Path, dataset: str | None = None) -> RunArguments:
    """Read what a run says of its data.

    All else in the file, such as what trained the tokenizer, may be of an older version.

    Args:
        folder: a finished run.
        dataset: taken instead of the run's own.

    Raises:
        UserError: the folder is no run.
    """
    file = folder / SETTINGS_FILE
    if not file.is_file():
        raise UserError(
            "{folder} has no {file}, which says what the model was trained on. Give the "
            "folder of a finished run of train_hf.py.",
            folder=folder,
            file=SETTINGS_FILE,
        )
    keys = {item.name for item in fields(DataArguments)} - set(_TOKENIZER_TRAINING)
    keys |= set(_OTHER_KEYS)
    raw = {key: value for key, value in read_yaml(str(file)).items() if key in keys}
    raw |= {name: Setting(str(folder), str(file)) for name in ("tokenizer", "output_dir")}
    if dataset is not None:
        raw["dataset"] = Setting(dataset, COMMAND_LINE)
    return build_arguments(raw)


def choose_split(built: DatasetDict, split: str | None, dataset: str) -> str:
    """Name the split to ask from; refuses one that is not there."""
    filled = [name for name in ("test", "validation") if name in built and len(built[name])]
    chosen = split or next(iter(filled), "validation")
    if chosen not in filled:
        rows = {
            name: counted_text("{number} row", "{number} rows", len(built[name])) for name in built
        }
        raise UserError(
            "`split` {split} has no dialogues in {dataset} (found {found}). Take another "
            "split, or build the data with `python -m data_builders build ... --test-fraction "
            "0.05`.",
            split=chosen,
            dataset=dataset,
            found=listed(f"{name} ({number})" for name, number in rows.items()),
        )
    return chosen


def _examples(
    built: Mapping[str, Dataset],
    split: str,
    tokenizer: PreTrainedTokenizerBase,
    settings: DataArguments,
) -> tuple[Dataset, Dataset, list[Dataset]]:
    """Prepare a split as training does.

    Returns:
        The training pairs, those of the split that are not among them, and all parts of the
        corpus whose replies count as right answers.
    """
    # Other spellings of questions are for training, and nothing is trained here.
    settings = replace(settings, add_lowercase_questions=False)
    data = prepare_data({"train": built["train"], "validation": built[split]}, tokenizer, settings)
    corpus = [data.train, data.validation]
    if split != "validation" and len(built["validation"]):
        known = prepare_data({"train": built["validation"]}, tokenizer, settings).train
        corpus.insert(1, known)
    return data.train, data.validation, corpus

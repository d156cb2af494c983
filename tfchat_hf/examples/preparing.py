# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues to the examples of a run, prepared once and then read from the cache."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, concatenate_datasets
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from data_builders import BuildResult, build_dialogues
from data_builders.cleaning.coarse_words import hold_coarse_words
from data_builders.errors import UserError
from data_builders.translation import _, counted_text
from data_builders.writing import whole_folder

from ..settings.arguments import DataArguments
from ..text import dialogue, tokenization
from . import rows, tokenized
from .cache import (
    MANIFEST,
    dataset_identity,
    entry_folder,
    source_version,
    train_tokenizer_once,
    warn_of_damage,
)
from .rows import ExampleRows, ListColumn, arrow_column, number_column, select_rows, write_rows
from .tokenized import (
    EXAMPLE_FEATURES,
    PAIR_KEYS,
    tokenize_split,
    write_augmented_questions,
)

logger = logging.getLogger(__name__)

# A handful of English questions in a Chinese corpus does not make a model speak English.
LANGUAGE_SHARE = 0.05


@dataclass
class SplitCounts:
    """What became of one split's dialogues.

    `reads_system` tells whether a context of its examples may hold a system message.
    """

    dialogues: int = 0
    pairs: int = 0
    duplicates_dropped: int = 0
    also_in_train_dropped: int = 0
    long_replies_dropped: int = 0
    contexts_with_dropped_turns: int = 0
    contexts_truncated: int = 0
    reads_system: bool = False


@dataclass
class PreparedData:
    """The examples of a run: columns of `EXAMPLE_FEATURES`, one row a (context, reply).

    The model is trained on `train_augmented`: `train`, and with `add_lowercase_questions` the same
    replies to other spellings of their questions.
    """

    train: Dataset
    train_augmented: Dataset
    validation: Dataset
    train_counts: SplitCounts
    validation_counts: SplitCounts

    def report(self) -> dict[str, Any]:
        """Return the counts and a digest of the training examples, in their order."""
        return {
            "train": asdict(self.train_counts),
            "validation": asdict(self.validation_counts),
            "train_digest": self.train_digest,
        }

    @cached_property
    def train_digest(self) -> str:
        """Name the training examples: equal ids in equal order, and nothing else, give it."""
        return ExampleRows(self.train_augmented).digest()

    def languages(self) -> list[str]:
        """List the languages of more than `LANGUAGE_SHARE` of the training examples."""
        languages = arrow_column(self.train, "lang")
        counts = pc.value_counts(languages).to_pylist()
        least = LANGUAGE_SHARE * len(languages)
        return sorted(one["values"] for one in counts if one["counts"] > least)

    def coarse_replies(self) -> int:
        """Count the training replies with a word of the list of coarse words."""
        return int(hold_coarse_words(arrow_column(self.train, "reply")).sum())

    def validation_characters(self) -> int:
        """Count the characters of all validation replies."""
        return pc.sum(pc.utf8_length(arrow_column(self.validation, "reply"))).as_py() or 0


def read_dialogues(settings: DataArguments) -> BuildResult:
    """Build the dialogues that the settings name, or reads them from the cache."""
    return build_dialogues(
        settings.dataset,
        languages=settings.languages,
        strict=settings.strict,
        cache_dir=settings.dataset_cache_dir,
        validation_fraction=settings.validation_fraction,
        test_fraction=settings.test_fraction,
        exclude_categories=settings.exclude_categories,
    )


def load_or_train_tokenizer(
    dialogues: Dataset, settings: DataArguments, model_max_length: int
) -> PreTrainedTokenizerBase:
    """Load the tokenizer that the settings name, or trains one on the training turns."""
    if settings.tokenizer is None:
        return train_tokenizer_once(
            dialogues,
            settings.tokenizer_scheme,
            settings.vocab_size,
            model_max_length,
            settings.dataset_cache_dir,
            settings.tokenizer_user_dictionaries,
        )
    if not Path(settings.tokenizer).is_dir():
        raise UserError(
            "`tokenizer` must be a folder with a tokenizer.json (got {folder}). Make one with "
            "`python -m tfchat_hf.text.tokenizer_training`, or delete the line.",
            folder=settings.tokenizer,
        )
    # trust_remote_code=False: else a terminal is asked about the model code beside it.
    tokenizer = AutoTokenizer.from_pretrained(settings.tokenizer, trust_remote_code=False)
    if tokenizer.sep_token_id is None or tokenizer.eos_token_id is None:
        raise UserError(
            "`tokenizer` {folder} has no <sep> or </s> token. Make one with "
            "`python -m tfchat_hf.text.tokenizer_training`.",
            folder=settings.tokenizer,
        )
    return tokenizer


def prepare_data(
    dialogues: Mapping[str, Dataset], tokenizer: PreTrainedTokenizerBase, settings: DataArguments
) -> PreparedData:
    """Cut both splits into examples, tokenises them and drops what cannot be used.

    Replies longer than `max_target_length` are dropped, never cut: a cut reply teaches the model
    to stop in the middle. Validation examples that stand in the training split too are dropped,
    for they would measure memory. The result is cached if the dialogues come from files.
    """
    folder = _entry(dialogues, tokenizer, settings)
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="tfchat-examples-") as scratch:
            _write_entry(Path(scratch), dialogues, tokenizer, settings)
            return _read_entry(Path(scratch), in_memory=True)
    data = _cached(folder)
    if data is None:
        with whole_folder(folder, shared=True) as scratch:
            _write_entry(scratch, dialogues, tokenizer, settings)
        data = _read_entry(folder)
    return data


def _entry(
    dialogues: Mapping[str, Dataset], tokenizer: PreTrainedTokenizerBase, settings: DataArguments
) -> Path | None:
    """Name the cache entry of prepared data; None if the dialogues lie in memory only."""
    splits = {name: dialogues[name] for name in ("train", "validation") if name in dialogues}
    identities = {name: dataset_identity(split) for name, split in splits.items() if len(split)}
    if not identities or None in identities.values():
        return None
    pipeline = json.loads(tokenizer.backend_tokenizer.to_str())
    names = (
        "max_source_length",
        "max_target_length",
        "max_context_turns",
        "add_lowercase_questions",
        "swap_sides",
    )
    depends_on = {
        "dialogues": identities,
        # Without what a call with `truncation` or `padding` leaves behind.
        "tokenizer": {**pipeline, "truncation": None, "padding": None},
        "special": [tokenizer.sep_token_id, tokenizer.eos_token_id],
        "settings": [getattr(settings, name) for name in names],
        "code": source_version(dialogue, rows, tokenization, tokenized),
    }
    return entry_folder("tfchat_examples", settings.dataset_cache_dir, depends_on)


def _cached(folder: Path) -> PreparedData | None:
    """Read an entry; None where there is none, or a damaged one."""
    if not folder.is_dir():
        return None
    try:
        return _read_entry(folder)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        warn_of_damage(folder, error)
        return None


def _read_entry(folder: Path, in_memory: bool = False) -> PreparedData:
    """Open the files of an entry; mapped into memory, they cost none."""
    manifest = json.loads((folder / MANIFEST).read_text())
    opened = {}
    for name, size in manifest["bytes"].items():
        path = folder / name
        if (found := path.stat().st_size) != size:
            raise ValueError(
                _("{file} has {found} bytes instead of {size}", file=name, found=found, size=size)
            )
        opened[path.stem] = Dataset.from_file(str(path), in_memory=in_memory)
    train = opened["train"]
    augmented = opened.get("augmented", ())
    return PreparedData(
        train,
        concatenate_datasets([train, augmented]) if len(augmented) else train,
        opened["validation"],
        SplitCounts(**manifest["train"]),
        SplitCounts(**manifest["validation"]),
    )


def _write_entry(
    folder: Path,
    dialogues: Mapping[str, Dataset],
    tokenizer: PreTrainedTokenizerBase,
    settings: DataArguments,
) -> None:
    """Write the examples of a run as Arrow files, and the manifest."""
    nothing = np.empty((0, len(PAIR_KEYS)), dtype=np.int64)
    train_counts, keys = _write_split("train", folder, dialogues, tokenizer, settings, nothing)
    if not train_counts.pairs:
        raise UserError(
            counted_text(
                "`dataset` {dataset} gives no training pairs: {dialogues} dialogues, {number} "
                "reply longer than `max_target_length` {limit}. Check the data or raise it.",
                "`dataset` {dataset} gives no training pairs: {dialogues} dialogues, {number} "
                "replies longer than `max_target_length` {limit}. Check the data or raise it.",
                train_counts.long_replies_dropped,
                dataset=settings.dataset,
                dialogues=train_counts.dialogues,
                limit=settings.max_target_length,
            )
        )
    counts, _keys = _write_split("validation", folder, dialogues, tokenizer, settings, keys)
    if settings.add_lowercase_questions:
        train = Dataset.from_file(str(folder / "train.arrow"))
        write_augmented_questions(train, tokenizer, settings, folder / "augmented.arrow")
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.arrow"))}
    manifest = {"train": asdict(train_counts), "validation": asdict(counts), "bytes": sizes}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def _write_split(
    name: str,
    folder: Path,
    dialogues: Mapping[str, Dataset],
    tokenizer: PreTrainedTokenizerBase,
    settings: DataArguments,
    train_keys: np.ndarray,
) -> tuple[SplitCounts, np.ndarray]:
    """Write the examples of one split that are neither too long nor there already.

    Returns:
        The counts, and the keys of the examples written `(pairs, 2)`.
    """
    split = dialogues[name] if name in dialogues else dialogues["train"].select([])
    with tempfile.TemporaryDirectory(dir=folder, prefix="tokenised-") as scratch:
        found = tokenize_split(split, tokenizer, settings, Path(scratch, "rows.arrow"))
        fits = ListColumn(found.data.column("labels")).lengths <= settings.max_target_length
        keys = np.stack([number_column(found, key) for key in PAIR_KEYS], axis=1)
        selected = select_rows(fits, keys, train_keys)
        write_rows(found, selected.mask, EXAMPLE_FEATURES, folder / f"{name}.arrow")
        dropped = number_column(found, "dropped_turns")[selected.mask]
        cut = number_column(found, "truncated_tokens")[selected.mask]
        with_system = pc.any(arrow_column(found, "reads_system")).as_py()
    counts = SplitCounts(
        dialogues=len(split),
        pairs=int(selected.mask.sum()),
        duplicates_dropped=selected.duplicates,
        also_in_train_dropped=selected.also_in_train,
        long_replies_dropped=selected.too_long,
        contexts_with_dropped_turns=int((dropped > 0).sum()),
        contexts_truncated=int((cut > 0).sum()),
        reads_system=bool(with_system),
    )
    return counts, keys[selected.mask]

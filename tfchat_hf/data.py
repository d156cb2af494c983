# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues to tokenised examples, and the order in which training sees them."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, Features, List, Value
from torch.utils.data import Sampler
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from .arguments import DataArguments, SettingsError
from .augmentation import with_hurried_questions
from .dialogue import encode_context, encode_reply, examples_from_dialogue
from .tokenizer_training import train_tokenizer

logger = logging.getLogger(__name__)

# How `data_builders` names the copies that the weight of a source makes.
_COPY = re.compile(r"[0-9a-f]{16}-(\d+)")
# Below this many dialogues the start of worker processes costs more than they save.
MANY_DIALOGUES = 20_000
EXAMPLE_FEATURES = Features(
    {
        "context": List(Value("string")),
        "reply": Value("string"),
        "lang": Value("string"),
        "copy": Value("int32"),
        "input_ids": List(Value("int32")),
        "labels": List(Value("int32")),
        "dropped_turns": Value("int32"),
        "truncated_tokens": Value("int32"),
    }
)


@dataclass
class SplitCounts:
    """What became of one split's dialogues."""

    dialogues: int = 0
    pairs: int = 0
    duplicates_dropped: int = 0
    also_in_train_dropped: int = 0
    long_replies_dropped: int = 0
    contexts_with_dropped_turns: int = 0
    contexts_truncated: int = 0


@dataclass
class PreparedData:
    """The examples of a run: columns of `EXAMPLE_FEATURES`, one row a (context, reply).

    `lessons` is what the model is trained on: `train`, and with `hurried_questions` the same
    replies to other spellings of their questions.
    """

    train: Dataset
    lessons: Dataset
    validation: Dataset
    train_counts: SplitCounts
    validation_counts: SplitCounts

    def report(self) -> dict[str, Any]:
        """Gives the counts and a digest of the training examples, in their order."""
        digest = hashlib.sha256()
        for batch in self.lessons.with_format("numpy").iter(1000):
            for name in ("input_ids", "labels"):
                for row in batch[name]:
                    digest.update(np.asarray(row, dtype=np.int32).tobytes() + b"|")
        return {
            "train": asdict(self.train_counts),
            "validation": asdict(self.validation_counts),
            "train_digest": digest.hexdigest(),
        }


def load_or_train_tokenizer(
    dialogues: Dataset, settings: DataArguments, model_max_length: int
) -> PreTrainedTokenizerBase:
    """Loads the tokenizer that the settings name, or trains one on the training turns."""
    if settings.tokenizer is None:
        texts = (turn for turns in dialogues["turns"] for turn in turns)
        return train_tokenizer(
            texts, settings.tokenizer_scheme, settings.vocab_size, model_max_length
        )
    if not Path(settings.tokenizer).is_dir():
        raise SettingsError(
            f"`tokenizer` must be a folder with a tokenizer.json (got {settings.tokenizer}). "
            "Make one with `python -m tfchat_hf.tokenizer_training`, or delete the line."
        )
    # trust_remote_code=False: else a terminal is asked about the model code beside it.
    tokenizer = AutoTokenizer.from_pretrained(settings.tokenizer, trust_remote_code=False)
    if tokenizer.sep_token_id is None or tokenizer.eos_token_id is None:
        raise SettingsError(
            f"`tokenizer` {settings.tokenizer} has no <sep> or </s> token. "
            "Make one with `python -m tfchat_hf.tokenizer_training`."
        )
    return tokenizer


def prepare_data(
    dialogues: DatasetDict, tokenizer: PreTrainedTokenizerBase, settings: DataArguments
) -> PreparedData:
    """Cuts both splits into examples, tokenises them and drops what cannot be used.

    Replies longer than `max_target_length` are dropped, never cut: a cut reply teaches the model
    to stop in the middle. Validation examples that stand in the training split too are dropped,
    for they would measure memory.
    """
    seen: set[bytes] = set()
    train, train_counts = _prepare_split(dialogues["train"], tokenizer, settings, seen, frozenset())
    if not train_counts.pairs:
        raise SettingsError(
            f"`dataset` {settings.dataset} gives no training pairs: {train_counts.dialogues} "
            f"dialogues, {train_counts.long_replies_dropped} replies longer than "
            f"`max_target_length` {settings.max_target_length}. Check the data or raise it."
        )
    lessons = train
    if settings.hurried_questions:
        lessons = with_hurried_questions(train, tokenizer, settings.max_source_length)
    held_out = dialogues["validation"] if "validation" in dialogues else train.select([])
    if "turns" not in held_out.column_names:
        return PreparedData(train, lessons, held_out, train_counts, SplitCounts())
    validation, validation_counts = _prepare_split(
        held_out, tokenizer, settings, set(), frozenset(seen)
    )
    return PreparedData(train, lessons, validation, train_counts, validation_counts)


def _prepare_split(
    dialogues: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    settings: DataArguments,
    seen: set[bytes],
    forbidden: frozenset[bytes],
) -> tuple[Dataset, SplitCounts]:
    """Prepares one split; adds the digests of the examples it keeps to `seen`."""
    counts = SplitCounts(dialogues=len(dialogues))
    if not len(dialogues):
        return Dataset.from_dict({name: [] for name in EXAMPLE_FEATURES}, EXAMPLE_FEATURES), counts
    examples = dialogues.map(
        tokenize_dialogues,
        batched=True,
        batch_size=200,
        num_proc=_processes(len(dialogues), settings.preprocessing_num_proc),
        remove_columns=dialogues.column_names,
        features=EXAMPLE_FEATURES,
        fn_kwargs={
            "tokenizer": tokenizer,
            "max_source_length": settings.max_source_length,
            "max_context_turns": settings.max_context_turns,
        },
        desc="Tokenising" if len(dialogues) >= MANY_DIALOGUES else None,
    )
    kept = []
    for index, row in enumerate(examples):
        text = "\0".join([*row["context"], "", row["reply"], "", str(row["copy"])])
        key = hashlib.sha256(text.encode()).digest()
        if len(row["labels"]) > settings.max_target_length:
            counts.long_replies_dropped += 1
        elif key in seen:
            counts.duplicates_dropped += 1
        elif key in forbidden:
            counts.also_in_train_dropped += 1
        else:
            kept.append(index)
            counts.contexts_with_dropped_turns += row["dropped_turns"] > 0
            counts.contexts_truncated += row["truncated_tokens"] > 0
            seen.add(key)
    counts.pairs = len(kept)
    return examples.select(kept), counts


def _processes(dialogues: int, wanted: int | None) -> int | None:
    """Says how many processes tokenise; None means this one."""
    if wanted is None:
        wanted = 1 if dialogues < MANY_DIALOGUES else min(8, os.cpu_count() or 1)
    return wanted if wanted > 1 else None


def tokenize_dialogues(
    batch: dict[str, list[Any]],
    tokenizer: PreTrainedTokenizerBase,
    max_source_length: int,
    max_context_turns: int,
) -> dict[str, list[Any]]:
    """Turns a batch of dialogues into a batch of tokenised examples, as `map` wants it."""
    columns: dict[str, list[Any]] = {name: [] for name in EXAMPLE_FEATURES}
    rows = zip(batch["id"], batch["turns"], batch["roles"], batch["lang"], strict=True)
    for identity, turns, roles, lang in rows:
        for context, reply in examples_from_dialogue(turns, roles or (), max_context_turns):
            encoded = encode_context(tokenizer, context, max_source_length)
            columns["context"].append(list(context))
            columns["reply"].append(reply)
            columns["lang"].append(lang)
            columns["copy"].append(copy_number(identity))
            columns["input_ids"].append(encoded.input_ids)
            columns["labels"].append(encode_reply(tokenizer, reply))
            columns["dropped_turns"].append(encoded.dropped_turns)
            columns["truncated_tokens"].append(encoded.truncated_tokens)
    return columns


def copy_number(identity: str) -> int:
    """Says which copy of a dialogue a row is: 2 for the second one that a weight asked for.

    Copies are meant; all other repetitions are dropped.
    """
    found = _COPY.fullmatch(identity)
    return int(found[1]) if found else 1


def example_lengths(examples: Dataset) -> list[int]:
    """Gives the longer of source and reply of each example.

    Batches sorted by it execute 1.6 times the needed arithmetic on the ChatterBot corpus, by the
    sum of both 1.9 times, unsorted 4.4 times (64 pairs a batch).
    """
    columns = examples.with_format("arrow")[:]
    sizes = [columns[name].combine_chunks().value_lengths() for name in ("input_ids", "labels")]
    return np.maximum(np.asarray(sizes[0]), np.asarray(sizes[1])).tolist()


class LengthGroupedSampler(Sampler[int]):
    """Shuffles examples, then lets those of like length stand together.

    The order is a function of (seed, epoch) alone, so a resumed run sees what an uninterrupted
    one does; transformers' own grouping is exact only within the first epoch. A group is a whole
    update: accumulating over small batches trains on the same examples as one large batch.
    """

    # Examples are sorted within pools of this many groups: larger pools pad less but mix less.
    pool_groups = 32

    def __init__(self, lengths: Sequence[int], group_size: int, seed: int) -> None:
        """Keeps the lengths, how many examples share an update, and the run's seed."""
        self.lengths = np.asarray(lengths)
        self.group_size = group_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch whose order `__iter__` gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Counts the examples."""
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        """Yields the indices of one epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        shuffled = rng.permutation(len(self.lengths))
        whole = len(shuffled) - len(shuffled) % self.group_size
        pool_size = self.group_size * self.pool_groups
        groups: list[np.ndarray] = []
        for start in range(0, whole, pool_size):
            pool = shuffled[start : min(start + pool_size, whole)]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            groups.extend(pool.reshape(-1, self.group_size))
        # The short group must stand last, or every batch after it would straddle two groups.
        order = [groups[i] for i in rng.permutation(len(groups))] + [shuffled[whole:]]
        return iter(np.concatenate(order).tolist())

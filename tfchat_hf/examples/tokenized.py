# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues cut into tokenised (context, reply) rows, with keys to tell equal ones apart."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, List, Value
from transformers import PreTrainedTokenizerBase

from ..text.dialogue import (
    DialogueExample,
    encode_context,
    encode_reply,
    examples_from_dialogue,
    reads_system,
)

# Below this many dialogues the start of worker processes costs more than they save.
MANY_DIALOGUES = 20_000
EXAMPLE_FEATURES = Features(
    {
        "context": List(Value("string")),
        "reply": Value("string"),
        "lang": Value("string"),
        "source": Value("string"),
        "copy": Value("int32"),
        "input_ids": List(Value("int32")),
        "labels": List(Value("int32")),
        "dropped_turns": Value("int32"),
        "truncated_tokens": Value("int32"),
        # Equal ids and equal texts have equal keys; see `key_of`.
        "context_key": Value("int64"),
        "reply_key": Value("int64"),
    }
)
# 128 bits of (context, reply, copy): among 10^9 rows two different ones meet once in 10^20 corpora.
TWIN_KEYS = ("twin_key_high", "twin_key_low")
_ROW_FEATURES = Features(
    {
        **EXAMPLE_FEATURES,
        **{name: Value("int64") for name in TWIN_KEYS},
        "reads_system": Value("bool"),
    }
)
# How `data_builders` names the copies that the weight of a source makes.
_COPY = re.compile(r"[0-9a-f]{16}-(\d+)")


def tokenized(
    dialogues: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    max_source_length: int,
    max_context_turns: int,
    processes: int | None,
    file: Path,
    swap_sides: bool = False,
) -> Dataset:
    """Tokenise a split into a file of rows of `EXAMPLE_FEATURES`, `TWIN_KEYS` and `reads_system`.

    Args:
        dialogues: rows of the data builders' schema.
        tokenizer: encodes both sides.
        max_source_length: the most ids of a context.
        max_context_turns: the most turns of a context.
        processes: how many work at it; None chooses.
        file: the Arrow file to write; several processes put numbers into its name.
        swap_sides: learn the turn that a reply answers, from the reply.
    """
    if not len(dialogues):
        return Dataset.from_dict({name: [] for name in _ROW_FEATURES}, _ROW_FEATURES)
    return dialogues.map(
        tokenize_dialogues,
        batched=True,
        batch_size=200,
        num_proc=process_count(len(dialogues), processes),
        remove_columns=dialogues.column_names,
        features=_ROW_FEATURES,
        fn_kwargs={
            "tokenizer": tokenizer,
            "max_source_length": max_source_length,
            "max_context_turns": max_context_turns,
            "swap_sides": swap_sides,
        },
        cache_file_name=str(file),
        desc="Tokenising" if len(dialogues) >= MANY_DIALOGUES else None,
    )


def process_count(dialogues: int, processes: int | None) -> int | None:
    """Say how many processes tokenise; None means this one."""
    if processes is None:
        processes = 1 if dialogues < MANY_DIALOGUES else min(8, os.cpu_count() or 1)
    return processes if processes > 1 else None


def tokenize_dialogues(
    batch: dict[str, list[Any]],
    tokenizer: PreTrainedTokenizerBase,
    max_source_length: int,
    max_context_turns: int,
    swap_sides: bool = False,
) -> dict[str, list[Any]]:
    """Turn a batch of dialogues into a batch of tokenised examples, as `map` wants it."""
    columns: dict[str, list[Any]] = {name: [] for name in _ROW_FEATURES}
    names = ("id", "turns", "roles", "lang", "source")
    for identity, turns, roles, lang, source in zip(*map(batch.__getitem__, names), strict=True):
        copy = copy_number(identity)
        with_system = not swap_sides and reads_system(roles or (), max_context_turns)
        for example in examples_from_dialogue(turns, roles or (), max_context_turns):
            context, reply = swapped(example) if swap_sides else example
            encoded = encode_context(tokenizer, context, max_source_length)
            columns["context"].append(list(context))
            columns["reply"].append(reply)
            columns["lang"].append(lang)
            columns["source"].append(source)
            columns["copy"].append(copy)
            columns["reads_system"].append(with_system)
            columns["input_ids"].append(encoded.input_ids)
            columns["labels"].append(encode_reply(tokenizer, reply))
            columns["dropped_turns"].append(encoded.dropped_turns)
            columns["truncated_tokens"].append(encoded.truncated_tokens)
            columns["context_key"].append(ids_key(encoded.input_ids))
            columns["reply_key"].append(key_of(reply.encode()))
            text = "\0".join([*context, "", reply, "", str(copy)])
            for name, key in zip(TWIN_KEYS, _keys(text.encode(), 2), strict=True):
                columns[name].append(key)
    return columns


def swapped(example: DialogueExample) -> DialogueExample:
    """Return the reply as the context, and the turn that it answers as what is to be learned."""
    return DialogueExample((example.reply,), example.context[-1])


def copy_number(identity: str) -> int:
    """Say which copy of a dialogue a row is: 2 for the second one that a weight asked for.

    Copies are meant; all other repetitions are dropped.
    """
    found = _COPY.fullmatch(identity)
    return int(found[1]) if found else 1


def ids_key(ids: Sequence[int]) -> int:
    """Return the key of token ids, the same on each machine."""
    return key_of(np.asarray(ids, dtype="<i4").tobytes())


def key_of(content: bytes) -> int:
    """Return 64 bits that stand for some bytes, as a signed number, which Arrow can hold."""
    return _keys(content, 1)[0]


def _keys(content: bytes, count: int) -> list[int]:
    """Return `count` independent keys of 64 bits."""
    digest = hashlib.blake2b(content, digest_size=8 * count).digest()
    return np.frombuffer(digest, dtype="<i8").tolist()

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues cut into tokenised (context, reply) rows, with keys to find equal ones.

And, if asked for, each question once more in casual spelling.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, List, Value
from transformers import PreTrainedTokenizerBase

from ..settings.arguments import DataArguments
from ..text.dialogue import (
    DialogueExample,
    encode_context,
    encode_reply,
    examples_from_dialogue,
    reads_system,
)
from .rows import number_column, write_rows

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
PAIR_KEYS = ("pair_key_high", "pair_key_low")
_ROW_FEATURES = Features(
    {
        **EXAMPLE_FEATURES,
        **{name: Value("int64") for name in PAIR_KEYS},
        "reads_system": Value("bool"),
    }
)
# How `data_builders` names the copies that the weight of a source makes.
_COPY = re.compile(r"[0-9a-f]{16}-(\d+)")
END_MARKS = "?？!！.。,，;；~～… "
# Keys of the context's text as it was and in casual spelling.
_TEXT_KEYS = ("written_key", "respelled_key")


def tokenize_split(
    dialogues: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    settings: DataArguments,
    file: Path,
) -> Dataset:
    """Tokenise a split into a file of rows of `EXAMPLE_FEATURES`, `PAIR_KEYS` and `reads_system`.

    Args:
        dialogues: rows of the data builders' schema.
        tokenizer: encodes both sides.
        settings: say what a context may hold, and how many processes work at it.
        file: the Arrow file to write; several processes put numbers into its name.
    """
    names = ("max_source_length", "max_context_turns", "swap_sides")
    if not len(dialogues):
        return Dataset.from_dict({name: [] for name in _ROW_FEATURES}, _ROW_FEATURES)
    return dialogues.map(
        tokenize_dialogues,
        batched=True,
        batch_size=200,
        num_proc=process_count(len(dialogues), settings.preprocessing_num_proc),
        remove_columns=dialogues.column_names,
        features=_ROW_FEATURES,
        fn_kwargs={"tokenizer": tokenizer, **{name: getattr(settings, name) for name in names}},
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
            for name, key in zip(PAIR_KEYS, _keys(text.encode(), 2), strict=True):
                columns[name].append(key)
    return columns


def lowercase_without_end_mark(text: str) -> str:
    """Write a turn as people type it: in small letters, without the mark at its end.

    Args:
        text: "What is AI?"

    Returns:
        "what is ai"; the text itself where nothing but marks would be left of it.
    """
    return text.lower().rstrip(END_MARKS) or text


def write_augmented_questions(
    examples: Dataset, tokenizer: PreTrainedTokenizerBase, settings: DataArguments, path: Path
) -> None:
    """Write each example once more with its newest turn in casual spelling.

    A small corpus has each question in one spelling only, and a model that has seen no other
    takes "hello" for something else than "Hello". Questions that this does not change, and those
    whose casual spelling is a question of the corpus itself, are left out.

    Args:
        examples: Rows of `EXAMPLE_FEATURES`.
        tokenizer: Encodes the changed contexts.
        settings: Say how long a context may be, and how many processes work at it.
        path: The Arrow file to write, rows of `EXAMPLE_FEATURES`.
    """
    keys = {name: Value("int64") for name in _TEXT_KEYS}
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="augmented-") as scratch:
        changed = examples.map(
            _respell_questions,
            batched=True,
            batch_size=500,
            num_proc=process_count(len(examples), settings.preprocessing_num_proc),
            features=Features({**EXAMPLE_FEATURES, **keys}),
            fn_kwargs={"tokenizer": tokenizer, "max_source_length": settings.max_source_length},
            cache_file_name=str(Path(scratch, "rows.arrow")),
        )
        written, respelled = (number_column(changed, name) for name in _TEXT_KEYS)
        write_rows(changed, ~np.isin(respelled, written), EXAMPLE_FEATURES, path)


def _respell_questions(
    batch: dict[str, list[Any]], tokenizer: PreTrainedTokenizerBase, max_source_length: int
) -> dict[str, list[Any]]:
    """Change the newest turns of a batch, as `map` wants it."""
    contexts = [[*turns[:-1], lowercase_without_end_mark(turns[-1])] for turns in batch["context"]]
    encoded = [encode_context(tokenizer, turns, max_source_length) for turns in contexts]
    return {
        "context": contexts,
        "input_ids": [context.input_ids for context in encoded],
        "context_key": [ids_key(context.input_ids) for context in encoded],
        _TEXT_KEYS[0]: [_text_key(turns) for turns in batch["context"]],
        _TEXT_KEYS[1]: [_text_key(turns) for turns in contexts],
    }


def _text_key(turns: list[str]) -> int:
    """Return the key of a context's text."""
    return key_of("\0".join(turns).encode())


def swapped(example: DialogueExample) -> DialogueExample:
    """Return the reply as the context, and the turn that it answers as what is to be learned."""
    return DialogueExample((example.reply,), example.context[-1])


def copy_number(identity: str) -> int:
    """Return which copy of a dialogue a row is: 2 for the second one that a weight asked for.

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

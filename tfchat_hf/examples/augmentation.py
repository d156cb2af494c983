# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Data augmentation: questions as people type them, in lower case and without end mark."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, Features, Value
from transformers import PreTrainedTokenizerBase

from ..text.dialogue import encode_context
from .files import number_column, write_rows
from .tokenized import EXAMPLE_FEATURES, ids_key, key_of, process_count

END_MARKS = "?？!！.。,，;；~～… "
# Keys of the context's text as it was and as it is typed.
_TEXT_KEYS = ("written_key", "typed_key")


def lowercase_without_end_mark(text: str) -> str:
    """Write a turn as many people type it.

    Args:
        text: "What is AI?"

    Returns:
        "what is ai"; the text itself where nothing but marks would be left of it.
    """
    return text.lower().rstrip(END_MARKS) or text


def write_lowercase_questions(
    examples: Dataset,
    tokenizer: PreTrainedTokenizerBase,
    max_source_length: int,
    path: Path,
    processes: int | None = None,
) -> None:
    """Write each example once more with its newest turn in lower case without end mark.

    A small corpus has each question in one spelling only, and a model that has seen no other
    takes "hello" for something else than "Hello". Questions that this does not change, and those
    that the corpus itself has in this spelling, are left out.

    Args:
        examples: Rows of `EXAMPLE_FEATURES`.
        tokenizer: Encodes the changed contexts.
        max_source_length: The most ids of a context.
        path: The Arrow file to write, rows of `EXAMPLE_FEATURES`.
        processes: How many work at it; None chooses.
    """
    keys = {name: Value("int64") for name in _TEXT_KEYS}
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="lowercase-") as scratch:
        changed = examples.map(
            change_questions,
            batched=True,
            batch_size=500,
            num_proc=process_count(len(examples), processes),
            features=Features({**EXAMPLE_FEATURES, **keys}),
            fn_kwargs={"tokenizer": tokenizer, "max_source_length": max_source_length},
            cache_file_name=str(Path(scratch, "rows.arrow")),
        )
        written, typed = (number_column(changed, name) for name in _TEXT_KEYS)
        write_rows(changed, ~np.isin(typed, written), EXAMPLE_FEATURES, path)


def change_questions(
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
    """Give the key of a context's text."""
    return key_of("\0".join(turns).encode())

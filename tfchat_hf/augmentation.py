# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions as people type them: without capitals, without the mark at the end."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, concatenate_datasets
from transformers import PreTrainedTokenizerBase

from .dialogue import encode_context

END_MARKS = "?？!！.。,，;；~～… "


def hurried(text: str) -> str:
    """Write a turn the way it is typed in a hurry.

    Args:
        text: "What is AI?"

    Returns:
        "what is ai"; the text itself where nothing but marks would be left of it.
    """
    return text.lower().rstrip(END_MARKS) or text


def with_hurried_questions(
    examples: Dataset, tokenizer: PreTrainedTokenizerBase, max_source_length: int
) -> Dataset:
    """Append each example once more with its newest turn as typed in a hurry.

    A small corpus has each question in one spelling only, and a model that has seen no other
    takes "hello" for something else than "Hello". Questions that are the same in a hurry, and
    those whose hurried spelling is a question of the corpus itself, are left alone.

    Args:
        examples: Rows of `EXAMPLE_FEATURES`.
        tokenizer: Encodes the changed contexts.
        max_source_length: The most ids of a context.

    Returns:
        The examples, then the changed ones.
    """
    known = {tuple(context) for context in examples["context"]}

    def change(row: dict[str, Any]) -> dict[str, Any]:
        context = [*row["context"][:-1], hurried(row["context"][-1])]
        encoded = encode_context(tokenizer, context, max_source_length)
        return {"context": context, "input_ids": encoded.input_ids}

    changed = examples.map(change, features=examples.features, keep_in_memory=True)
    new = [place for place, context in enumerate(changed["context"]) if tuple(context) not in known]
    return concatenate_datasets([examples, changed.select(new)])

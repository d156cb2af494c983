# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A held-out split as questions with all their replies, for metrics with several references.

The same question, however it is spelled, stands on one side of the split (`splits`), so all the
replies that a corpus gives to a test question are found here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import datasets

from data_builders.errors import UserError
from data_builders.selecting.splits import normalize_question, reply_places
from data_builders.writing import whole_file

REFERENCE_FEATURES = datasets.Features(
    {
        "context": datasets.List(datasets.Value("string")),
        "references": datasets.List(datasets.Value("string")),
        "lang": datasets.Value("string"),
    }
)


def group_references(split: datasets.Dataset, max_context_turns: int = 1) -> datasets.Dataset:
    """Put together the replies to each context of a split.

    Args:
        split: Rows with the columns of `DIALOGUE_FEATURES`; held in memory as a whole, so meant
            for a validation or test split.
        max_context_turns: How many of the newest turns before a reply are its context. Contexts
            that differ only as `normalize_question` folds are one; its first spelling is kept.

    Returns:
        One row per context, in the order of first occurrence; no reference stands twice in it.
    """
    if max_context_turns < 1:
        raise UserError(
            "`{option}` must be at least {least} (got {value}).",
            option="max_context_turns",
            least=1,
            value=max_context_turns,
        )
    groups: dict[tuple[str, ...], tuple[list[str], dict[str, None], str]] = {}
    for row in split:
        for context, reply in _pairs(row["turns"], row["roles"], max_context_turns):
            key = tuple(normalize_question(turn) for turn in context)
            groups.setdefault(key, (context, {}, row["lang"]))[1].setdefault(reply)
    columns = {
        "context": [context for context, _, _ in groups.values()],
        "references": [list(replies) for _, replies, _ in groups.values()],
        "lang": [lang for _, _, lang in groups.values()],
    }
    return datasets.Dataset.from_dict(columns, features=REFERENCE_FEATURES)


def write_references(references: datasets.Dataset, path: Path) -> None:
    """Write references as JSON lines; the file appears whole or not at all."""
    if path.is_dir():
        raise UserError(
            "{path} is a folder. Name a file, such as {example}.",
            path=path,
            example=path / "references.jsonl",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as fresh, open(fresh, "w", encoding="utf-8", newline="\n") as file:
        for row in references:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _pairs(
    turns: Sequence[str], roles: Sequence[str], most: int
) -> Iterator[tuple[list[str], str]]:
    for place in reply_places(turns, roles):
        yield list(turns[max(0, place - most) : place]), turns[place]

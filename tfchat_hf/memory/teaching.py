# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions of a corpus with the replies that a memory remembers, for a network to learn from.

A corpus of good replies is small, and a network that learns it by heart fails when it is asked in
other words. People's words are in the large corpora, whose replies are often poor. So the memory
answers their questions, and the network learns what it said: distillation at the level of whole
replies (Kim and Rush, 2016, https://aclanthology.org/D16-1139) with a look-up as the teacher.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset
from tqdm import tqdm

from data_builders.writing import whole_file

from .index import normalize
from .memory import Memory, pairs_of


def taught_pairs(memory: Memory, dialogues: Dataset, least: float) -> Iterator[tuple[str, str]]:
    """Answer the questions of a corpus, each without what was said before it.

    Args:
        memory: What answers.
        dialogues: Whose questions; rows as the data builders make them.
        least: Score from which on a reply is good enough to learn.

    Yields:
        Questions with their replies, each question once; those that the memory holds itself are
        left out.
    """
    questions = dict.fromkeys(pair.question for pair in pairs_of(dialogues))
    for question in tqdm(questions, unit=" questions", disable=None):
        found = memory.look_up([question], 1)
        if not found or found[0].score < least:
            continue
        if normalize(found[0].question) != normalize(question):
            yield question, found[0].reply


def write_taught(memory: Memory, dialogues: Dataset, least: float, output: Path) -> int:
    """Write `taught_pairs` as JSON lines, whole or not at all; return how many."""
    count = 0
    with whole_file(output) as path, path.open("w", encoding="utf-8") as file:
        for question, reply in taught_pairs(memory, dialogues, least):
            row = {"question": question, "reply": reply}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Answers the questions of a corpus from a memory, for a second stage of training.

    python benchmarks/taught_questions.py data/zh --output data/taught.jsonl
    python train_hf.py configs/flagship_zh.yaml --init_from runs/flagship_zh \
        --dataset data/taught.jsonl --output_dir runs/taught --max_minutes 30

People's words are in the large corpora, replies worth having in the small talk: so the memory of
the model in the package answers, and a network learns what it said (distillation at the level of
whole replies: Kim and Rush, 2016, https://aclanthology.org/D16-1139). docs/recipe.md says what
came of it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tqdm import tqdm

from data_builders import build_dialogues
from data_builders.writing import whole_file
from tfchat_hf.memory import Memory
from tfchat_hf.memory.memory import pairs_of
from tfchat_hf.pretrained import SMALL_TALK


def main() -> None:
    """Writes each question once that the memory answers with a score of --least or more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", help="the corpus that asks")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--least", type=float, default=0.38)
    given = parser.parse_args()
    memory = Memory.from_pretrained(SMALL_TALK)
    pairs = pairs_of(build_dialogues(given.dataset).dataset["train"])
    with whole_file(given.output) as path, path.open("w", encoding="utf-8") as file:
        for question in tqdm(dict.fromkeys(pair.question for pair in pairs)):
            found = memory.look_up([question], 1)
            if found and found[0].score >= given.least:
                row = {"question": question, "reply": found[0].reply}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

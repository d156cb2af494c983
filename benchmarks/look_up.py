# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""The reply of the most similar question of a corpus: the baseline that a chat model has to beat.

    python benchmarks/look_up.py --dataset small_talk --input questions.jsonl --output replies.jsonl

Questions and replies are files as `chat_hf.py --input` reads and `--output` writes them. Similar is
what shares character n-grams (1 to 3), weighted by TF-IDF, by the cosine. Only the newest turn is
looked at, and only training pairs are looked up.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from data_builders import build_dialogues
from data_builders.splits import reply_places


class LookUp:
    """Questions by their character n-grams, each with its reply."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Index (question, reply) pairs."""
        self.replies = [reply for _, reply in pairs]
        counts = [grams(question) for question, _ in pairs]
        frequency = Counter(gram for count in counts for gram in count)
        self.idf = {gram: math.log(len(pairs) / n) + 1 for gram, n in frequency.items()}
        self.norms = np.array([_norm(self._weights(count)) for count in counts])
        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, count in enumerate(counts):
            for gram, weight in self._weights(count).items():
                postings[gram].append((place, weight))
        self.postings = {
            gram: (np.array([place for place, _ in found]), np.array([w for _, w in found]))
            for gram, found in postings.items()
        }

    def nearest(self, question: str) -> tuple[str, float]:
        """Give the reply to the most similar question, and the cosine: 0 where nothing is shared.

        Of equally similar ones the first is taken.
        """
        weights = self._weights(grams(question))
        scores = np.zeros(len(self.replies))
        for gram, weight in weights.items():
            places, values = self.postings[gram]
            scores[places] += weight * values
        scores /= self.norms * _norm(weights)
        best = int(scores.argmax())
        return self.replies[best], float(scores[best])

    def _weights(self, count: Counter[str]) -> dict[str, float]:
        return {
            gram: (1 + math.log(number)) * self.idf[gram]
            for gram, number in count.items()
            if gram in self.idf
        }


def grams(text: str) -> Counter[str]:
    """Count the runs of one to three letters, without case, blanks and punctuation."""
    bare = "".join(character for character in text.lower() if character.isalnum())
    return Counter(bare[i : i + n] for n in (1, 2, 3) for i in range(len(bare) - n + 1))


def _norm(weights: dict[str, float]) -> float:
    return math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0


def training_pairs(dataset: str) -> list[tuple[str, str]]:
    """Read the (newest turn, reply) pairs of a corpus' training side."""
    rows = build_dialogues(dataset).dataset["train"]
    return [
        (row["turns"][place - 1], row["turns"][place])
        for row in rows
        for place in reply_places(row["turns"], row["roles"])
    ]


def newest_turns(lines: Iterable[str]) -> list[str]:
    """Read what is asked in each line of a file of questions."""
    rows = [json.loads(line) for line in lines if line.strip()]
    return [row["dialogue"][-1] if "dialogue" in row else row["question"] for row in rows]


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line and answers the questions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="small_talk", help="as in a settings file")
    parser.add_argument("--input", type=Path, required=True, help="questions, JSON lines")
    parser.add_argument("--output", type=Path, required=True, help="replies, JSON lines")
    arguments = parser.parse_args(argv)
    look_up = LookUp(training_pairs(arguments.dataset))
    questions = newest_turns(arguments.input.read_text(encoding="utf-8").splitlines())
    with arguments.output.open("w", encoding="utf-8") as file:
        for question in questions:
            reply, cosine = look_up.nearest(question)
            row = {"question": question, "reply": reply, "cosine": round(cosine, 3)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

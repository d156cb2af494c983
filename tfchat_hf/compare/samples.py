# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions with the replies of every row, for reading on one's own machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..examples.questions import Question


def write_samples(
    path: Path, questions: Sequence[Question], replies: Mapping[str, Sequence[str]], limit: int
) -> None:
    """Writes the first questions, a JSON object each.

    Args:
        path: the file.
        questions: in the order of the replies.
        replies: of each row, by its name.
        limit: the most questions to write.
    """
    lines = []
    for place, question in enumerate(questions[:limit]):
        said = {name: texts[place] for name, texts in replies.items()}
        row = {"context": question.context, "human": question.references[0], **said}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text("".join(lines), encoding="utf-8")
    fresh.replace(path)

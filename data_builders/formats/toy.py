# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A task for a network to be seen at work: write a few Hanzi backwards.

A question is 3 to 8 different characters of the beginning of the Thousand Character Classic, its
reply the same from the last to the first. What a network must do is plain, so what its attention
should look like is too: each character of the reply looks at one of the question, from right to
left. `configs/toy.yaml` learns it in a minute; `docs/learn` looks inside.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from data_builders.building.builder import DialogueBuilder, DialogueConfig
from data_builders.dialogue import RawDialogue
from data_builders.report import BuildReport, SourceCount
from data_builders.selecting.settings import SelectionSettings

HANZI = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"
SHORTEST, LONGEST = 3, 8
SIZES = {"train": 12_000, "validation": 500, "test": 500}


def toy_pairs() -> Iterator[tuple[str, str, str]]:
    """Yield split, question and reply; no question comes twice, and always the same ones come."""
    drawn = random.Random(0)
    seen: set[str] = set()
    for split, size in SIZES.items():
        while size:
            question = "".join(drawn.sample(HANZI, drawn.randint(SHORTEST, LONGEST)))
            if question not in seen:
                seen.add(question)
                size -= 1
                yield split, question, question[::-1]


@dataclass
class ToyConfig(DialogueConfig):
    """Settings of the toy.

    Attributes:
        selection: As for any corpus, but near copies stay: two questions with one character
            between them have different replies.
    """

    selection: SelectionSettings = field(
        default_factory=lambda: SelectionSettings(near_duplicates=False, leak_free=False)
    )

    def content_files(self) -> list[Path]:
        """List what decides the content: this module."""
        return [Path(__file__)]


class ToyCorpus(DialogueBuilder):
    """Builder of the toy.

    Example:
        builder = ToyCorpus()
        builder.download_and_prepare()
        dataset = builder.as_dataset()
    """

    FORMAT: ClassVar[str] = "toy"
    TITLE: ClassVar[str] = "a few Hanzi and the same backwards, to see a network at work"
    BUILDER_CONFIG_CLASS = ToyConfig
    config: ToyConfig

    @classmethod
    def origins(cls, config: ToyConfig) -> list[SourceCount]:
        """Name the source."""
        return [SourceCount(cls.FORMAT, cls.FORMAT, config.license or "CC0-1.0")]

    @classmethod
    def read_sources(
        cls,
        config: ToyConfig,
        report: BuildReport,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[RawDialogue]:
        """Yield the pairs, each on the side of the split that it was drawn for."""
        roles = ("user", "assistant")
        for number, (split, *pair) in enumerate(toy_pairs(), start=1):
            yield RawDialogue(tuple(pair), roles, cls.FORMAT, number, "zh", cls.FORMAT, split=split)

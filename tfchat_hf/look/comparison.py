# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Two models, or two checkpoints of one run, beside each other: what did training change?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .journey import Journey, Traveller
from .recording import record

_MOST_MOVED = 10


@dataclass(frozen=True)
class Weighed:
    """A reply in the eyes of one model: its tokens there, and the probability of each."""

    tokens: list[str]
    probabilities: list[float]


@dataclass(frozen=True)
class Comparison:
    """What two models make of each other's replies.

    Attributes:
        names: Of the models.
        replies: The text of each reply, and how the first and the second model find it.
        moved: The weights that differ most: name, and the length of the difference as a share of
            the first one's; empty where the networks have different shapes.
    """

    names: tuple[str, str]
    replies: list[tuple[str, Weighed, Weighed]]
    moved: list[tuple[str, float]]

    def content(self) -> dict[str, Any]:
        """Give it as plain data."""
        return {
            "names": self.names,
            "replies": [
                {"text": text, "models": [vars(one) for one in models]}
                for text, *models in self.replies
            ],
            "moved": self.moved,
        }


def compare(first: Journey, second: Journey) -> Comparison:
    """Set two journeys of the same question beside each other."""
    names = (first.traveller.name, second.traveller.name)
    owners = (first, second) if first.reply_text != second.reply_text else (first,)
    replies = [(own.reply_text, _weigh(first, own), _weigh(second, own)) for own in owners]
    return Comparison(names, replies, moved_weights(first.traveller, second.traveller))


def _weigh(journey: Journey, replied: Journey) -> Weighed:
    """Say how likely a model finds the reply of another, or its own."""
    traveller, recording, ids = journey.traveller, journey.recording, journey.reply
    if journey.reply_text != replied.reply_text:
        ids = traveller.read_reply(replied.reply_text)
        recording = record(traveller.model, recording.encoder.ids, ids)
    found = recording.logits.softmax(-1).gather(-1, torch.tensor(ids)[:, None])[:, 0]
    return Weighed(traveller.spell(ids), found.tolist())


@torch.no_grad()
def moved_weights(first: Traveller, second: Traveller) -> list[tuple[str, float]]:
    """Return the weights that moved most from the first model to the second, the most first."""
    before, after = (dict(one.model.named_parameters()) for one in (first, second))
    if {name: weight.shape for name, weight in before.items()} != {
        name: weight.shape for name, weight in after.items()
    }:
        return []
    moved = [
        (name, float((after[name] - old).norm() / old.norm().clamp(min=1e-9)))
        for name, old in before.items()
    ]
    return sorted(moved, key=lambda row: -row[1])[:_MOST_MOVED]

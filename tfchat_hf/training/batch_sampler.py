# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which examples make an update, in which order, and how an update is cut into batches.

What an update holds is a function of (seed, epoch, size) alone. Gradient accumulation and several
processes only cut it into batches: 8 x 1, 1 x 8 and 2 processes x 4 train on the same, and a
resumed run sees what an uninterrupted one does. (transformers' own grouping by length is exact
only within the first epoch.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Sampler
from transformers import TrainerCallback

from ..examples.rows import ExampleRows
from ..settings.arguments import TFChatTrainingArguments

# Examples are sorted within pools of this many updates: larger pools pad less but mix less.
POOL_UPDATES = 128
BLUR = 0.1


@dataclass(frozen=True)
class UpdatePlan:
    """Cuts the examples of an epoch into updates of like length and size.

    Attributes:
        source_lengths: Tokens of each question, `(examples,)`.
        target_lengths: Tokens of each reply, `(examples,)`.
        tokens: Source and target tokens of an update, about; 0 to count pairs instead.
        pairs: Pairs of an update where `tokens` is 0.
        seed: Of the order.
    """

    source_lengths: np.ndarray
    target_lengths: np.ndarray
    tokens: int
    pairs: int
    seed: int

    @property
    def updates(self) -> int:
        """Count the updates of an epoch, the same in each."""
        if not self.tokens:
            return max(1, -(-len(self.source_lengths) // self.pairs))
        total = int(
            self.source_lengths.sum(dtype=np.int64) + self.target_lengths.sum(dtype=np.int64)
        )
        return min(len(self.source_lengths), max(1, round(total / self.tokens)))

    def order(self, epoch: int) -> list[np.ndarray]:
        """List the updates of an epoch, each the indices of its examples."""
        rng = np.random.default_rng([self.seed, epoch])
        shuffled = rng.permutation(len(self.source_lengths))
        if not self.tokens:
            return self._by_pairs(shuffled, rng)
        pool = max(1, len(shuffled) * POOL_UPDATES // self.updates)
        lined_up = np.concatenate(
            [
                self._sorted(shuffled[start : start + pool], rng)[:: 1 if turn % 2 == 0 else -1]
                for turn, start in enumerate(range(0, len(shuffled), pool))
            ]
        )
        groups = np.split(lined_up, self._cuts(lined_up))
        return [groups[number] for number in rng.permutation(len(groups))]

    def _by_pairs(self, shuffled: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """Group equally many pairs; the short group stands last."""
        whole = len(shuffled) - len(shuffled) % self.pairs
        groups: list[np.ndarray] = []
        for start in range(0, whole, self.pairs * POOL_UPDATES):
            pool = shuffled[start : min(start + self.pairs * POOL_UPDATES, whole)]
            groups.extend(self._sorted(pool, rng).reshape(-1, self.pairs))
        rest = [shuffled[whole:]] if whole < len(shuffled) else []
        return [groups[number] for number in rng.permutation(len(groups))] + rest

    def _sorted(self, pool: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Sort a pool so that neighbours are alike on both sides.

        Strips of like replies first, then by question within a strip, every second strip backwards
        so that the ends of neighbouring strips meet. Lengths are blurred, or a small corpus would
        meet in the same company in every epoch.
        """
        blurred = 1 + BLUR * rng.random((2, len(pool)))
        by_target = np.argsort(self.target_lengths[pool] * blurred[0], kind="stable")
        of_source = self.source_lengths[pool] * blurred[1]
        parts = []
        for number, strip in enumerate(np.array_split(by_target, self._strips(len(pool)))):
            inner = strip[np.argsort(of_source[strip], kind="stable")]
            parts.append(pool[inner if number % 2 == 0 else inner[::-1]])
        return np.concatenate(parts)

    def _strips(self, examples: int) -> int:
        """Choose how many strips a pool has: about the square root of twice its updates."""
        updates = examples * self.updates / len(self.source_lengths)
        return max(1, round((2 * updates) ** 0.5))

    def _cuts(self, lined_up: np.ndarray) -> np.ndarray:
        """Find where to cut so that each update has its share of the tokens and one example."""
        sizes = self.source_lengths[lined_up].astype(np.int64) + self.target_lengths[lined_up]
        ends = np.cumsum(sizes)
        goals = np.arange(1, self.updates) * (ends[-1] / self.updates)
        cuts = np.searchsorted(ends, goals)
        # An example as long as two updates would leave one of them empty.
        cuts = np.maximum.accumulate(cuts - np.arange(len(cuts))) + np.arange(len(cuts))
        return np.clip(
            cuts, np.arange(1, len(cuts) + 1), len(lined_up) - np.arange(len(cuts), 0, -1)
        )


def update_plan(examples: ExampleRows, args: TFChatTrainingArguments) -> UpdatePlan:
    """Plan the updates of an epoch as the settings ask for them."""
    pairs = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    seed = args.seed if args.data_seed is None else args.data_seed
    return UpdatePlan(
        examples.source_lengths, examples.target_lengths, args.tokens_per_update, pairs, seed
    )


class UpdateSampler(Sampler[list[int]]):
    """Gives one process its batches of each update.

    A batch may be empty where an update has fewer examples than batches; the collator makes one of
    it from which nothing is learned.
    """

    def __init__(
        self,
        plan: UpdatePlan,
        accumulation_steps: int,
        rank: int = 0,
        world_size: int = 1,
        epochs_apart: bool = False,
    ) -> None:
        """Keep the plan and which batches are meant.

        Args:
            plan: Of the updates.
            accumulation_steps: Batches that each process accumulates for one update.
            rank: Number of this process.
            world_size: How many processes there are.
            epochs_apart: Whether example i of epoch e has the index `i + e * examples`.
        """
        self.plan = plan
        self.stride = len(plan.source_lengths) if epochs_apart else 0
        self.accumulation_steps = accumulation_steps
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order `__iter__` gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Count the batches of an epoch for this process."""
        return self.plan.updates * self.accumulation_steps

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the indices of each batch."""
        for update in self.plan.order(self.epoch):
            parts = self.cut(update)
            for turn in range(self.accumulation_steps):
                part = parts[turn * self.world_size + self.rank]
                yield (part + self.epoch * self.stride).tolist()

    def cut(self, update: np.ndarray) -> list[np.ndarray]:
        """Cut one update into the batches of all processes, of about equally many tokens."""
        parts = self.accumulation_steps * self.world_size
        sizes = self.plan.source_lengths[update].astype(np.int64) + self.plan.target_lengths[update]
        middles = np.cumsum(sizes) - sizes / 2
        bounds = np.arange(1, parts) * (sizes.sum() / parts)
        return np.split(update, np.searchsorted(middles, bounds))


class EpochCallback(TrainerCallback):
    """Tells the sampler its epoch, whatever accelerate has wrapped around it."""

    def __init__(self, sampler: UpdateSampler) -> None:
        """Keep the sampler."""
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Pass the epoch on."""
        self.sampler.set_epoch(int(state.epoch or 0))

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions that lose some of their tokens, other ones in each epoch.

Who learns a small corpus by heart learns each question letter by letter, and takes "hello there"
for another thing than "hello". Left out at random, no single token decides any more (word dropout:
Iyyer et al., 2015, https://aclanthology.org/P15-1162).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from ..examples.rows import ExampleRows, Pair
from ..tokenization import SPECIAL_TOKENS

# So many visits see the whole question: it is what will be asked most.
_WHOLE = 0.5


class DroppedQuestions(Dataset[Pair]):
    """The examples of a run with thinned questions.

    What is lost is a function of (seed, epoch, example): a resumed run, or one with other workers,
    loses the same. Example i of epoch e has the index `i + e * len(self)`.
    """

    def __init__(self, examples: ExampleRows, share: float, seed: int) -> None:
        """Keep the examples.

        Args:
            examples: What to thin.
            share: Of the tokens of a question that are left out, on average over all visits.
            seed: Of the choice.
        """
        self.examples = examples
        self.share = share
        self.seed = seed

    def __len__(self) -> int:
        """Counts the examples of one epoch."""
        return len(self.examples)

    def __getitems__(self, indices: Sequence[int]) -> list[Pair]:
        """Gives the examples of a batch; torch's DataLoader calls this."""
        pairs = self.examples.__getitems__([index % len(self) for index in indices])
        return [
            (self._thinned(source, index), target)
            for index, (source, target) in zip(indices, pairs, strict=True)
        ]

    def _thinned(self, source: np.ndarray, index: int) -> np.ndarray:
        draw = np.random.default_rng([self.seed, index])
        if draw.random() < _WHOLE:
            return source
        # From nothing to twice the mean, so that one model knows whole and broken questions.
        lost = draw.random() * 2 * self.share / (1 - _WHOLE)
        ordinary = source >= len(SPECIAL_TOKENS)
        kept = ~ordinary | (draw.random(len(source)) >= lost)
        return source[kept] if (kept & ordinary).any() else source

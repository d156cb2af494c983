# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions that look different at each visit: with other talk before them, or with tokens lost.

Who learns a small corpus by heart learns each question letter by letter. What was said before it
is then another question ("hello" in the middle of a talk is not "hello"), and so is one more word.
So a share of the questions that stand alone gets a random exchange of the corpus as its history,
and tokens are left out at random (word dropout: Iyyer et al., 2015,
https://aclanthology.org/P15-1162).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch.utils.data import Dataset

from ...examples.rows import ExampleRows, Pair
from ...text.tokenization import SEP_TOKEN, SPECIAL_TOKENS

_SEP = SPECIAL_TOKENS.index(SEP_TOKEN)
# So many visits lose no token: the whole question is what will be asked most.
_WHOLE = 0.5


class NoisyQuestions(Dataset[Pair]):
    """The examples of a run with changed questions.

    What changes is a function of (seed, epoch, example): a resumed run, or one with other workers,
    sees the same. Example i of epoch e has the index `i + e * len(self)`.
    """

    def __init__(
        self, examples: ExampleRows, dropout: float, history: float, longest: int, seed: int
    ) -> None:
        """Keep the examples.

        Args:
            examples: What to change.
            dropout: Share of a question's tokens that are left out, on average over all visits.
            history: Share of the visits of a question without history that give it a random one.
            longest: No question becomes longer than this, in tokens.
            seed: Of the choices.
        """
        self.examples = examples
        self.dropout = dropout
        self.history = history
        self.longest = longest
        self.seed = seed

    def __len__(self) -> int:
        """Counts the examples of one epoch."""
        return len(self.examples)

    def __getitems__(self, indices: Sequence[int]) -> list[Pair]:
        """Gives the examples of a batch; torch's DataLoader calls this."""
        draws = [np.random.default_rng([self.seed, index]) for index in indices]
        others = [int(draw.integers(len(self))) for draw in draws]
        pairs = self.examples.__getitems__([index % len(self) for index in indices])
        before = self.examples.__getitems__(others)
        return [
            (self._changed(source, other, draw), target)
            for (source, target), other, draw in zip(pairs, before, draws, strict=True)
        ]

    def _changed(self, source: np.ndarray, other: Pair, draw: np.random.Generator) -> np.ndarray:
        source = self._thinned(source, draw)
        if _SEP in source or draw.random() >= self.history:
            return source
        asked, answered = other
        newest = asked[np.flatnonzero(asked == _SEP)[-1] + 1 :] if _SEP in asked else asked
        whole = np.concatenate([newest[:-1], [_SEP], answered[:-1], [_SEP], source])
        return whole.astype(source.dtype) if len(whole) <= self.longest else source

    def _thinned(self, source: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        if not self.dropout or draw.random() < _WHOLE:
            return source
        # From nothing to twice the mean, so that one model knows whole and broken questions.
        lost = draw.random() * 2 * self.dropout / (1 - _WHOLE)
        ordinary = source >= len(SPECIAL_TOKENS)
        kept = ~ordinary | (draw.random(len(source)) >= lost)
        return source[kept] if (kept & ordinary).any() else source

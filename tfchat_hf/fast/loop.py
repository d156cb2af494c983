# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The loop of greedy search and sampling: the same tokens as transformers' own.

Rows whose reply has ended leave the batch, so that a batch costs what its replies need and not
what its longest one needs. A stepper decodes one token a row; an engine may bring one of its own.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

# A batch is made smaller once so many of its rows are done: copying the rest costs a step or so.
SHRINK_BELOW = 0.75


class DecoderStepper(Protocol):
    """What the loops need of a decoder.

    Attributes:
        can_branch: Whether `select` may name a row more than once.
    """

    can_branch: bool

    def start(
        self,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None,
        max_steps: int,
    ) -> None:
        """Read the questions `(rows, source, d_model)` and make room for the replies."""

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Map the newest token of each row `(rows,)` to float32 logits `(rows, vocab_size)`."""

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows only."""


def decode(
    stepper: DecoderStepper,
    input_ids: torch.LongTensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    config: GenerationConfig,
    streamer: Any = None,
) -> torch.LongTensor:
    """Decode a batch, greedily or by drawing.

    Args:
        stepper: Started already.
        input_ids: `(rows, 1)`, the start token.
        logits_processor: As transformers prepared them.
        stopping_criteria: As transformers prepared them.
        config: `do_sample` and `pad_token_id`.
        streamer: Given the tokens of each step.

    Returns:
        `(rows, length)`, padded behind the end token.
    """
    ids, rows = input_ids, len(input_ids)
    active = torch.arange(rows, device=ids.device)  # numbers of the rows in the stepper
    done = torch.zeros(rows, dtype=torch.bool, device=ids.device)
    while True:
        logits = stepper.step(ids[active, -1], ids.shape[1] - 1)
        if len(active) < rows:
            # Processors and the drawing see the whole batch, as transformers' loop shows it to
            # them: so the same random numbers fall to the same rows.
            logits = logits.new_zeros(rows, logits.shape[1]).index_copy(0, active, logits)
        scores = logits_processor(ids, logits)
        if config.do_sample:
            tokens = torch.multinomial(scores.softmax(-1), num_samples=1).squeeze(1)
        else:
            tokens = scores.argmax(-1)
        tokens = torch.where(done, config.pad_token_id or 0, tokens)
        ids = torch.cat((ids, tokens[:, None]), dim=1)
        if streamer is not None:
            streamer.put(tokens.cpu())
        done = done | stopping_criteria(ids, None)
        left = (~done[active]).nonzero()[:, 0]
        if len(left) == 0:
            break
        if len(left) <= SHRINK_BELOW * len(active):
            stepper.select(left)
            active = active[left]
    if streamer is not None:
        streamer.end()
    return ids

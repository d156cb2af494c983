# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A batch that rows join and leave: each row gets the network's logits, whoever is beside it."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from tests.tiny import ARCHITECTURES, VOCAB_SIZE, tiny_model
from tfchat_hf.fast.open_stepper import OpenStepper


def last_logits(model: Any, rows: list[tuple[torch.Tensor, list[int]]]) -> torch.Tensor:
    """Ask the network about all rows at once; what stands behind a reply cannot change it."""
    questions, replies = zip(*rows, strict=True)
    ids, mask, said = (
        pad_sequence(list(column), batch_first=True)
        for column in (questions, map(torch.ones_like, questions), map(torch.tensor, replies))
    )
    ends = torch.tensor([len(reply) - 1 for reply in replies])
    logits = model(ids, mask, decoder_input_ids=said, use_cache=False).logits
    return logits[torch.arange(len(rows)), ends]


@torch.no_grad()
@pytest.mark.parametrize("attention", ["sdpa", pytest.param("eager", marks=pytest.mark.slow)])
@pytest.mark.parametrize("changes", ARCHITECTURES, ids=str)
def test_rows_that_come_and_go_get_the_logits_of_the_network(changes, attention):
    model, draw = tiny_model(**changes, attn_implementation=attention), random.Random(0)
    stepper, rows, seen = OpenStepper(model, 5), [], set()
    for _ in range(60):
        new = draw.randint(0, 5 - len(rows)) if draw.random() < 0.4 or not rows else 0
        if new:
            lengths = [draw.randint(1, 40) for _ in range(new)]
            ids = torch.zeros(new, max(lengths), dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, length in enumerate(lengths):
                ids[row, :length] = torch.tensor(
                    [draw.randrange(5, VOCAB_SIZE) for _ in range(length)]
                )
                mask[row, :length] = 1
                rows.append((ids[row, :length], []))
            stepper.join(model.get_encoder()(ids, mask).last_hidden_state, mask)
        if not rows:
            continue
        for _, reply in rows:
            reply.append(draw.randrange(5, VOCAB_SIZE))
        tokens = torch.tensor([reply[-1] for _, reply in rows])
        logits = stepper.step(tokens)
        some = draw.randrange(len(rows))  # made again for a part, a step gives the same
        again = stepper.step(tokens[some:], slice(some, None))
        torch.testing.assert_close(again, logits[some:], rtol=1e-4, atol=1e-4)
        stepper.advance()
        seen.add(len({len(reply) for _, reply in rows}))
        torch.testing.assert_close(logits, last_logits(model, rows), rtol=1e-4, atol=1e-4)
        for place in reversed(range(len(rows))):
            if draw.random() < 0.1 or len(rows[place][1]) > 45:
                stepper.leave(place)
                rows[place] = rows[-1]
                rows.pop()
    assert max(seen) > 2

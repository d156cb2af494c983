# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The cheap dropout does what dropout does."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import batch, tiny_model
from tfchat_hf.training.cheap_dropout import CheapDropout, dropout, use_cheap_dropout


@pytest.mark.parametrize("p", [0.003, 0.1, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_share_of_zeros_and_scale(p, dtype):
    torch.manual_seed(0)
    size = 400_001  # not a multiple of four: the last word of random bits is used in part
    states = dropout(torch.ones(size, dtype=dtype), p, True)
    zeros = (states == 0).double().mean().item()
    assert zeros == pytest.approx(p, abs=4 * (p * (1 - p) / size) ** 0.5)
    kept = states[states != 0].unique()
    assert kept.numel() == 1
    assert kept.item() == pytest.approx(1 / (1 - p), rel=5e-3 if dtype == torch.bfloat16 else 1e-4)


def test_neighbours_are_independent():
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(400_000), 0.5, True) == 0).double() - 0.5
    for lag in (1, 2, 3, 4, 5):
        assert abs((dropped[lag:] * dropped[:-lag]).mean().item()) < 4 * 0.25 / 400_000**0.5


def test_gradient_goes_where_the_element_stayed():
    torch.manual_seed(0)
    states = torch.randn(1000, requires_grad=True)
    result = dropout(states, 0.3, True)
    (gradient,) = torch.autograd.grad(result.sum(), states)
    torch.testing.assert_close(gradient * states, result)


def test_off_in_evaluation_and_repeatable_by_seed():
    states = torch.randn(50)
    assert dropout(states, 0.3, False) is states
    assert dropout(states, 0.0, True) is states
    drawn = [(torch.manual_seed(7), dropout(states, 0.3, True))[1] for _ in range(2)]
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], dropout(states, 0.3, True))


def test_every_dropout_of_a_model_is_exchanged_and_evaluation_stays_as_it_was():
    model, inputs = tiny_model(dropout=0.2), batch(2, 5, 4)
    before, weights = model(**inputs).logits, list(model.state_dict())
    use_cheap_dropout(model)
    kinds = [type(m) for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    assert len(kinds) == 2 + 2 * (2 + 3) and set(kinds) == {CheapDropout}
    assert torch.equal(model(**inputs).logits, before)
    assert list(model.state_dict()) == weights
    assert not torch.equal(model.train()(**inputs).logits, before)


def test_a_model_in_training_gets_cheap_dropout_in_training():
    model = tiny_model().train()
    use_cheap_dropout(model)
    assert all(m.training for m in model.modules())
    model.eval()
    use_cheap_dropout(model)  # a second time changes nothing
    assert not any(m.training for m in model.modules())

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The step that a GPU replays, run kernel by kernel: the same tokens as the plain step.

That recording works, and pays, is checked where there is a GPU: `benchmarks/gpu.sh`.
"""

from __future__ import annotations

import pytest
import torch

from tests.test_fast_path import SWITCHES, questions
from tests.tiny import speaking_model, tiny_model
from tfchat_hf.cuda_graph_tfchat import GraphStepper
from tfchat_hf.fast_path_tfchat import packed_network
from tfchat_hf.stepping_tfchat import Stepper


def with_graph_stepper(model):
    model._make_stepper = lambda config: GraphStepper(packed_network(model, None).decoder, False)
    return model


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_the_recorded_step_gives_the_tokens_of_the_plain_one(changes, padding) -> None:
    wanted = {**questions(padding=padding), "max_new_tokens": 20}
    expected = tiny_model(**changes).generate(**wanted)
    assert torch.equal(with_graph_stepper(tiny_model(**changes)).generate(**wanted), expected)


def test_logits_agree_at_every_step_and_buffers_serve_the_next_batch() -> None:
    model = tiny_model()
    packed = packed_network(model, None).decoder
    plain, recorded = Stepper(packed), GraphStepper(packed, capture=False)
    for rows, source in ((3, 7), (4, 30), (2, 5)):
        steps_agree(plain, recorded, rows, source)
    assert len(packed.graphs) == 2  # 4 rows serve 3, and 32 tokens all of these questions


@torch.inference_mode()
def steps_agree(plain: Stepper, recorded: GraphStepper, rows: int, source: int) -> None:
    states = torch.randn(rows, source, 32)
    mask = torch.ones(rows, source, dtype=torch.long)
    mask[0, 3:] = 0
    for stepper in (plain, recorded):
        stepper.start(states, mask, 12)
    for position in range(12):
        tokens = torch.randint(5, 90, (rows,))
        one, other = (s.step(tokens, position) for s in (plain, recorded))
        assert torch.allclose(one, other, atol=1e-4)


def test_rows_that_end_and_drawn_tokens_are_right_too() -> None:
    wanted = {**questions(6), "max_new_tokens": 30, "eos_token_id": list(range(2, 60, 3))}
    expected = speaking_model().generate(**wanted)
    assert torch.equal(with_graph_stepper(speaking_model()).generate(**wanted), expected)
    drawn = []
    for model in (speaking_model(), with_graph_stepper(speaking_model())):
        torch.manual_seed(1)
        drawn.append(model.generate(**wanted, do_sample=True))
    assert torch.equal(*drawn)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_tokens_of_the_cpu() -> None:
    wanted = {**questions(6), "max_new_tokens": 30}
    expected = speaking_model().generate(**wanted)
    there = {name: t.cuda() if torch.is_tensor(t) else t for name, t in wanted.items()}
    model = speaking_model().cuda()
    for _ in range(2):
        assert torch.equal(model.generate(**there).cpu(), expected)

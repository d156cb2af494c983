# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The step that a GPU replays, run kernel by kernel: the same scores as the plain step.

That recording works, and pays, is checked where there is a GPU: `benchmarks/gpu.sh`.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
import torch
from transformers import LogitsProcessorList

from tests.fast.test_decoder import SWITCHES
from tests.tiny import greedy_by_hand, questions, speaking_model, tiny_model, until_all_have_ended
from tfchat_hf.fast import FastDecoder, steppers
from tfchat_hf.fast.steppers import RecordedStepper, Stepper, has_hooks, recorded_from

STEPS = 12


class Recorded(FastDecoder):
    """Steps as on a GPU, without recording."""

    def _new_stepper(self, network: Any) -> Stepper:
        return RecordedStepper(network, self.graphs, capture=False)


@pytest.mark.parametrize("padding", ["left", pytest.param("right", marks=pytest.mark.slow)])
@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_the_recorded_step_gives_the_tokens_of_the_network(changes: dict, padding: str) -> None:
    model, inputs, decoder = tiny_model(**changes), questions(5, padding, source=9), Recorded()
    made = model.generate(**inputs, max_new_tokens=20, custom_generate=decoder)
    assert torch.equal(made, until_all_have_ended(greedy_by_hand(model, inputs, 20)))
    assert decoder.agrees and decoder.graphs


@torch.no_grad()
def steps_agree(
    plain: Stepper, recorded: Stepper, rows: int, source: int, mask: torch.Tensor | None
) -> None:
    """Decode the same tokens with both, some rows leaving on the way."""
    states = torch.randn(rows, source, 32)
    for stepper in (plain, recorded):
        stepper.start(states, mask, STEPS)
    for position in range(STEPS):
        tokens = torch.randint(5, 90, (rows,))
        one, other = (stepper.step(tokens, position) for stepper in (plain, recorded))
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
        if position in (3, 7) and rows > 1:
            left = torch.arange(rows)[1:]
            for stepper in (plain, recorded):
                stepper.select(left)
            rows -= 1


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("position", ["sinusoidal", "rotary"])
def test_logits_agree_at_every_step_and_buffers_serve_the_next_batch(position, implementation):
    model = tiny_model(position_embedding_type=position, attn_implementation=implementation)
    plain, recorded = Stepper(model), RecordedStepper(model, {}, capture=False)
    torch.manual_seed(0)
    for rows, source, padded in (
        (3, 7, True), (4, 30, True), (2, 5, True), (4, 30, False), (4, 31, True),
        (4, 32, False), (4, 32, True), (4, 32, None), (1, 1, None), (4, 32, False),
    ):  # fmt: skip
        mask = None if padded is None else torch.ones(rows, source, dtype=torch.long)
        if padded:
            mask[0, 3:] = 0
            mask[1, :2] = 0
        steps_agree(plain, recorded, rows, source, mask)
    # 4 rows serve 3, and 32 places all but those of 32 tokens, which need one of padding.
    assert {key[1:3] for key in recorded.graphs} == {(4, 32), (2, 32), (4, 64), (1, 32)}


def test_a_batch_that_was_given_up_leaves_nothing_behind() -> None:
    model, graphs = tiny_model(), {}
    torch.manual_seed(0)
    steps_agree(Stepper(model), RecordedStepper(model, graphs, False), 4, 9, None)
    given_up = RecordedStepper(model, graphs, False)
    given_up.start(torch.full((4, 9, 32), torch.nan), None, STEPS)
    with torch.no_grad():
        for position in range(5):
            given_up.step(torch.tensor([5, 6, 7, 8]), position)
    steps_agree(Stepper(model), RecordedStepper(model, graphs, False), 4, 9, None)


def test_no_more_than_eight_shapes_are_kept_and_the_newest_of_them() -> None:
    model, graphs = tiny_model(), {}
    for steps in range(1, 12):
        RecordedStepper(model, graphs, False).start(torch.randn(1, 3, 32), None, steps)
    assert [key[3] for key in graphs] == list(range(4, 12))


def test_each_thread_has_buffers_of_its_own() -> None:
    model, graphs = tiny_model(), {}

    def begin() -> None:
        RecordedStepper(model, graphs, False).start(torch.randn(1, 3, 32), None, 4)

    begin()
    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert len(graphs) == 2


def test_rows_that_end_and_drawn_tokens_are_right_too() -> None:
    model, ends = speaking_model(), list(range(2, 60, 3))
    generate_kwargs = {**questions(6), "max_new_tokens": 30, "eos_token_id": ends}
    for draw in (False, True):
        made = []
        for custom in ({}, {"custom_generate": Recorded()}):
            torch.manual_seed(1)
            made.append(model.generate(**generate_kwargs, do_sample=draw, **custom))
        assert torch.equal(*made)


class FakeGraph:
    """Stands for a CUDA graph: what is recorded is not computed, what is replayed is."""

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        kept = self.recorded.logits
        self.recorded._run(self.stepper)
        kept.copy_(self.recorded.logits)
        self.recorded.logits = kept


@pytest.fixture
def fake_cuda(monkeypatch) -> list[FakeGraph]:
    """Let a CPU record: nothing that runs meanwhile may have an effect."""
    made: list[FakeGraph] = []
    real = steppers.RecordedStep._run

    def noted(self: Any, stepper: Any) -> None:
        real(self, stepper)
        if made and made[-1].recording:
            made[-1].recorded, made[-1].stepper = self, stepper
            for layer in self.own.layers:
                layer.cumulative_length.sub_(1)
            self.logits = torch.full_like(self.logits, torch.nan)

    @contextlib.contextmanager
    def recording(graph: FakeGraph, **options: Any):
        graph.recording = True
        made.append(graph)
        yield
        graph.recording = False

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(steppers.RecordedStep, "_run", noted)
    return made


def test_the_step_that_is_recorded_has_its_own_logits_and_later_ones_are_replayed(fake_cuda):
    model, graphs = tiny_model(), {}
    torch.manual_seed(0)
    steps_agree(Stepper(model), RecordedStepper(model, graphs), 3, 9, None)
    (graph,) = fake_cuda
    assert graph.replays == STEPS - 2
    steps_agree(Stepper(model), RecordedStepper(model, graphs), 4, 9, None)
    assert fake_cuda == [graph] and graph.replays == 2 * STEPS - 3


def test_where_nothing_can_be_recorded_the_step_is_run(fake_cuda, monkeypatch, caplog) -> None:
    def refuse(graph: Any, **options: Any) -> None:
        raise RuntimeError("not here")

    monkeypatch.setattr(torch.cuda, "graph", refuse)
    model = tiny_model()
    torch.manual_seed(0)
    steps_agree(Stepper(model), RecordedStepper(model, {}), 3, 9, None)
    assert caplog.messages == ["No graph can be recorded here (not here): decoding without."]


def test_a_network_with_hooks_is_not_recorded() -> None:
    model = tiny_model(attn_implementation="eager")
    model(**questions(), decoder_input_ids=torch.tensor([[1]] * 3), output_attentions=True)
    assert not has_hooks(model)  # transformers has its own, which do nothing
    for hang in (model.lm_head.register_forward_hook, model.model.register_forward_pre_hook):
        handle = hang(lambda *given: None)
        assert has_hooks(model)
        handle.remove()


def test_what_a_recorded_step_rests_on_is_noticed_when_it_changes(monkeypatch) -> None:
    model = tiny_model()
    before = recorded_from(model)
    assert recorded_from(model) == before
    model.lm_head.weight.data.mul_(2)  # a graph reads the weights where they are
    assert recorded_from(model) == before
    model.lm_head.weight.data = model.lm_head.weight.data.clone()
    moved = recorded_from(model)
    assert moved != before
    model.predict = model.predict
    changed = recorded_from(model)
    assert changed != moved
    monkeypatch.setattr(type(model.model.decoder), "embed", lambda self, states, ids: states)
    assert recorded_from(model) != changed


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_tokens_of_the_cpu() -> None:
    generate_kwargs = {**questions(6), "max_new_tokens": 30}
    expected = speaking_model().generate(**generate_kwargs)
    on_gpu = {name: t.cuda() if torch.is_tensor(t) else t for name, t in generate_kwargs.items()}
    model, decoder = speaking_model().cuda(), FastDecoder()
    on_gpu["logits_processor"] = LogitsProcessorList()
    for _ in range(2):
        assert torch.equal(model.generate(**on_gpu, custom_generate=decoder).cpu(), expected)
    assert decoder.agrees and any(step.graph is not None for step in decoder.graphs.values())

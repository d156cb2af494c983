# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Many candidates in one loop: what is shared, what is drawn, and how likely it is said to be.

That the candidates are those of the slow way, and their scores those of the formulas, is in
tests/fast/test_reranking.py.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    MaxLengthCriteria,
    MinPLogitsWarper,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
)
from transformers.generation.stopping_criteria import EosTokenCriteria

from tests.tiny import ended_questions, speaking_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.fast import FastDecoder, loops
from tfchat_hf.fast.loops import Candidates, decode_candidates, draw
from tfchat_hf.fast.steppers import RecordedStepper, Stepper
from tfchat_hf.model.generation_tfchat import empty_message_states

COUNT = 16
ENDS = list(range(2, 60, 5))


class Noted(Stepper):
    """Notes which beginnings of replies each step decodes."""

    def __init__(self, network: Any) -> None:
        super().__init__(network)
        self.beginnings: list[tuple] = []
        self.steps: list[list[tuple]] = []

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        if position == 0:
            self.beginnings = [(source,) for source in range(len(tokens))]
        pairs = zip(self.beginnings, tokens.tolist(), strict=True)
        self.beginnings = [(*beginning, token) for beginning, token in pairs]
        self.steps.append(self.beginnings)
        return super().step(tokens, position)

    def select(self, rows: torch.LongTensor) -> None:
        self.beginnings = [self.beginnings[row] for row in rows.tolist()]
        super().select(rows)


@pytest.fixture(scope="module")
def speaking() -> TFChatForConditionalGeneration:
    return speaking_model()


@torch.no_grad()
def decoded(
    model: Any,
    stepper: Any,
    alone: bool = True,
    criterion: StoppingCriteria | None = None,
    processors: LogitsProcessorList | None = None,
) -> Candidates:
    """Draw `COUNT` replies to three questions."""
    inputs = ended_questions()
    states = model.get_encoder()(**inputs).last_hidden_state
    stops = [MaxLengthCriteria(20), criterion or EosTokenCriteria(torch.tensor(ENDS))]
    torch.manual_seed(0)
    return decode_candidates(
        stepper,
        states,
        inputs["attention_mask"],
        empty_message_states(model) if alone else None,
        torch.ones(3 * COUNT, 1, dtype=torch.long),
        processors or LogitsProcessorList([TemperatureLogitsWarper(1.5)]),
        StoppingCriteriaList(stops),
        GenerationConfig(do_sample=True, pad_token_id=0, eos_token_id=ENDS),
    )


def needed(ids: list[list[int]], step: int) -> set[tuple]:
    """Name the beginnings that somebody reads at a step: of each question, and of nothing."""
    open_rows = [
        (row // COUNT, *reply[: step + 1])
        for row, reply in enumerate(ids)
        if not set(reply[1 : step + 1]) & set(ENDS)
    ]
    return {*open_rows, *((3, *beginning[1:]) for beginning in open_rows)}


def test_every_beginning_is_decoded_once_and_few_that_nobody_reads(speaking) -> None:
    stepper = Noted(speaking)
    ids = decoded(speaking, stepper).ids.tolist()
    assert [len(step) for step in stepper.steps][0] == 4  # three questions and the empty message
    for number, step in enumerate(stepper.steps):
        needed_ids = needed(ids, number)
        assert len(set(step)) == len(step) and needed_ids <= set(step)
        assert len(needed_ids) > 0.75 * len(step) - 1
    assert max(map(len, stepper.steps)) < 2 * 3 * COUNT, "some began alike"


def test_replies_that_nobody_compares_are_not_read_alone(speaking) -> None:
    stepper = Noted(speaking)
    made, both = decoded(speaking, stepper, alone=False), decoded(speaking, Stepper(speaking))
    assert made.alone is None and len(stepper.steps[0]) == 3
    assert torch.equal(made.ids, both.ids)
    torch.testing.assert_close(made.asked, both.asked, rtol=1e-4, atol=1e-4)


def test_a_stepper_that_cannot_branch_makes_the_same(speaking) -> None:
    class Plain(FastDecoder):
        def _new_stepper(self, network: Any) -> Stepper:
            return RecordedStepper(network, self.graphs, capture=False)

    made = decoded(speaking, Plain()._new_stepper(speaking))
    expected = decoded(speaking, Stepper(speaking))
    assert torch.equal(made.ids, expected.ids)
    for found, scores in zip(made[1:], expected[1:], strict=True):
        torch.testing.assert_close(found, scores, rtol=1e-4, atol=1e-4)


def test_a_reply_that_a_criterion_ends_is_scored_up_to_there(speaking) -> None:
    class ThreeTokens(StoppingCriteria):
        def __call__(self, input_ids: torch.Tensor, scores: Any, **given: Any) -> torch.Tensor:
            return torch.arange(len(input_ids)) % 2 == input_ids.shape[1] % 2

    made = decoded(speaking, Stepper(speaking), criterion=ThreeTokens())
    inputs = ended_questions()
    for row, ids in enumerate(made.ids.tolist()):
        length = 2 if row % 2 == 0 else 3  # with the start token: one token or two
        said = torch.tensor([ids[:length]])
        with torch.no_grad():
            question = {name: tensor[row // COUNT][None] for name, tensor in inputs.items()}
            logits = speaking(**question, decoder_input_ids=said[:, :-1]).logits
        found = logits.log_softmax(-1).gather(2, said[:, 1:, None]).sum().item()
        assert made.asked[row].item() == pytest.approx(found, abs=1e-3)
        assert not any(ids[length:])


def test_rows_that_ended_are_shown_to_those_processors_only_that_count_them(speaking) -> None:
    class Noticing(MinPLogitsWarper):
        """Stands for itself where it is named, and for anybody's processor where not."""

        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            shown.append(len(scores))
            return super().__call__(input_ids, scores)

    made, seen = [], []
    for known in (set(), {Noticing}):
        shown: list[int] = []
        with mock.patch.object(loops, "_ROW_BY_ROW", loops._ROW_BY_ROW | known):
            processors = LogitsProcessorList([TemperatureLogitsWarper(1.5), Noticing(0.01)])
            made.append(decoded(speaking, Stepper(speaking), processors=processors))
        seen.append(shown)
    assert torch.equal(made[0].ids, made[1].ids) and torch.equal(made[0].asked, made[1].asked)
    assert set(seen[0]) == {3 * COUNT} and seen[1][0] == 3 * COUNT
    ended = torch.isin(made[0].ids, torch.tensor(ENDS)).cumsum(1).bool()
    assert seen[1][1:] == (~ended).sum(0).tolist()[1:-1]


# --------------------------------------------------------------------------------- drawing


def test_a_number_draws_the_token_in_whose_share_it_falls() -> None:
    numbers = torch.tensor([0.0, 0.19, 0.21, 0.69, 0.71, 0.99])[:, None]
    scores = torch.tensor([0.2, 0.5, 0.3]).log().expand(6, -1)
    assert draw(scores, numbers).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("number", [0.0, 1 - 2**-24])
def test_a_barred_token_is_never_drawn_whatever_the_number(number: float) -> None:
    torch.manual_seed(0)
    scores = torch.randn(200, 1000)
    barred = torch.rand(200, 1000) < 0.9
    barred[:, [0, -1]] = True
    drawn = draw(scores.masked_fill(barred, -torch.inf), torch.full((200, 1), number))
    assert not barred.gather(1, drawn[:, None]).any()


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    torch.manual_seed(0)
    shares = torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05])
    drawn = draw(shares.log().expand(20_000, -1), torch.rand(20_000, 1))
    drawn = drawn.bincount(minlength=5) / 20_000
    # Three standard deviations of the largest share.
    torch.testing.assert_close(drawn, shares, rtol=0, atol=0.011)


def test_where_every_token_is_barred_it_is_said() -> None:
    with pytest.raises(RuntimeError, match="bar every token"):
        draw(torch.full((2, 5), -torch.inf), torch.zeros(2, 1))

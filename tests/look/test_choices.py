# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What is said about the choice of a token is what `generate()` chose from."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import speaking_model
from tfchat_hf.look.choices import processors_of, reply_to, roads_not_taken, weigh
from tfchat_hf.look.recording import record
from tfchat_hf.model.generation_tfchat import PhraseRepeatLogitsProcessor

QUESTION = [7, 30, 9, 55, 2]
DEVICE = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    return speaking_model(attn_implementation="eager")


def settings(model, preset):
    config = model.preset(preset)
    config.max_new_tokens = 9
    return config


def steps_of(model, reply, config):
    recording = record(model, QUESTION, reply)
    return list(weigh(recording, reply, processors_of(model, QUESTION, config), config, DEVICE))


@pytest.mark.parametrize("preset", ["greedy", "precise", "balanced", "creative"])
def test_candidates_have_the_logits_and_scores_of_generate(model, preset):
    config = settings(model, preset)
    torch.manual_seed(3)
    said = model.generate(
        torch.tensor([QUESTION]),
        config,
        return_dict_in_generate=True,
        output_logits=True,
        output_scores=True,
    )
    reply = said.sequences[0, 1:].tolist()
    torch.manual_seed(3)
    assert reply_to(model, QUESTION, config) == reply
    steps = steps_of(model, reply, config)
    assert len(steps) == len(said.scores) > 3
    for step, token, logits, scores in zip(steps, reply, said.logits, said.scores, strict=True):
        network, decided = logits[0].softmax(-1), scores[0].softmax(-1)
        assert step.taken.id == token and step.taken in step.candidates
        assert step.rank == 1 + int((logits[0] > logits[0, token]).sum())
        for one in step.candidates:
            assert one.logit == pytest.approx(float(logits[0, one.id]), abs=1e-4)
            assert one.probability == pytest.approx(float(network[one.id]), abs=1e-5)
            assert one.decided == pytest.approx(float(decided[one.id]), abs=1e-4)
        assert {int(logits.argmax()), int(scores.argmax())} <= {one.id for one in step.candidates}


def test_beam_search_shows_its_rules_on_logarithms(model):
    config = settings(model, "beam")
    reply = reply_to(model, QUESTION, config)
    names = [type(one).__name__ for one in processors_of(model, QUESTION, config)]
    assert names == ["NoRepeatNGramLogitsProcessor", "LogitNormalization"]
    for step in steps_of(model, reply, config):
        assert sum(one.decided for one in step.candidates) <= 1 + 1e-5


def test_a_rule_that_forbids_a_token_is_named_with_what_it_took(model):
    recording = record(model, QUESTION, [8, 8, 2])
    rules = [PhraseRepeatLogitsProcessor(1)]
    first, second, _ = weigh(recording, [8, 8, 2], rules, settings(model, "greedy"), DEVICE)
    assert first.changes == []
    (change,) = second.changes
    assert (change.processor, change.barred) == ("PhraseRepeatLogitsProcessor", 1)
    assert second.taken.decided == 0 < second.taken.probability
    before = float(recording.logits[1].softmax(-1)[8])
    assert all(row == pytest.approx((8, before, 0.0)) for row in change.moved if row[0] == 8)


def test_a_given_reply_is_weighed_token_by_token(model):
    reply = [96, 5, 2]
    logits = record(model, QUESTION, reply).logits
    for step, row, token in zip(
        steps_of(model, reply, settings(model, "greedy")), logits, reply, strict=True
    ):
        assert step.taken.probability == pytest.approx(float(row.softmax(-1)[token]))
        assert row.argsort(descending=True).tolist().index(token) == step.rank - 1


def test_roads_not_taken_are_what_generate_says_from_there(model):
    config = settings(model, "precise")
    reply = reply_to(model, QUESTION, config)
    steps = steps_of(model, reply, config)
    branches = roads_not_taken(model, QUESTION, reply, steps, config)
    assert branches and [one.step for one in branches] == sorted(one.step for one in branches)
    for branch in branches:
        step = steps[branch.step]
        others = [one for one in step.candidates if one.id != step.taken.id]
        best = max(others, key=lambda one: one.decided)
        assert (branch.ids[0], branch.probabilities[0]) == (best.id, best.probability)
        prefix = [1, *reply[: branch.step], best.id]
        if best.id != 2:
            expected = model.generate(
                torch.tensor([QUESTION]),
                config,
                decoder_input_ids=torch.tensor([prefix]),
                max_new_tokens=len(branch.ids) - 1,
            )
            assert expected[0, len(prefix) :].tolist() == branch.ids[1:]
        found = record(model, QUESTION, [*reply[: branch.step], *branch.ids]).logits.softmax(-1)
        for place, (token, share) in enumerate(
            zip(branch.ids, branch.probabilities, strict=True), branch.step
        ):
            assert share == pytest.approx(float(found[place, token]), abs=1e-4)

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Ids, logits, losses and replies are those of the day on which they were pinned.

The numbers are in `pins.json`; `make_pins.py` says what they are of, and when they may change.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from tests import make_pins
from tests.make_pins import ARCHITECTURES, DECODINGS, DRAWN, RUNS, SCHEMES
from tfchat_hf.model.generation_tfchat import PRESETS

PINS: dict[str, Any] = json.loads(make_pins.FILE.read_text(encoding="utf-8"))
# How far apart CPUs may be: rounding, also that of the numbers in the file.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
# Relative, after six updates.
LOSSES_CLOSE, OTHERS_CLOSE = 1e-4, 1e-3


def assert_close(found: list, pinned: list, rtol: float, atol: float) -> None:
    torch.testing.assert_close(torch.tensor(found), torch.tensor(pinned), rtol=rtol, atol=atol)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def pinned(request: pytest.FixtureRequest) -> tuple[dict, Any]:
    """Return the seeds and replies of an architecture, and the model they are of."""
    case = PINS["replies"][request.param]
    return case, make_pins.model_of(request.param, case["weights"])


@pytest.fixture(scope="module")
def same_draws() -> None:
    if make_pins.draws() != pytest.approx(PINS["draws"], rel=1e-4):
        pytest.skip("this build of torch draws other random numbers from a seed")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_dialogues_and_conversations_have_the_pinned_ids(scheme: str) -> None:
    assert make_pins.encoded(scheme) == PINS["ids"][scheme]


def test_a_fresh_model_has_the_pinned_weights_of_its_seed() -> None:
    found = make_pins.fresh_weights()
    assert list(found) == list(PINS["fresh weights"])
    assert_close(list(found.values()), list(PINS["fresh weights"].values()), 1e-4, 1e-7)


@pytest.mark.parametrize("padding", ["right", "left"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_and_loss_are_the_pinned_ones(architecture: str, padding: str) -> None:
    found = make_pins.logits(architecture, padding)
    for name, numbers in PINS["logits"][architecture][padding].items():
        assert_close(found[name], numbers, **CLOSE)


@pytest.mark.parametrize("run", RUNS)
def test_training_has_the_pinned_losses_and_scores(run: str, tmp_path) -> None:
    found, pinned = make_pins.trained(run, tmp_path), PINS["losses"][run]
    for name in ("losses", "loss"):
        assert found[name] == pytest.approx(pinned[name], rel=LOSSES_CLOSE), name
    for name in found:
        assert found[name] == pytest.approx(pinned[name], rel=OTHERS_CLOSE), name


@pytest.mark.parametrize("decoding", [name for name in DECODINGS if name not in DRAWN])
def test_searched_replies_are_the_pinned_ones(pinned, decoding: str) -> None:
    case, model = pinned
    found = make_pins.reply(case, model, **DECODINGS[decoding])
    assert found.tolist() == case["replies"][decoding]


@pytest.mark.parametrize("decoding", DRAWN)
def test_drawn_replies_are_those_of_the_pinned_seed(pinned, same_draws, decoding: str) -> None:
    case, model = pinned
    found = make_pins.reply(case, model, **DECODINGS[decoding])
    assert found.tolist() == case["replies"][decoding]


def test_every_preset_of_a_model_is_pinned() -> None:
    presets = {how["preset"] for how in DECODINGS.values() if "preset" in how}
    assert presets == {"greedy", "precise", "beam", "balanced", "creative"} == set(PRESETS)


def test_mutual_replies_are_those_of_the_pinned_seed(pinned, same_draws) -> None:
    case, model = pinned
    assert make_pins.mutual(case, model) == case["replies"]["mutual"]


def test_greedy_scores_of_the_best_tokens_are_the_pinned_ones(pinned) -> None:
    case, model = pinned
    scores = make_pins.greedy_scores(case, model)[:3].flatten(0, 1)
    found = scores.gather(1, torch.tensor(case["best tokens"])).tolist()
    assert_close(found, case["best scores"], **CLOSE)
    assert scores.max(1).values.tolist() == pytest.approx([row[0] for row in found])


def test_scores_of_beams_are_the_pinned_ones(pinned) -> None:
    case, model = pinned
    output = make_pins.beams(case, model)
    assert output.sequences.tolist() == case["replies"]["beams"]
    assert_close(output.sequences_scores.tolist(), case["beam scores"], **CLOSE)

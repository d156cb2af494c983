# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Training the readable way and the fast one: the same, and what is read is what is learnt."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from torch.nn import functional

from data_builders.errors import UserError
from tests.training.small_training import small_model, small_trainer
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.model import layers_tfchat, modeling_tfchat
from tfchat_hf.training.losses import LossOptions
from tfchat_hf.training.packed_attention import PACKED

NETWORKS = {
    "default": {},
    "all else": {
        "normalize_before": True,
        "gated_activation": True,
        "position_embedding_type": "rotary",
        "tie_word_embeddings": True,
    },
    "original": {
        "shared_layer_norm": True,
        "original_position_exponents": True,
        "scale_embedding": False,
    },
}


def update_of(trainer, pieces):
    """Return loss and gradients of an update cut into pieces, as the trainer adds them up."""
    numbers = range(len(trainer.examples))
    batches = [trainer.train_collator(trainer.examples.__getitems__(numbers[i::pieces]))
               for i in range(pieces)]  # fmt: skip
    tokens = torch.tensor(sum(batch["counts"].target_tokens for batch in batches))
    model = trainer.model.train()
    model.zero_grad()
    total = 0.0
    for batch in batches:
        loss = trainer.compute_loss(model, batch, num_items_in_batch=tokens)
        loss.backward()
        total += loss.item()
    return total, {name: weight.grad.clone() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("pieces", [1, 3])
def test_an_update_is_the_same_both_ways(tmp_path, network, pieces):
    plain = small_trainer(tmp_path, small_model(**network).double(), plain=True)
    packed = small_trainer(tmp_path, small_model(**network).double())
    expected_loss, expected = update_of(plain, pieces)
    loss, found = update_of(packed, pieces)
    assert plain.model.config._attn_implementation == "eager"
    assert packed.model.config._attn_implementation == PACKED
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in expected.items():
        # The gradient of `k_proj.bias` is zero but for rounding.
        atol = 1e-12 * largest.item()
        torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=atol, msg=name)


def trained(folder, check=True, change=None, **settings):
    """Train a small model; return its losses, its weights and what was said."""
    model, said = small_model(dropout=0.1), []
    if change is not None:
        change(model)
    torch.manual_seed(1)
    trainer = small_trainer(folder, model, logging_steps=1, **settings)
    if check:
        trainer.check_against_network(said.append)
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return losses, model, said


def test_plain_training_runs_what_the_two_files_hold(tmp_path, monkeypatch):
    calls = []

    def watched(module, name):
        function = getattr(module, name)

        def watching(*args, **kwargs):
            calls.append(name)
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, watching)

    watched(layers_tfchat, "eager_attention_forward")
    watched(modeling_tfchat, "next_token_loss")
    trained(tmp_path, check=False, plain=True)
    assert calls.count("next_token_loss") == 4
    assert calls.count("eager_attention_forward") == 4 * (2 + 2 * 3)
    calls.clear()
    trained(tmp_path, check=False)
    assert not calls


def test_a_network_that_nobody_changed_is_trained_the_fast_way_and_the_check_leaves_no_trace(
    tmp_path,
):
    unchecked, one, _ = trained(tmp_path, check=False)
    checked, other, said = trained(tmp_path)
    assert not said and checked == unchecked
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, other.state_dict()[name]), name


def test_the_check_changes_nothing_of_the_model(tmp_path):
    model = small_model().train()
    trainer = small_trainer(tmp_path, model)
    state, before = torch.random.get_rng_state(), model.config._attn_implementation
    trainer.check_against_network(pytest.fail)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.config._attn_implementation == before and model.training
    assert all(
        weight.grad is None and weight.dtype == torch.float32 for weight in model.parameters()
    )


def predict_in_float32(model, hidden_states):
    return model.lm_head(hidden_states.float())


def softcapped(model, hidden_states):
    return 30 * torch.tanh(model.lm_head(hidden_states) / 30)


def weight_at_zero(model, patch):
    model.warmth = nn.Parameter(torch.zeros(()))
    patch.setattr(
        type(model), "predict", lambda model, states: model.lm_head(states) * model.warmth.exp()
    )


def another_head(model, patch):
    model.lm_head = nn.Sequential(model.lm_head, nn.Softplus())


def sharper_attention(module, query, key, value, attention_mask, scaling, dropout=0.0, **kwargs):
    return ORIGINAL_ATTENTION(
        module, query, key, value, attention_mask, scaling * 1.01, dropout, **kwargs
    )


def focal_loss(logits, labels, label_smoothing=0.0, num_items_in_batch=None):
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    weighted = (1 - torch.exp(-losses)) ** 2 * losses
    return weighted.sum() / (
        labels.ne(-100).sum() if num_items_in_batch is None else num_items_in_batch
    )


ORIGINAL_ATTENTION = layers_tfchat.eager_attention_forward
CHANGES = {
    "loss": lambda model, patch: patch.setattr(modeling_tfchat, "next_token_loss", focal_loss),
    "attention": lambda model, patch: patch.setattr(
        layers_tfchat, "eager_attention_forward", sharper_attention
    ),
    "softcap": lambda model, patch: patch.setattr(type(model), "predict", softcapped),
    "no bias": lambda model, patch: setattr(model.lm_head, "bias", None),
    "another head": another_head,
    "a weight that does nothing yet": weight_at_zero,
    "only float32": lambda model, patch: patch.setattr(type(model), "predict", predict_in_float32),
}


def changed_model(change, monkeypatch, **network):
    model = small_model(**network)
    CHANGES[change](model, monkeypatch)
    return model


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_fast_way_would_not_learn_is_trained_the_readable_way(
    tmp_path, monkeypatch, change
):
    model, said = changed_model(change, monkeypatch), []
    trainer = small_trainer(tmp_path, model)
    trainer.check_against_network(said.append)
    (note,) = said
    assert note.startswith("note: ") and "plain: true" in note
    assert trainer.args.plain
    found = update_of(trainer, 1)[0]
    again = small_trainer(tmp_path, changed_model(change, monkeypatch), plain=True)
    assert found == pytest.approx(update_of(again, 1)[0], rel=1e-6)
    assert trainer.train().training_loss > 0


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_network_cannot_have_losses_that_only_the_fast_way_knows(
    tmp_path, monkeypatch, change
):
    losses = LossOptions(0.1, unlikelihood_weight=0.5)
    trainer = small_trainer(tmp_path, changed_model(change, monkeypatch), losses)
    with pytest.raises(UserError, match="`unlikelihood_weight` and `frequency_weight`.*to 0"):
        trainer.check_against_network(pytest.fail)


def test_unlikelihood_does_not_stop_a_network_that_nobody_changed(tmp_path):
    losses = LossOptions(0.1, unlikelihood_weight=0.5)
    trainer = small_trainer(tmp_path, small_model(), losses)
    trainer.check_against_network(pytest.fail)
    assert not trainer.args.plain


def test_a_changed_layer_is_learnt_by_packed_training_too(tmp_path, monkeypatch):
    feed_forward = layers_tfchat.TFChatLayer.feed_forward
    before = update_of(small_trainer(tmp_path, small_model()), 1)[0]
    monkeypatch.setattr(
        layers_tfchat.TFChatLayer,
        "feed_forward",
        lambda layer, states: 1.5 * feed_forward(layer, states),
    )
    plain = update_of(small_trainer(tmp_path, small_model(), plain=True), 1)[0]
    trainer = small_trainer(tmp_path, small_model())
    trainer.check_against_network(pytest.fail)
    packed = update_of(trainer, 1)[0]
    assert packed == pytest.approx(plain, rel=1e-5) and packed != pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("plain", [False, True])
def test_nothing_of_the_way_of_training_is_left_in_the_model_and_its_checkpoints(tmp_path, plain):
    model = small_model()
    trainer = small_trainer(
        tmp_path, model, plain=plain, save_strategy="steps", save_steps=2, eval_strategy="steps",
        eval_steps=3,
    )  # fmt: skip
    trainer.train()
    assert model.config._attn_implementation == "eager"
    evaluated = trainer.evaluate()["eval_loss"]
    assert evaluated == pytest.approx(trainer.state.log_history[-1]["eval_loss"])
    for folder in (tmp_path / "checkpoint-2", tmp_path / "checkpoint-4"):
        text = (folder / "config.json").read_text(encoding="utf-8")
        assert (
            "attn" not in text and "eager" not in text and PACKED not in json.loads(text).values()
        )
        loaded = TFChatForConditionalGeneration.from_pretrained(folder)
        assert loaded.config._attn_implementation == "sdpa"
    trainer = small_trainer(tmp_path, loaded, plain=plain)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(evaluated, rel=1e-5)


def test_the_network_attends_as_it_is_read_when_training_breaks_off(tmp_path, monkeypatch):
    trainer = small_trainer(tmp_path, small_model())
    monkeypatch.setattr(trainer.accelerator, "backward", lambda loss, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trainer.train()
    assert trainer.model.config._attn_implementation == "eager"

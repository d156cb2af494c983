# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What is recorded of a network is what the network gives out itself, number for number."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.tiny import ARCHITECTURES, speaking_model, tiny_model
from tfchat_hf.look.recording import longest, record

QUESTION, REPLY = [7, 30, 9, 55, 2], [41, 8, 8, 60, 12, 2]


def readable(**changes):
    """Return a model that gives its weights of attention."""
    return tiny_model(attn_implementation="eager", **changes)


def outputs(model):
    written = torch.tensor([[1, *REPLY[:-1]]])
    wanted = {"output_attentions": True, "output_hidden_states": True}
    with torch.no_grad():
        return model(torch.tensor([QUESTION]), decoder_input_ids=written, **wanted)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_attention_is_the_models_and_each_row_shares_out_all_of_it(architecture):
    model = readable(**architecture)
    found, out = record(model, QUESTION, REPLY), outputs(model)
    for ours, theirs in (
        (found.encoder.self_attention, out.encoder_attentions),
        (found.decoder.self_attention, out.decoder_attentions),
        (found.decoder.cross_attention, out.cross_attentions),
    ):
        assert len(ours) == len(theirs) > 1
        for layer, weights in zip(ours, theirs, strict=True):
            assert torch.equal(layer, weights[0])
            torch.testing.assert_close(layer.sum(-1), torch.ones(layer.shape[:2]))
    unseen = torch.ones(6, 6).triu(1).bool()
    assert all(not layer[:, unseen].any() for layer in found.decoder.self_attention)
    assert torch.equal(found.logits, out.logits[0])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_vectors_add_up_to_what_the_first_layer_is_given(architecture):
    model = readable(**architecture)
    found, out = record(model, QUESTION, REPLY), outputs(model)
    for side, states in (
        (found.encoder, out.encoder_hidden_states),
        (found.decoder, out.decoder_hidden_states),
    ):
        positions = 0 if side.positions is None else side.positions
        torch.testing.assert_close(side.embeddings + positions, side.sums)
        assert torch.equal(side.sums, states[0][0])
    assert (found.encoder.positions is None) == ("position_embedding_type" in architecture)
    assert found.encoder.ids == QUESTION and found.decoder.ids == [1, *REPLY[:-1]]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_neurons_are_those_that_the_second_half_of_the_feed_forward_part_reads(architecture):
    model, made = readable(**architecture), []
    for stack in (model.model.encoder, model.model.decoder):
        for layer in stack.layers:
            layer.fc2.register_forward_hook(lambda module, given, out: made.append((module, out)))
    found = record(model, QUESTION, REPLY)
    activations = [*found.encoder.activations, *found.decoder.activations]
    assert [tuple(one.shape) for one in activations] == [(5, 64)] * 2 + [(6, 48)] * 3
    for inner, (fc2, out) in zip(activations, made[:], strict=True):
        torch.testing.assert_close(fc2(inner), out[0])
        assert "gated_activation" in architecture or (inner >= 0).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_norms_come_in_the_order_of_the_network_with_the_lengths_of_its_states(architecture):
    model = readable(**architecture)
    found, out = record(model, QUESTION, REPLY), outputs(model)
    is_pre_norm = model.config.normalize_before
    for side, states, calls in (
        (found.encoder, out.encoder_hidden_states, 2 * 2),
        (found.decoder, out.decoder_hidden_states, 3 * 3),
    ):
        assert len(side.norms) == calls + is_pre_norm
        lengths = [one[0].norm(dim=-1) for one in states]
        if is_pre_norm:
            torch.testing.assert_close(side.norms[0].before, lengths[0])
        torch.testing.assert_close(side.norms[-1].after, lengths[-1])
    names = [one.name for one in found.decoder.norms]
    assert names[0] == "decoder.layers.0.self_attn_layer_norm"
    if not model.config.shared_layer_norm:
        assert names[1] == "decoder.layers.0.encoder_attn_layer_norm"


def test_all_at_once_is_what_generate_does_token_by_token():
    model = speaking_model(attn_implementation="eager")
    said = model.generate(
        torch.tensor([QUESTION]),
        max_new_tokens=9,
        return_dict_in_generate=True,
        output_logits=True,
        output_attentions=True,
    )
    reply = said.sequences[0, 1:].tolist()
    assert len(reply) > 3
    found = record(model, QUESTION, reply)
    for place in range(len(reply)):
        torch.testing.assert_close(found.logits[place], said.logits[place][0], atol=1e-4, rtol=0)
        for kind, steps in (
            (found.decoder.cross_attention, said.cross_attentions),
            (found.decoder.self_attention, said.decoder_attentions),
        ):
            for layer, weights in zip(kind, steps[place], strict=True):
                seen = weights[0, :, 0]
                torch.testing.assert_close(layer[:, place, : seen.shape[1]], seen)


def test_nothing_listens_any_more_afterwards():
    model = readable()
    record(model, QUESTION, REPLY)
    # transformers keeps hooks of its own on layers and attention.
    heard = [one for one in model.modules() if isinstance(one, (nn.LayerNorm, nn.Linear))]
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in heard)


@pytest.mark.parametrize(("layers", "heads", "most"), [(1, 2, 48), (12, 16, 26)])
def test_the_more_heads_the_fewer_tokens_have_room(layers, heads, most):
    counts = {f"{side}_{what}": count for side in ("encoder", "decoder")
              for what, count in (("layers", layers), ("attention_heads", heads))}  # fmt: skip
    assert longest(tiny_model(**counts)) == most
    assert longest(tiny_model(max_position_embeddings=20)) == 20

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The network against independent truth: Marian, hand-written arithmetic, and invariants."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from transformers import AutoModel, AutoModelForSeq2SeqLM, MarianConfig, MarianMTModel

from tests.tiny import ARCHITECTURES, VOCAB_SIZE, batch, tiny_config, tiny_model
from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration, TFChatModel
from tfchat_hf.model.layers_tfchat import sinusoidal_table
from tfchat_hf.model.modeling_tfchat import CACHE, next_token_loss


def marian_twin(model: TFChatForConditionalGeneration) -> MarianMTModel:
    """Return Marian with the same weights; its position tables are its own."""
    names = ("vocab_size", "d_model", "encoder_layers", "decoder_layers", "encoder_ffn_dim")
    names += ("decoder_ffn_dim", "encoder_attention_heads", "decoder_attention_heads")
    names += ("max_position_embeddings", "activation_function", "scale_embedding")
    settings = {name: getattr(model.config, name) for name in names}
    marian = MarianMTModel(
        MarianConfig(
            **settings, pad_token_id=0, eos_token_id=2, decoder_start_token_id=1, dropout=0.0,
            tie_word_embeddings=model.config.tie_word_embeddings,
        )
    ).eval()  # fmt: skip
    weights = {k: v for k, v in model.state_dict().items() if k != "lm_head.bias"}
    report = marian.load_state_dict(weights, strict=False)
    assert report.unexpected_keys == []
    own = ("embed_positions.weight", "final_logits_bias")
    assert all(name.endswith(own) for name in report.missing_keys)
    marian.final_logits_bias.copy_(model.lm_head.bias.detach()[None])
    return marian


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("rows", "source", "target"), [(1, 1, 1), (3, 9, 7), (5, 40, 33)])
def test_logits_equal_marians(rows: int, source: int, target: int, tied: bool) -> None:
    model = tiny_model(tie_word_embeddings=tied)
    nn.init.normal_(model.lm_head.bias, std=0.1)
    inputs = batch(rows, source, target)
    with torch.no_grad():
        ours, theirs = model(**inputs).logits, marian_twin(model)(**inputs).logits
    assert ours.std() > 0.1
    assert (ours - theirs).abs().max() < 1e-5


def test_a_padded_reply_gives_marians_logits_at_its_real_places() -> None:
    model = tiny_model()
    inputs = batch(3, 6, 8)
    mask = torch.ones(3, 8, dtype=torch.long)
    mask[1, 5:] = 0
    with torch.no_grad():
        ours = model(**inputs, decoder_attention_mask=mask).logits
        theirs = marian_twin(model)(**inputs, decoder_attention_mask=mask).logits
    assert ((ours - theirs).abs() * mask[..., None]).max() < 1e-5


@pytest.mark.parametrize("changes", ARCHITECTURES)
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_cached_equals_uncached(changes: dict, implementation: str) -> None:
    model = tiny_model(attn_implementation=implementation, **changes)
    inputs = batch(3, 8, 9)
    reply = inputs.pop("decoder_input_ids")
    with torch.no_grad():
        whole = model(**inputs, decoder_input_ids=reply).logits
        cache, steps = None, []
        for place in range(reply.shape[1]):
            step = model(
                **inputs,
                decoder_input_ids=reply[:, place : place + 1],
                use_cache=True,
                **{CACHE: cache},
            )
            cache = step[CACHE]
            steps.append(step.logits)
    assert (torch.cat(steps, dim=1) - whole).abs().max() < 1e-5


@pytest.mark.parametrize("changes", ARCHITECTURES)
@pytest.mark.parametrize("padding", ["left", "right"])
def test_batch_equals_single(changes: dict, padding: str) -> None:
    model = tiny_model(**changes)
    inputs = batch(4, 8, 6, padding=padding)
    with torch.no_grad():
        together = model(**inputs).logits
        for row in range(4):
            real = inputs["attention_mask"][row].bool()
            alone = model(
                input_ids=inputs["input_ids"][row, real][None],
                decoder_input_ids=inputs["decoder_input_ids"][row][None],
            ).logits
            assert (together[row] - alone[0]).abs().max() < 1e-5


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("d_model", [64, 256])
def test_a_fresh_model_is_close_to_uniform(tied: bool, d_model: int) -> None:
    torch.manual_seed(0)
    config = TFChatConfig(vocab_size=2000, d_model=d_model, tie_word_embeddings=tied)
    model = TFChatForConditionalGeneration(config).eval()
    inputs = {"input_ids": torch.randint(5, 2000, (8, 12))}
    with torch.no_grad():
        loss = model(**inputs, labels=torch.randint(5, 2000, (8, 20))).loss
    assert abs(loss.item() / math.log(2000) - 1) < 0.05


def test_loss_is_the_cross_entropy_of_the_labels_given() -> None:
    model = tiny_model()
    inputs = batch(3, 6, 5)
    del inputs["decoder_input_ids"]
    labels = torch.randint(5, VOCAB_SIZE, (3, 5))
    labels[2, 3:] = -100
    with torch.no_grad():
        output = model(**inputs, labels=labels)
        log_probs = output.logits.log_softmax(-1)
        total = -sum(
            log_probs[row, place, labels[row, place]].item()
            for row in range(3)
            for place in range(5)
            if labels[row, place] >= 0
        )
        shared = model(**inputs, labels=labels, num_items_in_batch=50).loss
    assert output.loss.item() == pytest.approx(total / 13, abs=1e-5)
    assert shared.item() == pytest.approx(total / 50, abs=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_torchs_cross_entropy_with_label_smoothing(smoothing: float) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 5, VOCAB_SIZE), torch.randint(0, VOCAB_SIZE, (3, 5))
    labels[1, 2:] = -100
    found = next_token_loss(logits, labels, smoothing)
    expected = nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), label_smoothing=smoothing
    )
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    assert next_token_loss(logits, labels, smoothing, 26) == pytest.approx(found * 12 / 26)


def test_a_loss_of_ones_own_sees_states_the_output_layer_and_the_labels() -> None:
    model, inputs = tiny_model(), batch(3, 6, 5)
    labels = inputs.pop("decoder_input_ids")
    seen = []

    def own(states: torch.Tensor, predict: nn.Module, given: torch.Tensor) -> torch.Tensor:
        seen.append(given)
        return next_token_loss(predict(states), given)

    with torch.no_grad():
        found, usual = (
            model(**inputs, labels=labels, reply_loss=own),
            model(**inputs, labels=labels),
        )
    assert found.logits is None and seen[0] is labels
    assert torch.equal(found.loss, usual.loss)


def test_each_label_is_predicted_from_the_labels_before_it_only() -> None:
    model = tiny_model()
    labels = torch.randint(5, VOCAB_SIZE, (1, 6))
    changed = labels.clone()
    changed[0, 3] = 6 if labels[0, 3] != 6 else 7
    question = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        before = model(input_ids=question, labels=labels).logits
        after = model(input_ids=question, labels=changed).logits
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])


def test_embeddings_given_instead_of_ids_give_the_same() -> None:
    model = tiny_model()
    inputs = batch(2, 6, 5)
    embed = model.get_input_embeddings()
    with torch.no_grad():
        by_ids = model(**inputs).logits
        by_embeddings = model(
            inputs_embeds=embed(inputs["input_ids"]),
            attention_mask=inputs["attention_mask"],
            decoder_inputs_embeds=embed(inputs["decoder_input_ids"]),
        ).logits
    assert torch.equal(by_ids, by_embeddings)


def test_recorded_attentions_and_states_have_the_promised_shapes() -> None:
    model = tiny_model(attn_implementation="eager")
    output = model(**batch(2, 6, 5), output_attentions=True, output_hidden_states=True)
    assert [a.shape for a in output.encoder_attentions] == [(2, 4, 6, 6)] * 2
    assert [a.shape for a in output.decoder_attentions] == [(2, 2, 5, 5)] * 3
    assert [a.shape for a in output.cross_attentions] == [(2, 2, 5, 6)] * 3
    assert [h.shape for h in output.encoder_hidden_states] == [(2, 6, 32)] * 3
    assert [h.shape for h in output.decoder_hidden_states] == [(2, 5, 32)] * 4
    assert torch.allclose(output.cross_attentions[0].sum(-1), torch.ones(2, 2, 5), atol=1e-6)
    assert isinstance(model(**batch(2, 6, 5), return_dict=False), tuple)


def test_gradients_with_checkpointing_equal_those_without() -> None:
    torch.manual_seed(0)
    config = tiny_config(dropout=0.0, attention_dropout=0.0, activation_dropout=0.0)
    model = TFChatForConditionalGeneration(config).train()
    inputs = batch(3, 6, 5)
    labels = inputs.pop("decoder_input_ids")
    gradients = []
    switches = (model.activation_checkpointing_disable, model.activation_checkpointing_enable)
    for switch in switches:
        switch()
        model.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("tied", [False, True])
def test_resizing_keeps_old_logits_and_one_table_for_both_sides(tied: bool) -> None:
    model = tiny_model(tie_word_embeddings=tied)
    inputs = batch(2, 5, 4)
    with torch.no_grad():
        before = model(**inputs).logits
        model.resize_token_embeddings(VOCAB_SIZE + 7)
        after = model(**inputs).logits
    assert after.shape[-1] == model.config.vocab_size == VOCAB_SIZE + 7
    assert torch.allclose(after[..., :VOCAB_SIZE], before, atol=1e-6)
    table = model.get_input_embeddings().weight
    assert model.model.encoder.embed_tokens.weight is table
    assert model.model.decoder.embed_tokens.weight is table
    assert (model.lm_head.weight is table) == tied


@pytest.mark.parametrize("changes", ARCHITECTURES)
def test_saved_and_loaded_models_are_equal_to_the_bit(changes: dict, tmp_path) -> None:
    model = tiny_model(**changes)
    model.save_pretrained(tmp_path)
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    inputs = batch(2, 5, 4)
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, model(**inputs).logits)
    assert isinstance(AutoModel.from_pretrained(tmp_path), TFChatModel)
    table = again.get_input_embeddings().weight
    assert again.model.decoder.embed_tokens.weight is table
    assert (again.lm_head.weight is table) == model.config.tie_word_embeddings


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_single(dtype: torch.dtype, tmp_path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    half = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, dtype=dtype, device_map="cpu")
    inputs = batch(2, 5, 4)
    with torch.no_grad():
        difference = half(**inputs).logits.float() - model(**inputs).logits
    assert half.dtype == dtype
    assert difference.abs().max() < 0.25


def test_a_model_made_on_the_meta_device_has_its_positions_after_loading(tmp_path) -> None:
    tiny_model().save_pretrained(tmp_path)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    for stack in (loaded.model.encoder, loaded.model.decoder):
        assert torch.equal(stack.embed_positions.table, sinusoidal_table(64, 32))


@pytest.mark.slow
def test_the_whole_graph_compiles_without_a_break() -> None:
    model = tiny_model()
    inputs = batch(2, 6, 5)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert torch.allclose(compiled(**inputs).logits, model(**inputs).logits, atol=1e-5)


@pytest.mark.slow
def test_exported_program_equals_the_model_on_other_shapes() -> None:
    model = tiny_model(encoder_layers=1, decoder_layers=1)
    rows, source, target = (torch.export.Dim(n, min=2, max=60) for n in ("b", "s", "t"))
    shapes = {
        "input_ids": {0: rows, 1: source},
        "attention_mask": {0: rows, 1: source},
        "decoder_input_ids": {0: rows, 1: target},
        "use_cache": None,
    }
    example = batch(3, 6, 5) | {"use_cache": False}
    program = torch.export.export(model, (), example, dynamic_shapes=shapes, strict=False)
    other = batch(4, 9, 7)
    exported = program.module()(**other, use_cache=False).logits
    assert torch.allclose(exported, model(**other).logits, atol=1e-5)


def test_a_decoder_with_nothing_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match="needs `decoder_input_ids`.*generate"):
        tiny_model()(input_ids=torch.tensor([[5, 6]]))


def test_too_long_a_question_is_refused_with_the_limit() -> None:
    with pytest.raises(ValueError, match="holds 65 tokens.*`config.max_position_embeddings` is 64"):
        tiny_model().generate(torch.full((1, 65), 5), max_new_tokens=2)

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Write a folder that transformers loads without code of this project: a stock Marian model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSeq2SeqLM, MarianConfig, MarianMTModel

from data_builders.errors import UserError
from data_builders.translation import _, listed

from .exported_folder import TOKENIZER_FILES, copy_run_files
from .marian_card import marian_generation_config, write_card

if TYPE_CHECKING:
    from .. import TFChatConfig, TFChatForConditionalGeneration

# What Marian's network is; a configuration that says anything else is none of Marian.
_MARIANS = {
    "normalize_before": False,
    "gated_activation": False,
    "position_embedding_type": "sinusoidal",
    "shared_layer_norm": False,
    "original_position_exponents": False,
}
# Both configurations have these, with the same meaning.
_SHARED = """
    activation_dropout activation_function attention_dropout bos_token_id d_model
    decoder_attention_heads decoder_ffn_dim decoder_layers decoder_start_token_id dropout
    encoder_attention_heads encoder_ffn_dim encoder_layers eos_token_id init_std
    max_position_embeddings pad_token_id scale_embedding sep_token_id tie_word_embeddings
    vocab_size
""".split()
# Marian computes its own table of positions. The tests hold it against this project's.
_POSITIONS = tuple(f"model.{side}.embed_positions.weight" for side in ("encoder", "decoder"))
# The activations of `ct2-transformers-converter` 4.8.
_CONVERTER_ACTIVATIONS = """
    gelu gelu_fast gelu_new gelu_python gelu_pytorch_tanh quick_gelu relu silu swish
""".split()
# transformers would take a Marian model's tokenizer for one of SentencePiece. This class is the
# plain `tokenizer.json`, in version 4 as in 5.
_TOKENIZER_CLASS = "PreTrainedTokenizerFast"
# Logits of float32 that are sums in another order.
_TOLERANCE = 1e-4
_PROBE_LENGTH = 64


def write_marian(
    model: TFChatForConditionalGeneration, run: Path, folder: Path, for_converter: bool = False
) -> None:
    """Write weights, settings, tokenizer and card, and check that the folder says the same.

    Args:
        model: In float32 and evaluation mode.
        run: The run's folder, for the tokenizer.
        folder: Where to write.
        for_converter: Lay the weights out for `ct2-transformers-converter`.

    Raises:
        UserError: if Marian, or the converter, cannot express the model.
    """
    check_architecture(model.config)
    if for_converter:
        tokens = Tokenizer.from_file(str(run / "tokenizer.json")).get_vocab_size()
        check_converter(model.config, tokens)
    marian = to_marian_for_converter(model) if for_converter else to_marian(model)
    marian.generation_config = marian_generation_config(model.generation_config)
    marian.save_pretrained(folder)
    for weights in folder.glob("*.safetensors"):  # which only their owner may read so far
        weights.chmod((folder / "config.json").stat().st_mode)
    copy_run_files(run, folder, TOKENIZER_FILES)
    _name_tokenizer_class(folder / "tokenizer_config.json")
    write_card(model, folder, for_converter)
    check_same_logits(model, folder)


def _name_tokenizer_class(path: Path) -> None:
    """Say in `tokenizer_config.json` that `tokenizer.json` is all of the tokenizer."""
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    settings = {key: settings[key] for key in settings if key not in ("auto_map", "backend")}
    settings["tokenizer_class"] = _TOKENIZER_CLASS
    text = json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")


def check_same_logits(model: TFChatForConditionalGeneration, folder: Path) -> None:
    """Load the folder as anybody would, and compare its logits with the model's.

    Raises:
        UserError: if they differ: then the network is no longer the one that Marian has.
    """
    marian = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = _probe(model.config)
    with torch.no_grad():
        ours, theirs = model(**inputs).logits, marian(**inputs).logits  # (rows, target, vocab)
    difference = float((ours - theirs).abs().max())
    allowed = _TOLERANCE * max(1.0, float(ours.abs().max()))
    if not difference <= allowed:  # also where one is not a number
        raise UserError(
            "As a Marian model this one has other logits (by up to {difference:.3g}, "
            "allowed are {allowed:.3g}), so its network is not Marian's. Publish the run "
            "as it is, with its own code.",
            difference=difference,
            allowed=allowed,
        )


def _probe(config: TFChatConfig, rows: int = 3) -> dict[str, Any]:
    """Draw questions of different lengths and replies, both `(rows, length)`.

    The start token stands at the start only.
    """
    generator = torch.Generator().manual_seed(0)
    length = min(_PROBE_LENGTH, config.max_position_embeddings)
    shape, start, pad = (rows, length), config.decoder_start_token_id, config.pad_token_id or 0
    questions = torch.randint(config.vocab_size, shape, generator=generator)
    replies = torch.randint(config.vocab_size, shape, generator=generator)
    replies[replies == start] = (start + 1) % config.vocab_size
    replies[:, 0] = start
    mask = torch.ones_like(questions)
    for row in range(1, rows):
        mask[row, length - row * length // (rows + 1) :] = 0
    questions[mask == 0] = pad
    tensors = {"input_ids": questions, "attention_mask": mask, "decoder_input_ids": replies}
    return tensors | {"use_cache": False}


def check_architecture(config: TFChatConfig) -> None:
    """Refuse a network that Marian has not.

    Raises:
        UserError: names the setting.
    """
    for name, marians in _MARIANS.items():
        value = getattr(config, name, marians)
        if value != marians:
            raise UserError(
                "Marian has `{name}` {marians!r} only (got {value!r}). Use `--engine onnx`, "
                "or publish the run as it is, with its own code.",
                name=name,
                marians=marians,
                value=value,
            )


def check_converter(config: TFChatConfig, tokens: int) -> None:
    """Refuse what `ct2-transformers-converter` cannot express of a Marian model.

    Args:
        config: Of a network that Marian has.
        tokens: How many tokens the tokenizer has.

    Raises:
        UserError: names the setting.
    """
    way_out = _("Leave out `--for-ct2-converter`, or use `--engine ctranslate2`.")
    heads = config.encoder_attention_heads, config.decoder_attention_heads
    if heads[0] != heads[1]:
        raise UserError(
            "ct2-transformers-converter takes `encoder_attention_heads` for both sides "
            "(got {encoder}, and {decoder} `decoder_attention_heads`). {way_out}",
            encoder=heads[0],
            decoder=heads[1],
            way_out=way_out,
        )
    if config.activation_function not in _CONVERTER_ACTIVATIONS:
        raise UserError(
            "ct2-transformers-converter has no `activation_function` "
            "{name!r}; it has {known}. {way_out}",
            name=config.activation_function,
            known=listed(_CONVERTER_ACTIVATIONS),
            way_out=way_out,
        )
    if config.vocab_size != tokens:
        raise UserError(
            "ct2-transformers-converter wants a token for each id (got `vocab_size` "
            "{vocab_size} and a tokenizer of {tokens}). {way_out}",
            vocab_size=config.vocab_size,
            tokens=tokens,
            way_out=way_out,
        )


def to_marian(model: TFChatForConditionalGeneration) -> MarianMTModel:
    """Copy a model into the class of transformers.

    Args:
        model: In float32; left as it is.

    Returns:
        A model in evaluation mode with the same logits.

    Raises:
        UserError: if Marian has not this network.
    """
    check_architecture(model.config)
    marian = MarianMTModel(_marian_config(model.config)).eval()
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if "lm_head.bias" in weights:
        weights["final_logits_bias"] = weights.pop("lm_head.bias")[None]  # (1, vocab)
    _load(marian, weights)
    return marian


def to_marian_for_converter(model: TFChatForConditionalGeneration) -> MarianMTModel:
    """Copy a model so that `ct2-transformers-converter` says the same as transformers.

    The converter takes Marian models for those of the Marian program: it drops the last row of
    the embeddings, as one of padding, and begins a reply with a vector of zeros where transformers
    takes that of `decoder_start_token_id`. So the encoder gets a row more, that no token has, and
    the decoder a table of its own, in which the start token is zeros; what it was is added to the
    first position, which nothing but the start token has.

    Args:
        model: In float32; left as it is.

    Returns:
        A model in evaluation mode with the same logits, as long as the start token only stands at
        the start.
    """
    plain = to_marian(model)
    size = plain.config.vocab_size
    config = MarianConfig.from_dict(
        plain.config.to_dict()
        | {
            "vocab_size": size + 1,
            "decoder_vocab_size": size,
            "share_encoder_decoder_embeddings": False,
            "tie_word_embeddings": False,
        }
    )
    marian = MarianMTModel(config).eval()
    weights = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    table = weights.pop("model.shared.weight")  # (vocab, d_model)
    weights["model.encoder.embed_tokens.weight"] = torch.cat((table, torch.zeros_like(table[:1])))
    start = config.decoder_start_token_id
    scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
    weights["model.decoder.embed_positions.weight"][0] += scale * table[start]
    weights["model.decoder.embed_tokens.weight"][start] = 0
    _load(marian, weights)
    # Marian's positions are not saved otherwise, as anybody can compute them.
    marian._keys_to_ignore_on_save = {_POSITIONS[0]}
    return marian


def _marian_config(config: TFChatConfig) -> MarianConfig:
    """Translate the configuration; what Marian sets by default and this project not is off."""
    settings = {name: getattr(config, name) for name in _SHARED if hasattr(config, name)}
    return MarianConfig(**settings, forced_eos_token_id=None, dtype="float32")


def _load(marian: MarianMTModel, weights: dict[str, torch.Tensor]) -> None:
    """Fill a model; every weight must find its place, and every place its weight."""
    try:
        missing, unexpected = marian.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise _other_weights(str(error).splitlines()[-1].strip()) from error
    strange = sorted({*missing, *unexpected} - set(_POSITIONS))
    if strange:
        raise _other_weights(listed(strange[:3]))


def _other_weights(what: str) -> UserError:
    return UserError(
        "The model has other weights than Marian ({what}), so its network was "
        "changed. Publish the run as it is, with its own code.",
        what=what,
    )

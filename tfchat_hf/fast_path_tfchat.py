# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""When the fast loop may stand in for transformers' own, and the packed weights it works with."""

import weakref
from typing import Any

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedModel, StoppingCriteriaList
from transformers.cache_utils import EncoderDecoderCache
from transformers.generation import EosTokenCriteria

from .attention_tfchat import TFChatAttention
from .layers_tfchat import TFChatDecoderLayer
from .stepping_tfchat import PackedDecoder

# Of each weight so many numbers, evenly spread, are compared to see whether it was changed
# behind torch's back, by `.data`; the output layer is looked at whole (0.4 ms for 8,000 x 256).
_SPOT_CHECKS = 2048
# A decoder's modules; one of another type (LoRA, quantised, hooked) does what nobody here knows.
_KNOWN_MODULES = (nn.Linear, nn.LayerNorm, nn.Embedding, nn.ModuleList, nn.Dropout)
_USED = ("attention_mask", "encoder_outputs", "past_key_values", "use_cache", "logits_to_keep")

_packed: "weakref.WeakKeyDictionary[nn.Module, dict]" = weakref.WeakKeyDictionary()


def suits_fast_loop(
    model: PreTrainedModel,
    input_ids: torch.LongTensor,
    stopping_criteria: StoppingCriteriaList,
    config: GenerationConfig,
    model_kwargs: dict[str, Any],
) -> bool:
    """Tell whether the fast loop gives what transformers' own would give.

    It does for greedy search and sampling from the start token with a fresh growing cache, where
    nothing but the tokens is asked for and the network is this project's own, unchanged.
    """
    cache = model_kwargs.get("past_key_values")
    fresh = isinstance(cache, EncoderDecoderCache) and cache.get_seq_length() == 0
    extra = [name for name, value in model_kwargs.items() if value is not None]
    asked_more = config.return_dict_in_generate or config.output_attentions
    return bool(
        fresh
        and config.cache_implementation is None
        and config.prefill_chunk_size is None
        and not getattr(cache, "_is_user_defined", False)
        and set(extra) <= set(_USED)
        and input_ids.shape[1] == 1
        and not asked_more
        and not config.output_hidden_states
        and not config.is_assistant
        and any(isinstance(one, EosTokenCriteria) for one in stopping_criteria)
        and stopping_criteria.max_length is not None
        and stopping_criteria.max_length > 1
        and model_kwargs["encoder_outputs"].last_hidden_state is not None
    )


def has_own_decoder(model: PreTrainedModel) -> bool:
    """Tell whether decoder and output layer are the unchanged modules of this project."""
    if model.training or model.device.type not in ("cpu", "cuda"):
        return False
    decoder = model.model.decoder
    parts = [decoder, model.lm_head, *decoder.modules()]
    kinds = {type(layer.activation_fn) for layer in decoder.layers}
    known = {*_KNOWN_MODULES, TFChatAttention, TFChatDecoderLayer, type(decoder), *kinds}
    known.add(type(decoder.embed_positions))
    return (
        all(
            type(part) in known and not part._forward_hooks and not part._forward_pre_hooks
            for part in parts
        )
        and type(model.lm_head) is nn.Linear
    )


def packed_decoder(model: PreTrainedModel, dtype: str | None) -> PackedDecoder:
    """Return the packed weights of a model, packed anew where they have changed.

    Args:
        model: A `TFChatForConditionalGeneration`.
        dtype: "int8", or None for the model's own type.
    """
    kept = _packed.setdefault(model, {})
    key = _fingerprint(model)
    if dtype in kept and kept[dtype][0] == key:
        return kept[dtype][1]
    for other in [name for name, (made_of, _) in kept.items() if made_of != key]:
        del kept[other]
    packed = PackedDecoder(model, dtype)
    kept[dtype] = (key, packed)
    return packed


def _fingerprint(model: PreTrainedModel) -> tuple:
    """Name the weights as they are: where they lie, how often torch changed them, and samples."""
    weights = [*model.model.decoder.parameters(), *model.lm_head.parameters()]
    places = tuple((weight.data_ptr(), weight._version) for weight in weights)
    device = str(model.device)
    if model.device.type != "cpu":
        return (device, places)  # each comparison would be a wait for the device
    samples = [_sample(weight.detach()) for weight in weights if weight.dim() == 2]
    biases = [weight.detach().float().reshape(-1) for weight in weights if weight.dim() == 1]
    whole = model.lm_head.weight.detach().float().sum()
    seen = torch.cat([*samples, *biases]).double()
    # A weighted sum: two numbers that changed places do not give the same.
    ramp = torch.linspace(1, 2, len(seen), dtype=torch.double)
    return (device, places, float(whole), float(seen @ ramp))


def _sample(weight: torch.Tensor) -> torch.Tensor:
    """Take every n-th number of a matrix, as float32."""
    flat = weight.reshape(-1)
    return flat[:: max(1, len(flat) // _SPOT_CHECKS)].float()


__all__ = ["has_own_decoder", "packed_decoder", "suits_fast_loop"]

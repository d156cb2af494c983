# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""When the fast loop may stand in for transformers' own, and the packed weights it works with."""

import weakref
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedModel, StoppingCriteriaList
from transformers.cache_utils import EncoderDecoderCache
from transformers.generation import EosTokenCriteria

from .attention_tfchat import TFChatAttention
from .layers_tfchat import TFChatDecoderLayer, TFChatEncoderLayer
from .packed_network_tfchat import PackedDecoder, PackedEncoder
from .positions_tfchat import TFChatSinusoidalPositions

_KNOWN_MODULES = (
    nn.Linear,
    nn.LayerNorm,
    nn.Embedding,
    nn.ModuleList,
    TFChatAttention,
    TFChatEncoderLayer,
    TFChatDecoderLayer,
    TFChatSinusoidalPositions,
)
_OWN_NAMES = ("TFChatForConditionalGeneration", "TFChatModel", "TFChatEncoder", "TFChatDecoder")
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


def is_unchanged(model: PreTrainedModel) -> bool:
    """Tell whether the network is this project's own, module by module, unhooked and complete.

    What else a module may be (LoRA, quantised, compiled, autocast) does what nobody here knows.
    """
    device = model.device.type
    if model.training or device not in ("cpu", "cuda") or torch.is_autocast_enabled(device):
        return False
    stacks = (model.model.encoder, model.model.decoder)
    activations = {type(layer.activation_fn) for stack in stacks for layer in stack.layers}
    known = {*_KNOWN_MODULES, *activations}
    inner = [part for stack in stacks for part in stack.children()]
    parts = [model.lm_head, *(part for child in inner for part in child.modules())]
    return (
        _names(model) == _OWN_NAMES
        and type(model.lm_head) is nn.Linear
        and all(type(part) in known and _is_whole(part) for part in parts)
        and not any(_is_hooked(part) for part in (model, model.model, *stacks, *parts))
    )


def _names(model: PreTrainedModel) -> tuple[str, ...]:
    """Name the classes around the layers; of a subclass the name is another one.

    Names, because the modelling file imports this one, by way of the mixin.
    """
    whole, stacks = model.model, (model.model.encoder, model.model.decoder)
    return tuple(type(part).__qualname__ for part in (model, whole, *stacks))


def _is_hooked(part: nn.Module) -> bool:
    """Tell whether something runs before, behind or instead of a module's own forward."""
    return bool(part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part))


def _is_whole(part: nn.Module) -> bool:
    """Tell whether a module has the weights that packing reads, as plain tensors."""
    if isinstance(part, nn.Linear | nn.LayerNorm) and (part.bias is None or part.weight is None):
        return False
    return all(type(weight.data) is torch.Tensor for weight in part.parameters(recurse=False))


class Packed(NamedTuple):
    """The packed weights of a model."""

    encoder: PackedEncoder
    decoder: PackedDecoder


def packed_network(model: PreTrainedModel, dtype: str | None) -> Packed:
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
    heads = model.config.encoder_attention_heads
    packed = Packed(PackedEncoder(model.model.encoder, heads, dtype), PackedDecoder(model, dtype))
    kept[dtype] = (key, packed)
    return packed


def forget_packed(model: PreTrainedModel) -> None:
    """Free the packed weights of a model: training will change them, and needs the memory."""
    _packed.pop(model, None)


def _fingerprint(model: PreTrainedModel) -> tuple:
    """Name the weights as they are: where they lie, how often torch changed them, and samples.

    Torch counts its own changes, but neither those made through `.data` nor those of its fused
    optimizers. So one number of each row of each matrix is compared too: who changes a row, or a
    whole weight, changes it.
    """
    stacks = (model.model.encoder, model.model.decoder)
    weights = [weight for part in (*stacks, model.lm_head) for weight in part.parameters()]
    places = tuple(
        (weight.data_ptr(), None if weight.is_inference() else weight._version)
        for weight in weights
    )
    activations = tuple(type(layer.activation_fn) for stack in stacks for layer in stack.layers)
    samples = []
    for weight in weights:
        values = weight.detach()
        if values.dim() == 2:
            values = values[:, values.shape[1] // 2]
        samples.append(values)
    seen = torch.cat(samples).double()
    # A weighted sum: two numbers that changed places do not give the same.
    ramp = torch.arange(1, len(seen) + 1, dtype=torch.double, device=seen.device)
    sums = torch.stack((seen @ ramp, seen.abs().sum())).tolist()
    return (str(model.device), places, activations, tuple(sums))


__all__ = ["Packed", "forget_packed", "is_unchanged", "packed_network", "suits_fast_loop"]

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a network does with one question and one reply, written down while it does it.

Attention weights and hidden states are what the model returns, the rest is what hooks see going
into its modules and coming out of them: nothing here repeats its arithmetic.

Names of axes: source, target = tokens of the question, of the reply; tokens = of one of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import isqrt

import torch
from torch import Tensor, nn

from ..model.modeling_tfchat import TFChatForConditionalGeneration, TFChatStack

# So many tokens are read with ease, and so many weights of attention keep a page below 3 MB.
_MOST_TOKENS, _MOST_WEIGHTS = 48, 400_000


@dataclass(frozen=True)
class Norm:
    """One call of a LayerNorm: the length of each token's vector before and after, `(tokens,)`."""

    name: str
    before: Tensor
    after: Tensor


@dataclass
class Side:
    """What one of the two stacks did.

    Attributes:
        ids: What it read; the decoder reads the start token and the reply without its last token.
        embeddings: The tokens' vectors, scaled, `(tokens, d_model)`.
        positions: The position vectors, likewise; None where positions turn queries and keys.
        sums: What the first layer is given.
        self_attention: `(heads, tokens, tokens)` a layer; each row sums to 1.
        cross_attention: `(heads, target, source)` a layer; empty for the encoder.
        activations: What the neurons of the feed-forward part say, `(tokens, ffn_dim)` a layer.
        norms: The LayerNorms in the order in which they were called.
    """

    ids: list[int]
    embeddings: Tensor
    positions: Tensor | None
    sums: Tensor
    self_attention: list[Tensor]
    cross_attention: list[Tensor] = field(default_factory=list)
    activations: list[Tensor] = field(default_factory=list)
    norms: list[Norm] = field(default_factory=list)


@dataclass(frozen=True)
class Recording:
    """Both sides, and the logits `(target, vocab_size)` for each token of the reply."""

    encoder: Side
    decoder: Side
    logits: Tensor


@dataclass
class _Heard:
    """The LayerNorms as they were called, and what each `fc2` was given."""

    norms: list[Norm] = field(default_factory=list)
    activations: list[tuple[str, Tensor]] = field(default_factory=list)


def longest(model: TFChatForConditionalGeneration) -> int:
    """Return the most tokens of a question, and of a reply, that are shown of this model."""
    config = model.config
    maps = config.encoder_layers * config.encoder_attention_heads
    maps += 2 * config.decoder_layers * config.decoder_attention_heads
    room = max(isqrt(_MOST_WEIGHTS // maps), 8)
    return min(_MOST_TOKENS, room, config.max_position_embeddings)


@torch.no_grad()
def record(
    model: TFChatForConditionalGeneration, question: Sequence[int], reply: Sequence[int]
) -> Recording:
    """Let the model read a question and predict each token of a reply, all at once.

    Args:
        model: In evaluation mode, with the attention that gives weights ("eager").
        question: Its ids, `</s>` included.
        reply: Its ids, without the start token.
    """
    source = torch.tensor([question], device=model.device)
    written = [model.config.decoder_start_token_id, *reply[:-1]]
    target = torch.tensor([written], device=model.device)
    with _listening(model) as heard:
        out = model(
            input_ids=source,
            decoder_input_ids=target,
            output_attentions=True,
            output_hidden_states=True,
            use_cache=False,
        )
    encoder = _side(model.model.encoder, source, out.encoder_hidden_states, out.encoder_attentions)
    decoder = _side(model.model.decoder, target, out.decoder_hidden_states, out.decoder_attentions)
    decoder.cross_attention = [_plain(weights) for weights in out.cross_attentions]
    for norm in heard.norms:
        (encoder if norm.name.startswith("encoder.") else decoder).norms.append(norm)
    for name, inner in heard.activations:
        (encoder if name.startswith("encoder.") else decoder).activations.append(inner)
    return Recording(encoder, decoder, _plain(out.logits))


def _side(
    stack: TFChatStack, ids: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]
) -> Side:
    """Begin with what the outputs hold, and ask the stack's own tables for what it added up."""
    embeddings, places = stack.look_up(ids, None, None, None)
    positions = stack.embed_positions
    return Side(
        ids[0].tolist(),
        _plain(embeddings * stack.embed_scale),
        None if positions is None else _plain(positions(places)),
        _plain(states[0]),
        [_plain(layer) for layer in weights],
    )


@contextmanager
def _listening(model: TFChatForConditionalGeneration) -> Iterator[_Heard]:
    """Lend what fills while the model runs."""
    heard = _Heard()

    def norm(name: str, _: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        lengths = (_plain(states).norm(dim=-1) for states in (given[0], made))
        heard.norms.append(Norm(name, *lengths))

    def activation(name: str, _: nn.Module, given: tuple[Tensor]) -> None:
        heard.activations.append((name, _plain(given[0])))

    with ExitStack() as hooks:
        for name, module in model.model.named_modules():
            if isinstance(module, nn.LayerNorm):
                hooks.callback(module.register_forward_hook(partial(norm, name)).remove)
            elif name.endswith(".fc2"):
                hooks.callback(module.register_forward_pre_hook(partial(activation, name)).remove)
        yield heard


def _plain(states: Tensor) -> Tensor:
    """Take the one row of a batch to the CPU, in float32."""
    return states[0].detach().float().cpu()

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The TFChat network: a Transformer encoder-decoder (Vaswani et al., 2017), top to bottom.

    question ids (batch, source)              reply ids so far (batch, target)
        │                                         │
        ▼  shared embedding * sqrt(d_model)       ▼  the same embedding
        │  + position vectors                     │  + position vectors
        ▼                                         ▼
    ┌───────────────────────────────┐         ┌───────────────────────────────────────┐
    │ encoder layer, N times        │         │ decoder layer, N times                │
    │                               │         │                                       │
    │   self-attention, add & norm  │         │   masked self-attention, add & norm   │
    │   feed-forward,   add & norm  │    ┌────┼─► cross-attention,       add & norm   │
    └───────────────┬───────────────┘    │    │   feed-forward,          add & norm   │
                    │  states            │    └───────────────────┬───────────────────┘
                    └────────────────────┘                        ▼
              (batch, source, d_model)              output layer, to (batch, target, vocab_size)

Read `layers_tfchat.py` first (positions, attention, one layer), then this file: the two stacks,
the model, its loss. What is here is what runs: in training, in chat and on the Hub.

Names of axes: batch; source, target = tokens of the question, of the reply; past = in the cache.
"""

import math
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.cache_utils import Cache, DynamicCache, EncoderDecoderCache
from transformers.masking_utils import create_bidirectional_mask, create_causal_mask
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPastAndCrossAttentions,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)
from transformers.modeling_utils import PreTrainedModel, slice_logits_to_keep
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .configuration_tfchat import TFChatConfig
from .generation_tfchat import TFChatGenerationMixin, keeping_own_settings
from .layers_tfchat import (
    CACHE,
    Angles,
    TFChatAttention,
    TFChatDecoderLayer,
    TFChatEncoderLayer,
    TFChatSinusoidalPositions,
    given_cache,
    position_ids_from_mask,
    rotary_angles,
    self_attention_cache,
)

# --------------------------------------------------------------------------------- the two stacks


class TFChatPreTrainedModel(PreTrainedModel):
    """What every TFChat model shares with the rest of transformers."""

    config: TFChatConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    # What follows is how a model tells transformers about itself; it has no public spelling.
    _no_split_modules = ["TFChatEncoderLayer", "TFChatDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values", "cache"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs: Any) -> None:
        """Save weights, configuration and the code that loads them where this package is not."""
        if (decoding := getattr(self, "generation_config", None)) is not None:
            self.generation_config = keeping_own_settings(decoding)
        # transformers names only the class that is saved, and a model from the Hub carries its
        # repository in these names.
        self.config.auto_map = dict(AUTO_MAP)
        self.config.custom_pipelines = {"text-generation": dict(PIPELINE)}
        TFChatConfig.register_for_auto_class()
        TFChatModel.register_for_auto_class("AutoModel")
        TFChatForConditionalGeneration.register_for_auto_class("AutoModelForSeq2SeqLM")
        super().save_pretrained(save_directory, **kwargs)
        # safetensors lets nobody but their owner read its files; who serves them is often another.
        written = {file.name: file for file in os.scandir(os.fspath(save_directory))}
        for name, file in written.items():
            if name.endswith(".safetensors") and "config.json" in written:
                os.chmod(file, written["config.json"].stat().st_mode)


class TFChatStack(TFChatPreTrainedModel):
    """The part that encoder and decoder share: token embeddings plus positions."""

    def __init__(self, config: TFChatConfig, num_heads: int) -> None:
        """Make the embeddings; the layers are the subclass's."""
        super().__init__(config)
        self.head_dim = config.d_model // num_heads
        self.embed_scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, config.pad_token_id)
        self.rotary = config.position_embedding_type == "rotary"
        self.embed_positions = None if self.rotary else TFChatSinusoidalPositions(config)
        self.dropout = nn.Dropout(config.dropout)
        # With pre-norm the last layer's sum is left unnormalised: one norm closes the stack.
        self.layer_norm = nn.LayerNorm(config.d_model) if config.normalize_before else None
        self.gradient_checkpointing = False

    def look_up(
        self,
        input_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        attention_mask: Tensor | None,
        position_ids: Tensor | None,
        past_len: int | Tensor = 0,
        side: str = "",
    ) -> tuple[Tensor, Tensor]:
        """Return embeddings `(batch, seq_len, d_model)` and position ids `(batch, seq_len)`.

        Raises:
            ValueError: if both or neither input is given, or the `past_len` tokens of the cache
                and these are more than `config.max_position_embeddings`.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError(
                f"Give exactly one of `{side}input_ids` and `{side}inputs_embeds` (got "
                f"{'neither' if input_ids is None else 'both'})."
            )
        embeds = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        if embeds.dim() != 3:
            raise ValueError(f"`{side}input_ids` must be `(batch, tokens)`, as `input_ids[None]`.")
        if position_ids is not None:
            return embeds, position_ids
        length, limit = embeds.shape[1], self.config.max_position_embeddings
        # A compiled step keeps `past_len` in a tensor, whose value nobody may wait for.
        known = length + (past_len if isinstance(past_len, int) else 0)
        if not self.rotary and known > limit:
            raise ValueError(
                f"`{side}input_ids` holds {known} tokens, but `config.max_position_embeddings` is "
                f"{limit}. Shorten the text (`tokenizer(..., truncation=True)`) or train with more."
            )
        return embeds, position_ids_from_mask(attention_mask, length, past_len, embeds.device)

    def embed(self, inputs_embeds: Tensor, position_ids: Tensor) -> Tensor:
        """Scale `(batch, seq_len, d_model)` embeddings, add positions and apply dropout."""
        inputs_embeds = inputs_embeds * self.embed_scale
        if self.embed_positions is not None:
            positions = self.embed_positions(position_ids)
            inputs_embeds = inputs_embeds + positions.to(inputs_embeds.device, inputs_embeds.dtype)
        return self.dropout(inputs_embeds)

    def angles(self, position_ids: Tensor, dtype: torch.dtype) -> Angles | None:
        """Return the rotation of queries and keys; None with position vectors."""
        return rotary_angles(position_ids, self.head_dim, dtype) if self.rotary else None

    def close(self, hidden_states: Tensor) -> Tensor:
        """Normalise the last layer's output where the layers have not done so."""
        return hidden_states if self.layer_norm is None else self.layer_norm(hidden_states)


class TFChatEncoder(TFChatStack):
    """Reads the question: embeddings, then `encoder_layers` layers that see the whole of it."""

    _can_record_outputs = {"hidden_states": TFChatEncoderLayer, "attentions": TFChatAttention}

    def __init__(self, config: TFChatConfig) -> None:
        """Make the encoder of `config.encoder_layers` layers."""
        super().__init__(config, config.encoder_attention_heads)
        layers = [TFChatEncoderLayer(config, index) for index in range(config.encoder_layers)]
        self.layers = nn.ModuleList(layers)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        position_ids: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutput:
        """Map `(batch, source)` question ids to states `(batch, source, d_model)`.

        `attention_mask` `(batch, source)` is 0 for padding, on either side; `kwargs` go to the
        attention implementation.
        """
        given = (input_ids, inputs_embeds, attention_mask, position_ids)
        embeds, position_ids = self.look_up(*given)
        mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=embeds, attention_mask=attention_mask
        )  # every token may look at every real one
        hidden_states = self.embed(embeds, position_ids)
        angles = self.angles(position_ids, hidden_states.dtype)
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask, angles=angles, **kwargs)
        return BaseModelOutput(last_hidden_state=self.close(hidden_states))


class TFChatDecoder(TFChatStack):
    """Writes the reply: each token sees those before it and, in every layer, the question."""

    _can_record_outputs = {
        "hidden_states": TFChatDecoderLayer,
        "attentions": OutputRecorder(TFChatAttention, index=1, layer_name="self_attn"),
        "cross_attentions": OutputRecorder(TFChatAttention, index=1, layer_name="encoder_attn"),
    }

    def __init__(self, config: TFChatConfig) -> None:
        """Make the decoder of `config.decoder_layers` layers."""
        super().__init__(config, config.decoder_attention_heads)
        layers = [TFChatDecoderLayer(config, index) for index in range(config.decoder_layers)]
        self.layers = nn.ModuleList(layers)
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """Map `(batch, target)` ids that are not in the cache yet to `(batch, target, d_model)`.

        `attention_mask` is `(batch, past + target)`, of the reply; `encoder_hidden_states`
        `(batch, source, d_model)` and `encoder_attention_mask` `(batch, source)` are of the
        question. `cache` (or `past_key_values`) holds keys and values of the tokens before.
        """
        cache = given_cache(cache, past_key_values, kwargs)
        if use_cache and cache is None:  # one that grows, one half for each attention
            halves = (DynamicCache(config=self.config), DynamicCache(config=self.config))
            cache = EncoderDecoderCache(*halves)
        past_len = 0 if cache is None else cache.get_seq_length()
        given = (input_ids, inputs_embeds, attention_mask, position_ids, past_len)
        embeds, position_ids = self.look_up(*given, side="decoder_")
        both = {"config": self.config, "inputs_embeds": embeds}
        self_mask = create_causal_mask(
            attention_mask=attention_mask, **{CACHE: self_attention_cache(cache)}, **both
        )  # each token may look at itself and at those before it
        cross_mask = create_bidirectional_mask(
            attention_mask=encoder_attention_mask,
            encoder_hidden_states=encoder_hidden_states,
            **both,
        )  # and at every real token of the question
        hidden_states = self.embed(embeds, position_ids)
        angles = self.angles(position_ids, hidden_states.dtype)
        question = (encoder_hidden_states, cross_mask)  # not by name: checkpointing needs it so
        for layer in self.layers:
            hidden_states = layer(
                hidden_states, self_mask, *question, cache=cache, angles=angles, **kwargs
            )
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=self.close(hidden_states), **{CACHE: cache}
        )


# --------------------------------------------------------------------------------- the whole


class TFChatModel(TFChatPreTrainedModel):
    """Encoder and decoder over one embedding table, without the output layer."""

    _tied_weights_keys = {
        f"{side}.embed_tokens.weight": "shared.weight" for side in ("encoder", "decoder")
    }

    def __init__(self, config: TFChatConfig) -> None:
        """Make the two stacks over one embedding table."""
        super().__init__(config)
        self.shared = nn.Embedding(config.vocab_size, config.d_model, config.pad_token_id)
        self.encoder = TFChatEncoder(config)
        self.decoder = TFChatDecoder(config)
        self.post_init()

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict[str, str]:
        """Tie both sides' embeddings always: `tie_word_embeddings` speaks of the output layer."""
        return {**super().get_expanded_tied_weights_keys(all_submodels), **self._tied_weights_keys}

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings, `(vocab_size, d_model)`."""
        return self.shared

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the token embeddings of both sides."""
        self.shared = value
        self.encoder.embed_tokens = value
        self.decoder.embed_tokens = value

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: tuple | BaseModelOutput | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        position_ids: Tensor | None = None,
        decoder_position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqModelOutput:
        """Run encoder and decoder; arguments as in [`TFChatForConditionalGeneration`].

        Returns the decoder's states `(batch, target, d_model)`, the cache and the encoder's states.
        """
        cache = given_cache(cache, past_key_values, kwargs)
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            raise ValueError(
                "The decoder needs `decoder_input_ids` or `decoder_inputs_embeds` (got neither). "
                "To train give `labels` to TFChatForConditionalGeneration; to chat, `generate()`; "
                "with `label_smoothing_factor`, `DataCollatorForSeq2Seq(tokenizer, model=model)`."
            )
        if encoder_outputs is None:
            question = (input_ids, attention_mask, inputs_embeds, position_ids)
            encoded = self.encoder(*question, **kwargs)
        elif isinstance(encoder_outputs, BaseModelOutput):
            encoded = encoder_outputs
        else:
            encoded = BaseModelOutput(*encoder_outputs[:3])
        decoder_outputs = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=encoded.last_hidden_state,
            encoder_attention_mask=attention_mask,
            cache=cache,
            inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            position_ids=decoder_position_ids,
            **kwargs,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=decoder_outputs.last_hidden_state,
            decoder_hidden_states=decoder_outputs.hidden_states,
            decoder_attentions=decoder_outputs.attentions,
            cross_attentions=decoder_outputs.cross_attentions,
            encoder_last_hidden_state=encoded.last_hidden_state,
            encoder_hidden_states=encoded.hidden_states,
            encoder_attentions=encoded.attentions,
            **{CACHE: decoder_outputs.get(CACHE)},
        )


def shift_tokens_right(labels: Tensor, pad_token_id: int, decoder_start_token_id: int) -> Tensor:
    """Make the decoder's input `(batch, target)`: the labels, one place later, -100 as padding."""
    start = labels.new_full((labels.shape[0], 1), decoder_start_token_id)
    shifted = torch.cat((start, labels[:, :-1]), dim=1)
    return shifted.masked_fill(shifted == -100, pad_token_id)


def next_token_loss(
    logits: Tensor,
    labels: Tensor,
    label_smoothing: float = 0.0,
    num_items_in_batch: int | Tensor | None = None,
) -> Tensor:
    """Compute the loss: how unlikely the network found the token that really came next.

    With label smoothing (Szegedy et al., 2016; Vaswani et al., 5.4) the right token is to get
    `1 - label_smoothing`, and all tokens share the rest: a model that is never quite sure.
    `logits` are `(batch, target, vocab_size)`; `labels` `(batch, target)` are -100 where there is
    nothing to learn. Returns the mean in nats a token, over the labels here, or over the
    `num_items_in_batch` of all batches of an update.
    """
    real = labels != -100  # (batch, target)
    wide = torch.promote_types(logits.dtype, torch.float32)
    log_probs = functional.log_softmax(logits.to(wide), dim=-1)  # (batch, target, vocab_size)
    right = log_probs.gather(-1, labels.masked_fill(~real, 0)[..., None])[..., 0]
    every = log_probs.mean(dim=-1)  # (batch, target)
    losses = -((1 - label_smoothing) * right + label_smoothing * every)
    total = losses.masked_fill(~real, 0.0).sum()
    return total / (real.sum() if num_items_in_batch is None else num_items_in_batch)


class TFChatForConditionalGeneration(TFChatPreTrainedModel, TFChatGenerationMixin):
    """[`TFChatModel`] with an output layer over the vocabulary: the model that chats.

    reply = model.generate(**tokenizer("你好", return_tensors="pt"))
    """

    _tied_weights_keys = {"lm_head.weight": "model.shared.weight"}

    def __init__(self, config: TFChatConfig) -> None:
        """Make the model and its output layer, `(vocab_size, d_model)` with a bias."""
        super().__init__(config)
        self.model = TFChatModel(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: tuple | BaseModelOutput | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        smoothing: float = 0.0,
        num_items_in_batch: int | Tensor | None = None,
        reply_loss: Callable | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqLMOutput:
        """Predict the next token at every place of the reply.

        Args:
            input_ids: `(batch, source)` question ids.
            attention_mask: `(batch, source)`, 0 for padding on either side.
            decoder_input_ids: `(batch, target)`; made from `labels` where it is not given.
            decoder_attention_mask: `(batch, past + target)`, 0 for padding.
            encoder_outputs: What the encoder gave before, to spare it.
            cache: Keys and values of the tokens before; `past_key_values` up to transformers 5.23.
            inputs_embeds: `(batch, source, d_model)` instead of `input_ids`.
            decoder_inputs_embeds: `(batch, target, d_model)` instead of `decoder_input_ids`.
            labels: `(batch, target)` ids to predict, -100 where there is nothing to learn.
            use_cache: Return a cache; never with `labels`.
            logits_to_keep: Compute the logits of the last so many places only; 0 for all.
            smoothing: Of labels. (The Trainer takes a name with "label" in it for labels.)
            num_items_in_batch: The labels of all batches of an update; the Trainer gives it.
            reply_loss: Called with the decoder's states, `predict` and `labels` in place of
                `next_token_loss`: the logits, the largest tensor of all, then need not be made.
            past_key_values: See `cache`.
            **kwargs: `position_ids` `(batch, source)` and `decoder_position_ids` `(batch, target)`,
                counted from the masks by default, and what the attention implementation takes.

        Returns:
            Logits `(batch, target, vocab_size)`, and with `labels` the loss in nats a token.
        """
        if labels is not None:
            use_cache = False
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        outputs: Seq2SeqModelOutput = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            cache=cache,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        loss = logits = None
        if reply_loss is not None:
            loss = reply_loss(outputs.last_hidden_state, self.predict, labels)
        else:
            logits = self.predict(slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep))
            if labels is not None:
                loss = next_token_loss(logits, labels, smoothing, num_items_in_batch)
        rest = {name: value for name, value in outputs.items() if name != "last_hidden_state"}
        return Seq2SeqLMOutput(loss=loss, logits=logits, **rest)

    def predict(self, hidden_states: Tensor) -> Tensor:
        """Map the decoder's states `(..., d_model)` to logits `(..., vocab_size)`."""
        return self.lm_head(hidden_states)

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """Shift `(batch, target)` labels right; `DataCollatorForSeq2Seq` calls this."""
        pad, start = self.config.pad_token_id, self.config.decoder_start_token_id
        return shift_tokens_right(labels, pad, start)


# What the Auto classes look up in `config.json` when a folder brings its own code.
AUTO_MAP = {
    "AutoConfig": "configuration_tfchat.TFChatConfig",
    "AutoModel": "modeling_tfchat.TFChatModel",
    "AutoModelForSeq2SeqLM": "modeling_tfchat.TFChatForConditionalGeneration",
}
# And what `pipeline(model=FOLDER)` does.
PIPELINE = {"impl": "generation_tfchat.TFChatPipeline", "pt": ["AutoModelForSeq2SeqLM"]}

__all__ = ["TFChatForConditionalGeneration", "TFChatModel", "TFChatPreTrainedModel"]

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The TFChat network: a Transformer encoder-decoder (Vaswani et al., 2017) for transformers 5.

Read configuration -> positions -> attention -> layers -> this file: the two stacks, the model,
the loss.

Names of axes in the comments: batch; source, target = tokens of the question, of the reply;
past = tokens already in the cache.
"""

import math
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import initialization as init
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

from .attention_tfchat import TFChatAttention, self_cache
from .configuration_tfchat import TFChatConfig
from .dropout_tfchat import dropout
from .fast_path_tfchat import forget_packed
from .generation_tfchat import TFChatGenerationMixin
from .layers_tfchat import TFChatDecoderLayer, TFChatEncoderLayer
from .positions_tfchat import (
    TFChatSinusoidalPositions,
    position_ids_from_mask,
    rotary_angles,
)
from .presets_tfchat import has_own_settings

# ------------------------------------------------------------------------------- the two stacks


class TFChatPreTrainedModel(PreTrainedModel):
    """What every TFChat model shares with the rest of transformers."""

    config: TFChatConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["TFChatEncoderLayer", "TFChatDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Draw fresh weights of deviation `init_std`, and fill the position tables."""
        super()._init_weights(module)
        if isinstance(module, TFChatSinusoidalPositions):
            # A model is loaded on the meta device and unsaved buffers come back as garbage.
            init.copy_(module.table, module.make_table())

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs: Any) -> None:
        """Save weights, configuration and the code that loads them where this package is not.

        Args:
            save_directory: The folder to fill.
            **kwargs: As `PreTrainedModel.save_pretrained` takes them.
        """
        settings = getattr(self, "generation_config", None)
        if settings is not None and has_own_settings(settings):
            # Of a configuration marked so, transformers loads no settings but its own.
            settings._from_model_config = False
        # transformers names only the class that is saved; all three keep working from the folder.
        # Written afresh each time: a model from the Hub carries its repository in these names.
        self.config.auto_map = dict(AUTO_MAP)
        register_for_hub()
        super().save_pretrained(save_directory, **kwargs)

    @property
    def dummy_inputs(self) -> dict[str, torch.Tensor]:
        """A small valid batch, for tools that trace a model."""
        input_ids = torch.tensor([[5, 6, 7, 2], [5, 6, 2, 0]], device=self.device)
        mask = input_ids.ne(self.config.pad_token_id)
        return {"input_ids": input_ids, "attention_mask": mask, "decoder_input_ids": input_ids}


class TFChatStack(TFChatPreTrainedModel):
    """The part that encoder and decoder share: token embeddings plus positions."""

    def __init__(self, config: TFChatConfig) -> None:
        """Make the embeddings; the layers are the subclass's."""
        super().__init__(config)
        self.dropout = config.dropout
        self.embed_scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, config.pad_token_id)
        self.rotary = config.position_embedding_type == "rotary"
        self.embed_positions = None if self.rotary else TFChatSinusoidalPositions(config)
        # With pre-norm the last layer's sum is left unnormalised: one norm closes the stack.
        self.layer_norm = nn.LayerNorm(config.d_model) if config.normalize_before else None
        self.gradient_checkpointing = False

    def check_inputs(
        self,
        input_ids: torch.Tensor | None,
        inputs_embeds: torch.Tensor | None,
        names: tuple[str, str],
    ) -> None:
        """Refuse both or neither of two inputs, and sequences past the last position."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError(
                f"Give exactly one of `{names[0]}` and `{names[1]}` (got "
                f"{'neither' if input_ids is None else 'both'})."
            )
        length = (input_ids if inputs_embeds is None else inputs_embeds).shape[1]
        limit = self.config.max_position_embeddings
        if not self.rotary and length > limit:
            raise ValueError(
                f"`{names[0]}` holds {length} tokens, but `config.max_position_embeddings` is "
                f"{limit}. Shorten the text (`tokenizer(..., truncation=True)`) or train a model "
                f"with a larger `max_position_embeddings`."
            )

    def embed(self, inputs_embeds: torch.Tensor, position_ids: torch.Tensor) -> torch.Tensor:
        """Scale `(batch, seq_len, d_model)` embeddings, add positions and apply dropout."""
        # Scaled here, not in the look-up, so that `inputs_embeds` are what
        # `get_input_embeddings()` gives, as everywhere in transformers.
        inputs_embeds = inputs_embeds * self.embed_scale
        if self.embed_positions is not None:
            positions = self.embed_positions(position_ids)
            inputs_embeds = inputs_embeds + positions.to(inputs_embeds.device, inputs_embeds.dtype)
        return dropout(inputs_embeds, self.dropout, self.training)

    def close(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Normalise the last layer's output where the layers have not done so."""
        return hidden_states if self.layer_norm is None else self.layer_norm(hidden_states)

    def get_input_embeddings(self) -> nn.Module:
        """Return the token embeddings, `(vocab_size, d_model)`."""
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the token embeddings."""
        self.embed_tokens = value


class TFChatEncoder(TFChatStack):
    """Reads the question: embeddings, then `encoder_layers` layers that see the whole of it."""

    _can_record_outputs = {
        "hidden_states": TFChatEncoderLayer,
        "attentions": TFChatAttention,
    }

    def __init__(self, config: TFChatConfig) -> None:
        """Make the encoder of `config.encoder_layers` layers."""
        super().__init__(config)
        self.layers = nn.ModuleList(
            [TFChatEncoderLayer(config, index) for index in range(config.encoder_layers)]
        )
        self.head_dim = config.d_model // config.encoder_attention_heads
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        packing: Any | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutput:
        """Encode a batch of questions.

        Args:
            input_ids: `(batch, source)` token ids, or None with `inputs_embeds`.
            attention_mask: `(batch, source)`, 1 for tokens and 0 for padding on either side.
            inputs_embeds: `(batch, source, d_model)`, as `get_input_embeddings()` gives them.
            packing: As `TFChatModel` takes it.
            **kwargs: Passed on to the attention implementation.

        Returns:
            `last_hidden_state` of `(batch, source, d_model)`.

        Raises:
            ValueError: if both or neither input is given, or it is too long.
        """
        mask = None
        if packing is not None:
            inputs_embeds, positions = self.embed_tokens(input_ids), packing.source_positions
        else:
            self.check_inputs(input_ids, inputs_embeds, ("input_ids", "inputs_embeds"))
            if inputs_embeds is None:
                inputs_embeds = self.embed_tokens(input_ids)
            positions = position_ids_from_mask(
                attention_mask, inputs_embeds.shape[1], 0, inputs_embeds.device
            )
            mask = create_bidirectional_mask(
                config=self.config, inputs_embeds=inputs_embeds, attention_mask=attention_mask
            )
        hidden_states = self.embed(inputs_embeds, positions)
        if self.rotary:
            kwargs["angles"] = rotary_angles(positions, self.head_dim, hidden_states.dtype)
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask, packing=packing, **kwargs)
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
        super().__init__(config)
        self.layers = nn.ModuleList(
            [TFChatDecoderLayer(config, index) for index in range(config.decoder_layers)]
        )
        self.head_dim = config.d_model // config.decoder_attention_heads
        self.post_init()

    def new_cache(self) -> EncoderDecoderCache:
        """Make an empty cache that grows, one half for each attention."""
        return EncoderDecoderCache(
            DynamicCache(config=self.config), DynamicCache(config=self.config)
        )

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        packing: Any | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPastAndCrossAttentions:
        """Decode one or more tokens of a batch of replies.

        Args:
            input_ids: `(batch, target)` token ids that are not in the cache yet, or None.
            attention_mask: `(batch, past + target)`, 0 for padding on either side, or None.
            encoder_hidden_states: `(batch, source, d_model)`.
            encoder_attention_mask: `(batch, source)`.
            past_key_values: Keys and values of the tokens before.
            inputs_embeds: `(batch, target, d_model)` instead of `input_ids`.
            use_cache: Return a cache; `config.use_cache` by default.
            packing: As `TFChatModel` takes it.
            **kwargs: Passed on to the attention implementation.

        Returns:
            `last_hidden_state` of `(batch, target, d_model)` and the cache.

        Raises:
            ValueError: if both or neither input is given, or it is too long.
        """
        self_mask = cross_mask = None
        if packing is not None:
            inputs_embeds, positions = self.embed_tokens(input_ids), packing.target_positions
        else:
            names = ("decoder_input_ids", "decoder_inputs_embeds")
            self.check_inputs(input_ids, inputs_embeds, names)
            if inputs_embeds is None:
                inputs_embeds = self.embed_tokens(input_ids)
            if use_cache and past_key_values is None:
                past_key_values = self.new_cache()
            past_len = past_key_values.get_seq_length() if past_key_values is not None else 0
            positions = position_ids_from_mask(
                attention_mask, inputs_embeds.shape[1], past_len, inputs_embeds.device
            )
            self_mask = create_causal_mask(
                config=self.config,
                inputs_embeds=inputs_embeds,
                attention_mask=attention_mask,
                past_key_values=self_cache(past_key_values),
            )
            cross_mask = create_bidirectional_mask(
                config=self.config,
                inputs_embeds=inputs_embeds,
                attention_mask=encoder_attention_mask,
                encoder_hidden_states=encoder_hidden_states,
            )
        hidden_states = self.embed(inputs_embeds, positions)
        angles = None
        if self.rotary:
            angles = rotary_angles(positions, self.head_dim, hidden_states.dtype)
        for layer in self.layers:
            hidden_states = layer(
                hidden_states,
                self_mask,
                encoder_hidden_states,  # by position, so that checkpointing sees its gradient
                encoder_attention_mask=cross_mask,
                past_key_values=past_key_values,
                angles=angles,
                packing=packing,
                **kwargs,
            )
        return BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=self.close(hidden_states), past_key_values=past_key_values
        )


# ------------------------------------------------------------------------------- the whole


def shift_tokens_right(
    labels: torch.Tensor, pad_token_id: int, decoder_start_token_id: int
) -> torch.Tensor:
    """Make the decoder's input from the labels: the same tokens, one place later.

    Args:
        labels: `(batch, target)`, -100 where nothing is to be predicted.
        pad_token_id: What stands for -100 in the input.
        decoder_start_token_id: What stands first.

    Returns:
        `(batch, target)` token ids.
    """
    start = labels.new_full((labels.shape[0], 1), decoder_start_token_id)
    shifted = torch.cat((start, labels[:, :-1]), dim=1)
    return shifted.masked_fill(shifted == -100, pad_token_id)


class TFChatModel(TFChatPreTrainedModel):
    """Encoder and decoder, without the output layer.

    question ids ──► shared embedding + positions ──► encoder layers ──► states
                                                                          │
    reply ids ─────► shared embedding + positions ──► decoder layers ◄────┘
                                                          │
                                             hidden states (batch, target, d_model)
    """

    _tied_weights_keys = {
        "encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
    }

    def __init__(self, config: TFChatConfig) -> None:
        """Make the two stacks over one embedding table."""
        super().__init__(config)
        self.shared = nn.Embedding(config.vocab_size, config.d_model, config.pad_token_id)
        self.encoder = TFChatEncoder(config)
        self.decoder = TFChatDecoder(config)
        self.post_init()

    def get_expanded_tied_weights_keys(self, all_submodels: bool = False) -> dict[str, str]:
        """Name the weights that are one tensor: both sides' embeddings, whatever the config says.

        `tie_word_embeddings` speaks of the output layer alone, as in the original, where one
        table serves both sides and the output layer has weights of its own.
        """
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
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: tuple | BaseModelOutput | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        decoder_inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqModelOutput:
        """Run encoder and decoder.

        Args:
            input_ids: `(batch, source)` question ids.
            attention_mask: `(batch, source)`, 0 for padding on either side.
            decoder_input_ids: `(batch, target)` reply ids, beginning with the start token.
            decoder_attention_mask: `(batch, past + target)`, 0 for padding.
            encoder_outputs: What the encoder gave before, to spare it.
            past_key_values: The decoder's cache.
            inputs_embeds: `(batch, source, d_model)` instead of `input_ids`.
            decoder_inputs_embeds: `(batch, target, d_model)` instead of `decoder_input_ids`.
            use_cache: Return a cache.
            **kwargs: Passed on to both stacks. With `packing` all sequences of the batch stand
                end to end in one row, `(1, tokens)`: an object with `source_positions` and
                `target_positions` of that shape, which is also the attention to be called.

        Returns:
            The decoder's states `(batch, target, d_model)`, the cache and the encoder's states.

        Raises:
            ValueError: if the decoder is given nothing to read.
        """
        if decoder_input_ids is None and decoder_inputs_embeds is None:
            raise ValueError(
                "The decoder needs `decoder_input_ids` or `decoder_inputs_embeds` (got neither). "
                "For training give `labels` to TFChatForConditionalGeneration; for a reply call "
                "its `generate()`."
            )
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids=input_ids,
                attention_mask=attention_mask,
                inputs_embeds=inputs_embeds,
                **kwargs,
            )
        elif not isinstance(encoder_outputs, BaseModelOutput):
            encoder_outputs = BaseModelOutput(*encoder_outputs[:3])
        decoder_outputs = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=encoder_outputs.last_hidden_state,
            encoder_attention_mask=attention_mask,
            past_key_values=past_key_values,
            inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        return Seq2SeqModelOutput(
            last_hidden_state=decoder_outputs.last_hidden_state,
            past_key_values=decoder_outputs.past_key_values,
            decoder_hidden_states=decoder_outputs.hidden_states,
            decoder_attentions=decoder_outputs.attentions,
            cross_attentions=decoder_outputs.cross_attentions,
            encoder_last_hidden_state=encoder_outputs.last_hidden_state,
            encoder_hidden_states=encoder_outputs.hidden_states,
            encoder_attentions=encoder_outputs.attentions,
        )


class TFChatForConditionalGeneration(TFChatPreTrainedModel, TFChatGenerationMixin):
    """[`TFChatModel`] with an output layer over the vocabulary: the model that chats.

    Example:
        >>> from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
        >>> model = AutoModelForSeq2SeqLM.from_pretrained("runs/quickstart")
        >>> tokenizer = AutoTokenizer.from_pretrained("runs/quickstart")
        >>> reply = model.generate(**tokenizer("你好", return_tensors="pt"))
    """

    _tied_weights_keys = {"lm_head.weight": "model.shared.weight"}

    def __init__(self, config: TFChatConfig) -> None:
        """Make the model and its output layer, `(vocab_size, d_model)` with a bias."""
        super().__init__(config)
        self.model = TFChatModel(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size)
        self.post_init()
        # A class of this name would get the decoder-only loss, which shifts the labels again.
        self.loss_type = "ForMaskedLM"

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        decoder_attention_mask: torch.Tensor | None = None,
        encoder_outputs: tuple | BaseModelOutput | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        decoder_inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        reply_loss: Callable | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Seq2SeqLMOutput:
        """Predict the next token at every place of the reply.

        Args:
            input_ids: `(batch, source)` question ids.
            attention_mask: `(batch, source)`, 0 for padding on either side.
            decoder_input_ids: `(batch, target)`; made from `labels` where it is not given.
            decoder_attention_mask: `(batch, past + target)`, 0 for padding.
            encoder_outputs: What the encoder gave before, to spare it.
            past_key_values: The decoder's cache.
            inputs_embeds: `(batch, source, d_model)` instead of `input_ids`.
            decoder_inputs_embeds: `(batch, target, d_model)` instead of `decoder_input_ids`.
            labels: `(batch, target)` ids to predict, -100 where there is nothing to learn.
            use_cache: Return a cache; never with `labels`.
            logits_to_keep: Compute the logits of the last so many places only; 0 for all.
            reply_loss: Called with the decoder's states, the output layer and `labels`; gives
                the loss. The logits, the largest tensor of all, then need not be made.
            **kwargs: `num_items_in_batch`, to divide the loss by instead of the labels here, and
                what the attention implementation takes.

        Returns:
            Logits `(batch, target, vocab_size)`, and with `labels` the cross-entropy in nats.

        Raises:
            ValueError: if there is neither `labels` nor an input for the decoder.
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
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        loss = logits = None
        if reply_loss is not None:
            loss = reply_loss(outputs.last_hidden_state, self.lm_head, labels)
        else:
            kept = slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep)
            logits = self.lm_head(kept)
        if labels is not None and reply_loss is None:
            loss = self.loss_function(logits, labels, self.config.vocab_size, **kwargs)
        return Seq2SeqLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            decoder_hidden_states=outputs.decoder_hidden_states,
            decoder_attentions=outputs.decoder_attentions,
            cross_attentions=outputs.cross_attentions,
            encoder_last_hidden_state=outputs.encoder_last_hidden_state,
            encoder_hidden_states=outputs.encoder_hidden_states,
            encoder_attentions=outputs.encoder_attentions,
        )

    def train(self, mode: bool = True) -> "TFChatForConditionalGeneration":
        """Switch between training and evaluation; packed weights do not outlive a training."""
        if mode:
            forget_packed(self)
        return super().train(mode)

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """Shift `(batch, target)` labels right; `DataCollatorForSeq2Seq` calls this."""
        return shift_tokens_right(
            labels, self.config.pad_token_id, self.config.decoder_start_token_id
        )


# What the Auto classes look up in `config.json` when a folder brings its own code.
AUTO_MAP = {
    "AutoConfig": "configuration_tfchat.TFChatConfig",
    "AutoModel": "modeling_tfchat.TFChatModel",
    "AutoModelForSeq2SeqLM": "modeling_tfchat.TFChatForConditionalGeneration",
}


def register_for_hub() -> None:
    """Tell transformers to copy this code beside the weights whenever a model is saved."""
    TFChatConfig.register_for_auto_class()
    TFChatModel.register_for_auto_class("AutoModel")
    TFChatForConditionalGeneration.register_for_auto_class("AutoModelForSeq2SeqLM")


__all__ = [
    "TFChatForConditionalGeneration",
    "TFChatModel",
    "TFChatPreTrainedModel",
]

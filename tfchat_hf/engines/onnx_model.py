# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A TFChat model in onnxruntime that is used like the one in torch, `generate()` included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from ..fast.loop import decode
from ..model.configuration_tfchat import TFChatConfig
from ..model.generation_tfchat import TFChatGenerationMixin
from ..model.modeling_tfchat import TFChatPreTrainedModel, shift_tokens_right
from ..text.errors import UserError
from .onnx_sessions import GRAPHS, OnnxSessions
from .onnx_stepper import OnnxStepper

_NO_BEAMS = "Use 1, or `--engine ctranslate2` or `--engine torch`."
# Each needs what the graphs do not give: hidden states, a cache of transformers', other loops.
_NOT_GIVEN = (
    "assistant_model",
    "cache",
    "cache_implementation",
    "decoder_attention_mask",
    "decoder_input_ids",
    "decoder_inputs_embeds",
    "inputs_embeds",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "past_key_values",
    "penalty_alpha",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
)


class OnnxEncoder:
    """The encoder, called as transformers calls one."""

    main_input_name = "input_ids"

    def __init__(self, model: OnnxModel) -> None:
        """Serve `model`."""
        self.model = model

    def forward(
        self,
        input_ids: torch.LongTensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutput:
        """Encode `(batch, source)` questions to `last_hidden_state`, `(batch, source, d_model)`."""
        _refuse(kwargs)
        model, config = self.model, self.model.config
        limit = config.max_position_embeddings
        if config.position_embedding_type != "rotary" and input_ids.shape[1] > limit:
            raise UserError(
                f"`input_ids` holds {input_ids.shape[1]} tokens, but "
                f"`config.max_position_embeddings` is {limit}. Shorten the text."
            )
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        inputs = {
            "input_ids": np.ascontiguousarray(input_ids.numpy()),
            "attention_mask": np.ascontiguousarray(mask.long().numpy()),
        }
        states = model.sessions.open("encoder", model.int8).run(None, inputs)[0]
        return BaseModelOutput(last_hidden_state=torch.from_numpy(states))

    __call__ = forward


class OnnxModel(TFChatPreTrainedModel, TFChatGenerationMixin):
    """What `TFChatForConditionalGeneration` is, without weights in torch and without beams.

    Args:
        config: The model's configuration.
        sessions: The graphs.
        generation_config: As the run saved it.
        int8: Use the graphs with weights in int8.
    """

    def __init__(
        self,
        config: TFChatConfig,
        sessions: OnnxSessions,
        generation_config: GenerationConfig,
        int8: bool = False,
    ) -> None:
        """Take what `load_engine` found."""
        super().__init__(config)
        self.sessions, self.int8 = sessions, int8
        self.generation_config = generation_config
        self.eval()

    @property
    def device(self) -> torch.device:
        """The CPU; a model without weights could not say."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The type of states and logits."""
        return torch.float32

    def get_encoder(self, modality: str | None = None) -> OnnxEncoder:
        """Return the encoder."""
        return OnnxEncoder(self)

    def generate(
        self,
        inputs: torch.LongTensor | None = None,
        generation_config: GenerationConfig | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Do as `generate()` of the torch model, but for beams and hidden states.

        Args:
            inputs: `(batch, source)` question ids, or `input_ids` by name.
            generation_config: Settings; by default the model's own.
            *args: As the torch model takes them.
            **kwargs: As the torch model takes them.

        Returns:
            As the torch model does.

        Raises:
            UserError: for what the graphs have not.
        """
        asked = generation_config or self.generation_config
        if kwargs.get("preset") is not None:
            asked = self.preset(kwargs["preset"])
        values = {**vars(asked), **kwargs}
        _refuse(values)
        for name in ("num_beams", "num_beam_groups"):
            if (values.get(name) or 1) > 1:
                raise UserError(
                    f"The onnx engine has no beam search (got `{name}` {values[name]}). {_NO_BEAMS}"
                )
        if kwargs.get("custom_generate") is None:
            if values.get("return_dict_in_generate"):
                _refuse({"output_scores": True})
            kwargs["custom_generate"] = self.fast_decoder
            kwargs["token_streamer"] = kwargs.pop("streamer", None)
        return super().generate(inputs, generation_config, *args, **kwargs)

    def fast_decoder(
        self,
        model: OnnxModel,
        input_ids: torch.LongTensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        token_streamer: Any = None,
        **model_kwargs: Any,
    ) -> torch.LongTensor:
        """Decode what `generate()` has prepared, as `FastDecoder` does for the torch model."""
        stepper = self.make_stepper()
        states = model_kwargs["encoder_outputs"].last_hidden_state
        stepper.start(states, model_kwargs.get("attention_mask"), stopping_criteria.max_length - 1)
        if token_streamer is not None:
            token_streamer.put(input_ids.cpu())
        given = (logits_processor, stopping_criteria, generation_config, token_streamer)
        return decode(stepper, input_ids, *given)

    def make_stepper(self) -> OnnxStepper:
        """Make what decodes step by step."""
        cross, decoder = (self.sessions.open(graph, self.int8) for graph in GRAPHS[1:])
        return OnnxStepper(self.config, cross, decoder)

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        decoder_input_ids: torch.LongTensor | None = None,
        encoder_outputs: Any = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        reply_loss: Callable | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput:
        """Give the logits at every place of a reply, as scoring it needs them.

        Args:
            input_ids: `(batch, source)`, where there is no `encoder_outputs`.
            attention_mask: `(batch, source)`.
            decoder_input_ids: `(batch, target)`, beginning with the start token.
            encoder_outputs: What the encoder gave before.
            labels: `(batch, target)`, -100 where there is nothing to score.
            use_cache: Without effect: no cache is returned.
            logits_to_keep: Return the logits of the last so many places only; 0 for all.
            reply_loss: As the torch model takes it. It is given logits for states, and a layer
                that leaves them as they are.
            **kwargs: Refused where they ask for more.

        Returns:
            `logits` of `(batch, target, vocab_size)`, and with `labels` the loss.
        """
        _refuse(kwargs)
        if decoder_input_ids is None and labels is not None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        if decoder_input_ids is None:
            raise UserError("The onnx engine needs `decoder_input_ids` or `labels` (got none).")
        if encoder_outputs is None:
            encoder_outputs = self.get_encoder()(input_ids, attention_mask)
        logits = self._logits(encoder_outputs[0], attention_mask, decoder_input_ids)
        loss = None
        if labels is not None and reply_loss is not None:
            loss = reply_loss(logits, lambda states: states, labels)
        elif labels is not None:
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return Seq2SeqLMOutput(loss=loss, logits=logits[:, -logits_to_keep:])

    def _logits(
        self, states: torch.Tensor, mask: torch.Tensor | None, ids: torch.LongTensor
    ) -> torch.Tensor:
        """Decode given tokens `(batch, target)` to `(batch, target, vocab_size)`."""
        steps = ids.shape[1]
        stepper = self.make_stepper()
        stepper.start(states, mask, steps)
        return torch.stack([stepper.step(ids[:, at], at) for at in range(steps)], dim=1)

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """Shift `(batch, target)` labels right."""
        config = self.config
        return shift_tokens_right(labels, config.pad_token_id, config.decoder_start_token_id)


def _refuse(given: dict[str, Any]) -> None:
    """Refuse what the graphs have not, where it is asked for."""
    for name in _NOT_GIVEN:
        value = given.get(name)
        if value is not None and value is not False:
            raise UserError(
                f"The onnx engine has no `{name}`: it gives tokens, from the start token on, by "
                "greedy search or sampling. Leave it out, or use `--engine torch`."
            )

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A TFChat model in onnxruntime that is used like the one in torch, `generate()` included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from data_builders.errors import UserError

from ..fast import FastDecoder
from ..model.configuration_tfchat import TFChatConfig
from ..model.generation_tfchat import TFChatGenerationMixin
from ..model.modeling_tfchat import TFChatPreTrainedModel, shift_tokens_right
from .dependencies import cannot_load, engine_package, export_again
from .onnx_names import (
    BARRED,
    cache_head_dim,
    cross_names,
    graph_file,
    past_names,
    present_names,
)

# Each needs what the graphs do not give: hidden states, a cache of transformers', other loops.
_NOT_GIVEN = """
    assistant_model cache cache_implementation decoder_attention_mask decoder_input_ids
    decoder_inputs_embeds inputs_embeds output_attentions output_hidden_states output_logits
    output_scores past_key_values penalty_alpha prefill_chunk_size prompt_lookup_num_tokens
""".split()


class OnnxModel(TFChatPreTrainedModel, TFChatGenerationMixin):
    """What `TFChatForConditionalGeneration` is, without weights in torch and without beams.

    Args:
        config: The model's configuration.
        folder: The exported folder; its graphs are opened when they are first needed.
        generation_config: As the run saved it.
        int8: Use the graphs with weights in int8.
        threads: For one operator; None for onnxruntime's default, a thread a core.
    """

    def __init__(
        self,
        config: TFChatConfig,
        folder: Path,
        generation_config: GenerationConfig,
        int8: bool = False,
        threads: int | None = None,
    ) -> None:
        """Open nothing yet."""
        super().__init__(config)
        self.folder, self.int8, self.threads = folder, int8, threads
        self.sessions: dict[str, Any] = {}
        self.generation_config = generation_config
        self.fast = FastDecoder()
        self.eval()

    @property
    def device(self) -> torch.device:
        """The CPU; a model without weights could not say."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """The type of states and logits."""
        return torch.float32

    def session(self, graph: str) -> Any:
        """Return the session of `encoder`, `cross_attention` or `decoder`."""
        if graph not in self.sessions:
            path = self.folder / graph_file(graph, self.int8)
            self.sessions[graph] = _open(path, self.int8, self.threads)
        return self.sessions[graph]

    def get_encoder(self, modality: str | None = None) -> OnnxEncoder:
        """Return the encoder."""
        return OnnxEncoder(self)

    def make_stepper(self) -> OnnxStepper:
        """Return what decodes step by step."""
        return OnnxStepper(self.config, self.session("cross_attention"), self.session("decoder"))

    def generate(
        self,
        inputs: torch.LongTensor | None = None,
        generation_config: GenerationConfig | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Do as `generate()` of the torch model, but for beams and hidden states.

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
                    "The onnx engine has no beam search (got `{name}` {given}). Use 1, or "
                    "`--engine ctranslate2` or `--engine torch`.",
                    name=name,
                    given=values[name],
                )
        if kwargs.get("custom_generate") is None:
            if values.get("return_dict_in_generate"):
                _refuse({"output_scores": True})
            kwargs["custom_generate"] = self.fast
            kwargs["token_streamer"] = kwargs.pop("streamer", None)
        return super().generate(inputs, generation_config, *args, **kwargs)

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
        """Return the logits at every place of a reply, as scoring it needs them.

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
        steps, stepper = decoder_input_ids.shape[1], self.make_stepper()
        stepper.start(encoder_outputs[0], attention_mask, steps)
        each = [stepper.step(decoder_input_ids[:, at], at) for at in range(steps)]
        logits, loss = torch.stack(each, dim=1), None  # (batch, target, vocab_size)
        if labels is not None and reply_loss is not None:
            loss = reply_loss(logits, lambda states: states, labels)
        elif labels is not None:
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return Seq2SeqLMOutput(loss=loss, logits=logits[:, -logits_to_keep:])

    def log_probabilities(
        self, input_ids: torch.LongTensor, attention_mask: torch.Tensor, replies: torch.LongTensor
    ) -> torch.Tensor:
        """Return the log-probability of each token of given replies, `(batch, target)`.

        Args:
            input_ids: `(batch, source)`.
            attention_mask: `(batch, source)`.
            replies: `(batch, 1 + target)`, the start token first.
        """
        logits = self(input_ids, attention_mask, decoder_input_ids=replies[:, :-1]).logits
        return logits.log_softmax(-1).gather(2, replies[:, 1:, None])[:, :, 0]

    def prepare_decoder_input_ids_from_labels(self, labels: torch.Tensor) -> torch.Tensor:
        """Shift `(batch, target)` labels right."""
        config = self.config
        return shift_tokens_right(labels, config.pad_token_id, config.decoder_start_token_id)


class OnnxEncoder:
    """The encoder of a model, called as transformers calls one."""

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
        config = self.model.config
        limit = config.max_position_embeddings
        if config.position_embedding_type != "rotary" and input_ids.shape[1] > limit:
            raise UserError(
                "`input_ids` holds {count} tokens, but `config.max_position_embeddings` is "
                "{limit}. Shorten the text.",
                count=input_ids.shape[1],
                limit=limit,
            )
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        inputs = {
            "input_ids": np.ascontiguousarray(input_ids.numpy()),
            "attention_mask": np.ascontiguousarray(mask.long().numpy()),
        }
        states = self.model.session("encoder").run(None, inputs)[0]
        return BaseModelOutput(last_hidden_state=torch.from_numpy(states))

    __call__ = forward


class OnnxStepper:
    """Decodes a batch of replies token by token.

    Past and present of the cache are the same memory, so a step copies none of it, and everything
    is bound before the first step: a step is one call.

    Args:
        config: The network's shape.
        cross: The session of `cross_attention.onnx`.
        decoder: The session of `decoder.onnx`.
    """

    can_branch = True

    def __init__(self, config: TFChatConfig, cross: Any, decoder: Any) -> None:
        """Make nothing before the questions are known."""
        self.config, self.cross, self.decoder = config, cross, decoder
        self.arrays: dict[str, np.ndarray] = {}
        self.binding: Any = None
        self.room = 0

    def start(
        self,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None,
        max_steps: int,
    ) -> None:
        """Read the questions and make room for the replies.

        Args:
            encoder_hidden_states: `(batch, source, d_model)`.
            encoder_attention_mask: `(batch, source)`, 0 for padding, or None.
            max_steps: The most calls of `step` to come.
        """
        config, rows = self.config, encoder_hidden_states.shape[0]
        states = np.ascontiguousarray(encoder_hidden_states.numpy())
        names = cross_names(config)
        made = self.cross.run(names, {"encoder_hidden_states": states})
        self.arrays = dict(zip(names, made, strict=True))
        mask = np.zeros((rows, 1, 1, states.shape[1]), np.float32)
        if encoder_attention_mask is not None:
            mask[encoder_attention_mask.numpy()[:, None, None] == 0] = BARRED
        self.arrays["encoder_mask"] = mask
        self.room = max_steps
        shape = (rows, config.decoder_attention_heads, max_steps, cache_head_dim(config))
        for name in past_names(config):
            self.arrays[name] = np.zeros(shape, np.float32)
        self._bind(rows)

    def _bind(self, rows: int) -> None:
        """Make the small arrays of a step, and tell the session where everything lies."""
        arrays, config = self.arrays, self.config
        arrays["input_ids"] = np.zeros((rows, 1), np.int64)
        arrays["past_length"] = np.zeros(rows, np.int32)
        arrays["total_length"] = np.zeros(1, np.int32)
        self.logits = np.empty((rows, 1, config.vocab_size), np.float32)
        outputs: dict[str, np.ndarray] = {
            "logits": self.logits,
            "next_token": np.empty((rows, 1), np.int64),
        }
        for present, past in zip(present_names(config), past_names(config), strict=True):
            outputs[present] = arrays[past]
        self.outputs = outputs  # the session writes there
        self.binding = self.decoder.io_binding()
        for bind, named in (
            (self.binding.bind_input, arrays),
            (self.binding.bind_output, outputs),
        ):
            for name, array in named.items():
                bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Decode one token of each row.

        Args:
            tokens: `(batch,)`; the start token at position 0.
            position: How many tokens stand before it.

        Returns:
            Logits `(batch, vocab_size)`, float32.
        """
        if position >= self.room:
            raise UserError(
                "There is room for {room} steps (got position {position}).",
                room=self.room,
                position=position,
            )
        self.arrays["input_ids"][:, 0] = tokens.numpy()
        self.arrays["past_length"].fill(position)
        self.arrays["total_length"][0] = position + 1
        self.decoder.run_with_iobinding(self.binding)
        return torch.from_numpy(self.logits[:, 0].copy())

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows of the batch only, in this order."""
        order = rows.numpy()
        small = ("input_ids", "past_length", "total_length")
        for name, array in self.arrays.items():
            if name not in small:
                self.arrays[name] = np.ascontiguousarray(array[order])
        self._bind(len(order))


def _refuse(given: dict[str, Any]) -> None:
    """Refuse what the graphs have not, where it is asked for."""
    for name in _NOT_GIVEN:
        value = given.get(name)
        if value is not None and value is not False:
            raise UserError(
                "The onnx engine has no `{name}`: it gives tokens, from the start token on, "
                "by greedy search or sampling. Leave it out, or use `--engine torch`.",
                name=name,
            )


def _open(path: Path, int8: bool, threads: int | None) -> Any:
    """Return a session over a graph's file."""
    runtime = engine_package("onnx")
    if not path.is_file():
        raise UserError(
            "{parent} holds no {name}. {again}",
            parent=path.parent,
            name=path.name,
            again=export_again("onnx --int8" if int8 else "onnx"),
        )
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own types, one for each way to fail
        raise cannot_load(path, error, "onnx") from error

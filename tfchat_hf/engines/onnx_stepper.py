# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One step of the decoder in onnxruntime, over buffers that are bound once a reply."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..model.configuration_tfchat import TFChatConfig
from ..text.errors import UserError
from .onnx_attention import BARRED
from .onnx_names import all_cross_names, all_past_names, cache_head_dim, layer_names


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
        """Nothing is made before the questions are known."""
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
        names = all_cross_names(config)
        made = self.cross.run(names, {"encoder_hidden_states": states})
        self.arrays = dict(zip(names, made, strict=True))
        mask = np.zeros((rows, 1, 1, states.shape[1]), np.float32)
        if encoder_attention_mask is not None:
            mask[encoder_attention_mask.numpy()[:, None, None] == 0] = BARRED
        self.arrays["encoder_mask"] = mask
        self.room = max_steps
        shape = (rows, config.decoder_attention_heads, max_steps, cache_head_dim(config))
        for name in all_past_names(config):
            self.arrays[name] = np.zeros(shape, np.float32)
        self._bind(rows)

    def _bind(self, rows: int) -> None:
        """Make the small arrays of a step, and tell the session where everything lies."""
        arrays = self.arrays
        arrays["input_ids"] = np.zeros((rows, 1), np.int64)
        arrays["past_length"] = np.zeros(rows, np.int32)
        arrays["total_length"] = np.zeros(1, np.int32)
        self.logits = np.empty((rows, 1, self.config.vocab_size), np.float32)
        self.next_token = np.empty((rows, 1), np.int64)
        self.binding = self.decoder.io_binding()
        for name, array in arrays.items():
            self.binding.bind_input(
                name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
            )
        outputs = {"logits": self.logits, "next_token": self.next_token}
        for index in range(self.config.decoder_layers):
            names = layer_names(index)
            outputs[names.present_key] = arrays[names.past_key]
            outputs[names.present_value] = arrays[names.past_value]
        for name, array in outputs.items():
            self.binding.bind_output(
                name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
            )

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Decode one token of each row.

        Args:
            tokens: `(batch,)`; the start token at position 0.
            position: How many tokens stand before it.

        Returns:
            Logits `(batch, vocab_size)`, float32.
        """
        self._run(tokens, position)
        return torch.from_numpy(self.logits[:, 0].copy())

    def greedy_step(self, tokens: torch.LongTensor, position: int) -> torch.LongTensor:
        """Decode one token of each row; returns the likeliest next ones, `(batch,)`."""
        self._run(tokens, position)
        return torch.from_numpy(self.next_token[:, 0].copy())

    def _run(self, tokens: torch.LongTensor, position: int) -> None:
        if position >= self.room:
            raise UserError(f"There is room for {self.room} steps (got position {position}).")
        self.arrays["input_ids"][:, 0] = tokens.numpy()
        self.arrays["past_length"].fill(position)
        self.arrays["total_length"][0] = position + 1
        self.decoder.run_with_iobinding(self.binding)

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows of the batch only, in this order."""
        kept = rows.numpy()
        small = ("input_ids", "past_length", "total_length")
        for name, array in self.arrays.items():
            if name not in small:
                self.arrays[name] = np.ascontiguousarray(array[kept])
        self._bind(len(kept))

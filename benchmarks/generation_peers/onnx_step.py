# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What one writes for onnxruntime by hand: torch's exporter, one step, keys that are appended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from tfchat_hf import TFChatForConditionalGeneration


class Questions(nn.Module):
    """Question ids to keys and values of every decoder layer, `(layers, batch, heads, ...)`."""

    def __init__(self, model: TFChatForConditionalGeneration) -> None:
        """Keep the model."""
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, added: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode `(batch, source)`; `added`, `(batch, 1, 1, source)`, bars the padding."""
        encoder = self.model.model.encoder
        x = encoder.embed_tokens(ids) * encoder.embed_scale
        x = x + encoder.embed_positions.table[: ids.shape[1]]
        for layer in encoder.layers:
            one = layer.self_attn
            query, key, value = (
                one.split_heads(part(x)) for part in (one.q_proj, one.k_proj, one.v_proj)
            )
            scores = query @ key.transpose(2, 3) * one.scaling + added
            mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
            x = layer.self_attn_layer_norm(x + one.out_proj(mixed))
            x = layer.final_layer_norm(x + layer.fc2(layer.fc1(x).relu()))
        attentions = [layer.encoder_attn for layer in self.model.model.decoder.layers]
        keys = [one.split_heads(one.k_proj(x)) for one in attentions]
        values = [one.split_heads(one.v_proj(x)) for one in attentions]
        return torch.stack(keys), torch.stack(values)


class Step(nn.Module):
    """One token of each row; post-norm layers of ReLU with position vectors, as in the original."""

    def __init__(self, model: TFChatForConditionalGeneration) -> None:
        """Join the projections of queries, keys and values."""
        super().__init__()
        self.decoder, self.head = model.model.decoder, model.lm_head
        self.heads = model.config.decoder_attention_heads
        self.width = model.config.d_model
        self.joined = nn.ModuleList()
        for layer in self.decoder.layers:
            parts = [getattr(layer.self_attn, f"{name}_proj") for name in "qkv"]
            joined = nn.Linear(self.width, 3 * self.width)
            joined.weight.data = torch.cat([part.weight for part in parts])
            joined.bias.data = torch.cat([part.bias for part in parts])
            self.joined.append(joined)

    def mix(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, added: Any
    ) -> torch.Tensor:
        """Attend with one query a row, `(batch, heads, head_dim)`, to `(batch, width)`."""
        scores = query[:, :, None] @ key.transpose(2, 3) * (self.width // self.heads) ** -0.5
        mixed = (scores + added).softmax(-1) @ value
        return mixed.reshape(-1, self.width)

    def forward(
        self,
        token: torch.Tensor,
        place: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        question_keys: torch.Tensor,
        question_values: torch.Tensor,
        added: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Give the likeliest next token and the longer keys and values."""
        decoder = self.decoder
        x = decoder.embed_tokens(token) * decoder.embed_scale
        x = x + decoder.embed_positions.table[place]
        new_keys, new_values = [], []
        for i, layer in enumerate(decoder.layers):
            parts = self.joined[i](x).view(-1, 3, self.heads, self.width // self.heads)
            query, key, value = parts.unbind(1)
            new_keys.append(torch.cat((keys[i], key[:, :, None]), 2))
            new_values.append(torch.cat((values[i], value[:, :, None]), 2))
            mixed = self.mix(query, new_keys[i], new_values[i], 0.0)
            x = layer.self_attn_layer_norm(x + layer.self_attn.out_proj(mixed))
            query = layer.encoder_attn.q_proj(x).view(-1, self.heads, self.width // self.heads)
            mixed = self.mix(query, question_keys[i], question_values[i], added)
            x = layer.encoder_attn_layer_norm(x + layer.encoder_attn.out_proj(mixed))
            x = layer.final_layer_norm(x + layer.fc2(layer.fc1(x).relu()))
        return self.head(x).argmax(-1), torch.stack(new_keys), torch.stack(new_values)


def export(model: TFChatForConditionalGeneration, folder: Path) -> None:
    """Write `questions.onnx`, `step.onnx` and `step_int8.onnx`.

    Args:
        model: the model.
        folder: where to write.
    """
    dim = torch.export.Dim
    b, s, t = dim("b", min=1, max=512), dim("s", min=1, max=256), dim("t", min=0, max=256)
    config = model.config
    ids = torch.ones(2, 7, dtype=torch.long)
    head_dim = config.d_model // config.decoder_attention_heads
    shape = (config.decoder_layers, 2, config.decoder_attention_heads)
    past, question = torch.zeros(*shape, 3, head_dim), torch.zeros(*shape, 7, head_dim)
    torch.onnx.export(
        Questions(model).eval(),
        (ids, torch.zeros(2, 1, 1, 7)),
        str(folder / "questions.onnx"),
        input_names=["ids", "added"],
        output_names=["question_keys", "question_values"],
        dynamic_shapes={"ids": {0: b, 1: s}, "added": {0: b, 3: s}},
        dynamo=True,
        verbose=False,
    )
    long, short = {1: b, 3: s}, {1: b, 3: t}
    torch.onnx.export(
        Step(model).eval(),
        (ids[:, 0], torch.tensor([3]), past, past + 0, question, question + 0)
        + (torch.zeros(2, 1, 1, 7),),
        str(folder / "step.onnx"),
        input_names=["token", "place", "keys", "values"]
        + ["question_keys", "question_values", "added"],
        output_names=["next", "new_keys", "new_values"],
        dynamic_shapes={
            "token": {0: b},
            "place": None,
            "keys": short,
            "values": short,
            "question_keys": long,
            "question_values": long,
            "added": {0: b, 3: s},
        },
        dynamo=True,
        verbose=False,
    )
    quantize_dynamic(folder / "step.onnx", folder / "step_int8.onnx", weight_type=QuantType.QInt8)


class OnnxStepPeer:
    """Greedy search over the exported step.

    Args:
        folder: what `export` filled.
        int8: take the quantised step.
        model: for its shape.
    """

    def __init__(self, folder: Path, int8: bool, model: TFChatForConditionalGeneration) -> None:
        """Open the two graphs, on one thread."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        names = ("questions.onnx", "step_int8.onnx" if int8 else "step.onnx")
        self.questions, self.step = (
            onnxruntime.InferenceSession(folder / name, options, ["CPUExecutionProvider"])
            for name in names
        )
        self.config = model.config

    def __call__(self, batch: dict[str, torch.Tensor], new_tokens: int) -> list[list[int]]:
        """Answer a batch with so many tokens."""
        config = self.config
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        ids, mask = batch["input_ids"].numpy(), batch["attention_mask"].numpy()
        added = np.where(mask[:, None, None] == 1, 0, -1e9).astype(np.float32)
        made = self.questions.run(None, {"ids": ids, "added": added})
        fixed = {
            "question_keys": value(made[0]),
            "question_values": value(made[1]),
            "added": value(added),
        }
        head_dim = config.d_model // config.decoder_attention_heads
        shape = (config.decoder_layers, len(ids), config.decoder_attention_heads, 0, head_dim)
        keys = values = value(np.zeros(shape, np.float32))
        token = value(np.full(len(ids), config.decoder_start_token_id, np.int64))
        reply = []
        for place in range(new_tokens):
            binding = self.step.io_binding()
            moving = {"token": token, "place": value(np.array([place])), "keys": keys}
            for name, one in {**fixed, **moving, "values": values}.items():
                binding.bind_ortvalue_input(name, one)
            for name in ("next", "new_keys", "new_values"):
                binding.bind_output(name)
            self.step.run_with_iobinding(binding)
            token, keys, values = binding.get_outputs()
            reply.append(token.numpy().copy())
        return np.stack(reply, 1).tolist()

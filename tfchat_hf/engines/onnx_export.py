# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Writes the ONNX files of a model: `torch.onnx.export` of its parts, nodes named by module."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..text.errors import UserError
from .onnx_attention import eager
from .onnx_names import all_cross_names, all_past_names, all_present_names, cache_head_dim
from .onnx_parts import CrossAttention, DecoderStep, DecoderStepInRoom, Encoder
from .onnx_renaming import rename
from .onnx_sessions import graph_file
from .onnx_shortening import shorten
from .packages import need_package

PLAIN = "plain"
# onnxruntime's operators below need no newer one.
_OPSET = 20
# One scale for so many weights of a row. Measured at the original's shape, one core: 32 is 20 %
# slower than 128, 256 no faster.
INT8_BLOCK = 128
_SIZES = {"batch": 2, "source": 7, "past": 3, "room": 3}


def write_graphs(model: TFChatForConditionalGeneration, folder: Path, int8: bool) -> None:
    """Write the three graphs in float32, and with `int8` once more in int8.

    Args:
        model: In float32.
        folder: Where to write.
        int8: Add the files in int8.
    """
    writer = _Writer(model, folder)
    for part in (writer.encoder, writer.cross_attention, writer.decoder):
        graph = part(fused=True)
        writer.save(graph, graph_file(part.__name__, False))
        if int8:
            writer.save(in_int8(graph), graph_file(part.__name__, True))


def write_plain_graphs(model: TFChatForConditionalGeneration, folder: Path) -> None:
    """Write graphs in the standard's operators alone, with attention written out, to look at.

    Args:
        model: In float32.
        folder: Where to write; made if it is missing.
    """
    folder.mkdir(exist_ok=True)
    writer = _Writer(model, folder)
    for part in (writer.encoder, writer.cross_attention, writer.decoder_step):
        writer.save(part(fused=False), f"{part.__name__}.onnx")


class _Writer:
    """Traces the parts of one model."""

    def __init__(self, model: TFChatForConditionalGeneration, folder: Path) -> None:
        self.model, self.config, self.folder = model, model.config, folder
        self.onnx = need_package("onnx", "onnx")
        need_package("onnxscript", "onnx")

    def encoder(self, fused: bool) -> Any:
        """Trace `input_ids, attention_mask -> encoder_hidden_states`."""
        ids = torch.ones(_SIZES["batch"], _SIZES["source"], dtype=torch.long)
        inputs = {"input_ids": (ids, "batch", "source")}
        inputs["attention_mask"] = (ids, "batch", "source")
        return self.traced(Encoder(self.model, fused), inputs, ["encoder_hidden_states"])

    def cross_attention(self, fused: bool) -> Any:
        """Trace `encoder_hidden_states -> encoder.N.key, encoder.N.value`."""
        states = torch.randn(_SIZES["batch"], _SIZES["source"], self.config.d_model)
        inputs = {"encoder_hidden_states": (states, "batch", "source")}
        return self.traced(CrossAttention(self.model, fused), inputs, all_cross_names(self.config))

    def decoder(self, fused: bool) -> Any:
        """Trace a step over buffers with room for the reply."""
        lengths = {
            "past_length": (torch.full((_SIZES["batch"],), 2, dtype=torch.int32), "batch"),
            "total_length": (torch.full((1,), 3, dtype=torch.int32),),
        }
        inputs = self.step_inputs(lengths, "room", cache_head_dim(self.config))
        outputs = ["logits", "next_token", *all_present_names(self.config)]
        return self.traced(DecoderStepInRoom(self.model, fused), inputs, outputs)

    def decoder_step(self, fused: bool) -> Any:
        """Trace a step over a cache that grows."""
        inputs = self.step_inputs({}, "past", self.head_dim)
        outputs = ["logits", *all_present_names(self.config)]
        return self.traced(DecoderStep(self.model, fused), inputs, outputs)

    @property
    def head_dim(self) -> int:
        """Size of a head in the network."""
        return self.config.d_model // self.config.decoder_attention_heads

    def step_inputs(self, lengths: dict[str, Any], axis: str, size: int) -> dict[str, Any]:
        """Give example inputs of a step, each as `(tensor, name of its axis or None, ...)`."""
        batch, source = _SIZES["batch"], _SIZES["source"]
        heads = self.config.decoder_attention_heads
        cross = (torch.randn(batch, heads, source, self.head_dim), "batch", None, "source")
        past = (torch.randn(batch, heads, _SIZES[axis], size), "batch", None, axis)
        return {
            "input_ids": (torch.ones(batch, 1, dtype=torch.long), "batch"),
            **lengths,
            "encoder_mask": (torch.zeros(batch, 1, 1, source), "batch", None, None, "source"),
            "cross": dict.fromkeys(all_cross_names(self.config), cross),
            "past": dict.fromkeys(all_past_names(self.config), past),
        }

    def traced(self, part: Callable, inputs: dict[str, Any], outputs: Sequence[str]) -> Any:
        """Trace a part of the model with example inputs; returns the graph."""
        names: list[str] = []
        for name, given in inputs.items():
            names += list(given) if isinstance(given, dict) else [name]
        try:
            with eager(self.model), _quiet(), torch.no_grad():
                program = torch.onnx.export(
                    part.eval(),
                    tuple(_each(given, lambda one: one[0].clone()) for given in inputs.values()),
                    input_names=names,
                    output_names=list(outputs),
                    dynamic_shapes=tuple(_each(given, _axes) for given in inputs.values()),
                    opset_version=_OPSET,
                    dynamo=True,
                    verbose=False,
                )
        except Exception as error:  # of tracing, of translating, of the network itself
            reason = str(error.__cause__ or error).strip().splitlines() or [repr(error)]
            raise UserError(
                f"torch.onnx.export cannot follow the network's {type(part).__name__} "
                f"({reason[0]}). Use `--engine torch`, or write the network without what is named."
            ) from error
        return rename(shorten(program.model_proto, self.onnx.numpy_helper.to_array))

    def save(self, graph: Any, name: str) -> None:
        """Write a file."""
        graph.producer_name = "tfchat-hf"
        self.onnx.save(graph, self.folder / name)


def _each(given: tuple | dict[str, tuple], change: Callable) -> Any:
    """Change one example input, or each of several."""
    if isinstance(given, dict):
        return [change(one) for one in given.values()]
    return change(given)


def _axes(given: tuple) -> dict[int, str]:
    """Name the axes of no fixed size."""
    return {number: name for number, name in enumerate(given[1:]) if name}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from telling of packages that nobody needs here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def in_int8(graph: Any) -> Any:
    """Turn the weights of linear layers into 8-bit numbers, one scale for `INT8_BLOCK` of a row.

    Accuracy level 4: the inputs too become 8-bit numbers, block by block and row by row, so that
    a row is answered in a batch as it is alone.
    """
    root = logging.getLogger()
    before = root.handlers[:], root.level
    package = need_package("onnxruntime.quantization.matmul_nbits_quantizer", "onnx")
    root.handlers[:], root.level = before  # importing it sets up logging for the whole process
    package.logger.setLevel(logging.WARNING)
    config = package.DefaultWeightOnlyQuantConfig(
        block_size=INT8_BLOCK, is_symmetric=True, accuracy_level=4, bits=8
    )
    copy = type(graph)()
    copy.CopyFrom(graph)
    quantizer = package.MatMulNBitsQuantizer(copy, algo_config=config)
    quantizer.process()
    return quantizer.model.model

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Write the ONNX files of a model: `torch.onnx.export` of its parts, nodes named by module."""

from __future__ import annotations

import ast
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from data_builders.errors import UserError

from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .dependencies import need_package
from .onnx_names import cache_head_dim, cross_names, graph_file, past_names, present_names
from .onnx_parts import (
    BufferedDecoderStep,
    CrossAttention,
    DecoderStep,
    Encoder,
    eager_attention,
)

PLAIN = "plain"
# onnxruntime's operators below need no newer one.
_OPSET = 20
# One scale for so many weights of a row. Measured at the original's shape, one core: 32 is 20 %
# slower than 128, 256 no faster.
INT8_BLOCK = 128
_SCOPES = "pkg.torch.onnx.name_scopes"
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
        return self.traced(CrossAttention(self.model, fused), inputs, cross_names(self.config))

    def decoder(self, fused: bool) -> Any:
        """Trace a step over buffers with room for the reply."""
        lengths = {
            "past_length": (torch.full((_SIZES["batch"],), 2, dtype=torch.int32), "batch"),
            "total_length": (torch.full((1,), 3, dtype=torch.int32),),
        }
        inputs = self.step_inputs(lengths, "room", cache_head_dim(self.config))
        outputs = ["logits", "next_token", *present_names(self.config)]
        return self.traced(BufferedDecoderStep(self.model, fused), inputs, outputs)

    def decoder_step(self, fused: bool) -> Any:
        """Trace a step over a cache that grows."""
        inputs = self.step_inputs({}, "past", self.head_dim)
        outputs = ["logits", *present_names(self.config)]
        return self.traced(DecoderStep(self.model, fused), inputs, outputs)

    @property
    def head_dim(self) -> int:
        """Size of a head in the network."""
        return self.config.d_model // self.config.decoder_attention_heads

    def step_inputs(self, lengths: dict[str, Any], axis: str, size: int) -> dict[str, Any]:
        """Return example inputs of a step, each as `(tensor, name of its axis or None, ...)`."""
        batch, source = _SIZES["batch"], _SIZES["source"]
        heads = self.config.decoder_attention_heads
        cross = (torch.randn(batch, heads, source, self.head_dim), "batch", None, "source")
        past = (torch.randn(batch, heads, _SIZES[axis], size), "batch", None, axis)
        return {
            "input_ids": (torch.ones(batch, 1, dtype=torch.long), "batch"),
            **lengths,
            "encoder_mask": (torch.zeros(batch, 1, 1, source), "batch", None, None, "source"),
            "cross": dict.fromkeys(cross_names(self.config), cross),
            "past": dict.fromkeys(past_names(self.config), past),
        }

    def traced(self, part: nn.Module, inputs: dict[str, Any], outputs: Sequence[str]) -> Any:
        """Trace a part of the model with example inputs; return its graph."""
        names: list[str] = []
        for name, given in inputs.items():
            names += list(given) if isinstance(given, dict) else [name]
        try:
            with eager_attention(self.model), _quiet(), torch.no_grad():
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
                "torch.onnx.export cannot follow the network's {part} ({reason}). Use "
                "`--engine torch`, or write the network without what is named.",
                part=type(part).__name__,
                reason=reason[0],
            ) from error
        return rename(shorten(program.model_proto, self.onnx.numpy_helper.to_array))

    def save(self, graph: Any, name: str) -> None:
        """Write a graph to a file."""
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


def shorten(graph: Any, to_array: Any) -> Any:
    """Take out pairs of Transposes, Reshapes before a Reshape, and those that change nothing.

    onnxruntime's attention takes heads side by side, and the network gives them apart, so each
    input comes as Reshape, Transpose, Transpose, Reshape. onnxruntime takes out the Transposes
    alone; the rest was 15 % of a step in int8 at batch 1.

    Args:
        graph: An `onnx.ModelProto` with the shapes of its values; changed.
        to_array: `onnx.numpy_helper.to_array`.

    Returns:
        The same.
    """
    body = graph.graph
    makers = {name: node for node in body.node for name in node.output}
    shapes = {value.name: _shape(value) for value in (*body.input, *body.value_info, *body.output)}
    constants = {tensor.name: to_array(tensor) for tensor in body.initializer}
    outputs = {value.name for value in body.output}
    instead: dict[str, str] = {}
    for node in body.node:
        node.input[:] = [instead.get(name, name) for name in node.input]
        before = makers.get(node.input[0]) if node.input else None
        if node.op_type == "Transpose" and before is not None and _undoes(node, before):
            instead[node.output[0]] = before.input[0]
        if node.op_type == "Reshape" and _is_free(constants.get(node.input[1])):
            if before is not None and before.op_type == "Reshape":
                node.input[0] = before.input[0]
            shape = shapes.get(node.output[0])
            if shape is not None and shape == shapes.get(node.input[0]):
                instead[node.output[0]] = node.input[0]
        for name in outputs & instead.keys():
            del instead[name]
    _drop_unused(body)
    return graph


def _shape(value: Any) -> tuple[int | str, ...] | None:
    """Read a shape; None where an axis is neither a number nor named."""
    axes = [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
    return tuple(axes) if all(axes) else None


def _undoes(node: Any, before: Any) -> bool:
    """Tell whether two Transposes come to nothing."""
    if before.op_type != "Transpose":
        return False
    first, second = (list(one.attribute[0].ints) for one in (before, node))
    return [first[axis] for axis in second] == sorted(first)


def _is_free(shape: Any) -> bool:
    """Tell whether a Reshape's shape is known and takes no axis over from its input (0)."""
    return shape is not None and 0 not in shape


def _drop_unused(body: Any) -> None:
    """Take out nodes that give nothing that is used, last first."""
    used = {value.name for value in body.output}
    for node in reversed(list(body.node)):
        if used.isdisjoint(node.output):
            body.node.remove(node)
        else:
            used.update(node.input)
    for tensor in list(body.initializer):
        if tensor.name not in used:
            body.initializer.remove(tensor)


def rename(graph: Any) -> Any:
    """Name nodes and what they give after their modules, and take torch's notes out.

    `model.decoder.layers.0.fc1` becomes `/model/decoder/layers.0/fc1/MatMul`. The notes hold
    paths of the machine that exported.

    Args:
        graph: An `onnx.ModelProto`; changed.

    Returns:
        The same.
    """
    body, counts = graph.graph, Counter[str]()
    fixed = {value.name for value in (*body.input, *body.output)}
    constants = {tensor.name for tensor in body.initializer}
    new_names: dict[str, str] = {}
    for node in body.node:
        module = _module_of(node)
        path = f"{path_of(module)}/{node.op_type}"
        counts[path] += 1
        node.name = path if counts[path] == 1 else f"{path}_{counts[path]}"
        for number, name in enumerate(node.output):
            if name and name not in fixed:
                new_names[name] = node.name if number == 0 else f"{node.name}.{number}"
        if node.op_type == "MatMul" and node.input[1].startswith("val_"):
            if node.input[1] in constants:  # the exporter has turned the weight already
                new_names[node.input[1]] = f"{module}.weight.transposed"
    _apply(body, new_names)
    del graph.metadata_props[:], body.metadata_props[:], body.value_info[:]
    body.doc_string = graph.doc_string = ""
    return graph


def _apply(body: Any, new_names: dict[str, str]) -> None:
    """Use the new names wherever a value is named."""
    for node in body.node:
        node.input[:] = [new_names.get(name, name) for name in node.input]
        node.output[:] = [new_names.get(name, name) for name in node.output]
        del node.metadata_props[:]
        node.doc_string = ""
    for tensor in body.initializer:
        tensor.name = new_names.get(tensor.name, tensor.name)
        del tensor.metadata_props[:]
    for value in (*body.input, *body.output):
        del value.metadata_props[:]


def _module_of(node: Any) -> str:
    """Read which module a node comes from; the last of its scopes is the operation."""
    found = {note.key: note.value for note in node.metadata_props}.get(_SCOPES)
    scopes = ast.literal_eval(found) if found else []
    modules = [scope for scope in scopes[:-1] if not scope.startswith("_")]
    return modules[-1] if modules else ""


def path_of(module: str) -> str:
    """Write a module's name as a path: `model.decoder.layers.0` is `/model/decoder/layers.0`."""
    path = ""
    for part in module.split(".") if module else ():
        path += f".{part}" if part.isdigit() else f"/{part}"
    return path

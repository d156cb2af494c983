# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Writes ONNX graphs node by node, each named by the module of the network that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .packages import EngineError, need_package

MICROSOFT = "com.microsoft"
# The newest that the graphs need: Gelu came with 20.
_OPSET, _IR_VERSION = 20, 10
# One scale for so many weights of a row. Measured at the original's shape, one core: 32 is 20 %
# slower than 128, 256 no faster.
INT8_BLOCK = 128
# Each as (operator, attributes, domain).
_ACTIVATIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "relu": ("Relu", {}, ""),
    "gelu": ("Gelu", {}, ""),
    "gelu_python": ("Gelu", {}, ""),
    "gelu_new": ("Gelu", {"approximate": "tanh"}, ""),
    "gelu_fast": ("Gelu", {"approximate": "tanh"}, ""),
    "gelu_pytorch_tanh": ("Gelu", {"approximate": "tanh"}, ""),
    "gelu_python_tanh": ("Gelu", {"approximate": "tanh"}, ""),
    "gelu_accurate": ("Gelu", {"approximate": "tanh"}, ""),
    "quick_gelu": ("QuickGelu", {"alpha": 1.702}, MICROSOFT),
    "silu": ("QuickGelu", {"alpha": 1.0}, MICROSOFT),
    "swish": ("QuickGelu", {"alpha": 1.0}, MICROSOFT),
    "tanh": ("Tanh", {}, ""),
    "sigmoid": ("Sigmoid", {}, ""),
    "mish": ("Mish", {}, ""),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}, ""),
    "linear": ("Identity", {}, ""),
}


class GraphWriter:
    """A graph under construction.

    Args:
        weights: The network's weights by name, float32.
        int8: Keep the weights of linear layers as 8-bit numbers.
    """

    def __init__(self, weights: Mapping[str, torch.Tensor], int8: bool) -> None:
        """Begin with nothing."""
        self.onnx = need_package("onnx", "onnx")
        self.weights = weights
        self.int8 = int8
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def input(self, name: str, dtype: type, shape: Sequence[int | str]) -> str:
        """Declare an input; axes of no fixed size have names."""
        self.inputs.append(self._info(name, dtype, shape))
        return name

    def output(self, name: str, dtype: type, shape: Sequence[int | str]) -> None:
        """Declare as an output what a node gave that name."""
        self.outputs.append(self._info(name, dtype, shape))

    def _info(self, name: str, dtype: type, shape: Sequence[int | str]) -> Any:
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.onnx.helper.make_tensor_value_info(name, kind, shape)

    def node(
        self,
        operator: str,
        inputs: Sequence[str],
        path: str,
        outputs: Sequence[str] = (),
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node.

        Args:
            operator: Its type.
            inputs: Names of values; an empty one leaves an optional input out.
            path: The module it belongs to, such as `decoder/layers.0/fc1`.
            outputs: Names of what it gives; by default one, its own name.
            domain: Whose operator it is.
            **attributes: Its settings.

        Returns:
            The name of its first output.
        """
        name = f"{path}/{operator}"
        outputs = list(outputs) or [name]
        self.nodes.append(
            self.onnx.helper.make_node(
                operator, list(inputs), outputs, name=name, domain=domain, **attributes
            )
        )
        return outputs[0]

    def constant(self, name: str, value: np.ndarray | torch.Tensor) -> str:
        """Add a tensor once; the second time its name is enough."""
        if name not in self.initializers:
            array = value.detach().numpy() if isinstance(value, torch.Tensor) else value
            array = np.ascontiguousarray(array)
            self.initializers[name] = self.onnx.numpy_helper.from_array(array, name)
        return name

    def weight(self, name: str) -> str:
        """Add a tensor of the network under its own name."""
        return self.constant(name, self.weights[name])

    def linear(self, x: str, module: str, flat: bool, output: str = "") -> str:
        """Apply the linear layer `module` of the network.

        Args:
            x: `(rows, width)` if flat, else of any shape `(..., width)`.
            module: Its name, such as `model.decoder.layers.0.fc1`.
            flat: Whether `x` has two axes.
            output: Name of the result.
        """
        weight, bias = self.weights[f"{module}.weight"], self.weights[f"{module}.bias"]
        return self.product(x, module, weight, bias, flat, output)

    def product(
        self,
        x: str,
        module: str,
        weight: torch.Tensor,
        bias: torch.Tensor,
        flat: bool,
        output: str = "",
    ) -> str:
        """Apply a linear layer of `(out, in)` weights, `x` as `linear` takes it."""
        path, outputs = path_of(module), [output] if output else []
        added = self.constant(f"{module}.bias", bias)
        if self.int8:
            scaled = self._int8_weights(module, weight)
            inputs = [x, *scaled, "", "", added]
            sizes = {"N": weight.shape[0], "K": weight.shape[1]}
            # Level 4: the inputs too become 8-bit numbers, block by block and row by row, so that
            # a row is answered in a batch as it is alone.
            kind = {"bits": 8, "block_size": INT8_BLOCK, "accuracy_level": 4}
            return self.node("MatMulNBits", inputs, path, outputs, MICROSOFT, **sizes, **kind)
        name = self._name_of(weight) or f"{module}.weight"
        if flat:
            inputs = [x, self.constant(name, weight), added]
            return self.node("Gemm", inputs, path, outputs, transB=1)
        turned = self.constant(f"{name}.transposed", weight.T)
        return self.node("Add", [self.node("MatMul", [x, turned], path), added], path, outputs)

    def _name_of(self, weight: torch.Tensor) -> str | None:
        """Find a tensor that is there already: output weights may be the embeddings."""
        for name in self.initializers:
            if name in self.weights and self.weights[name].data_ptr() == weight.data_ptr():
                return name
        return None

    def _int8_weights(self, module: str, weight: torch.Tensor) -> tuple[str, str]:
        """Add weights as 8-bit numbers around 128 and one scale for each block of a row."""
        rows, width = weight.shape
        blocks = -(-width // INT8_BLOCK)
        padded = torch.nn.functional.pad(weight, (0, blocks * INT8_BLOCK - width))
        padded = padded.view(rows, blocks, INT8_BLOCK)
        scales = (padded.abs().amax(-1) / 127).clamp(min=1e-12)  # (rows, blocks)
        numbers = (padded / scales[..., None]).round().add(128).to(torch.uint8)
        return (
            self.constant(f"{module}.weight.int8", numbers),
            self.constant(f"{module}.weight.scales", scales),
        )

    def norm(self, x: str, module: str, path: str) -> str:
        """Apply the LayerNorm `module`; `path` names the place, which may not be its only one."""
        inputs = [x, self.weight(f"{module}.weight"), self.weight(f"{module}.bias")]
        return self.node("LayerNormalization", inputs, path, axis=-1, epsilon=1e-5)

    def activation(self, x: str, name: str, path: str) -> str:
        """Apply the activation that transformers calls `name`."""
        if name not in _ACTIVATIONS:
            raise EngineError(
                f"The onnx engine has no `activation_function` {name!r}; it has "
                f"{', '.join(_ACTIVATIONS)}. Use `--engine torch`."
            )
        operator, attributes, domain = _ACTIVATIONS[name]
        return self.node(operator, [x], path, domain=domain, **attributes)

    def save(self, path: Path, notes: Mapping[str, str]) -> None:
        """Write the file, with `notes` as its metadata."""
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, path.stem, self.inputs, self.outputs, list(self.initializers.values())
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tfchat-hf"
        )
        helper.set_model_props(model, dict(notes))
        self.onnx.save(model, path)


def path_of(module: str) -> str:
    """Write a module's name as a node's: `model.decoder.layers.0.fc1` is `decoder/layers.0/fc1`."""
    parts = module.removeprefix("model.").split(".")
    path = ""
    for part in parts:
        path += f".{part}" if part.isdigit() else f"/{part}"
    return path.removeprefix("/")

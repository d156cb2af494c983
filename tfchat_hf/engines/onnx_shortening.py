# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Takes out of a graph what undoes itself: heads split and put side by side again at once.

onnxruntime's attention takes heads side by side, and the network gives them apart, so each input
comes as Reshape, Transpose, Transpose, Reshape. onnxruntime takes out the Transposes alone; the
rest was 15 % of a step in int8 at batch 1.
"""

from __future__ import annotations

from typing import Any


def shorten(graph: Any, to_array: Any) -> Any:
    """Take out pairs of Transposes, Reshapes before a Reshape, and those that change nothing.

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
    kept = {value.name for value in body.output}
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
        for name in kept & instead.keys():
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

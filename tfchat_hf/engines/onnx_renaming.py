# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Names the nodes of an exported graph by the module of the network that they come from."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any

_SCOPES = "pkg.torch.onnx.name_scopes"


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
    kept = {value.name for value in (*body.input, *body.output)}
    constants = {tensor.name: tensor for tensor in body.initializer}
    new_names: dict[str, str] = {}
    for node in body.node:
        module = _module_of(node)
        path = f"{path_of(module)}/{node.op_type}"
        counts[path] += 1
        node.name = path if counts[path] == 1 else f"{path}_{counts[path]}"
        for number, name in enumerate(node.output):
            if name and name not in kept:
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

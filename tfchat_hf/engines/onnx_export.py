# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Writes the ONNX files of a model."""

from __future__ import annotations

from pathlib import Path

from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .onnx_graphs import cross_graph, decoder_graph, encoder_graph
from .onnx_sessions import GRAPHS, graph_file

_WRITERS = dict(zip(GRAPHS, (encoder_graph, cross_graph, decoder_graph), strict=True))


def write_graphs(model: TFChatForConditionalGeneration, folder: Path, int8: bool) -> None:
    """Write the three graphs in float32, and with `int8` once more in int8.

    Args:
        model: In float32.
        folder: Where to write.
        int8: Add the files in int8.
    """
    weights = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    notes = {"model_type": model.config.model_type, "weights": "float32"}
    for kind in (False, True) if int8 else (False,):
        notes["weights"] = "int8" if kind else "float32"
        for graph, write in _WRITERS.items():
            write(model.config, weights, kind).save(folder / graph_file(graph, kind), notes)

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The ONNX files of an exported folder, opened when they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..text.errors import UserError
from .packages import engine_package

GRAPHS = ("encoder", "cross_attention", "decoder")


def graph_file(graph: str, int8: bool) -> str:
    """Name the file of one of `GRAPHS`."""
    return f"{graph}_int8.onnx" if int8 else f"{graph}.onnx"


class OnnxSessions:
    """The three graphs of an exported folder, opened when they are first needed.

    Args:
        folder: The exported folder.
        threads: For one operator; onnxruntime's default is a thread a core.
    """

    def __init__(self, folder: Path, threads: int | None) -> None:
        """Open nothing yet."""
        self.folder, self.threads = folder, threads
        self.opened: dict[str, Any] = {}

    def open(self, graph: str, int8: bool) -> Any:
        """Return the session of one of `GRAPHS`."""
        name = graph_file(graph, int8)
        if name not in self.opened:
            self.opened[name] = self._session(self.folder / name, int8)
        return self.opened[name]

    def _session(self, path: Path, int8: bool) -> Any:
        runtime = engine_package("onnx")
        if not path.is_file():
            option = " --int8" if int8 else ""
            raise UserError(
                f"{path.parent} holds no {path.name}. Export the run again with `python -m "
                f"tfchat_hf.engines.export RUN --engine onnx{option} --overwrite`."
            )
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        if self.threads is not None:
            options.intra_op_num_threads = self.threads
        try:
            return runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own types, one for each way to fail
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{path} cannot be loaded ({reason}). Export the run again with `python -m "
                "tfchat_hf.engines.export RUN --engine onnx --overwrite`."
            ) from error

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Export a finished run to an engine for serving.

python -m tfchat_hf.export runs/quickstart --engine ctranslate2
python -m tfchat_hf.export runs/quickstart --engine onnx --int8
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from . import TFChatForConditionalGeneration
from .engines.exported_folder import check_run, copy_run_files, new_folder, write_notes
from .engines.packages import ENGINES, EngineError, check_engine, engine_package


def export_run(
    run: Path, engine: str, output: Path | None = None, int8: bool = False, overwrite: bool = False
) -> Path:
    """Write an exported folder.

    Args:
        run: The folder of a finished run.
        engine: `ctranslate2` or `onnx`.
        output: Where to write; by default a folder in the run named like the engine.
        int8: Add what the engine needs for int8.
        overwrite: Replace an exported folder that is there.

    Returns:
        The exported folder.

    Raises:
        EngineError: if something is missing, in the way, or unknown to the engine.
    """
    check_engine(engine)
    package = engine_package(engine)
    check_run(run)
    output = output or run / engine
    with new_folder(output, overwrite) as draft:
        model = TFChatForConditionalGeneration.from_pretrained(run, dtype=torch.float32)
        model.eval()
        copy_run_files(run, draft)
        write_notes(draft, run, engine, package.__version__, int8)
        if engine == "onnx":
            from .engines.onnx_export import write_graphs

            write_graphs(model, draft, int8)
        else:
            from .engines.ctranslate2_weights import write_model

            write_model(model, run, draft, int8)
    return output


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tfchat_hf.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--engine", required=True, choices=ENGINES)
    parser.add_argument("--int8", action="store_true", help="add what int8 needs")
    parser.add_argument("--output", type=Path, help="where to write; by default RUN/ENGINE")
    parser.add_argument("--overwrite", action="store_true", help="replace an older export")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, export, and turn errors into one sentence and an exit code."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    args = build_parser().parse_args(argv)
    try:
        output = export_run(args.run, args.engine, args.output, args.int8, args.overwrite)
    except (EngineError, OSError, ValueError) as error:
        print(f"export: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"Exported to {output}.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())

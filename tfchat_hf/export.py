# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Export a finished run to an engine for serving.

python -m tfchat_hf.export runs/quickstart --engine ctranslate2
python -m tfchat_hf.export runs/quickstart --engine onnx --int8
python -m tfchat_hf.export runs/quickstart --engine onnx --plain   # graphs to look at in Netron
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from . import TFChatForConditionalGeneration
from .engines.exported_folder import check_run, copy_run_files, new_folder, write_notes
from .engines.made_from import network_modules
from .engines.packages import ENGINES, EngineError, check_engine, engine_package
from .engines.probing import check_export


def export_run(
    run: Path,
    engine: str,
    output: Path | None = None,
    int8: bool = False,
    overwrite: bool = False,
    plain: bool = False,
) -> Path:
    """Write an exported folder, unless it answers otherwise than the network.

    Args:
        run: The folder of a finished run.
        engine: `ctranslate2` or `onnx`.
        output: Where to write; by default a folder in the run named like the engine.
        int8: Add what the engine needs for int8.
        overwrite: Replace an exported folder that is there.
        plain: Add ONNX graphs of standard operators, with attention written out.

    Returns:
        The exported folder.

    Raises:
        EngineError: if something is missing, in the way, or unknown to the engine.
    """
    check_engine(engine)
    if plain and engine != "onnx":
        raise EngineError(f"`--plain` adds ONNX graphs (got `--engine {engine}`). Leave it out.")
    package = engine_package(engine)
    check_run(run)
    output = output or run / engine
    with new_folder(output, overwrite) as draft:
        model = TFChatForConditionalGeneration.from_pretrained(run, dtype=torch.float32)
        model.eval()
        copy_run_files(run, draft)
        write_notes(draft, run, engine, package.__version__, int8, network_modules(model))
        if engine == "onnx":
            from .engines.onnx_export import PLAIN, write_graphs, write_plain_graphs

            write_graphs(model, draft, int8)
            if plain:
                write_plain_graphs(model, draft / PLAIN)
        else:
            from .engines.ctranslate2_weights import write_model

            write_model(model, run, draft, int8)
        check_export(model, draft, engine)
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
    parser.add_argument(
        "--plain", action="store_true", help="add ONNX graphs to look at: attention written out"
    )
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
        output = export_run(
            args.run, args.engine, args.output, args.int8, args.overwrite, args.plain
        )
    except (EngineError, OSError, ValueError) as error:
        print(f"export: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"Exported to {output}.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())

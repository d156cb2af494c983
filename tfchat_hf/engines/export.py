# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Export a finished run to an engine, to transformers without code, or to a page for a browser.

python -m tfchat_hf.engines.export runs/quickstart --engine ctranslate2
python -m tfchat_hf.engines.export runs/quickstart --engine onnx --int8
python -m tfchat_hf.engines.export runs/toy --engine marian
python -m tfchat_hf.engines.export runs/quickstart --engine web --int8
python -m tfchat_hf.engines.export runs/quickstart --engine onnx --plain  # to look at in Netron
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_builders.command_line import CommandParser, must_be_one_of, run_command, say, tell
from data_builders.errors import UserError
from data_builders.translation import _, joined
from data_builders.writing import only_writer

from ..settings.full_disk import disk_errors
from ..settings.run_folder import check_not_in_training
from ..text.console import quiet_libraries
from .dependencies import EXPORTS, MARIAN, WEB, engine_package
from .exported_folder import (
    check_output,
    check_run,
    copy_run_files,
    fit_template,
    new_folder,
    note_files,
    open_engine,
    write_notes,
)
from .fingerprints import differing_code, network_modules, weight_digests

if TYPE_CHECKING:
    import torch

    from .. import TFChatConfig, TFChatForConditionalGeneration
    from .ctranslate2_model import CTranslate2Model
    from .onnx_model import OnnxModel

# In nats. Other orders of summation differ by 1e-5; another formula by whole nats.
_TOLERANCE = 0.01
_ROWS, _SOURCE, _TARGET = 4, 7, 6
# Where `npm install` puts packages.
NODE_MODULES = Path("node_modules")


def export_run(
    run: Path,
    engine: str,
    output: Path | None = None,
    int8: bool = False,
    overwrite: bool = False,
    for_ct2_converter: bool = False,
    plain: bool = False,
    node_modules: Path = NODE_MODULES,
) -> Path:
    """Write an exported folder, unless it answers otherwise than the network.

    Args:
        run: The folder of a finished run.
        engine: `ctranslate2`, `onnx`, `marian` or `web`.
        output: Where to write; by default a folder in the run named like the engine.
        int8: Add what the engine needs for int8.
        overwrite: Replace an exported folder that is there.
        for_ct2_converter: Lay a Marian model out for `ct2-transformers-converter`.
        plain: Add ONNX graphs of standard operators, with attention written out.
        node_modules: Where npm has put what `web` needs.

    Returns:
        The exported folder.

    Raises:
        UserError: if something is missing, in the way, or unknown to the engine.
    """
    check_order(run, engine, output, int8, overwrite, for_ct2_converter, plain, node_modules)
    package = engine_package(engine)
    import torch

    from .model_folder import load_model, load_tokenizer

    output, made_from = output or run / engine, weight_digests(run)
    full = disk_errors("the export", output.parent, "Put that right, and export again.")
    with only_writer(output), full, new_folder(output, overwrite) as draft:
        model = load_model(run, dtype=torch.float32).eval()
        tokenizer = load_tokenizer(str(run), str(run), model.config.vocab_size)
        write_notes(draft, run, engine, package.__version__, int8, network_modules(model))
        if engine == MARIAN:
            from .marian_folder import write_marian

            write_marian(model, run, draft, for_ct2_converter)
        elif engine == WEB:
            _write_web(model, run, draft, int8, node_modules)
        else:
            copy_run_files(run, draft)
            _write_engine(model, run, draft, engine, int8, plain)
            check_export(model, open_engine(draft, engine, threads=1), engine)
        if engine != WEB:
            fit_template(draft, tokenizer, model.config)
        note_files(draft)
        if weight_digests(run) != made_from:
            raise UserError(
                "{run} has been written to meanwhile, so nothing was exported. Wait until that "
                "has ended, and export again.",
                run=run,
            )
    return output


def check_order(
    run: Path,
    engine: str,
    output: Path | None,
    int8: bool,
    overwrite: bool,
    for_ct2_converter: bool,
    plain: bool,
    node_modules: Path,
) -> None:
    """Refuse what cannot be exported, before anything is loaded; see `export_run`."""
    _check_options(engine, int8, for_ct2_converter, plain, node_modules)
    check_run(run)
    check_not_in_training(run)
    check_output(output or run / engine, overwrite)
    if changed := differing_code(run):
        raise UserError(
            "{run} carries another {changed} than this package, so the export would be "
            "of another network. Put the change into the package too, or train again.",
            run=run,
            changed=_(" and ").join(changed),
        )


def _check_options(
    engine: str, int8: bool, for_ct2_converter: bool, plain: bool, node_modules: Path
) -> None:
    """Refuse an unknown engine, and options of another one."""
    if engine not in EXPORTS:
        raise UserError(must_be_one_of("engine", EXPORTS, engine))
    if int8 and engine == MARIAN:
        raise UserError(
            "A Marian folder holds float32 (got `--int8`). Leave it out, or use `--engine onnx` or "
            "`--engine ctranslate2`."
        )
    if for_ct2_converter and engine != MARIAN:
        raise UserError(
            "`--for-ct2-converter` needs `--engine {needed}` (got {engine}).",
            needed=MARIAN,
            engine=engine,
        )
    if plain and engine != "onnx":
        raise UserError(
            "`--plain` adds ONNX graphs (got `--engine {engine}`). Leave it out.", engine=engine
        )
    if engine == WEB:
        from .web_folder import check_packages

        check_packages(node_modules)
    elif node_modules != NODE_MODULES:
        raise UserError(
            "`--node-modules` needs `--engine {needed}` (got {engine}).", needed=WEB, engine=engine
        )


def _write_engine(
    model: TFChatForConditionalGeneration,
    run: Path,
    draft: Path,
    engine: str,
    int8: bool,
    plain: bool,
) -> None:
    """Write what the engine runs."""
    if engine == "onnx":
        from .onnx_export import PLAIN, write_graphs, write_plain_graphs

        write_graphs(model, draft, int8)
        if plain:
            write_plain_graphs(model, draft / PLAIN)
    else:
        from .ctranslate2_weights import write_model

        write_model(model, run, draft, int8)


def _write_web(
    model: TFChatForConditionalGeneration, run: Path, draft: Path, int8: bool, node_modules: Path
) -> None:
    """Write a page and its graphs, which are checked before their weights are rounded."""
    from .javascript_tokenizer import javascript_tokenizer, load_saved
    from .onnx_export import write_graphs
    from .web_folder import write_page

    tokenizer = javascript_tokenizer(load_saved(run))
    copy_run_files(run, draft, ["config.json", "generation_config.json"])
    write_graphs(model, draft, int8=False)
    check_export(model, open_engine(draft, "onnx", threads=1), WEB)
    name = run.resolve().name
    write_page(model, tokenizer, draft, name, int8, node_modules)


def check_export(
    model: TFChatForConditionalGeneration, exported: OnnxModel | CTranslate2Model, engine: str
) -> None:
    """Refuse an export whose probabilities of some replies are not those of `model.forward`.

    Args:
        model: In float32.
        exported: The model as the engine runs it.
        engine: One of `ENGINES`.

    Raises:
        UserError: says how far they are apart and which engine would do.
    """
    import torch

    inputs, replies = _probe(model.config)
    with torch.no_grad():
        logits = model(**inputs, decoder_input_ids=replies[:, :-1]).logits
        expected = logits.log_softmax(-1).gather(2, replies[:, 1:, None])[:, :, 0]
        found = exported.log_probabilities(**inputs, replies=replies)  # (rows, target)
    apart = float((found - expected).abs().max())
    if not apart <= _TOLERANCE:  # also where one of them is no number
        what = _(
            "The {engine} export computes something else than the network's code: "
            "log-probabilities up to {apart:.2g} apart (allowed: {allowed}), so it is not kept.",
            engine=engine,
            apart=apart,
            allowed=_TOLERANCE,
        )
        way_out = _("Use `--engine torch`.")
        if engine == "ctranslate2":
            way_out = _(
                "Use `--engine onnx`, which follows all but attention, or `--engine torch`."
            )
        raise UserError(joined(what, way_out))


def _probe(config: TFChatConfig) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Draw questions `(rows, source)` with padding on either side, and replies `(rows, target)`."""
    import torch

    generator = torch.Generator().manual_seed(0)
    source, target = (min(most, config.max_position_embeddings) for most in (_SOURCE, _TARGET))
    ids = torch.randint(config.vocab_size, (_ROWS, source), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(_ROWS):
        cut = min(row, source - 1)
        mask[row, : cut // 2] = 0
        mask[row, source - (cut - cut // 2) :] = 0
    replies = torch.randint(config.vocab_size, (_ROWS, target + 1), generator=generator)
    replies[:, 0] = config.decoder_start_token_id
    return {"input_ids": ids, "attention_mask": mask}, replies


def build_parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(
        speaks=True, prog="python -m tfchat_hf.engines.export", description=__doc__
    )
    add = parser.add_argument
    add("run", type=Path, help="folder of a finished run")
    add("--engine", required=True, choices=EXPORTS)
    add("--int8", action="store_true", help="add what int8 needs")
    add(
        "--for-ct2-converter",
        action="store_true",
        help="lay a Marian model out for ct2-transformers-converter",
    )
    add("--plain", action="store_true", help="add ONNX graphs to look at: attention written out")
    add(
        "--node-modules",
        type=Path,
        default=NODE_MODULES,
        metavar="DIR",
        help="where npm has put the packages of a page; by default node_modules",
    )
    add("--output", type=Path, help="where to write; by default RUN/ENGINE")
    add("--overwrite", action="store_true", help="replace an older export")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Export as the command line says, and return the exit code."""
    options = vars(build_parser().parse_args(argv))
    return run_command(lambda: _export(options), _("stopped: nothing was written."))


def _export(options: dict[str, Any]) -> None:
    """Check what is cheap to check, and export."""
    check_order(**options)
    tell(_("Loading PyTorch and {run} ...", run=options["run"]))
    quiet_libraries()
    say(_("Exported to {folder}.", folder=export_run(**options)))


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What each command of `python -m data_builders` does."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import datasets

from data_builders.building.builder import DialogueBuilder
from data_builders.command_line import NO_SPACE, say, tell
from data_builders.commands.options import build_settings, family_options
from data_builders.commands.weighing import as_records, weigh, weighing_lines
from data_builders.errors import UserError, shown
from data_builders.formats.registry import FAMILIES, FILE_FAMILIES
from data_builders.output.folder import check_output, is_up_to_date, save_result
from data_builders.output.inspection import inspect_lines, load_dialogues
from data_builders.output.publish import push_dataset
from data_builders.output.references import group_references, write_references
from data_builders.report import REJECTS_FILE, REPORT_FILE, BuildReport
from data_builders.sources.build import built, is_mixture, make_builder
from data_builders.translation import _, counted_text, listed
from data_builders.writing import only_writer, sweep


def run(arguments: argparse.Namespace) -> None:
    """Do what the command says."""
    try:
        _run(arguments)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(explain(error)) from error


def _run(arguments: argparse.Namespace) -> None:
    if arguments.command == "inspect":
        for line in inspect_lines(arguments.path, arguments.samples):
            say(line)
    elif arguments.command == "references":
        run_references(arguments)
    elif arguments.command == "weigh":
        run_weighing(arguments)
    elif arguments.command == "push":
        say(push_dataset(arguments.path, arguments.repo_id, private=not arguments.public))
    else:
        run_build(arguments)


def run_references(arguments: argparse.Namespace) -> None:
    """Write the references of a split."""
    splits = load_dialogues(Path(arguments.path))
    if arguments.split not in splits:
        raise UserError(
            "{path} has no split {split!r}. Choose from {known}.",
            path=arguments.path,
            split=arguments.split,
            known=listed(splits),
        )
    found = group_references(splits[arguments.split], arguments.max_context_turns)
    write_references(found, Path(arguments.output))
    replies = sum(map(len, found["references"]))
    say(
        _(
            "{questions} with {replies}, written to {path}",
            questions=counted_text("{number:,} question", "{number:,} questions", len(found)),
            replies=counted_text("{number:,} reply", "{number:,} replies", replies),
            path=shown(arguments.output),
        )
    )


def run_weighing(arguments: argparse.Namespace) -> None:
    """Print what a model learns from each source."""
    from tfchat_hf.settings.places import check_run_folder
    from tfchat_hf.text.console import quiet_libraries

    check_run_folder(Path(arguments.model))
    if Path(arguments.path, "run_config.yaml").is_file():
        raise UserError(
            "{path} is a run. Give the dataset that it was trained on.", path=arguments.path
        )
    tell(_("Loading PyTorch and {model} ...", model=arguments.model))
    logging.getLogger("data_builders").setLevel(logging.ERROR)
    quiet_libraries()
    figures = weigh(
        arguments.model, arguments.path, arguments.questions, arguments.split, arguments.device
    )
    if arguments.json:
        say(json.dumps(as_records(figures), ensure_ascii=False, indent=2))
        return
    for line in weighing_lines(figures):
        say(line)


def run_build(arguments: argparse.Namespace) -> None:
    """Build, save and say the counts."""
    # The counts are printed at the end; the log would say them twice.
    logging.getLogger("data_builders").setLevel(logging.WARNING)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    builder, output = _builder_of(arguments), arguments.output
    with only_writer(output):
        _build_into(output, builder, arguments.overwrite)


def _build_into(output: str, builder: DialogueBuilder, overwrite: bool) -> None:
    sweep(output)
    if is_up_to_date(output, builder.build_id):
        say(_("{output} is up to date: same content, same settings", output=shown(output)))
        return
    check_output(output, overwrite)
    if Path(builder.cache_dir, REPORT_FILE).is_file():
        say(_("this build is in the cache already: only the output is written"))
    result = built(builder)
    _say_result(result.report, save_result(result, output, overwrite), output)


def _builder_of(arguments: argparse.Namespace) -> DialogueBuilder:
    name, paths = arguments.command, getattr(arguments, "paths", [])
    if name == "mix" and not is_mixture(paths):
        raise UserError(
            "{path} is no mixture, whose .yaml file must have a list `sources`. For files of "
            "dialogues use `build`.",
            path=paths[0],
        )
    return make_builder(
        paths if name not in FAMILIES or name in FILE_FAMILIES else [],
        format=name if name in FAMILIES else getattr(arguments, "format", None),
        options=family_options(arguments),
        cache_dir=arguments.cache_dir,
        say=lambda line: say(shown(line)),
        root=getattr(arguments, "root", None),
        **build_settings(arguments),
    )


def _say_result(report: BuildReport, notes: Sequence[str], output: str) -> None:
    place = shown(output)
    for line in [*report.lines(), *notes]:
        say(shown(line))
    if report.rejects:
        say(
            _(
                "rows rejected by their format or by cleaning are listed in {place}/{file}",
                place=place,
                file=REJECTS_FILE,
            )
        )
    say(_("written to {place}", place=place))


def explain(error: OSError) -> str:
    """Say what an error of the system means for a build."""
    # NumPy's own words for a write that was cut short carry no number.
    short = error.errno is None and "requested and" in str(error)
    number = errno.ENOSPC if short else error.errno
    if number in NO_SPACE:
        return _(
            "{reason}. Make room, or name another place with --cache-dir and --output, and "
            "run the same command again: finished parts are taken over.",
            reason=_(NO_SPACE[number]),
        )
    if isinstance(error, FileNotFoundError) and error.filename:
        return _(
            "{file} is not there any more. Put it back and run the same command again.",
            file=error.filename,
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return _(
            "{file} may not be read or written. Change its rights.",
            file=error.filename or _("a folder"),
        )
    return " ".join(str(error).split())

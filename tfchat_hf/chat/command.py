# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Talk to a TFChat model.

At the keyboard (a finished run's folder, or the id of a model on the Hub):
    python chat_hf.py
    python chat_hf.py runs/quickstart --temperature 0.8 --top-p 0.9
On a page in the browser, where a click on a word of a reply shows where it comes from:
    python chat_hf.py --web
One reply, or a few, and out again:
    python chat_hf.py --once "你好"
    python chat_hf.py --demo
    printf '你好\n你是谁\n' | python chat_hf.py
Questions of its training data, the replies there beside its own:
    python chat_hf.py --from-training 5
A file of questions (.txt, or .jsonl with question, dialogue or messages in each row):
    python chat_hf.py --input questions.jsonl --output replies.jsonl
Named ways to decode, exported models, and a model that chooses among candidates:
    python chat_hf.py runs/mine --preset creative
    python chat_hf.py runs/mine --preset candidates
    python chat_hf.py runs/mine --engine onnx --int8
    python chat_hf.py runs/mine --preset mutual --reverse-model runs/mine_reverse

Exit code: 0 when done, 2 when something about the command or its files is wrong, 130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.command_line import WRONG, CommandParser, run_command, tell
from data_builders.errors import UserError
from data_builders.translation import _

from ..pretrained import model_at_hand
from ..settings.places import check_question_files, check_training_questions, find_model

if TYPE_CHECKING:
    from .session import ChatSession

# Command line options that are settings of /set too.
SETTING_OPTIONS = ("temperature", "top_p", "max_new_tokens", "num_beams", "seed")


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = CommandParser(speaks=True, description=__doc__)
    add = parser.add_argument
    add(
        "model",
        nargs="?",
        help="folder or Hub id (runs/quickstart if it is there, else the model in the package)",
    )
    add("--device", default="auto", help="auto (the GPU if there is one), cpu ...")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--web", action="store_true", help="talk on a page in the browser")
    way.add_argument("--once", metavar="TEXT", help="print the reply to TEXT and end")
    way.add_argument("--demo", action="store_true", help="ask three fixed questions and end")
    way.add_argument("--input", type=Path, metavar="FILE", help="answer every row of FILE")
    way.add_argument(
        "--from-training",
        type=int,
        metavar="N",
        help="ask N questions of the training data, without the memory; --seed draws others",
    )
    add("--dataset", metavar="DATA", help="for --from-training, if not the data the run names")
    add("--output", type=Path, metavar="FILE", help="where --input's replies go")
    add("--no-browser", action="store_true", help="with --web: only print the address")
    add("--batch-size", type=int, metavar="N", help="most rows at once for --input (64)")
    add(
        "--batch-tokens",
        type=int,
        metavar="N",
        help="most tokens at once, padding and room for the replies included (8192)",
    )
    add("--overwrite", action="store_true", help="replace an existing --output")
    _add_model_options(parser)
    add("--no-history", action="store_true", help="keep no typed lines in ~/.tfchat_history")
    add("--preset", metavar="NAME", help="a named set of settings (see /presets)")
    for name in SETTING_OPTIONS:
        option = "--" + name.replace("_", "-")
        add(option, dest=name, metavar="VALUE", help="as /set %(dest)s VALUE")
    return parser


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides which model runs, and how."""
    add = parser.add_argument
    add(
        "--engine",
        default="torch",
        metavar="ENGINE",
        help="torch, or ctranslate2 or onnx (made by `python -m tfchat_hf.engines.export`)",
    )
    add("--int8", action="store_true", help="weights in int8, on the CPU")
    add(
        "--fast",
        action="store_true",
        help="decode single replies too with prepacked weights, as --input does (torch)",
    )
    add(
        "--no-memory",
        action="store_true",
        help="the model's own words only, even where a memory of its corpus lies beside it",
    )
    add(
        "--reverse-model",
        metavar="MODEL",
        help="folder or Hub id; chooses among candidates where the preset asks for it",
    )


def main(
    argv: Sequence[str] | None = None, web: Callable[[argparse.Namespace], int] | None = None
) -> int:
    """Parse, load the model, do what was asked for, and return the exit code.

    Args:
        argv: The command line without the program's name; None takes the real one.
        web: Serves the page of `--web`. It stands on the chat, which knows nothing of it.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    _check_web(parser, args, web is not None)
    if (args.input is None) != (args.output is None):
        parser.error(_("--input and --output go together"))
    if args.input is None and {args.batch_size, args.batch_tokens} != {None}:
        parser.error(_("--batch-size and --batch-tokens go with --input"))
    if args.from_training is None and args.dataset is not None:
        parser.error(_("--dataset goes with --from-training"))
    if args.from_training is not None and args.from_training < 1:
        parser.error(
            _("`--from-training` must be at least 1 (got {number}).", number=args.from_training)
        )
    stopped = _("Stopped. The same command goes on from here.") if args.input else None
    run = web if web is not None and args.web else _run
    return run_command(lambda: _check_and_run(args, run), stopped)


def _check_web(parser: argparse.ArgumentParser, args: argparse.Namespace, is_there: bool) -> None:
    """Refuse what the page does not take from the command line, or what is for the page alone."""
    if args.no_browser and not args.web:
        parser.error(_("--no-browser goes with --web"))
    if args.web and not is_there:
        parser.error(_("--web is for `python chat_hf.py` and `tfchat-chat`"))
    for name in (*SETTING_OPTIONS, "fast", "reverse_model", "no_history") if args.web else ():
        if getattr(args, name) not in (None, False):
            option = "--" + name.replace("_", "-")
            why = _(
                "{option} does not go with --web, which has its settings on the page",
                option=option,
            )
            parser.error(why)


def _check_and_run(args: argparse.Namespace, run: Callable[[argparse.Namespace], int]) -> int:
    """Say what is wrong before torch loads, which takes seconds."""
    args.model = args.model or model_at_hand()
    find_model(args.model)
    if args.input:
        check_question_files(args.input, args.output, args.overwrite)
    if args.from_training:
        check_training_questions(args.model, args.dataset)
        args.no_memory = True  # it would give back the very replies that ours stand beside
    if args.once is not None:
        args.once = _message(args.once)
    tell(_("Loading {model} ...", model=args.model))
    return run(args)


def _message(text: str) -> str:
    """Return what is said with `--once`."""
    try:
        # Under a locale that is not UTF-8 Python hands the bytes over as lone surrogates.
        message = os.fsencode(text).decode("utf-8").strip()
    except UnicodeError as error:
        raise UserError("`--once` is not valid UTF-8; give the message as UTF-8.") from error
    if not message:
        raise UserError('`--once` is empty; give a message, e.g. --once "你好".')
    return message


def _run(args: argparse.Namespace) -> int:
    """Load the model and talk."""
    from transformers.utils import logging as transformers_logging

    from .session import load_session

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    session = load_session(
        args.model,
        args.device,
        args.engine,
        args.int8,
        args.reverse_model,
        args.fast,
        memory=not args.no_memory,
    )
    for name in ("preset", *SETTING_OPTIONS):
        if (value := getattr(args, name)) is not None:
            session.settings.set(name, value)
    if notice := session.why_not_fast():
        tell(f"({notice})")
    if args.reverse_model and (
        args.input or args.once is not None or args.demo or args.from_training
    ):
        session.check_reverse_model()
    return _talk(session, args)


def _talk(session: ChatSession, args: argparse.Namespace) -> int:
    """Answer a file, the training data, a message, three questions, a person or a pipe."""
    from . import terminal

    if args.input:
        from .question_file import BatchLimits, answer_file

        sizes = {"rows": args.batch_size, "tokens": args.batch_tokens}
        limits = BatchLimits(**{name: size for name, size in sizes.items() if size is not None})
        report = answer_file(session, args.input, args.output, limits, args.overwrite)
        tell(report.sentence(args.output))
        return WRONG if report.nothing_answered else 0
    if args.from_training:
        from .from_training import run_from_training

        return run_from_training(session, args.from_training, args.dataset)
    if args.once is not None:
        return terminal.run_once(session, args.once)
    if args.demo:
        return terminal.run_demo(session)
    if sys.stdin is not None and sys.stdin.isatty():
        return terminal.run_terminal(session, keep_lines=not args.no_history)
    return terminal.run_pipe(session, None if sys.stdin is None else sys.stdin.buffer)

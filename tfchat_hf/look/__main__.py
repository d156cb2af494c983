# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The command ``python -m tfchat_hf.look``: see a tokenizer at work.

    python -m tfchat_hf.look "你好，我是 TFChat"
    python -m tfchat_hf.look --scheme subword-bpe "你好，我是 TFChat"
    python -m tfchat_hf.look --tokenizer runs/mine --top 3 < sentences.txt

Without `--tokenizer` one is trained on the small talk that comes with this package, as a run with
default settings does, and kept for the next time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.command_line import CommandParser, run_command, sentence, tell

from ..text.errors import UserError
from ..text.tokenizer_training import SCHEMES
from .drawings import add_drawing_options, draw, wants_drawings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DEFAULT_SCHEME = "word"
_DEFAULT_SIZE = 8000


def main(argv: Sequence[str] | None = None) -> int:
    """Explain the texts of the command line, or each line of standard input.

    Args:
        argv: The command line without the program's name; None takes the real one.

    Returns:
        0 when all went well, 2 after a mistake in what was asked.
    """
    options = _parser().parse_args(argv)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    """Write one explanation after the other."""
    if wants_drawings(options):
        return draw(options.text, options)
    _check(options)
    texts = iter(options.text) if options.text else _lines_of_standard_input()
    tell(f"Loading {options.tokenizer or 'the tokenizer'} ...")
    from .explainer import Explainer, open_jieba
    from .report import render

    tokenizer = _load(options.tokenizer) if options.tokenizer else _train(options)
    with open_jieba() as cut_words:
        explainer = Explainer(tokenizer, cut_words)
        if not options.json:
            name = options.tokenizer or f"scheme {options.scheme}, trained on small_talk"
            sys.stdout.write(f"Tokenizer: {name}, {len(tokenizer):,} tokens.\n")
        for text in texts:
            explanation = explainer.explain(text, options.top)
            if options.json:
                sys.stdout.write(json.dumps(asdict(explanation), ensure_ascii=False) + "\n")
            else:
                sys.stdout.write("\n" + render(explanation))


def _check(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other or name nothing; fill in the others."""
    if options.top < 1:
        raise UserError(f"--top must be at least 1 (got {options.top}). Leave it out for 1.")
    if options.tokenizer is None:
        options.scheme = options.scheme or _DEFAULT_SCHEME
        return
    if options.scheme or options.vocab_size is not None:
        raise UserError(
            "--tokenizer names a tokenizer that is there, --scheme and --vocab-size train one "
            "(got both). Leave out the one or the other."
        )
    if not Path(options.tokenizer, "tokenizer.json").is_file():
        raise UserError(
            f"--tokenizer must be a folder with a tokenizer.json (got {options.tokenizer}). "
            "Make one with `python -m tfchat_hf.text.tokenizer_training`, or leave it out."
        )


def _lines_of_standard_input() -> Iterator[str]:
    """Return the lines that are piped in; refuse a keyboard at once."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError('there must be a text (got none). Give one, e.g. "你好", or pipe lines.')
    return _lines()


def _lines() -> Iterator[str]:
    """Read standard input line by line."""
    try:
        for line in sys.stdin:
            yield line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(f"standard input must be UTF-8 (got {error}).") from error


def _train(options: argparse.Namespace) -> PreTrainedTokenizerBase:
    """Train a tokenizer on the small talk, or take it from the cache."""
    import datasets

    from ..examples.preparing import load_or_train_tokenizer, read_dialogues
    from ..settings.arguments import DataArguments

    datasets.disable_progress_bars()
    size = _DEFAULT_SIZE if options.vocab_size is None else options.vocab_size
    settings = DataArguments(tokenizer_scheme=options.scheme, vocab_size=size)
    built = read_dialogues(settings)
    return load_or_train_tokenizer(built.dataset["train"], settings, settings.max_source_length)


def _load(folder: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer from a folder, which may be a run."""
    from transformers import AutoTokenizer

    try:
        # trust_remote_code=False: else a terminal is asked about the model code beside it.
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    # `tokenizers` raises bare Exception for a file that it cannot parse.
    except Exception as error:
        raise UserError(
            f"--tokenizer {folder} must hold a tokenizer that can be read (got {sentence(error)}). "
            "Make it anew with `python -m tfchat_hf.text.tokenizer_training`."
        ) from error


def _parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(
        speaks=True,
        prog="python -m tfchat_hf.look",
        description="See how a text is cut into tokens, and why there.",
    )
    parser.add_argument("text", nargs="*", help="what to cut; none: the lines of standard input")
    parser.add_argument("--tokenizer", metavar="DIR", help="folder with a tokenizer.json, or a run")
    parser.add_argument("--scheme", choices=SCHEMES, help=f"train one (default {_DEFAULT_SCHEME})")
    parser.add_argument(
        "--vocab-size", type=int, help=f"the most tokens to have (default {_DEFAULT_SIZE})"
    )
    parser.add_argument(
        "--top", type=int, default=1, metavar="N", help="other paths to show at one place"
    )
    add_drawing_options(parser)
    parser.add_argument("--json", action="store_true", help="the same as JSON, a line a text")
    return parser


if __name__ == "__main__":
    sys.exit(main())

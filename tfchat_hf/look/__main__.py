# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""See one sentence go through a model: words, vectors, attention, the choice of each token.

    python -m tfchat_hf.look runs/quickstart "你好，你是谁？"
    python -m tfchat_hf.look runs/quickstart "你好，你是谁？" --html look.html
    python -m tfchat_hf.look runs/mine "你好" --reply "你好呀" --preset balanced
    python -m tfchat_hf.look runs/mine/checkpoint-100 "你好" --compare runs/mine --html look.html
Only how a tokenizer cuts a text, and why there; without `--tokenizer` one is trained on the small
talk that comes with this package, as a run with default settings does, and kept:
    python -m tfchat_hf.look --tokens "你好，我是 TFChat"
    python -m tfchat_hf.look --tokens --scheme subword-bpe "你好，我是 TFChat"
    python -m tfchat_hf.look --tokens --tokenizer runs/mine --top 3 < sentences.txt
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from data_builders.command_line import (
    CommandParser,
    check_at_least,
    run_command,
    say,
    sentence,
    tell,
)
from data_builders.errors import UserError
from data_builders.translation import _, spoken_language

from ..pretrained import model_at_hand
from ..settings.places import find_model
from ..text.tokenizer_training import SCHEMES
from .drawings import add_drawing_options, draw, wants_drawings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_DEFAULT_SCHEME = "word"
_DEFAULT_SIZE = 8000
# Options that belong to one of the two things to look at.
_OF_TOKENS = ("tokenizer", "scheme", "vocab_size", "top", "json")
_OF_MODELS = ("reply", "preset", "compare", "html", "seed")


def main(argv: Sequence[str] | None = None) -> int:
    """Show a sentence in a model, or explain the tokens of texts.

    Args:
        argv: The command line without the program's name; None takes the real one.

    Returns:
        0 when all went well, 2 after a mistake in what was asked.
    """
    options = _parser().parse_args(argv)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    """Do what the options ask for."""
    if wants_drawings(options):
        others = (*_OF_TOKENS, *_OF_MODELS, "tokens")
        _refuse(
            options, others, _("the ways to look without `--structure`, `--layer`, `--animation`")
        )
        draw(options.text, options)
    elif options.tokens:
        _run_tokens(options)
    else:
        _run_model(options)


# --------------------------------------------------------------------------------- one sentence


def _run_model(options: argparse.Namespace) -> None:
    """Follow a sentence, print what happens and write the page."""
    _refuse(options, _OF_TOKENS, _("the option `--tokens`"))
    name, text = _model_and_text(options.text)
    names = [name] if options.compare is None else [name, options.compare]
    for one in names:
        find_model(one)
    if options.html and (options.html.is_dir() or not options.html.absolute().parent.is_dir()):
        raise UserError(
            "`--html` must be a file in a folder that exists (got {file}). Give one such as "
            "look.html.",
            file=options.html,
        )
    tell(_("Loading {name} ...", name=", ".join(names)))
    from transformers.utils import logging

    from .comparison import compare
    from .explainer import check_sentence, load_jieba
    from .journey import Request, Traveller, follow
    from .page import write_page
    from .terminal import render, render_comparison

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    for given in filter(None, (text, options.reply)):
        check_sentence(given)
    language = spoken_language()
    request = Request(text, options.reply, options.preset, options.seed or 0)
    cut_words = load_jieba()
    journeys = [follow(Traveller(one), request, cut_words) for one in names]
    comparison = compare(*journeys) if len(journeys) == 2 else None
    for journey in journeys:
        say(render(journey, language))
    if comparison is not None:
        say(render_comparison(comparison, language).rstrip("\n"))
    if options.html:
        write_page(options.html, journeys, comparison, language)
        tell(_("Written: {file}. Open it in a browser.", file=options.html))


def _model_and_text(words: Sequence[str]) -> tuple[str, str]:
    """Tell the model from the sentence; without one it is the one that `chat_hf.py` takes."""
    if not words or len(words) > 2 or not words[-1].strip():
        raise UserError(
            "there must be a model and one sentence (got {count} words, or an empty one). Give "
            'them like this: runs/quickstart "你好，你是谁？".',
            count=len(words),
        )
    if len(words) == 2:
        return words[0], words[1]
    if Path(words[0], "config.json").is_file():
        raise UserError(
            'there must be a sentence beside {model} (got none). Add one: "你好".',
            model=words[0],
        )
    return model_at_hand(), words[0]


def _refuse(options: argparse.Namespace, names: Sequence[str], belongs: str) -> None:
    """Refuse options of the other thing to look at."""
    for name in names:
        if getattr(options, name) not in (None, False):
            option = f"--{name.replace('_', '-')}"
            raise UserError(
                "`{option}` goes with {what}. Leave it out.", option=option, what=belongs
            )


# --------------------------------------------------------------------------------- tokens alone


def _run_tokens(options: argparse.Namespace) -> None:
    """Write one explanation after the other."""
    _refuse(options, _OF_MODELS, _("a model, and not with `--tokens`"))
    _check_tokens(options)
    texts = iter(options.text) if options.text else _lines_of_standard_input()
    name = options.tokenizer
    tell(_("Loading {name} ...", name=name) if name else _("Training a tokenizer ..."))
    from .explainer import Explainer, load_jieba
    from .report import render

    tokenizer = _load(options.tokenizer) if options.tokenizer else _train(options)
    explainer = Explainer(tokenizer, load_jieba())
    if not options.json:
        name = name or _("scheme {scheme}, trained on small_talk", scheme=options.scheme)
        size = len(tokenizer)
        said = _("Tokenizer: {name}, {size:,} tokens.", name=name, size=size)
        sys.stdout.write(said + "\n")
    for text in texts:
        explanation = explainer.explain(text, options.top)
        if options.json:
            sys.stdout.write(json.dumps(asdict(explanation), ensure_ascii=False) + "\n")
        else:
            sys.stdout.write("\n" + render(explanation))


def _check_tokens(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other or name nothing; fill in the others."""
    options.top = 1 if options.top is None else options.top
    check_at_least(options, top=1)
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
            "--tokenizer must be a folder with a tokenizer.json (got {tokenizer}). Make one with "
            "`python -m tfchat_hf.text.tokenizer_training`, or leave it out.",
            tokenizer=options.tokenizer,
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
        raise UserError("standard input must be UTF-8 (got {error}).", error=error) from error


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
            "--tokenizer {folder} must hold a tokenizer that can be read (got {error}). Make it "
            "anew with `python -m tfchat_hf.text.tokenizer_training`.",
            folder=folder,
            error=sentence(error),
        ) from error


def _parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(speaks=True, prog="python -m tfchat_hf.look", description=__doc__)
    add = parser.add_argument
    add(
        "text",
        nargs="*",
        metavar="[MODEL] SENTENCE",
        help="a folder or Hub id and what to ask it; with --tokens: texts, or none and lines of "
        "standard input",
    )
    add("--html", type=Path, metavar="FILE", help="also write one page, to hover")
    add("--reply", metavar="TEXT", help="weigh this reply, not the model's own")
    add("--preset", metavar="NAME", help="how it decodes (as in chat_hf.py)")
    add("--seed", type=int, metavar="N", help="of what is drawn at random (0)")
    add("--compare", metavar="MODEL", help="a second model or checkpoint, side by side")
    tokens = parser.add_argument_group("--tokens")
    tokens.add_argument("--tokens", action="store_true", help="explain tokens, without a model")
    tokens.add_argument("--tokenizer", metavar="DIR", help="folder with a tokenizer.json, or a run")
    tokens.add_argument("--scheme", choices=SCHEMES, help="train one of a kind (word)")
    tokens.add_argument(
        "--vocab-size", type=int, metavar="N", help="the most tokens it is to have (8000)"
    )
    tokens.add_argument("--top", type=int, metavar="N", help="other paths to show at one place (1)")
    tokens.add_argument("--json", action="store_true", help="the same as JSON, a line a text")
    add_drawing_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())

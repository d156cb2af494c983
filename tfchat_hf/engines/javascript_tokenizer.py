# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Make a saved tokenizer give the same ids in transformers.js as in Python.

    python -m tfchat_hf.engines.javascript_tokenizer DIR --output DIR2

Two things are missing there (seen in version 4.3.1). It reads the chat template from
tokenizer_config.json only, so the template is written there. And its Unigram model knows no
fallback: a character without a token becomes ``<unk>`` where Python gives bytes. So a vocabulary
of that model is spelled anew, in bytes, as GPT-2's is: then bytes are pieces like all others and
nothing has to fall back. A model of merges falls back there as it does here and stays as it is.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from data_builders.command_line import CommandParser, run_command, say, tell
from data_builders.errors import UserError
from data_builders.translation import _

from ..text.tokenization import SPECIAL_TOKENS, UNK_TOKEN, special_added_tokens, wrap_tokenizer
from ..text.tokenizer_training import check_output, save_tokenizer
from ..text.vocabulary.pieces import BASE_PIECES, SMALLEST_VOCABULARY

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def load_saved(folder: str | Path) -> PreTrainedTokenizerFast:
    """Open a saved tokenizer.

    Args:
        folder: What `tokenizer_training` wrote, or a model's folder that holds its tokenizer.

    Raises:
        UserError: There is no tokenizer in it, it is damaged, or this project did not make it.
    """
    _check_folder(folder)
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # of a damaged file the Rust part raises just this
        raise UserError(
            "the tokenizer in DIR must load with AutoTokenizer (got {folder}, which "
            "says: {error}). Make it anew, or fetch it again.",
            folder=folder,
            error=" ".join(str(error).split())[:200],
        ) from error
    if problem := _foreign(tokenizer):
        raise UserError(
            "DIR must hold a tokenizer made by `python -m "
            "tfchat_hf.text.tokenizer_training` (got {folder}, {problem}). Give the "
            "folder that this command wrote.",
            folder=folder,
            problem=problem,
        )
    return tokenizer


def _check_folder(folder: str | Path) -> None:
    """Refuse a folder without a tokenizer."""
    if not Path(folder, "tokenizer.json").is_file():
        raise UserError(
            "DIR must be a folder with a tokenizer.json (got {folder}). Make one with "
            "`python -m tfchat_hf.text.tokenizer_training`.",
            folder=folder,
        )


def _foreign(tokenizer: PreTrainedTokenizerFast) -> str | None:
    """Say what shows that a tokenizer is not one of this project; None if nothing does."""
    if not getattr(tokenizer, "is_fast", False):
        return _("which is not a fast tokenizer")
    if not _model_of(tokenizer).get("byte_fallback"):
        return _("whose model has no byte fallback")
    ids = {number: piece for piece, number in tokenizer.get_vocab().items()}
    if tuple(ids.get(number) for number in range(SMALLEST_VOCABULARY)) != BASE_PIECES:
        return _("whose first {count} tokens are others", count=SMALLEST_VOCABULARY)
    return None


def _model_of(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Read the model's part of tokenizer.json."""
    return json.loads(tokenizer.backend_tokenizer.to_str())["model"]


def javascript_tokenizer(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Return a tokenizer with the same ids for every text, which transformers.js can follow.

    Args:
        tokenizer: One of this project; see `load_saved`.

    Returns:
        The same tokenizer if its model is of merges; else one whose vocabulary is in bytes.
    """
    model = _model_of(tokenizer)
    if model["type"] != "Unigram":
        return tokenizer
    rewritten = wrap_tokenizer(_in_bytes(model["vocab"]), tokenizer.model_max_length)
    rewritten.chat_template = tokenizer.chat_template
    return rewritten


def _in_bytes(entries: list[tuple[str, float]]) -> Tokenizer:
    """Build a Unigram tokenizer whose pieces are spelled with a symbol for each byte.

    Args:
        entries: Pieces and scores, in the order of their ids.
    """
    spelled = [(spelling(number, piece), score) for number, (piece, score) in enumerate(entries)]
    backend = Tokenizer(models.Unigram(spelled, unk_id=SPECIAL_TOKENS.index(UNK_TOKEN)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(special_added_tokens())
    return backend


def spelling(number: int, piece: str) -> str:
    """Spell a piece in byte symbols: a blank is ``Ġ``, ``你`` is ``ä½ł``, ``<0xE4>`` is ``ä``.

    Args:
        number: Its id; it tells a byte from a text that is written like one.
        piece: Its text.
    """
    if number < len(SPECIAL_TOKENS):
        return piece
    if number < SMALLEST_VOCABULARY:
        return _symbols()[number - len(SPECIAL_TOKENS)]
    return "".join(_symbols()[byte] for byte in piece.encode())


@functools.cache
def _symbols() -> dict[int, str]:
    """Return GPT-2's symbol for each byte."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return bytes_to_unicode()


def save_for_javascript(
    tokenizer: PreTrainedTokenizerFast, output: str | Path, overwrite: bool = False
) -> None:
    """Save a tokenizer with its chat template inside tokenizer_config.json.

    Args:
        tokenizer: What to save.
        output: The folder to make.
        overwrite: Replace a tokenizer that is there already.
    """
    save = functools.partial(tokenizer.save_pretrained, save_jinja_files=False)
    save_tokenizer(SimpleNamespace(save_pretrained=save), output, overwrite)


def _parser() -> CommandParser:
    """Describe the command line."""
    parser = CommandParser(
        speaks=True,
        prog="python -m tfchat_hf.engines.javascript_tokenizer",
        description="Write a saved tokenizer so that transformers.js gives the same ids.",
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of a saved tokenizer")
    parser.add_argument("--output", required=True, type=Path, help="folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace an older tokenizer")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0 when all went well, 2 after a mistake in what was asked.

    Args:
        arguments: The command line; None for that of the process.
    """
    options = _parser().parse_args(arguments)
    return run_command(lambda: _rewrite(options), _("stopped: nothing was written."))


def _rewrite(options: argparse.Namespace) -> None:
    """Check what is cheap to check, rewrite, save and say what was made."""
    check_output(options.output, options.overwrite)
    _check_folder(options.folder)
    tell(_("Loading {folder} ...", folder=options.folder))
    tokenizer = load_saved(options.folder)
    rewritten = javascript_tokenizer(tokenizer)
    save_for_javascript(rewritten, options.output, options.overwrite)
    values = {"output": options.output, "count": len(rewritten)}
    if rewritten is tokenizer:
        told = _(
            "{output}: {count:,} tokens, the vocabulary as it was, the chat template in "
            "tokenizer_config.json",
            **values,
        )
    else:
        told = _(
            "{output}: {count:,} tokens, the vocabulary now spelled in bytes, the chat template "
            "in tokenizer_config.json",
            **values,
        )
    say(told)


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Training a tokenizer: characters, jieba's words, or pieces inside words.

    python -m tfchat_hf.text.tokenizer_training DATASET_DIR --scheme word --vocab-size 16000 \
        --output DIR

DATASET_DIR is a folder made by ``python -m data_builders``. jieba is used here only: what is
saved is a plain ``tokenizer.json`` that loads with AutoTokenizer and needs neither jieba nor
this package.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from data_builders.command_line import CommandParser, must_be_one_of, run_command, tell
from data_builders.errors import UserError
from data_builders.translation import _, listed
from data_builders.writing import whole_folder

from .tokenization import SPECIAL_TOKENS, wrap_tokenizer
from .vocabulary.byte_pairs import train_byte_pairs
from .vocabulary.dictionary_words import train_words
from .vocabulary.pieces import SMALLEST_VOCABULARY, count_words, train_characters
from .vocabulary.unigram import train_unigram
from .vocabulary.word_cutter import load_word_cutter

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

SCHEMES = ("char", "word", "subword-bpe", "subword-unigram")
DEFAULT_SCHEME = "subword-unigram"


def train_tokenizer(
    texts: Iterable[str],
    scheme: str = DEFAULT_SCHEME,
    vocab_size: int = 8000,
    model_max_length: int = 512,
    user_dictionaries: Sequence[str | Path] = (),
    whole_dictionary: bool = False,
) -> PreTrainedTokenizerFast:
    """Train a tokenizer; the same texts always give the same tokenizer, to the byte.

    Args:
        texts: The corpus, one turn a text; read once, and never held in memory.
        scheme: ``"char"`` gives every character of the corpus a token of its own, the most
            frequent first. ``"word"`` takes jieba's words, with jieba's own scores, and pieces
            of letters for other languages. ``"subword-bpe"`` and ``"subword-unigram"`` learn
            pieces inside jieba's Chinese words and inside words of letters.
        vocab_size: The most tokens to have, the 5 special ones and the 256 bytes included. A
            small corpus may give fewer.
        model_max_length: The length, in tokens, that ``truncation=True`` cuts to.
        user_dictionaries: Files in jieba's dictionary format. Their words are cut as words, and
            the scheme ``word`` has them all.
        whole_dictionary: Give the scheme ``word`` every word of jieba's dictionary, some
            350,000, beyond `vocab_size`.

    Returns:
        A tokenizer that loses no text, whatever the corpus held.

    Raises:
        UserError: A setting or the corpus cannot be used, or jieba is missing and wanted.
    """
    _check_settings(texts, scheme, vocab_size, user_dictionaries, whole_dictionary)
    texts = _texts_that_say_something(texts)
    if scheme == "char":
        backend = train_characters(texts, vocab_size)
    else:
        backend = _train_on_words(texts, scheme, vocab_size, user_dictionaries, whole_dictionary)
    if (size := backend.get_vocab_size()) < vocab_size:
        logger.info("The corpus gives %d tokens of the %d asked for.", size, vocab_size)
    return wrap_tokenizer(backend, model_max_length)


def _check_settings(
    texts: Iterable[str],
    scheme: str,
    vocab_size: int,
    user_dictionaries: Sequence[str | Path],
    whole_dictionary: bool,
) -> None:
    """Refuse what cannot be trained."""
    if scheme not in SCHEMES:
        raise UserError(must_be_one_of("scheme", SCHEMES, scheme))
    if vocab_size < SMALLEST_VOCABULARY:
        raise UserError(
            "`vocab_size` must be at least {least}: {special} special tokens and 256 bytes "
            "(got {size}). Use 2000 or more for a real corpus.",
            least=SMALLEST_VOCABULARY,
            special=len(SPECIAL_TOKENS),
            size=vocab_size,
        )
    if isinstance(texts, str):
        raise UserError("`texts` must be a list of texts (got one string). Use [text].")
    if isinstance(user_dictionaries, (str, Path)):
        raise UserError(
            "`user_dictionaries` must be a list of files (got {path!r}). Use [path].",
            path=user_dictionaries,
        )
    if user_dictionaries and scheme == "char":
        raise UserError("the scheme `char` knows no words: leave out the user dictionaries.")
    if whole_dictionary and scheme != "word":
        raise UserError(
            "the whole dictionary goes with the scheme `word` (got {scheme!r}). Use --scheme "
            "word, or leave it out.",
            scheme=scheme,
        )


def _train_on_words(
    texts: Iterable[str],
    scheme: str,
    vocab_size: int,
    user_dictionaries: Sequence[str | Path],
    whole_dictionary: bool,
) -> Tokenizer:
    """Count the words of the corpus and choose the vocabulary from them."""
    cutter = load_word_cutter(user_dictionaries)
    words = count_words(texts, cutter.cut)
    logger.info("Counted %d different words; choosing %d tokens.", len(words), vocab_size)
    if scheme == "word":
        return train_words(words, vocab_size, cutter, whole_dictionary)
    if scheme == "subword-bpe":
        return train_byte_pairs(words, vocab_size)
    return train_unigram(words, vocab_size)


def _texts_that_say_something(texts: Iterable[str]) -> Iterator[str]:
    """Pass the texts on without empty ones; refuse a corpus that has nothing else."""
    seen = False
    for text in texts:
        if text:
            seen = True
            yield text
    if not seen:
        raise UserError("the corpus must hold some text to train a tokenizer on (got none).")


def load_training_turns(dataset_dir: str | Path) -> tuple[Iterator[str], int]:
    """Open a built data set and give its training turns one by one.

    Args:
        dataset_dir: A folder written by ``save_to_disk``; of a DatasetDict, the split "train".

    Returns:
        The turns and how many dialogues they come from.
    """
    check_dataset(dataset_dir)
    from datasets import DatasetDict, load_from_disk

    dataset: Any = load_from_disk(str(dataset_dir))
    if isinstance(dataset, DatasetDict):
        if "train" not in dataset:
            raise UserError(
                "{folder} must have a split `train` (got {names}).",
                folder=dataset_dir,
                names=listed(dataset) or "-",
            )
        dataset = dataset["train"]
    if "turns" not in dataset.column_names:
        raise UserError(
            "{folder} must have a column `turns` (got {names}).",
            folder=dataset_dir,
            names=listed(dataset.column_names),
        )
    return turns_of(dataset), len(dataset)


def check_dataset(dataset_dir: str | Path) -> None:
    """Refuse what is no folder."""
    if not Path(dataset_dir).is_dir():
        raise UserError(
            "DATASET_DIR must be a folder made by `python -m data_builders` (got {folder}, "
            "which does not exist or is a file).",
            folder=dataset_dir,
        )


def turns_of(dialogues: Any) -> Iterator[str]:
    """Yield the turns of a data set, a thousand dialogues in memory at a time.

    Args:
        dialogues: A `datasets.Dataset` with a column ``turns``.
    """
    from tqdm.auto import tqdm

    silent = not sys.stderr.isatty()
    with tqdm(total=len(dialogues), desc="dialogues read", unit="", disable=silent) as bar:
        for batch in dialogues.select_columns("turns").iter(1000):
            for turns in batch["turns"]:
                yield from turns
            bar.update(len(batch["turns"]))


def save_tokenizer(
    tokenizer: PreTrainedTokenizerFast, output: str | Path, overwrite: bool = False
) -> None:
    """Save a tokenizer, whole or not at all.

    Args:
        tokenizer: What to save.
        output: The folder to make.
        overwrite: Replace a tokenizer that is there already.
    """
    output = Path(output)
    check_output(output, overwrite)
    with whole_folder(output) as fresh:
        tokenizer.save_pretrained(fresh)


def check_output(output: Path, overwrite: bool) -> None:
    """Refuse to replace what is there, or a folder that holds something other than a tokenizer."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not overwrite:
        raise UserError(
            "--output must not exist yet (got {output}). Choose another folder or --overwrite.",
            output=output,
        )
    foreign = not output.is_dir() or not (output / "tokenizer.json").is_file()
    if foreign or (output / "config.json").exists():
        raise UserError(
            "--overwrite replaces only a folder that holds a tokenizer and no model (got "
            "{output}). Choose another folder.",
            output=output,
        )


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = CommandParser(
        speaks=True,
        prog="python -m tfchat_hf.text.tokenizer_training",
        description="Train a tokenizer on the training split of a built data set.",
    )
    add = parser.add_argument
    add("dataset_dir", help="folder made by `python -m data_builders`")
    add("--scheme", choices=SCHEMES, default=DEFAULT_SCHEME)
    add("--vocab-size", type=int, default=8000, help="the most tokens to have")
    add(
        "--user-dict",
        action="append",
        default=[],
        metavar="FILE",
        help="dictionary in jieba's format: word, frequency, tag; may be given several times",
    )
    add(
        "--whole-dictionary",
        action="store_true",
        help="scheme word: every word of jieba's dictionary, beyond --vocab-size",
    )
    add("--model-max-length", type=int, default=512)
    add("--output", required=True, type=Path, help="folder to make")
    add("--overwrite", action="store_true", help="replace an older tokenizer")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when all went well, 2 after a mistake, 130 if stopped."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    logger.setLevel(logging.INFO)
    return run_command(lambda: _train(options), stopped="stopped: nothing was written.")


def _train(options: argparse.Namespace) -> None:
    """Train, save and say what was made."""
    check_output(options.output, options.overwrite)
    check_dataset(options.dataset_dir)
    tell(_("Loading {name} ...", name=options.dataset_dir))
    turns, dialogues = load_training_turns(options.dataset_dir)
    tokenizer = train_tokenizer(
        turns,
        options.scheme,
        options.vocab_size,
        options.model_max_length,
        options.user_dict,
        options.whole_dictionary,
    )
    save_tokenizer(tokenizer, options.output, options.overwrite)
    print(
        _(
            "{output}: {scheme}, {tokens:,} tokens (asked for {asked:,}), from {dialogues:,} "
            "dialogues",
            output=options.output,
            scheme=options.scheme,
            tokens=len(tokenizer),
            asked=options.vocab_size,
            dialogues=dialogues,
        )
    )


if __name__ == "__main__":
    sys.exit(main())

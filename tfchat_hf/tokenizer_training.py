# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Training a tokenizer: one token a character, or pieces inside jieba's words.

    python -m tfchat_hf.tokenizer_training DATASET_DIR --scheme subword --vocab-size 8000 \
        --output DIR

DATASET_DIR is a folder made by ``python -m data_builders``. jieba is used here only: what is
saved is a plain ``tokenizer.json`` that loads with AutoTokenizer and needs neither jieba nor
this package.
"""

from __future__ import annotations

import argparse
import logging
import math
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, trainers
from transformers import PreTrainedTokenizerFast

from .tokenization import (
    HAN_CHARACTERS,
    SPECIAL_TOKENS,
    UNK_TOKEN,
    byte_symbols,
    install_pipeline,
    piece_splitter,
    special_added_tokens,
    spell,
    wrap_tokenizer,
)

logger = logging.getLogger(__name__)

SCHEMES = ("char", "subword")
SMALLEST_VOCABULARY = len(SPECIAL_TOKENS) + 256
_HAN = re.compile(f"[{HAN_CHARACTERS}]")


def train_tokenizer(
    texts: Iterable[str],
    scheme: str = "subword",
    vocab_size: int = 8000,
    model_max_length: int = 512,
) -> PreTrainedTokenizerFast:
    """Train a tokenizer; the same texts always give the same tokenizer, to the byte.

    Args:
        texts: The corpus, one turn a text.
        scheme: ``"char"`` gives every character of the corpus a token of its own, the most
            frequent first. ``"subword"`` learns pieces inside jieba's Chinese words and inside
            English words.
        vocab_size: The most tokens to have, the 5 special ones and the 256 bytes included. A
            small corpus may give fewer.
        model_max_length: The length, in tokens, that ``truncation=True`` cuts to.

    Returns:
        A tokenizer that loses no text, whatever the corpus held.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"`scheme` must be one of {', '.join(SCHEMES)} (got {scheme!r}).")
    if vocab_size < SMALLEST_VOCABULARY:
        raise ValueError(
            f"`vocab_size` must be at least {SMALLEST_VOCABULARY}: {len(SPECIAL_TOKENS)} special "
            f"tokens and 256 bytes (got {vocab_size}). Use 2000 or more for a real corpus."
        )
    if isinstance(texts, str):
        raise ValueError("`texts` must be a list of texts (got one string). Use [text].")
    train = _train_characters if scheme == "char" else _train_subwords
    backend = train(_texts_that_say_something(texts), vocab_size)
    if (size := backend.get_vocab_size()) < vocab_size:
        logger.info("The corpus gives %d tokens of the %d asked for.", size, vocab_size)
    return wrap_tokenizer(backend, model_max_length)


def _texts_that_say_something(texts: Iterable[str]) -> Iterator[str]:
    """Pass the texts on without empty ones; refuse a corpus that has nothing else."""
    seen = False
    for text in texts:
        if text:
            seen = True
            yield text
    if not seen:
        raise ValueError("the corpus must hold some text to train a tokenizer on (got none).")


def _train_characters(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Make the ``char`` scheme: a Unigram model whose pieces are single characters.

    No piece holds two characters, so none are ever merged. A byte costs more than the rarest
    character, so bytes are used only for characters without a token.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    total = sum(counts.values())
    byte_score = -math.log(total) - 10.0
    pieces = {token: 0.0 for token in SPECIAL_TOKENS}
    pieces.update((symbol, byte_score) for symbol in byte_symbols())
    # By falling count, then by code point: the order of the texts does not matter.
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        symbols = spell(character)
        # A character of one byte has its token already, at any vocabulary size.
        if len(pieces) < vocab_size or symbols in pieces:
            pieces[symbols] = math.log(count / total)
    model = models.Unigram(
        list(pieces.items()), unk_id=SPECIAL_TOKENS.index(UNK_TOKEN), byte_fallback=False
    )
    tokenizer = install_pipeline(Tokenizer(model))
    tokenizer.add_special_tokens(special_added_tokens())
    return tokenizer


def _train_subwords(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Make the ``subword`` scheme: BPE over bytes, learned inside word boundaries."""
    tokenizer = install_pipeline(Tokenizer(models.BPE()))
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=special_added_tokens(),
        initial_alphabet=byte_symbols(),
        show_progress=False,
    )
    with _word_cutter() as cut:
        tokenizer.train_from_iterator((cut(text) for text in texts), trainer)
    return tokenizer


@contextmanager
def _word_cutter() -> Iterator[Callable[[str], list[str]]]:
    """Lend a function that cuts a text into words, which join to the text again.

    jieba runs without its hidden Markov model: that one invents words the dictionary does not
    hold, differently with every context.
    """
    try:
        import jieba
    except ImportError as error:
        raise ImportError(
            "training a `subword` tokenizer needs the package jieba. "
            "Install it (pip install jieba), or use the scheme `char`."
        ) from error
    jieba.setLogLevel(logging.WARNING)
    splitter = piece_splitter()
    with tempfile.TemporaryDirectory(prefix="tfchat-jieba-") as private:
        segmenter = jieba.Tokenizer()
        # jieba loads a marshal file from a fixed name in the shared temporary folder. Another
        # user could plant one there, so ours lives in a folder nobody else can write to.
        segmenter.tmp_dir = private

        def cut(text: str) -> list[str]:
            words: list[str] = []
            for piece, _ in splitter.pre_tokenize_str(text):
                if _HAN.match(piece):
                    words.extend(segmenter.cut(piece, HMM=False))
                else:
                    words.append(piece)
            return words

        yield cut


def load_training_turns(dataset_dir: str | Path) -> tuple[Iterator[str], int]:
    """Open a built data set and give its training turns one by one.

    Args:
        dataset_dir: A folder written by ``save_to_disk``; of a DatasetDict, the split "train".

    Returns:
        The turns and how many dialogues they come from.
    """
    from datasets import DatasetDict, load_from_disk

    if not Path(dataset_dir).is_dir():
        raise FileNotFoundError(
            f"DATASET_DIR must be a folder made by `python -m data_builders` (got {dataset_dir}, "
            "which does not exist or is a file)."
        )
    dataset: Any = load_from_disk(str(dataset_dir))
    if isinstance(dataset, DatasetDict):
        if "train" not in dataset:
            raise ValueError(
                f"{dataset_dir} must have a split `train` (got {', '.join(dataset) or 'none'})."
            )
        dataset = dataset["train"]
    if "turns" not in dataset.column_names:
        raise ValueError(
            f"{dataset_dir} must have a column `turns` (got {', '.join(dataset.column_names)})."
        )
    rows = dataset.select_columns("turns")
    return (turn for row in _with_progress(rows) for turn in row["turns"]), len(rows)


def _with_progress(rows: Any) -> Iterable[Any]:
    """Show how far the reading is, on a terminal only."""
    from tqdm.auto import tqdm

    return tqdm(rows, desc="dialogues read", unit="", disable=not sys.stderr.isatty())


def save_tokenizer(
    tokenizer: PreTrainedTokenizerFast, output: str | Path, overwrite: bool = False
) -> None:
    """Save into a temporary sibling and rename it, so that a half-written folder never shows.

    Args:
        tokenizer: What to save.
        output: The folder to make.
        overwrite: Replace a tokenizer that is there already.
    """
    output = Path(output)
    check_output(output, overwrite)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        fresh = Path(scratch, "fresh")
        fresh.mkdir()  # with the rights that the user's umask gives; `scratch` is private
        tokenizer.save_pretrained(fresh)
        if output.exists():
            output.rename(Path(scratch, "old"))
        fresh.rename(output)


def check_output(output: Path, overwrite: bool) -> None:
    """Refuse to replace what is there, or a folder that holds something other than a tokenizer."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not overwrite:
        raise FileExistsError(
            f"--output must not exist yet (got {output}). Choose another folder or --overwrite."
        )
    foreign = not output.is_dir() or not (output / "tokenizer.json").is_file()
    if foreign or (output / "config.json").exists():
        raise FileExistsError(
            f"--overwrite replaces only a folder that holds a tokenizer and no model "
            f"(got {output}). Choose another folder."
        )


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tfchat_hf.tokenizer_training",
        description="Train a tokenizer on the training split of a built data set.",
    )
    parser.add_argument("dataset_dir", help="folder made by `python -m data_builders`")
    parser.add_argument("--scheme", choices=SCHEMES, default="subword")
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--model-max-length", type=int, default=512)
    parser.add_argument("--output", required=True, type=Path, help="folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace an older tokenizer")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when all went well, 2 after a mistake in what was asked."""
    options = _parser().parse_args(arguments)
    try:
        check_output(options.output, options.overwrite)
        turns, dialogues = load_training_turns(options.dataset_dir)
        tokenizer = train_tokenizer(
            turns, options.scheme, options.vocab_size, options.model_max_length
        )
        save_tokenizer(tokenizer, options.output, options.overwrite)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        f"{options.output}: {options.scheme}, {len(tokenizer):,} tokens "
        f"(asked for {options.vocab_size:,}), from {dialogues:,} dialogues"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The original's map of characters as a tokenizer: one id a character, blanks left out."""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from data_builders.errors import UserError

from ..engines.folder_check import read_json

PAD, UNKNOWN, START, END = "<pad>", "<unk>", "<start>", "<end>"
SPECIALS = (PAD, UNKNOWN, START, END)


def read_words(path: Path) -> dict[str, int]:
    """Read a word map: a JSON object of characters and their ids.

    Raises:
        UserError: It is none, or has not each id once.
    """
    words = read_json(path)
    if missing := [name for name in SPECIALS if name not in words]:
        raise UserError(
            "{path} has no entry {missing}, so it is no word map of the original. Give its "
            "WORDMAP_corpus.json.",
            path=path,
            missing=", ".join(missing),
        )
    ids = [number for number in words.values() if type(number) is int]
    if sorted(ids) != list(range(len(words))):
        raise UserError(
            "{path} must give each entry an id of its own, from 0 to {words}. Give the map that "
            "the model was trained with.",
            path=path,
            words=len(words) - 1,
        )
    if words[PAD]:
        raise UserError(
            "{path} must give {PAD} the id 0 (got {words}): the original's code takes 0 for "
            "padding. Give the map that the model was trained with.",
            path=path,
            PAD=PAD,
            words=words[PAD],
        )
    return words


def make_tokenizer(words: dict[str, int], longest: int) -> PreTrainedTokenizerFast:
    """Make a tokenizer that reads as the original's chat does.

    It drops blanks, takes each character for itself, and puts nothing behind a question: the
    original's encoder has never read an end token.

    Args:
        words: Of `read_words`.
        longest: The most tokens that the model reads.
    """
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    each = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), each])
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIALS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
        sep_token=END,  # of turns, which this model reads one of
        model_max_length=longest,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )

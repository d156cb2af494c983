# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The vocabularies that `tokenizing.py` times, all of one size and trained on the same texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizing_contenders import BERT, OLD, PIECES, WHOLE
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

from tfchat_hf.text.tokenization import SPECIAL_TOKENS, UNK_TOKEN, wrap_tokenizer
from tfchat_hf.text.vocabulary.byte_pairs import train_byte_pairs
from tfchat_hf.text.vocabulary.dictionary_words import train_words
from tfchat_hf.text.vocabulary.pieces import BASE_PIECES, count_words, train_characters
from tfchat_hf.text.vocabulary.unigram import train_unigram
from tfchat_hf.text.vocabulary.word_cutter import HAN_CHARACTERS, load_word_cutter

SIZE = 16_000
_SYMBOLS = bytes_to_unicode()
# What the tokenizers of this project once cut a text with before the model saw it.
_EXPRESSION = (
    rf"[{HAN_CHARACTERS}]+"
    r"|['’](?i:ll|ve|re|[sdmt])(?![\p{L}\p{M}])"
    rf"| ?[[\p{{L}}\p{{M}}]&&[^{HAN_CHARACTERS}]]+"
    rf"| ?[\p{{N}}&&[^{HAN_CHARACTERS}]]{{1,3}}"
    r"|\s+(?!\S)|\s+|[^\s\p{L}\p{M}\p{N}]"
)


def prepare(texts: list[str], folder: Path) -> None:
    """Train what the contenders load.

    Args:
        texts: none of them is timed.
        folder: where the tokenizers go.
    """
    cutter = load_word_cutter()
    words = count_words(texts, cutter.cut)
    backends = {
        "word": train_words(words, SIZE, cutter),
        WHOLE: train_words(words, SIZE, cutter, whole_dictionary=True),
        "subword-bpe": train_byte_pairs(words, SIZE),
        "subword-unigram": train_unigram(words, SIZE),
        "char": train_characters(texts, SIZE),
    }
    for name, backend in backends.items():
        # A warning about long texts would be printed in the middle of the table.
        wrap_tokenizer(backend, model_max_length=1_000_000).save_pretrained(folder / name)
    _spelled_in_bytes(folder / "word").save_pretrained(folder / OLD)
    _bpe_behind_bert(texts).save_pretrained(folder / BERT)
    if find_spec("sentencepiece"):
        _train_sentencepiece(texts, folder / PIECES)


def _spelled_in_bytes(folder: Path) -> PreTrainedTokenizerFast:
    """Make the tokenizer of a folder as it was before: a regular expression, then bytes."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    entries = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["vocab"]
    spelled = [(_spelling(piece), score) for piece, score in entries]
    backend = Tokenizer(models.Unigram(spelled, SPECIAL_TOKENS.index(UNK_TOKEN), False))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_EXPRESSION), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(tokenizer.added_tokens_decoder.values()))
    backend.post_processor = tokenizer.backend_tokenizer.post_processor
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=UNK_TOKEN)


def _spelling(piece: str) -> str:
    """Spell a piece in the symbols that stand for bytes."""
    if piece in SPECIAL_TOKENS:
        return piece
    of_byte = piece in BASE_PIECES and len(piece) > 1
    raw = bytes([int(piece[3:5], 16)]) if of_byte else piece.encode()
    return "".join(_SYMBOLS[byte] for byte in raw)


def _bpe_behind_bert(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE(unk_token=UNK_TOKEN))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(vocab_size=SIZE, special_tokens=[UNK_TOKEN], show_progress=False)
    backend.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=UNK_TOKEN)


def _train_sentencepiece(texts: Iterable[str], file: Path) -> None:
    import sentencepiece

    with open(file, "wb") as model:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(line for text in texts for line in text.splitlines()),
            model_writer=model,
            vocab_size=SIZE,
            model_type="unigram",
            character_coverage=0.9995,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
        )

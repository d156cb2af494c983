# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What `tokenizing.py` compares: each contender is made in a process of its own."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Contender = Callable[[list[str]], Any]
# The call of a tokenizer gets so many texts at once, as `datasets.map` gives them by default.
BATCH = 1000
REFERENCE = "jieba.cut"
WHOLE, OLD, BERT, PIECES = "word-whole", "word-in-bytes", "bpe-bert", "pieces.model"


def _jieba(hmm: bool) -> Contender:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    return lambda texts: [jieba.lcut(text, HMM=hmm) for text in texts]


def _rjieba(hmm: bool) -> Contender:
    import rjieba

    return lambda texts: [rjieba.cut(text, hmm=hmm) for text in texts]


def _called(folder: Path) -> Contender:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def _fast(folder: Path) -> Contender:
    return _called(folder).backend_tokenizer.encode_batch_fast


class _JiebaInside:
    """A pre-tokenizer in Python, which cannot be saved."""

    def __init__(self) -> None:
        import jieba

        jieba.setLogLevel(logging.WARNING)
        jieba.initialize()
        self._tokenize = jieba.tokenize

    def pre_tokenize(self, text: Any) -> None:
        """Cut a text.

        Args:
            text: a `PreTokenizedString`.
        """
        text.split(self._cut)

    def _cut(self, _: int, text: Any) -> list[Any]:
        return [text[b:e] for _, b, e in self._tokenize(str(text), HMM=False)]


def _python_inside() -> Contender:
    import jieba
    from tokenizers import Tokenizer, models, pre_tokenizers

    inside = _JiebaInside()
    words = {"<unk>": 0}
    for word in jieba.dt.FREQ:
        words.setdefault(word, len(words))
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(inside)
    # PreTrainedTokenizerFast copies what it wraps, and this cannot be copied either.
    return backend.encode_batch


def _sentencepiece(file: Path) -> Contender:
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=str(file))
    return lambda texts: model.encode(texts, num_threads=1)


# Each makes a contender from the folder that `prepare` filled.
CONTENDERS: dict[str, Callable[[Path], Contender]] = {
    REFERENCE: lambda folder: _jieba(True),
    "jieba.cut, HMM off": lambda folder: _jieba(False),
    "rjieba": lambda folder: _rjieba(True),
    "rjieba, HMM off": lambda folder: _rjieba(False),
    "word": lambda folder: _called(folder / "word"),
    "word, whole dictionary": lambda folder: _called(folder / WHOLE),
    "subword-bpe": lambda folder: _called(folder / "subword-bpe"),
    "subword-unigram": lambda folder: _called(folder / "subword-unigram"),
    "char": lambda folder: _called(folder / "char"),
    "word, encode_batch_fast": lambda folder: _fast(folder / "word"),
    "subword-bpe, encode_batch_fast": lambda folder: _fast(folder / "subword-bpe"),
    "word, regular expression and bytes": lambda folder: _called(folder / OLD),
    "BPE behind BertPreTokenizer": lambda folder: _called(folder / BERT),
    "jieba in Python inside tokenizers": lambda folder: _python_inside(),
    "sentencepiece unigram": lambda folder: _sentencepiece(folder / PIECES),
}
_PACKAGES = {
    "rjieba": "rjieba",
    "rjieba, HMM off": "rjieba",
    "sentencepiece unigram": "sentencepiece",
}


def missing_package(name: str) -> str | None:
    """Name the package that a contender needs and that is not installed.

    Args:
        name: one of `CONTENDERS`.
    """
    package = _PACKAGES.get(name)
    return package if package and not find_spec(package) else None


def serve(name: str, folder: Path, slices: Path) -> None:
    """Be a contender: read the number of a slice a line, work, answer with the CPU seconds.

    Args:
        name: one of `CONTENDERS`.
        folder: what `prepare` filled.
        slices: a JSON file of lists of texts.
    """
    work = CONTENDERS[name](folder)
    texts = json.loads(slices.read_text("utf-8"))
    print("ready", flush=True)
    for line in sys.stdin:
        chosen = texts[int(line)]
        batches = [chosen[at : at + BATCH] for at in range(0, len(chosen), BATCH)]
        began = time.process_time()
        for batch in batches:
            work(batch)
        print(time.process_time() - began, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Counts of a corpus, the part of every vocabulary that loses nothing, and the models on it.

Ids 0 to 4 are the special tokens, the next 128 the ASCII characters as themselves, the next 128
the bytes from 0x80 up as ``<0x80>`` to ``<0xFF>``. A character without a token becomes the tokens
of its UTF-8 bytes, so every text has ids and comes back from them exactly. The scheme ``char`` is
made of nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from tokenizers import Tokenizer, models

from ..tokenization import SPECIAL_TOKENS, UNK_TOKEN, install_pipeline

BASE_PIECES = (
    *SPECIAL_TOKENS,
    *(chr(byte) for byte in range(128)),
    *(f"<0x{byte:02X}>" for byte in range(128, 256)),
)
SMALLEST_VOCABULARY = len(BASE_PIECES)
# So low that the text "<0xE4>" is six tokens and never the byte E4, and that "</s>" is four where
# the caller wants the spelling of a special token taken as text (`split_special_tokens`).
_NEVER = -1000.0
# Scores are multiples of this, so their sums are exact and paths of one score are a tie wherever
# they are summed, whatever came before. Without it ties were decided by the last bit: of 6,000
# texts made of ties 146 got other ids once spelled in bytes, and 1 real line of 1,000.
_SCORE_STEP = 2.0**-24
# Characters that together are 0.05 % of the text are left to the bytes (the share that
# SentencePiece proposes for Chinese): a token seen a few times only is never learned.
_COVERAGE = 0.9995
# The table of so many words takes some 120 MB.
MOST_WORDS = 1_000_000
# Pieces are learned from the most frequent words only: the rest changes next to nothing that is
# kept, and costs time.
LEARNED_WORDS = 200_000


def count_words(
    texts: Iterable[str], cut: Callable[[str], list[str]], most_words: int = MOST_WORDS
) -> Counter[str]:
    """Count the words of all texts.

    When there are too many different ones, the rarest are forgotten, as often as needed: memory
    depends on `most_words` and not on the corpus. The same texts in the same order always give
    the same counts.

    Args:
        texts: the corpus.
        cut: cuts a text into words.
        most_words: how many different words to remember.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(cut(text))
        if len(counts) > most_words:
            counts = _without_the_rarest(counts, most_words // 2)
    return counts


def _without_the_rarest(counts: Counter[str], keep: int) -> Counter[str]:
    """Keep the most frequent words and all single characters."""
    least = sorted(counts.values(), reverse=True)[keep]
    return Counter({word: n for word, n in counts.items() if n > least or len(word) == 1})


def count_characters(words: Counter[str]) -> Counter[str]:
    """Count the characters inside counted words.

    Args:
        words: words with their counts.
    """
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    return characters


def ranked(counts: Mapping[str, int]) -> list[str]:
    """Sort by falling count, then by code point: the order of the texts does not matter.

    Args:
        counts: what to sort.
    """
    return sorted(counts, key=lambda key: (-counts[key], key))


def most_frequent(counts: dict[str, int], most: int) -> Counter[str]:
    """Keep the most frequent, in their order.

    Args:
        counts: what to choose from.
        most: how many to keep.
    """
    return Counter({key: counts[key] for key in ranked(counts)[:most]})


def covering_characters(counts: Mapping[str, int], most: int) -> list[str]:
    """Choose the characters outside ASCII that get a token, the most frequent first.

    Args:
        counts: how often each character occurs.
        most: how many tokens there may be.
    """
    outside = [c for c in ranked(counts) if ord(c) >= 128]
    enough = _COVERAGE * sum(counts.values())
    covered = sum(count for c, count in counts.items() if ord(c) < 128)
    chosen: list[str] = []
    for character in outside:
        if covered >= enough or len(chosen) == most or counts[character] < 2:
            break
        covered += counts[character]
        chosen.append(character)
    return chosen


def unigram_tokenizer(pieces: Iterable[str], scores: Mapping[str, float]) -> Tokenizer:
    """Build a tokenizer that takes the path of the highest sum of scores (Kudo 2018).

    Args:
        pieces: the tokens beyond `BASE_PIECES`, in the order of their ids.
        scores: natural logarithms of probabilities; a base piece may have one too.
    """
    floor = min(scores.values(), default=0.0) - 10.0
    entries = [(p, scores.get(p, floor) if len(p) == 1 else _NEVER) for p in BASE_PIECES]
    entries += [(p, scores[p]) for p in pieces]
    unk_id = SPECIAL_TOKENS.index(UNK_TOKEN)
    entries = [(p, round(score / _SCORE_STEP) * _SCORE_STEP) for p, score in entries]
    model = models.Unigram(entries, unk_id=unk_id, byte_fallback=True)
    return install_pipeline(Tokenizer(model))


def bpe_tokenizer(pieces: Sequence[str], merges: Sequence[tuple[str, str]]) -> Tokenizer:
    """Build a tokenizer that applies merges in their order (Sennrich et al. 2016).

    Args:
        pieces: the tokens beyond `BASE_PIECES`, in the order of their ids.
        merges: pairs of tokens whose concatenation is a token too.
    """
    ids = {piece: number for number, piece in enumerate((*BASE_PIECES, *pieces))}
    model = models.BPE(ids, list(merges), unk_token=UNK_TOKEN, byte_fallback=True)
    return install_pipeline(Tokenizer(model))


def train_characters(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Make the scheme ``char``: the most frequent characters, every one if there is room.

    A model of merges without a merge: nothing is ever joined, and it is the fastest there is.

    Args:
        texts: the corpus.
        vocab_size: the most tokens to have.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    outside = [character for character in ranked(counts) if ord(character) >= 128]
    return bpe_tokenizer(outside[: vocab_size - SMALLEST_VOCABULARY], [])

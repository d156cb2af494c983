# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The part of every vocabulary that loses nothing, and the models built on it.

Ids 0 to 4 are the special tokens, the next 128 the ASCII characters as themselves, the next 128
the bytes from 0x80 up as ``<0x80>`` to ``<0xFF>``. A character without a token becomes the tokens
of its UTF-8 bytes, so every text has ids and comes back from them exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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


def covering_characters(counts: Mapping[str, int], most: int) -> list[str]:
    """Chooses the characters outside ASCII that get a token, the most frequent first.

    Args:
        counts: how often each character occurs.
        most: how many tokens there may be.
    """
    outside = [c for c in sorted(counts, key=lambda c: (-counts[c], c)) if ord(c) >= 128]
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
    """Builds a tokenizer that takes the path of the highest sum of scores (Kudo 2018).

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
    """Builds a tokenizer that applies merges in their order (Sennrich et al. 2016).

    Args:
        pieces: the tokens beyond `BASE_PIECES`, in the order of their ids.
        merges: pairs of tokens whose concatenation is a token too.
    """
    ids = {piece: number for number, piece in enumerate((*BASE_PIECES, *pieces))}
    model = models.BPE(ids, list(merges), unk_token=UNK_TOKEN, byte_fallback=True)
    return install_pipeline(Tokenizer(model))

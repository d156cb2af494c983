# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Log-probabilities of tokens in the two shapes that OpenAI's API has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase as Tokenizer

from .request import TokenScore

_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")
# What OpenAI writes for a token that cannot be: JSON has no infinity.
_NEVER = -9999.0


class ScoreWriter:
    """Writes the scores of tokens; the end token is no part of a reply.

    Args:
        tokenizer: The model's.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Spell nothing yet."""
        self._tokenizer = tokenizer

    def chat(self, tokens: Iterable[TokenScore]) -> dict[str, Any]:
        """Return the shape of chat completions."""
        content = [
            {
                **self._entry(token.id, token.logprob),
                "top_logprobs": [self._entry(*rival) for rival in token.top],
            }
            for token in self._of_reply(tokens)
        ]
        return {"content": content, "refusal": None}

    def old(self, tokens: Iterable[TokenScore], offset: int) -> dict[str, Any]:
        """Return the shape of completions.

        Args:
            tokens: Of one reply.
            offset: How many characters their tokens before had.
        """
        shown = self._of_reply(tokens)
        texts = [self._spelled(token.id)[0] for token in shown]
        offsets = [offset + len("".join(texts[:place])) for place in range(len(texts))]
        return {
            "tokens": texts,
            "token_logprobs": [_finite(token.logprob) for token in shown],
            "top_logprobs": [
                {self._spelled(one)[0]: _finite(logprob) for one, logprob in token.top}
                for token in shown
            ],
            "text_offset": offsets,
        }

    def _of_reply(self, tokens: Iterable[TokenScore]) -> Sequence[TokenScore]:
        return [token for token in tokens if token.id not in self._tokenizer.all_special_ids]

    def _entry(self, token: int, logprob: float | None) -> dict[str, Any]:
        text, spelling = self._spelled(token)
        return {"token": text, "logprob": _finite(logprob), "bytes": list(spelling)}

    def _spelled(self, token: int) -> tuple[str, bytes]:
        """Return a token's text and bytes; a byte is written as OpenAI does."""
        name = self._tokenizer.convert_ids_to_tokens(token)
        if found := _BYTE.fullmatch(name or ""):
            return rf"bytes:\x{found[1].lower()}", bytes([int(found[1], 16)])
        text = self._tokenizer.decode([token]) or name or ""
        return text, text.encode("utf-8", "replace")


def _finite(logprob: float | None) -> float:
    return logprob if logprob is not None and logprob > _NEVER else _NEVER  # also where it is nan

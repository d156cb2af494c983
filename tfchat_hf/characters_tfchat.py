# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Replies of whole characters: what the vocabulary lacks is spelled in bytes, all or none.

A character without a token of its own is two to four byte tokens in a row. A reply that ends
between them, at its last token or because sampling wandered off, ends in half a character.
"""

import torch
from transformers import LogitsProcessor

# The tokens <0x80> to <0xFF> stand in this order; what may follow what is Unicode 15, table 3-7.
_LOW = 0x80
_LEADS = {**dict.fromkeys(range(0xC2, 0xE0), 1), **dict.fromkeys(range(0xE0, 0xF0), 2)}
_LEADS |= dict.fromkeys(range(0xF0, 0xF5), 3)
_SECOND = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}


class WholeCharactersLogitsProcessor(LogitsProcessor):
    """Allows byte tokens only where they can still become a character of UTF-8.

    Args:
        first_byte: Id of the token `<0x80>`; the 127 after it follow in order.
        max_length: Tokens of the whole reply, the start token included: no character is begun
            that has no room.
    """

    def __init__(self, first_byte: int, max_length: int) -> None:
        """Tabulate which bytes may begin a character where 0, 1, 2, 3 and more tokens are left."""
        self.first_byte = first_byte
        self.max_length = max_length
        more = [_LEADS.get(byte, 9) for byte in range(_LOW, 256)]
        self.barred = torch.tensor([[m >= room for m in more] for room in range(5)])

    def concerns(self, tokens: torch.LongTensor) -> bool:
        """Tell whether a step that chose `tokens` `(rows,)` has to do with bytes at all."""
        byte = tokens - self.first_byte
        return bool(((byte >= 0) & (byte < 128)).any())

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` `(rows, vocab_size)` with what would break a character forbidden."""
        inside = slice(self.first_byte, self.first_byte + 128)
        room = max(0, min(self.max_length - input_ids.shape[1], 4))
        self.barred = self.barred.to(scores.device)
        begin = self.barred[room]
        if not self.concerns(input_ids[:, -1]):
            scores = scores.clone()
            scores[:, inside].masked_fill_(begin, -torch.inf)
            return scores
        barred = torch.ones_like(scores, dtype=torch.bool)
        for row, ids in enumerate(input_ids[:, -3:].tolist()):
            allowed = self._allowed_next(ids)
            if allowed is None:
                barred[row] = False
                barred[row, inside] = begin
            else:
                low, high = (byte - _LOW + self.first_byte for byte in allowed)
                barred[row, low : high + 1] = False
        return scores.masked_fill(barred, -torch.inf)

    def _allowed_next(self, ids: list[int]) -> tuple[int, int] | None:
        """Return the range of bytes that must follow; None where no character is open.

        Args:
            ids: The last three tokens, oldest first.
        """
        for back, token in enumerate(reversed(ids)):
            byte = token - self.first_byte + _LOW
            if not _LOW <= byte < 256:
                return None
            if byte in _LEADS:
                if _LEADS[byte] <= back:
                    return None
                return _SECOND.get(byte, (0x80, 0xBF)) if back == 0 else (0x80, 0xBF)
        return None


__all__ = ["WholeCharactersLogitsProcessor"]

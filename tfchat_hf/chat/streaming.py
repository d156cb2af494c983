# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text of a reply while another thread still makes it: streamers, and waiting for them.

    streamer = BatchTextStreamer(tokenizer, lambda row, piece: print(row, piece))
    model.generate(**questions, num_return_sequences=2, streamer=streamer)

The pieces of a row, joined, are what `tokenizer.decode(row, skip_special_tokens=True)` gives, for
any ids. Each token is decoded once, so the work for a reply grows with its length only.
"""

from __future__ import annotations

import json
import queue
import re
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.generation.streamers import BaseStreamer

BROKEN = "\ufffd"  # what bytes decode to that are no character
Item = TypeVar("Item")
# Ctrl-C cannot interrupt a wait without a time limit on Windows.
_POLL_SECONDS = 0.1
_BYTE_TOKEN = re.compile("<0x[0-9A-Fa-f]{2}>")


class PieceTable:
    """What each token says by itself, and which tokens need their neighbours to say it.

    Characters without a token are spelled in bytes. Our decoder looks at a whole run of them and,
    if one byte of it is wrong, gives U+FFFD for each: so a run is read when it has ended. With
    another decoder (one that puts blanks between tokens, say) every token counts as part of a
    run, and a reply is read when it has ended: late, but right.

    Args:
        tokenizer: The model's.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look at the decoder; tokens are looked at when they come."""
        self.tokenizer = tokenizer
        self.has_whole_pieces = _reads_tokens_apart(tokenizer)
        self._texts: dict[int, str | None] = {}

    def text(self, token: int) -> str | None:
        """Return a token's text, "" for a special token, None where its neighbours matter."""
        if token not in self._texts:
            self._texts[token] = self._look_up(token)
        return self._texts[token]

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of a run of tokens."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True)

    def _look_up(self, token: int) -> str | None:
        """Decode one token alone."""
        if not self.has_whole_pieces:
            return None
        spelling = self.tokenizer.convert_ids_to_tokens(token)
        if spelling is not None and _BYTE_TOKEN.fullmatch(spelling):
            return None
        text = self.decode([token])
        return None if BROKEN in text else text


def _reads_tokens_apart(tokenizer: Tokenizer) -> bool:
    """Tell whether the decoder joins texts of tokens and looks at nothing but runs of bytes."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or backend.decoder is None:
        return False
    if getattr(tokenizer, "clean_up_tokenization_spaces", False):
        return False
    decoder = json.loads(backend.decoder.__getstate__())
    parts = [part["type"] for part in decoder.get("decoders", [decoder])]
    return parts in (["ByteFallback", "Fuse"], ["ByteLevel"])


class GrowingText:
    """The text of one reply, token by token.

    Args:
        table: Of the tokenizer; several replies may share it.
        trim: Leave out blanks at both ends, and bytes that are no character.
    """

    def __init__(self, table: PieceTable, trim: bool = False) -> None:
        """Start with nothing said."""
        self._table = table
        self._held: list[int] = []
        self._trimmer = _Trimmer() if trim else None

    def add(self, token: int) -> str:
        """Return the text that is certain now and was not before; often "" within a character."""
        text = self._table.text(token)
        if text is None:
            self._held.append(token)
            return ""
        if not text:  # left out by `decode`, so that bytes on both sides of it meet
            return ""
        return self._shown(self._released() + text)

    def close(self) -> str:
        """Return what was held back; the reply has no more tokens."""
        return self._shown(self._released())

    def _released(self) -> str:
        """Read the run of tokens that has ended."""
        if not self._held:
            return ""
        held, self._held = self._held, []
        return self._table.decode(held)

    def _shown(self, text: str) -> str:
        return self._trimmer.add(text) if self._trimmer else text


class _Trimmer:
    """Strips a text that is still growing: blanks wait until something follows them."""

    def __init__(self) -> None:
        self._blanks: list[str] = []
        self._begun = False

    def add(self, piece: str) -> str:
        """Return what is certain to be in the stripped text."""
        piece = piece.replace(BROKEN, "")
        text = piece.rstrip()
        blanks = piece[len(text) :]
        if not text:
            self._blanks.append(piece)
            return ""
        text = "".join([*self._blanks, text])
        self._blanks = [blanks]
        begun, self._begun = self._begun, True
        return text if begun else text.lstrip()


class BatchTextStreamer(BaseStreamer):
    """Streams the replies of a batch: `on_text(row, piece)` for each piece of whole characters.

    Rows count `batch * num_return_sequences`.

    Args:
        tokenizer: The model's.
        on_text: Called in the thread that generates; what it raises ends `generate()`.
        trim: As `GrowingText` takes it.
    """

    def __init__(
        self, tokenizer: Tokenizer, on_text: Callable[[int, str], None], *, trim: bool = False
    ) -> None:
        """Wait for the first tokens, which say how many rows there are."""
        self._table = PieceTable(tokenizer)
        self._trim = trim
        self._end = tokenizer.eos_token_id
        self._on_text = on_text
        self._rows: list[GrowingText | None] = []  # None: the row has ended

    def put(self, value: torch.Tensor) -> None:
        """Take the next tokens, `(rows,)` or `(rows, length)`; the first bring the start token."""
        tokens = value.reshape(value.shape[0], -1).tolist()
        if not self._rows:
            self._rows = [GrowingText(self._table, self._trim) for _ in tokens]
            tokens = [row[1:] for row in tokens]
        for row, new in enumerate(tokens):
            for token in new:
                self._take(row, token)

    def end(self) -> None:
        """Hand out what rows without an end token still hold; the next batch may come."""
        for row, text in enumerate(self._rows):
            if text is not None:
                self._deliver(row, text.close())
        self._rows = []

    def _take(self, row: int, token: int) -> None:
        """Add one token to a row that has not ended."""
        text = self._rows[row]
        if text is None:
            return
        if token == self._end:
            self._rows[row] = None
            self._deliver(row, text.close())
        else:
            self._deliver(row, text.add(token))

    def _deliver(self, row: int, piece: str) -> None:
        if piece:
            self._on_text(row, piece)


def next_item(items: queue.SimpleQueue[Item], timeout: float | None = None) -> Item:
    """Wait for the next item; Ctrl-C ends the wait and harms nothing.

    Args:
        items: Not a queue.Queue: Ctrl-C may leave its lock held, and the other thread would wait
            for it forever.
        timeout: Seconds; None waits as long as it takes.

    Raises:
        TimeoutError: Nothing came in time.
    """
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _POLL_SECONDS if until is None else min(_POLL_SECONDS, until - time.monotonic())
        try:
            return items.get(timeout=max(0.0, left))
        except queue.Empty:
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"nothing came within {timeout} s") from None

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
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from transformers import PreTrainedTokenizerBase as Tokenizer
from transformers.generation.streamers import BaseStreamer

from data_builders.errors import UserError

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

    Rows count `batch * num_return_sequences`. Without `on_text` the streamer is an iterator for
    another thread than the one that generates:

        for row, piece in streamer: ...

    It ends with `generate()`. If that fails, call `fail(error)`, which raises the error there.

    Args:
        tokenizer: The model's.
        on_text: Called in the thread that generates; what it raises ends `generate()`.
        trim: As `GrowingText` takes it.
        end_token_ids: What ends a row; the tokenizer's end token by default.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        on_text: Callable[[int, str], None] | None = None,
        *,
        trim: bool = False,
        end_token_ids: Sequence[int] | None = None,
    ) -> None:
        """Wait for the first tokens, which say how many rows there are."""
        self._table = PieceTable(tokenizer)
        self._trim = trim
        self._ends = set([tokenizer.eos_token_id] if end_token_ids is None else end_token_ids)
        self._pieces: queue.SimpleQueue[tuple[int, str] | Exception | None] = queue.SimpleQueue()
        self._on_text = on_text
        self._rows: list[GrowingText | None] = []  # None: the row has ended

    def put(self, value: torch.Tensor) -> None:
        """Take the next tokens, `(rows,)` or `(rows, length)`; the first bring the start token."""
        tokens = value.reshape(value.shape[0], -1).tolist()
        if not self._rows:
            self._rows = self._begin(len(tokens))
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
        self._pieces.put(None)

    def fail(self, error: Exception) -> None:
        """Raise `error` in the thread that iterates: `generate()` will not come to its end."""
        self._rows = []
        self._pieces.put(error)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield `(row, piece)` as they are made, in a way that Ctrl-C can interrupt."""
        if self._on_text is not None:
            raise UserError(
                "A streamer with `on_text` cannot be iterated over: its pieces go there. Make it "
                "without `on_text`."
            )
        while (item := next_item(self._pieces)) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def _begin(self, rows: int) -> list[GrowingText | None]:
        """Make a text for each row."""
        return [GrowingText(self._table, self._trim) for _ in range(rows)]

    def _take(self, row: int, token: int) -> None:
        """Add one token to a row that has not ended."""
        text = self._rows[row]
        if text is None:
            return
        if token in self._ends:
            self._rows[row] = None
            self._deliver(row, text.close())
        else:
            self._deliver(row, text.add(token))

    def _deliver(self, row: int, piece: str) -> None:
        if not piece:
            return
        if self._on_text is None:
            self._pieces.put((row, piece))
        else:
            self._on_text(row, piece)


class ReplyTextStreamer(BatchTextStreamer):
    """Streams one reply: `on_text(piece)`, or `for piece in streamer` from another thread.

    Args:
        tokenizer: The model's.
        on_text: Called with each piece of whole characters.
        trim: As `GrowingText` takes it.
        end_token_ids: What ends the reply; the tokenizer's end token by default.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        on_text: Callable[[str], None] | None = None,
        *,
        trim: bool = False,
        end_token_ids: Sequence[int] | None = None,
    ) -> None:
        """Wait for the start token."""
        by_row = None if on_text is None else lambda row, piece: on_text(piece)
        super().__init__(tokenizer, by_row, trim=trim, end_token_ids=end_token_ids)

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # one row needs no number
        """Yield pieces as they are made."""
        return (piece for _, piece in super().__iter__())

    def _begin(self, rows: int) -> list[GrowingText | None]:
        """Refuse a batch."""
        if rows != 1:
            raise UserError(
                "`ReplyTextStreamer` streams one reply (got a batch of {rows}). Use "
                "`BatchTextStreamer`.",
                rows=rows,
            )
        return super()._begin(rows)


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

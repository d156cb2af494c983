# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The bytes of a text file in chunks, with UTF-16 and its like turned into UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from data_builders.reading.encodings import Encoding, guess_encoding, named_encoding
from data_builders.reading.files import HEAD_SIZE, SourceFile

CHUNK = 1 << 20


class TextSource:
    """A text file read once through, in an encoding where bytes below 128 are ASCII.

    Attributes:
        name: The file, for rejects.
        head: The beginning of the text as bytes.
        codec: How to decode the chunks; `utf-8` if they were turned into it.
        title: The encoding of the file itself, for messages.
        whole: Whether the head is all there is.
        sure: False as long as another encoding may show up after nothing but ASCII.
    """

    def __init__(self, file: SourceFile, encoding: str | None) -> None:
        """Find out the encoding.

        Args:
            file: The file, not read yet.
            encoding: What the user says it is; None looks.

        Raises:
            UserError: If there is no such encoding.
        """
        head = file.head()
        found = named_encoding(encoding, head) if encoding else guess_encoding(head)
        self.name = file.name
        self._file = file
        self._bom = found.bom
        self._recode = not _keeps_ascii(found.codec)
        self.title = found.codec
        self.codec = "utf-8" if self._recode else found.codec
        self.sure = found.sure
        self.found = found
        self.whole = len(head) < HEAD_SIZE
        self.head = head[found.bom :]
        if self._recode:
            self.head = self.head.decode(found.codec, "replace").encode("utf-8", "replace")

    def head_text(self) -> str:
        """Give the beginning as text, as far as it can be decoded."""
        decoder = codecs.getincrementaldecoder(self.codec)("replace")
        return decoder.decode(self.head, self.whole).replace("\0", "")

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes after the byte order mark, at most about a megabyte at once."""
        return _recoded(self._bytes(), self.title) if self._recode else self._bytes()

    def revise(self, block: bytes) -> None:
        """Settle on an encoding by the first bytes that are not ASCII.

        Args:
            block: Holds them; all before it was ASCII.
        """
        found: Encoding = guess_encoding(block)
        if found.sure and not found.bom and _keeps_ascii(found.codec):
            self.codec = self.title = found.codec
        self.sure = True

    def _bytes(self) -> Iterator[bytes]:
        # One read of the stream each: what came before damage is handed on before it is raised.
        read = getattr(self._file.stream, "read1", self._file.stream.read)
        skip = self._bom
        while chunk := read(CHUNK):
            if skip:
                chunk, skip = chunk[skip:], max(0, skip - len(chunk))
            if chunk:
                yield chunk


def _keeps_ascii(codec: str) -> bool:
    return codec == "utf-8" or '\n"['.encode(codec, "replace") == b'\n"['


def _recoded(chunks: Iterator[bytes], codec: str) -> Iterator[bytes]:
    # Lone surrogates pass and make their line invalid as UTF-8, so it is rejected like any other.
    decoder = codecs.getincrementaldecoder(codec)("surrogatepass")
    for chunk in chunks:
        text, decoder = _decode(decoder, chunk, False, codec)
        if text:
            yield text.encode("utf-8", "surrogatepass")
    text, _ = _decode(decoder, b"", True, codec)
    if text:
        yield text.encode("utf-8", "surrogatepass")


def _decode(
    decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool, codec: str
) -> tuple[str, codecs.IncrementalDecoder]:
    state = decoder.getstate()
    try:
        return decoder.decode(chunk, final), decoder
    except UnicodeDecodeError:
        # Past repair by surrogates: mark what is broken, so that its lines do not pass for good.
        again = codecs.getincrementaldecoder(codec)("replace")
        again.setstate(state)
        return again.decode(chunk, final).replace("\ufffd", "\udcff"), again

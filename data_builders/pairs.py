# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The user's own question-reply files: JSON lines, one JSON array, or tab-separated text.

Rows of JSON, freely mixed:

    {"question": "...", "reply": "..."}
    {"dialogue": ["...", "...", "..."]}
    {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}

Rows of a .tsv or .txt file: question, one tab, reply, with no header and no quoting.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_builders.base import (
    Dialogue,
    DialogueBuilder,
    DialogueConfig,
    as_tuple,
    clean_turn,
)
from data_builders.language import LANGUAGES, guess_language
from data_builders.report import BuildReport, DataError, RowError

SUFFIXES = (".jsonl", ".ndjson", ".json", ".tsv", ".txt")
ROLES = ("system", "user", "assistant")

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")

Turns = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass
class PairsConfig(DialogueConfig):
    """Settings for files of the user's own.

    Attributes:
        files: The files to read, as one dataset: a duplicate across files is dropped too.
        languages: Keep only dialogues whose guessed language ("zh", "en", "mixed", "other") is
            among these; empty keeps all.
    """

    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        self.files = as_tuple(self.files)
        if not self.files:
            raise DataError("`files` is empty. Name at least one .jsonl, .json, .tsv or .txt file.")
        for file in self.files:
            check_file(Path(file))
        for language in self.languages:
            if language not in LANGUAGES:
                raise DataError(
                    f"`languages` must be of {', '.join(LANGUAGES)} (got {language!r})."
                )

    def content_files(self) -> list[Path]:
        """List the files as given."""
        return [Path(file) for file in self.files]


class PairsCorpus(DialogueBuilder):
    """Builder of the user's own files.

    Example:
        builder = PairsCorpus(files=("my_chat.jsonl", "more.tsv"))
        builder.download_and_prepare()
        dataset = builder.as_dataset()
    """

    BUILDER_CONFIG_CLASS = PairsConfig
    config: PairsConfig

    def read(self, report: BuildReport) -> Iterator[Dialogue]:
        """Yield the good rows of all files, in order.

        Args:
            report: Takes the rejected rows.

        Yields:
            Dialogues with the name of their file as the source.
        """
        report.sources = list(self.config.files)
        for file in self.config.files:
            path = Path(file)
            rows, parse = _reader(path)
            for line, raw in rows:
                try:
                    turns, roles = parse(raw)
                except RowError as error:
                    report.reject(file, line, error, self.config.strict)
                else:
                    yield Dialogue(turns, roles, guess_language(turns), path.name)


def check_file(path: Path) -> None:
    """Refuse what cannot be read as a whole.

    Args:
        path: A file named by the user.

    Raises:
        DataError: If it is not there, has another suffix, or is UTF-16.
    """
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}. Check the path; files are {', '.join(SUFFIXES)}.")
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{path}: the suffix must be of {', '.join(SUFFIXES)} (got {path.suffix!r}). "
            "Save it as JSON lines, or as text with one tab between question and reply."
        )
    with open(path, "rb") as file:
        if file.read(2) in _UTF16_BOMS:
            raise DataError(f"{path} is UTF-16. Save it as UTF-8 and build again.")


def parse_row(row: Any) -> Turns:
    """Read one JSON row of any of the three shapes.

    Args:
        row: The value of the row.

    Returns:
        Its turns and its roles; no roles unless it has `messages`.

    Raises:
        RowError: If it is none of the three, or a text in it is missing.
    """
    if not isinstance(row, dict):
        raise RowError("not an object", row)
    if "messages" in row:
        return parse_messages(row["messages"])
    if "dialogue" in row:
        return _plain(_a_list(row["dialogue"]))
    if "question" in row and "reply" in row:
        return _plain([row["question"], row["reply"]])
    raise RowError("missing key", f"keys: {', '.join(map(str, row)) or 'none'}")


def parse_messages(messages: Any) -> Turns:
    """Read OpenAI-style messages.

    Neighbours of one role are joined by a newline. An empty system prompt says nothing and is
    left out.

    Args:
        messages: A list of objects with `role` and `content`.

    Returns:
        Turns and roles of equal length, with at least one reply to a user.

    Raises:
        RowError: If a message is not of that kind, or nobody replies.
    """
    turns: list[str] = []
    roles: list[str] = []
    for message in _a_list(messages):
        role, text = _read_message(message)
        if role == "system" and not text.strip():
            continue
        text = clean_turn(text)
        if roles and roles[-1] == role:
            turns[-1] += "\n" + text
        else:
            turns.append(text)
            roles.append(role)
    # Neighbours differ now, so a reply to a user is an assistant anywhere after the first user.
    if "user" not in roles or "assistant" not in roles[roles.index("user") :]:
        raise RowError("no reply", f"roles: {', '.join(roles) or 'none'}")
    return tuple(turns), tuple(roles)


def parse_json_line(raw: bytes) -> Turns:
    """Read one line of a JSON lines file.

    Args:
        raw: The bytes of the line.

    Returns:
        Its turns and roles.

    Raises:
        RowError: If it breaks a rule.
    """
    try:
        row = json.loads(_decode(raw))
    except (ValueError, RecursionError):
        raise RowError("bad JSON", raw) from None
    return parse_row(row)


def parse_tab_line(raw: bytes) -> Turns:
    """Read one line of question, tab, reply.

    Args:
        raw: The bytes of the line.

    Returns:
        Its two turns, and no roles.

    Raises:
        RowError: If it breaks a rule.
    """
    columns = _decode(raw).rstrip("\r\n").split("\t")
    if len(columns) != 2:
        raise RowError("wrong number of columns", raw)
    try:
        return _plain(columns)
    except RowError as error:
        # The empty column alone would show nothing.
        raise RowError(error.rule, raw) from None


def _reader(path: Path) -> tuple[Iterator[tuple[int, Any]], Callable[[Any], Turns]]:
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _array_rows(path), parse_row
    return _lines(path), parse_tab_line if suffix in (".tsv", ".txt") else parse_json_line


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    # Bytes: a bad line then spoils only itself, and U+2028 inside a text ends no line.
    with open(path, "rb") as file:
        for number, raw in enumerate(file, start=1):
            raw = raw.removeprefix(_UTF8_BOM) if number == 1 else raw
            if raw.strip(b" \r\n"):
                yield number, raw


def _array_rows(path: Path) -> Iterator[tuple[int, Any]]:
    # Element by element, to know the line of each. A broken array has no next row to go on with.
    try:
        text = path.read_bytes().removeprefix(_UTF8_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not valid UTF-8 (byte {error.start}). Save it as UTF-8."
        ) from None
    decoder, line, counted = json.JSONDecoder(), 1, 0
    position = _expect(path, text, _skip_blanks(text, 0), "[")
    position = _skip_blanks(text, position)
    while text[position : position + 1] != "]":
        line, counted = line + text.count("\n", counted, position), position
        try:
            row, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            at = getattr(error, "lineno", line)
            raise DataError(
                f"{path}:{at}: bad JSON in the array ({str(error).split(':')[0]}). "
                "Correct it there, or write one object a line in a .jsonl file."
            ) from None
        yield line, row
        position = _skip_blanks(text, position)
        if text[position : position + 1] != "]":
            position = _skip_blanks(text, _expect(path, text, position, ","))
    end = _skip_blanks(text, position + 1)
    if end != len(text):
        _expect(path, text, end, "the end of the file")


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _expect(path: Path, text: str, position: int, wanted: str) -> int:
    if text[position : position + 1] == wanted:
        return position + 1
    found = repr(text[position : position + 1]) if position < len(text) else "the end of the file"
    raise DataError(
        f"{path}:{text.count(chr(10), 0, position) + 1}: a .json file is one array of rows: "
        f"expected {wanted}, found {found}. For one object a line, name the file .jsonl."
    )


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise RowError("not valid UTF-8", raw) from None


def _a_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise RowError("not a list", repr(value))
    return value


def _plain(values: list[Any]) -> Turns:
    if len(values) < 2:
        raise RowError("fewer than two turns", values)
    return tuple(clean_turn(value) for value in values), ()


def _read_message(message: Any) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise RowError("not an object", message)
    if "role" not in message or "content" not in message:
        raise RowError("missing key", f"keys of a message: {', '.join(message) or 'none'}")
    role, content = message["role"], message["content"]
    if role not in ROLES:
        raise RowError("unknown role", repr(role))
    if isinstance(content, list):
        content = "\n".join(_text_part(part) for part in content)
    if not isinstance(content, str):
        raise RowError("not a string", repr(content))
    return role, content


def _text_part(part: Any) -> str:
    # An image cannot be read, and a reply to it without it would teach nonsense.
    if not isinstance(part, dict) or part.get("type") != "text":
        raise RowError("not a string", repr(part))
    if not isinstance(part.get("text"), str):
        raise RowError("not a string", repr(part))
    return part["text"]

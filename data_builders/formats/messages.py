# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues as lists of messages that name who speaks.

Rows of any of these shapes, or a file (or a key of an object) that is one such list:

    {"messages": [{"role": "user", "content": "Is it open?"}, {"role": "assistant", ...}]}
    {"conversations": [{"from": "human", "value": "Is it open?"}, {"from": "gpt", ...}]}
    {"conversation": [{"human": "Is it open?", "assistant": "Until nine."}, ...]}
    {"dialogue": ["Is it open?", "Until nine."]}
    [{"role": "client", "content": "..."}, {"role": "counselor", "content": "..."}]

Known: OpenAI and ShareGPT exports, BELLE, Firefly, MOSS, SmileChat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby, islice
from typing import Any, ClassVar

from data_builders.base import clean_turn
from data_builders.formats.base import FileCorpus, FilesConfig, Guess, RawDialogue
from data_builders.reading import JsonRow, Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError

Turns = tuple[tuple[str, ...], tuple[str, ...]]

# What corpora call the three roles, in lower case. `sys` is missing on purpose: it is the
# assistant in some (CrossWOZ, a family of its own) and the system prompt in others.
_NAMES = {
    "system": "system developer 系统 系统提示",
    "user": "user usr human client customer prompter seeker patient asker questioner "
    "用户 人类 客户 顾客 来访者 求助者 患者 病人 提问者 问",
    "assistant": "assistant gpt chatgpt bot chatbot ai model bard bing agent counselor "
    "counsellor therapist supporter doctor answerer 助手 助理 客服 机器人 模型 咨询师 医生 答",
}
ROLES: Mapping[str, str] = {name: role for role, names in _NAMES.items() for name in names.split()}
TOOL_ROLES = frozenset(
    "tool tools function function_call function_response function-call function-response "
    "tool_call tool_response tool-call tool-response observation ipython".split()
)
ROLE_KEYS = ("role", "from", "speaker")
TEXT_KEYS = ("content", "value", "text", "message")
DIALOGUE_KEYS = (
    "messages",
    "conversations",
    "conversation",
    "dialogue",
    "dialog",
    "items",
    "utterances",
)
# One list of a file that is one dialogue: beyond this it is none, and would fill the memory.
MAX_MESSAGES = 10_000

_ORDER = ("system", "user", "assistant")
# A row that breaks one of these is still a row of this family.
_STILL_OURS = ("no reply", "empty text", "tool message", "fewer than two turns")
_BEFORE_JSON = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"


class MessagesCorpus(FileCorpus):
    """Reads lists of messages, whatever their keys and roles are called."""

    FORMAT: ClassVar[str] = "messages"
    TITLE: ClassVar[str] = 'messages with roles: {"messages": [{"role": "user", "content": ...}]}'

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family.

        Args:
            sample: The beginning of the file.

        Returns:
            The guess, or None if it cannot be one of these.
        """
        top = sample.layout == "array"
        rows = list(whole_dialogues(sample.rows, is_message, top))
        with_roles = sum(_fits(row.value) for row in rows)
        if with_roles * 2 > len(rows):
            return Guess(0.95 * with_roles / len(rows), why="lists of messages with known roles")
        plain = sum(_is_plain(row.value) for row in rows)
        if plain * 2 > len(rows):
            return Guess(0.5 * plain / len(rows), why="lists of turns without roles")
        return None

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings of the family.
            report: Takes the rows that break a rule.

        Yields:
            Dialogues with their roles where the messages have any.
        """
        # Looked at before reading: a list of messages is one dialogue, but lines that are
        # one message each do not say where a dialogue ends.
        top = file.head(64).lstrip(_BEFORE_JSON)[:1] == b"["
        rows = json_rows(file, report, config.encoding)
        for row in whole_dialogues(rows, is_message, top):
            try:
                turns, roles = parse_dialogue(row.value)
            except RowError as error:
                report.reject(file.name, row.line, error)
                continue
            note_annotation(_messages_of(row.value), report)
            yield RawDialogue(turns, roles, line=row.line)


def parse_messages(messages: Any, roles: Mapping[str, str] = ROLES) -> Turns:
    """Read messages that name their speaker.

    Neighbours of one role are joined by a newline. An empty system prompt says nothing and is
    left out. A message is an object with a role and a text, or one with a text per role
    ({"human": ..., "assistant": ...}).

    Args:
        messages: A list of such objects.
        roles: What the source calls system, user and assistant, in lower case.

    Returns:
        Turns and roles of equal length, with at least one reply to a user.

    Raises:
        RowError: If a message is not of that kind, or nobody replies.
    """
    turns: list[str] = []
    names: list[str] = []
    for role, text in _role_texts(messages, roles):
        if role == "system" and not text.strip():
            continue
        text = clean_turn(text)
        if names and names[-1] == role:
            turns[-1] += "\n" + text
        else:
            turns.append(text)
            names.append(role)
    # Neighbours differ now, so a reply to a user is an assistant anywhere after the first user.
    if "user" not in names or "assistant" not in names[names.index("user") :]:
        raise RowError("no reply", f"roles: {', '.join(names) or 'none'}")
    return tuple(turns), tuple(names)


def parse_dialogue(row: Any) -> Turns:
    """Read one row: a list of messages, or an object that holds one.

    Args:
        row: The value of the row.

    Returns:
        Turns and roles; no roles if the messages are plain strings.

    Raises:
        RowError: If it is not of that kind.
    """
    messages = _messages_of(row)
    if messages is None:
        if not isinstance(row, dict):
            raise RowError("not an object", described(row))
        raise RowError("missing key", described(row))
    if isinstance(row, dict) and isinstance(messages, list) and _all_strings(messages):
        return plain_turns(messages), ()
    turns, roles = parse_messages(messages)
    # ShareGPT puts the system prompt beside the list.
    system = row.get("system") if isinstance(row, dict) else None
    if isinstance(system, str) and system.strip() and roles[0] != "system":
        return (clean_turn(system), *turns), ("system", *roles)
    return turns, roles


def whole_dialogues(
    rows: Iterable[JsonRow], is_part: Callable[[Any], bool], top: bool
) -> Iterator[JsonRow]:
    """Put dialogues together that are one list in their file, and so were read message by message.

    Args:
        rows: The rows of a file; those of one list have the same key.
        is_part: Whether a value is one message rather than a whole dialogue.
        top: Whether rows without a key are the elements of one list too.

    Yields:
        Other rows as they are, and each list of messages as one row. A longer list than
        `MAX_MESSAGES` is cut just behind that, for `parse_messages` to refuse.
    """
    for (part, key), group in groupby(rows, key=lambda row: (is_part(row.value), row.key)):
        if not part or (key is None and not top):
            yield from group
            continue
        first = next(group)
        values = [row.value for row in islice(group, MAX_MESSAGES)]
        yield JsonRow(first.line, key, [first.value, *values])


def is_message(value: Any) -> bool:
    """Say whether a value is one message and no row that holds a list of them.

    Args:
        value: The value of a row.

    Returns:
        True for an object with a role and a text.
    """
    return (
        isinstance(value, dict)
        and any(key in value for key in ROLE_KEYS)
        and any(isinstance(value.get(key), str) for key in TEXT_KEYS)
        and not any(key in value for key in DIALOGUE_KEYS)
    )


def as_list(value: Any) -> list[Any]:
    """Check that something is a list of a bearable length.

    Args:
        value: What stands in the row.

    Returns:
        The same.

    Raises:
        RowError: If it is no list, or longer than `MAX_MESSAGES`.
    """
    if not isinstance(value, list):
        raise RowError("not a list", described(value))
    if len(value) > MAX_MESSAGES:
        raise RowError("too many messages", f"more than {MAX_MESSAGES:,}")
    return value


def text_of(value: Any) -> str:
    """Check one text and strip the blanks around it.

    Args:
        value: What stands in the row.

    Returns:
        The text, not empty.

    Raises:
        RowError: If it is no string, is empty, or cannot be written as UTF-8.
    """
    # Not left to clean_turn: it shows the value, which may be too deep or too large to show.
    if not isinstance(value, str):
        raise RowError("not a string", described(value))
    return clean_turn(value)


def plain_turns(values: Any) -> tuple[str, ...]:
    """Read a list of strings as the turns of a dialogue.

    Args:
        values: What stands in the row.

    Returns:
        At least two turns, none empty.

    Raises:
        RowError: If it is no list, too short or too long, or one of them is no text.
    """
    turns = tuple(text_of(value) for value in as_list(values))
    if len(turns) < 2:
        raise RowError("fewer than two turns", f"{len(turns)}: {''.join(turns)}")
    return turns


def described(value: Any) -> str:
    """Say in a few words what a value is, however large it may be.

    Args:
        value: Anything that JSON can hold.

    Returns:
        Its keys, its length, or the value itself.
    """
    if isinstance(value, dict):
        return f"keys: {', '.join(islice(value, 8)) or 'none'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return repr(value)


def note_annotation(messages: Any, report: BuildReport) -> None:
    """Count a dialogue whose messages say more than who speaks and what.

    Args:
        messages: The messages of a dialogue that was read.
        report: Gets the count.
    """
    if any(isinstance(message, dict) and len(message) > 2 for message in messages):
        report.note("dialogues whose annotation was left out")


def _messages_of(row: Any) -> Any:
    if isinstance(row, list):
        return row
    if not isinstance(row, dict):
        return None
    return next((row[key] for key in DIALOGUE_KEYS if row.get(key) is not None), None)


def _role_texts(messages: Any, roles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for message in as_list(messages):
        if not isinstance(message, dict):
            raise RowError("not an object", described(message))
        for key in ROLE_KEYS:
            if key in message:
                yield _role_of(message, message[key], roles), _content_of(message)
                break
        else:
            yield from _texts_by_role(message, roles)


def _texts_by_role(message: dict[str, Any], roles: Mapping[str, str]) -> list[tuple[str, str]]:
    found = [(roles[key], _joined(message[key])) for key in message if key in roles]
    if not found:
        raise RowError("missing key", described(message))
    return sorted(found, key=lambda pair: _ORDER.index(pair[0]))


def _role_of(message: dict[str, Any], name: Any, roles: Mapping[str, str]) -> str:
    if not isinstance(name, str):
        raise RowError("unknown role", described(name))
    name = name.strip().lower()
    if name in TOOL_ROLES or message.get("tool_calls") or message.get("function_call"):
        raise RowError("tool message", name)
    if name not in roles:
        raise RowError("unknown role", name)
    return roles[name]


def _content_of(message: dict[str, Any]) -> str:
    for key in TEXT_KEYS:
        if key in message:
            return _joined(message[key])
    raise RowError("missing key", described(message))


def _joined(content: Any) -> str:
    if isinstance(content, list):
        content = "\n".join(_text_part(part) for part in content)
    if not isinstance(content, str):
        raise RowError("not a string", described(content))
    return content


def _text_part(part: Any) -> str:
    # An image cannot be read, and a reply to it without it would teach nonsense.
    if not isinstance(part, dict) or part.get("type") != "text":
        raise RowError("not a string", described(part))
    if not isinstance(part.get("text"), str):
        raise RowError("not a string", described(part))
    return part["text"]


def _all_strings(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) for value in values)


def _is_plain(row: Any) -> bool:
    messages = _messages_of(row) if isinstance(row, dict) else None
    return isinstance(messages, list) and _all_strings(messages)


def _fits(row: Any) -> bool:
    if _is_plain(row) or not _messages_of(row):
        return False
    try:
        parse_dialogue(row)
    except RowError as error:
        return error.rule in _STILL_OURS
    return True

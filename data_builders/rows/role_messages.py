# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Lists of messages that name who speaks, whatever their keys and roles are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data_builders.dialogue import clean_turn
from data_builders.report import RowError
from data_builders.rows.checks import as_list, described

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
_ORDER = ("system", "user", "assistant")


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

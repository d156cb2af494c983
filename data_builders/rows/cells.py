# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What stands in one cell or under one key: a list of turns in all the forms it is kept in.

Beside lists as such: JSON in a cell of text, a text with marks of who speaks, a list stored column
by column, turns under `turn_1`, `turn_2`, and trees of messages of which each way is a dialogue.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from data_builders.report import RowError
from data_builders.rows.values import MAX_MESSAGES, TOOL_STEP, no_text, shown
from data_builders.rows.vocabulary import BAD_IF_YES, ROLES, fold

# [INST], <|im_start|>user, <|start_header_id|>user<|end_header_id|>, <|user|>, [Human]:, ### Human:
_TOKENS = (
    r"<\|im_start\|>\s*(\w+)[ \t]*\n|<\|start_header_id\|>\s*(\w+)\s*<\|end_header_id\|>"
    r"|(\[/?INST\])|<\|(system|user|assistant|Human|MOSS|human|bot)\|>:?"
    r"|<s>\s*(Human|Assistant|User|Bot|用户|助手|人类|机器人)[:：]"
)
# Beside such tokens a "Human:" at the beginning of a line is a part of what is said.
_MARKS = (
    re.compile(_TOKENS),
    re.compile(
        _TOKENS + r"|\[(Human|MOSS)\]:|^#{2,3} ?(\w+):?[ \t]*$|^#{2,3} ?(\w+):[ \t]"
        r"|^(Human|Assistant|User|用户|助手|人类)[:：]",
        re.MULTILINE,
    ),
)
_MAY_BE_MARKED = re.compile(r"[\n\[]|<\||<s>")
_END = re.compile(r"<\|(?:im_end|eot_id|endoftext|end|begin_of_text)\|>|<eo[a-z]>|</?s>")
_TASKS = {
    "[inst]": "user",
    "[/inst]": "assistant",
    "instruction": "user",
    "input": "user",
    "response": "assistant",
    "output": "assistant",
}
# Kinds of content in an export of ChatGPT that are no speech.
_STEPS = frozenset(
    "code execution_output system_error computer_output thoughts reasoning_recap "
    "user_editable_context model_editable_context".split()
)
_LONGEST_LITERAL = 1 << 16
_MOST_WAYS = 1_000
_NUMBERED = re.compile(r"(?:turn|round|第)?_?(\d+)轮?", re.IGNORECASE)


def conversations_in(value: Any) -> list[Any]:
    """Give the lists of turns that a value holds."""
    if isinstance(value, str):
        value = list_in_text(value)
    if value is None:
        raise RowError("empty text", value)
    if not isinstance(value, dict):
        return [value]
    if "replies" in value:
        return list(_ways(value))
    nodes = value.get("mapping", value)
    if isinstance(nodes, dict) and _are_nodes(nodes):
        return [_current_way(nodes, value.get("current_node"))]
    return [_turns_of_object(value)]


def list_in_text(text: str) -> Any:
    """Read a cell of text as JSON, or as a text with marks of who speaks."""
    text = text.strip()
    if not text:
        raise RowError("empty text", text)
    if text[0] in "[{":
        with suppress(ValueError, RecursionError):
            return json.loads(text)
        # What pandas writes of a list: ['Hi', "It's me"].
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            if len(text) < _LONGEST_LITERAL:
                return ast.literal_eval(text)
    if marked := marked_turns(text):
        return marked
    raise RowError("not a list", text)


def marked_turns(text: str) -> list[dict[str, str]]:
    """Cut a text at its marks of who speaks."""
    if not _MAY_BE_MARKED.search(text):
        return []
    found = ([m for m in marks.finditer(text) if _role(m) is not None] for marks in _MARKS)
    marks = next((one for one in found if len({_role(mark) for mark in one}) > 1), None)
    if marks is None:
        return []
    ends = [match.start() for match in marks[1:]] + [len(text)]
    before = _END.sub("", text[: marks[0].start()]).strip()
    turns = [{"role": "system", "content": before}] if before else []
    for match, end in zip(marks, ends, strict=True):
        said = _END.sub("", text[match.end() : end]).strip()
        if said.startswith("<<SYS>>") and "<</SYS>>" in said:
            system, _, said = said.removeprefix("<<SYS>>").partition("<</SYS>>")
            turns.append({"role": "system", "content": system.strip()})
            said = said.strip()
        turns.append({"role": str(_role(match)), "content": said})
    if not turns[-1]["content"]:
        turns.pop()
    # An instruction without an input has the heading all the same.
    return [turn for turn in turns if turn["content"] or turn["role"] != "user"]


def _role(match: re.Match[str]) -> str | None:
    name = fold(next(group for group in match.groups() if group))
    return ROLES.get(name) or _TASKS.get(name)


def _turns_of_object(value: dict[str, Any]) -> list[Any]:
    columns = list(value.values())
    lists = columns and all(isinstance(column, list) for column in columns)
    if lists and len({len(column) for column in columns}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    numbers = [_NUMBERED.fullmatch(str(key)) for key in value]
    if value and all(numbers):
        order = sorted(
            (int(match[1]), key) for match, key in zip(numbers, value, strict=True) if match
        )
        return [value[key] for _, key in order]
    raise RowError("not a list", shown(value))


# --- trees ---------------------------------------------------------------------------------------


def _are_nodes(nodes: Mapping[str, Any]) -> bool:
    """Say whether these are the messages of an export, each with its parent."""
    first = next(iter(nodes.values()), None)
    return isinstance(first, dict) and "parent" in first and "message" in first


def _current_way(nodes: Mapping[str, Any], last: Any) -> list[Any]:
    """Follow the parents of the message that was shown last."""
    if not isinstance(last, str) or last not in nodes:
        last = list(nodes)[-1]
    way: list[Any] = []
    while isinstance(last, str) and isinstance(node := nodes.get(last), dict):
        if len(way) > MAX_MESSAGES:
            raise RowError("too many messages", f"more than {MAX_MESSAGES:,}")
        message: Any = node.get("message")
        if _is_seen(message):
            way.append(_without_tools(message, way[-1] if way else None))
        last = node.get("parent")
    return way[::-1]


def _without_tools(message: dict[str, Any], following: Any) -> Any:
    """Leave out what goes on between a question and the answer that is shown.

    Where no answer follows, what a tool has shown was the answer: it cuts the dialogue.
    """
    content, author = message["content"], message["author"]
    kind = content.get("content_type") if isinstance(content, dict) else None
    step = author.get("role") == "tool" or message.get("recipient") not in (None, "all")
    if not step and kind not in _STEPS and not str(kind).startswith("tether_"):
        return message
    follows = following.get("author") if isinstance(following, dict) else None
    answered = following is TOOL_STEP or (follows or {}).get("role") == "assistant"
    return TOOL_STEP if answered else {"author": {"role": "tool"}}


def _is_seen(message: Any) -> bool:
    """Say whether a person has seen a message: the system's empty one is nothing."""
    if not isinstance(message, dict) or not message.get("content"):
        return False
    author = message.get("author")
    hidden = (message.get("metadata") or {}).get("is_visually_hidden_from_conversation")
    return bool(isinstance(author, dict) and not hidden)


def _ways(root: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Give each way from the root to an end, the best replies first.

    What two ways have in common is learned in the first of them only.
    """
    waiting: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [(root, [])]
    while waiting:
        node, before = waiting.pop()
        way = [*before, _message(node)]
        while children := _children(node):
            if len(way) > MAX_MESSAGES or len(waiting) > _MOST_WAYS:
                raise RowError("too many messages", f"more than {MAX_MESSAGES:,}")
            known = [turn | {"is_learned_elsewhere": True} for turn in way]
            waiting += [(child, known) for child in reversed(children[1:])]
            node = children[0]
            way.append(_message(node))
        yield way


def _children(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    replies = node.get("replies")
    listed = replies if isinstance(replies, list) else []
    usable = [one for one in listed if isinstance(one, dict) and not _is_bad(one)]
    return sorted(usable, key=_rank)


def _is_bad(node: Mapping[str, Any]) -> bool:
    return node.get("review_result") is False or any(node.get(key) is True for key in BAD_IF_YES)


def _rank(node: Mapping[str, Any]) -> float:
    rank = node.get("rank")
    return rank if isinstance(rank, (int, float)) else float("inf")


def _message(node: Mapping[str, Any]) -> dict[str, Any]:
    return {key: node[key] for key in ("role", "text", "content") if node.get(key) is not None}


def tree_of(nodes: Sequence[Mapping[str, Any]], id_key: str, parent_key: str) -> list[Any]:
    """Put messages that name their parents together."""
    by_id = {str(node.get(id_key)): dict(node) | {"replies": []} for node in nodes}
    roots = []
    for node in by_id.values():
        parent = by_id.get(str(node.get(parent_key)))
        if parent is None or parent is node:
            roots.append(node)
        else:
            parent["replies"].append(node)
    return [way for root in roots for way in _ways(root)]


def history_in(value: Any) -> list[Any]:
    """Give the turns that a cell says went before."""
    if isinstance(value, str):
        value = list_in_text(value) if value.strip() else None
    if value is None:
        return []
    if not isinstance(value, list):
        raise no_text(value) if isinstance(value, bytes) else RowError("not a list", shown(value))
    turns: list[Any] = []
    for item in value:
        turns += item if isinstance(item, list) else [item]
        if isinstance(item, list) and len(item) == 1:
            turns.append(None)  # a question that nobody answered
    return turns

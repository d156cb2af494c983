# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which columns of a table hold the dialogue, and how a row becomes one.

The setting `columns` of the tables says it by a part and the column that plays it:

    {"question": "instruction", "reply": "output"}
    {"question": "title+body", "reply": "answer"}      both, one under the other
    {"question": "body|title", "reply": "answer"}      the first of them that is not blank
    {"messages": "conversations"}                      objects with a role and a text
    {"dialogue": "utterances"}                         a list of texts, or of objects with a text

`context` stands under the question, `history` (a list of texts or of pairs) and `system` before
it. Without the setting, columns with well-known names are taken: `instruction`, `input` and
`output` of Alpaca, `conversations` of ShareGPT, `ask` and `answer` of the Toyhom clinic.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from data_builders.dialogue import RawDialogue, checked_turns, clean_turn
from data_builders.errors import UserError
from data_builders.report import BuildReport, RowError
from data_builders.rows.cells import (
    Turns,
    dialogue_or_messages,
    history_in,
    list_in,
    no_text,
    spoken_turns,
    text_in,
)
from data_builders.rows.role_messages import parse_messages

logger = logging.getLogger(__name__)

PARTS = ("question", "context", "reply", "history", "system", "messages", "dialogue")

# The best sign first: a `source` beside a `question` says where it is from.
_QUESTIONS = (
    *("question", "query", "ask", "instruction", "prompt", "q", "input", "post", "source", "src"),
    *("问题", "提问", "问句", "问", "desc", "description", "human", "user", "title", "标题"),
)
_REPLIES = (
    *("reply", "answer", "response", "output", "completion", "target", "a", "tgt", "answers"),
    *("回答", "答案", "回复", "答", "best_answer", "replies", "responses"),
    *("assistant", "bot", "gpt"),
)
_DIALOGUES = (
    *("messages", "conversations", "conversation", "dialogue", "dialog", "dialogs", "utterances"),
    *("turns", "chat", "对话"),
)
# Beside an instruction these are what it is about; beside a question they are evidence.
_INPUTS = ("input", "context")
_TITLES = ("title", "标题")
_SYSTEMS = ("system", "system_prompt")
_HISTORIES = ("history", "dialogue_history")


class RowReader:
    """Reads the rows of one table.

    Attributes:
        names: The columns it needs; `read` takes their values in this order.
        left_out: The other columns.
        said: Which column plays which part, for the user.
    """

    def __init__(self, parts: Mapping[str, Sequence[str]], joined: Mapping[str, bool]) -> None:
        """Remember what `row_reader` has found.

        Args:
            parts: The columns of each part.
            joined: Whether the columns of a part are joined, or the first with a text counts.
        """
        self.names = tuple(dict.fromkeys(name for names in parts.values() for name in names))
        self.left_out: tuple[str, ...] = ()
        signs = {part: "+" if joined[part] else "|" for part in parts}
        self.said = ", ".join(f"{part} = {signs[part].join(parts[part])}" for part in parts)
        self._getters = {
            part: _getter([self.names.index(name) for name in names], joined[part])
            for part, names in parts.items()
        }

    def read(self, values: Sequence[Any]) -> list[Turns]:
        """Read one row.

        Args:
            values: The cells of `names`.

        Returns:
            Turns and roles of one dialogue; of several when the reply is a list.

        Raises:
            RowError: If no dialogue can be had from it.
        """
        get = self._getters
        if "question" in get:
            return self._pairs(values)
        if "messages" in get:
            turns, roles = parse_messages(list_in(get["messages"](values)))
        elif "dialogue" in get:
            turns, roles = spoken_turns(list_in(get["dialogue"](values))), ()
        else:
            turns, roles = dialogue_or_messages(list_in(get["either"](values)))
        system = get["system"](values) if "system" in get and roles else None
        if isinstance(system, str) and system.strip() and roles[0] != "system":
            return [((clean_turn(system), *turns), ("system", *roles))]
        return [(turns, roles)]

    def dialogues(
        self, values: Sequence[Any], file: str, line: int, report: BuildReport
    ) -> list[RawDialogue]:
        """Read one row, or tell the report why it is none.

        Args:
            values: The cells of `names`.
            file: The file, for the report.
            line: Where the row stands.
            report: Takes the row if it breaks a rule.

        Returns:
            Its dialogues; empty if it was rejected.
        """
        try:
            return [RawDialogue(turns, roles, line=line) for turns, roles in self.read(values)]
        except RowError as error:
            # An empty cell alone would show nothing.
            found = error.found if str(error.found or "").strip() else values
            report.reject(file, line, RowError(error.rule, found))
            return []

    def _pairs(self, values: Sequence[Any]) -> list[Turns]:
        get = self._getters
        question, reply = get["question"](values), get["reply"](values)
        replies = reply if isinstance(reply, list) else [reply]
        if not replies:
            raise RowError("empty text", reply)
        context = get["context"](values) if "context" in get else None
        if context is not None and str(context).strip():
            question = f"{clean_turn(text_in(question))}\n{clean_turn(context)}"
        before = history_in(get["history"](values)) if "history" in get else []
        found = [checked_turns([*before, text_in(question), text_in(r)]) for r in replies]
        system = get["system"](values) if "system" in get else None
        if not isinstance(system, str) or not system.strip():
            return [(turns, ()) for turns in found]
        return [((clean_turn(system), *turns), _roles(len(turns))) for turns in found]


def check_columns(columns: Mapping[str, str]) -> dict[str, str]:
    """Check the setting before anything is read.

    Args:
        columns: The columns by part; empty leaves them to be found.

    Returns:
        The same.

    Raises:
        UserError: If a part is unknown, or the parts make no dialogue.
    """
    if not isinstance(columns, Mapping):
        raise UserError(
            f"`columns` must name columns by part (got {columns!r}). "
            'Write {"question": "...", "reply": "..."}.'
        )
    for part, name in columns.items():
        if part not in PARTS:
            raise UserError(f"`columns` has no part {part!r}. Choose from {', '.join(PARTS)}.")
        if not isinstance(name, str) or not name:
            raise UserError(f"`columns` needs the name of a column for {part} (got {name!r}).")
    pair = {"question", "reply"} <= set(columns) <= set(PARTS[:5])
    if columns and not pair and set(columns) - {"system"} not in ({"messages"}, {"dialogue"}):
        raise UserError(
            "`columns` must give question and reply (with context, history, system as needed), "
            f"or messages (with system), or dialogue (got {', '.join(columns)})."
        )
    return dict(columns)


def row_reader(
    names: Sequence[str],
    columns: Mapping[str, str],
    where: str,
    kinds: Mapping[str, str] | None = None,
) -> RowReader:
    """Find out which columns are which.

    Args:
        names: The columns of the table.
        columns: The setting; empty looks for known names.
        where: The file or data set, for messages.
        kinds: What each column holds, "text", "list" or "other", where that is known.

    Returns:
        What reads the rows.

    Raises:
        UserError: If a column named is not there, or nothing can be told from the names.
    """
    parts = dict(columns) or _known(names, kinds or {})
    if parts is None:
        raise UserError(
            f"{where}: cannot tell which columns are question and reply (it has {_listed(names)}). "
            'Set `columns`, such as {"question": "...", "reply": "..."} or {"messages": "..."}.'
        )
    found, joined = {}, {}
    for part, written in parts.items():
        found[part], joined[part] = _named(written, names)
        for name in found[part]:
            if name not in names:
                raise UserError(
                    f"{where} has no column {name!r}, which `columns` names as {part} "
                    f"(it has {_listed(names)}). Correct the name."
                )
    reader = RowReader(found, joined)
    logger.info("%s: %s", where, reader.said)
    reader.left_out = tuple(name for name in names if name not in reader.names)
    return reader


def known_columns(names: Sequence[str]) -> str | None:
    """Say which columns would be taken by their names alone.

    Args:
        names: A header.

    Returns:
        Such as "question = ask, reply = answer"; None if the names are not known.
    """
    parts = _known(names, {})
    return ", ".join(f"{part} = {name}" for part, name in parts.items()) if parts else None


def _known(names: Sequence[str], kinds: Mapping[str, str]) -> dict[str, str] | None:
    folded: dict[str, str] = {}
    for name in names:
        if kinds.get(name) != "other":
            folded.setdefault(_fold(name), name)
    listed = {name for name in folded if kinds.get(folded[name]) == "list"}

    def first(known: Iterable[str]) -> str | None:
        return next((folded[name] for name in known if name in folded), None)

    def with_system(parts: dict[str, str]) -> dict[str, str]:
        system = first(_SYSTEMS)
        return parts | {"system": system} if system else parts

    if whole := first(name for name in _DIALOGUES if name in listed):
        return with_system({"either": whole})
    question, reply = first(_QUESTIONS), first(_REPLIES)
    if question is None or reply is None:
        whole = first(_DIALOGUES)
        return with_system({"either": whole}) if whole else None
    parts = {"question": _question(question, first), "reply": reply}
    if history := first(_HISTORIES):
        parts["history"] = history
    return with_system(parts)


def _question(question: str, first: Callable[[Iterable[str]], str | None]) -> str:
    if _fold(question) == "instruction" and (given := first(_INPUTS)):
        return f"{question}+{given}"
    # On question-answer sites the body is often left empty and the title is the question.
    title = first(_TITLES)
    return f"{question}|{title}" if title and title != question else question


def _named(written: str, names: Sequence[str]) -> tuple[list[str], bool]:
    if written in names:
        return [written], True
    joined = "+" in written
    return [name.strip() for name in written.split("+" if joined else "|")], joined


def _getter(places: list[int], joined: bool) -> Callable[[Sequence[Any]], Any]:
    if len(places) == 1:
        (place,) = places
        return lambda values: values[place]

    def get(values: Sequence[Any]) -> Any:
        texts = [values[i] for i in places if values[i] is not None]
        for text in texts:
            if not isinstance(text, str):
                raise no_text(text)
        texts = [text.strip() for text in texts if text.strip()]
        return "\n".join(texts if joined else texts[:1])

    return get


def _roles(turns: int) -> tuple[str, ...]:
    # The last turn is the reply, whatever the history begins with.
    return ("system", *("assistant" if (turns - i) % 2 else "user" for i in range(turns)))


def _fold(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(map(str, names[:most])) or "no columns") + more

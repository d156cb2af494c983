# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues that people write by hand in YAML: for ChatterBot, for Rasa, or as rows.

    categories: [greetings]             nlu:
    conversations:                      - intent: greet
    - - Hello                             examples: |
      - Hi there!                           - hey
    - - How are you?                        - hello
      - Fine.                           responses:
                                          utter_greet:
                                          - text: Hi there!
                                        rules:
                                        - rule: greet
                                          steps:
                                          - intent: greet
                                          - action: utter_greet

Each example of an intent is a question, and each text of the response that a rule or a story
answers it with a reply. What a file does not hold, such as the texts of `domain.yml`, is looked for
in the other files of the same source: `rasa nlu.yml domain.yml rules.yml`. A story with `user` and
`bot` is a dialogue as it stands. A list of rows by name is read as one in JSON:

    - instruction: Say hello.
      response: Hello!
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import yaml

from data_builders.dialogue import RawDialogue, clean_turn
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.rows import RowsConfig, RowsCorpus, lines_of, read_rows
from data_builders.reading import JsonRow, Progress, Reading, Sample, SourceFile, source_files
from data_builders.reading.sample import MAX_ROWS
from data_builders.report import BuildReport, RowError
from data_builders.rows.dialogues import Style
from data_builders.rows.turns import read_turns
from data_builders.translation import _

YAML_SUFFIXES = (".yaml", ".yml")
_CHATTERBOT = re.compile(r"^conversations\s*:", re.MULTILINE)
_RASA = re.compile(r"^(nlu|responses|stories|rules)\s*:", re.MULTILINE)
_LIST = re.compile(r"(?:[ \t]*(?:#.*|---.*)?\r?\n)*-\s+(?:-\s|\{|\[|(?!files\b)[^\s:]+\s*:)")
_EXAMPLE = re.compile(r"^\s*-\s+(.*)$", re.MULTILINE)
# "[Paris](city)", "[Paris]{"entity": "city"}": what was said, and what it is.
_ENTITY = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\{[^}]*\})")
# A file by hand is short; the parser of YAML would take minutes for a long one.
_MAX_BYTES = 16 << 20
_MAX_DEPTH, _MAX_ALIASES = 100, 1_000
# The safe loader in C is ten times as fast; not every build of PyYAML has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_corpus(path: Path) -> bool:
    """Say whether a YAML file holds dialogues, and no mixture of sources."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            head = file.read(1 << 16)
    except OSError:
        return False
    if re.search(r"^sources\s*:", head, re.MULTILINE):
        return False
    return bool(_CHATTERBOT.search(head) or _RASA.search(head) or _LIST.match(head))


def parsed_yaml(content: bytes, name: str) -> Any:
    """Read YAML with the safe loader."""
    if len(content) > _MAX_BYTES:
        raise UserError(
            "{name} is longer than {most} MB. Split it, or write JSON.",
            name=name,
            most=_MAX_BYTES >> 20,
        )
    try:
        text = content.decode("utf-8-sig")
        _check_shape(text, name)
        return yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            "{name} is no YAML in UTF-8: {reason}. Correct it there.", name=name, reason=reason
        ) from None


def _content_of(file: SourceFile) -> Any:
    return parsed_yaml(file.stream.read(_MAX_BYTES + 1), file.name)


def _check_shape(text: str, name: str) -> None:
    """Refuse what no dialogue is like: the loader in C goes down without a word at some depth."""
    aliases = 0
    anchors: list[bool] = []
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            anchors.append(event.anchor is not None)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchors.pop()
        is_alias = isinstance(event, yaml.AliasEvent)
        aliases += is_alias
        if len(anchors) > _MAX_DEPTH or aliases > _MAX_ALIASES or (is_alias and any(anchors)):
            raise UserError(
                "{name}: its YAML is nested deeper than {most} levels, or its aliases (*name) "
                "stand in each other. Write it out plainly.",
                name=name,
                most=_MAX_DEPTH,
            )


def conversations_of(content: Any, name: str) -> Iterator[tuple[int, Any]]:
    """Give the entries of a file of ChatterBot, with their numbers."""
    entries = content.get("conversations") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise UserError(
            "{name} has no list `conversations`. Choose another format or file.", name=name
        )
    yield from enumerate(entries, start=1)


def turns_of(entry: Any) -> tuple[str, ...]:
    """Check one entry of `conversations`."""
    if not isinstance(entry, list):
        raise RowError("not a list", entry)
    if len(entry) < 2:
        raise RowError("fewer than two turns", entry)
    # type(), not isinstance(): True is an int, and "yes" cannot be had back from it.
    return tuple(clean_turn(str(item) if type(item) is int else item) for item in entry)


class ConversationsCorpus(FileCorpus):
    """Reads files of one's own in the format of the ChatterBot corpus."""

    FORMAT: ClassVar[str] = "conversations"
    TITLE: ClassVar[str] = "YAML of ChatterBot: a list `conversations` of lists of turns"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        if sample.suffix not in YAML_SUFFIXES or not _CHATTERBOT.search(sample.text):
            return None
        return Guess(0.98, why=_("a list `conversations`"))

    @classmethod
    def read_file(cls, file: Reading, config: FilesConfig) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file; `line` is the number of the entry."""
        for number, entry in conversations_of(_content_of(file.file), file.name):
            try:
                yield RawDialogue(turns_of(entry), line=number)
            except RowError as error:
                file.reject(number, error.rule, error.found)


class RasaCorpus(FileCorpus):
    """Reads the training data of a Rasa assistant."""

    FORMAT: ClassVar[str] = "rasa"
    TITLE: ClassVar[str] = "YAML of Rasa: `nlu` with `responses`, `rules` and `stories`"
    TOGETHER: ClassVar[bool] = True

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        if sample.suffix not in YAML_SUFFIXES or not _RASA.search(sample.text):
            return None
        return Guess(0.98, why=_("the keys of Rasa"))

    @classmethod
    def read_sources(
        cls, config: Any, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of all files together: an answer often stands in another one."""
        assistant = _Assistant()
        for file in source_files(config.files, progress=progress):
            assistant.learn(_content_of(file), file)
        yield from (raw._replace(lang=config.language) for raw in assistant.dialogues())
        unanswered = len(assistant.examples.keys() - assistant.answers.keys())
        if unanswered:
            report.note("intents that nothing in these files answers", unanswered)


class YamlRowsCorpus(RowsCorpus):
    """Reads a list of rows by name, or of lists of turns."""

    FORMAT: ClassVar[str] = "yaml"
    TITLE: ClassVar[str] = "YAML that is a list of rows: `- question: ...`"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        if sample.suffix not in YAML_SUFFIXES or not _LIST.match(sample.text):
            return None
        rows: Any = None
        # The sample may end within the last item.
        for text in (sample.text, sample.text.rpartition("\n- ")[0]):
            with suppress(UserError):
                rows = rows or parsed_yaml(text.encode(), sample.name)
        if not isinstance(rows, list):
            return None
        rows = _rows(rows[:MAX_ROWS])
        return super().resembles(sample._replace(rows=rows, layout="array"))

    @classmethod
    def read_file(cls, file: Reading, config: RowsConfig) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file; `line` is the number of the row."""
        content = _content_of(file.file)
        if not isinstance(content, list):
            raise UserError("{file} is no list of rows. Choose another format.", file=file.name)
        yield from read_rows(lines_of(_rows(content), True, config, None, file), file)


def _rows(values: list[Any]) -> list[JsonRow]:
    return [JsonRow(number, None, value) for number, value in enumerate(values, start=1)]


_SPOKEN = {"user", "bot", "intent", "action"}


class _Assistant:
    """What the files of an assistant say together."""

    def __init__(self) -> None:
        self.examples: dict[str, list[str]] = {}
        self.texts: dict[str, list[str]] = {}
        self.answers: dict[str, list[str]] = {}
        self.talks: list[tuple[SourceFile, list[dict[str, Any]]]] = []
        self.files: dict[str, SourceFile] = {}

    def learn(self, content: Any, file: SourceFile) -> None:
        content = content if isinstance(content, dict) else {}
        for entry in _objects(content.get("nlu")):
            intent, examples = entry.get("intent"), entry.get("examples")
            if isinstance(intent, str) and isinstance(examples, str):
                said = [_ENTITY.sub(r"\1", text).strip() for text in _EXAMPLE.findall(examples)]
                self.examples.setdefault(intent, []).extend(filter(None, said))
                self.files.setdefault(intent, file)
        responses = content.get("responses")
        for name, variants in responses.items() if isinstance(responses, dict) else ():
            found = [v.get("text") for v in _objects(variants)]
            self.texts.setdefault(str(name), []).extend(t for t in found if isinstance(t, str))
        for entry in (*_objects(content.get("rules")), *_objects(content.get("stories"))):
            self._follow(list(_objects(entry.get("steps"))), file)

    def _follow(self, steps: list[dict[str, Any]], file: SourceFile) -> None:
        # An intent or an action alone is a turn whose text is unknown; a slot is no turn.
        spoken = [step for step in steps if not _SPOKEN.isdisjoint(step)]
        if any("bot" in step for step in steps) and len(spoken) > 1:
            self.talks.append((file, spoken))
            return
        for first, second in zip(steps, steps[1:], strict=False):
            intent, action = first.get("intent"), second.get("action")
            if isinstance(intent, str) and isinstance(action, str):
                known = self.answers.setdefault(intent, [])
                known += [action] if action not in known else []

    def dialogues(self) -> Iterator[RawDialogue]:
        for file, talk in self.talks:
            said = [
                next(({"role": k, "content": step[k]} for k in ("user", "bot") if step.get(k)), {})
                for step in talk
            ]
            with suppress(RowError):  # nobody answers in it
                for found in read_turns(said, Style()):
                    turns, roles = found.turns, found.roles
                    yield RawDialogue(turns, roles, file=file.name, line=1, source=file.source)
        for intent, examples in self.examples.items():
            # An intent of retrieval, "faq/opening", is answered by the text of its own name.
            actions = self.answers.get(intent) or [f"utter_{intent}"]
            replies = [text for action in actions for text in self.texts.get(action, ())]
            self.answers.update({intent: actions} if replies else {})
            file = self.files[intent]
            for question in examples:
                for reply in replies:
                    if reply.strip():
                        pair = (question, reply.strip())
                        yield RawDialogue(pair, file=file.name, line=1, source=file.source)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    yield from (
        (item for item in value or () if isinstance(item, dict)) if isinstance(value, list) else ()
    )

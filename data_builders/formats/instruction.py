# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Instruction data: what to do, what to do it with, and the result.

    [{"instruction": "Name a bird.", "input": "", "output": "The heron."},
     {"instruction": "Translate.", "input": "<noinput>", "output": ["Bonjour.", "Salut."]},
     {"en_instruction": "Name a bird.", "en_input": "", "en_output": "The heron.",
      "instruction": "说出一种鸟。", "input": "", "output": "苍鹭。"}]

The question is the instruction, a newline and the input; an input that only says there is none
counts as empty. Other names of the columns are known (`OTHER_NAMES`); `history`, earlier pairs of
question and reply, comes before the question, and `system` before that.
Known: Stanford Alpaca and its translations, BELLE, Firefly, Dolly.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from data_builders.dialogue import RawDialogue, clean_turn
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.reading import Sample, SourceFile, json_rows
from data_builders.report import BuildReport, RowError
from data_builders.rows.checks import as_list, described, text_of

OUTPUT_LISTS = ("each", "first")
COLUMNS = ("all", "zh", "en")
OTHER_NAMES = {
    "instruction": ("instruction", "prompt"),
    "input": ("input", "context"),
    "output": ("output", "response", "completion", "target"),
}
# As the translators and the model left it, without blanks, quotes and brackets, in lower case.
NO_INPUT = frozenset(
    "noinput none n/a na null nil noinputrequired noinputneeded noinputnecessary noinputprovided "
    "noinputgiven notapplicable 无输入 没有输入 无需输入 不需要输入 无须输入 不适用 没有 无".split()
)
# Inputs of nothing but these marks; a lone "*" or ">" is asked about in Alpaca.
_EMPTY_MARKS = frozenset((".", "。", '""', "''", "``", "“”"))
_LONGEST_NO_INPUT = 40
_WRAPPING = str.maketrans("", "", " \t\r\n\"'`“”‘’「」<>《》()（）[]【】{}\\.。")
_MARKED = (("en", "en_{}"), ("en", "{}_en"), ("zh", "zh_{}"), ("zh", "{}_zh"))


class _Columns(NamedTuple):
    """Which keys of a row make one dialogue; None where the row has no such key."""

    instruction: str | None
    input: str | None
    output: str
    lang: str | None


@dataclass
class InstructionConfig(FilesConfig):
    """Settings of instruction data.

    Attributes:
        output_list: What to do with an output that is a list: "each" makes one dialogue of
            every alternative, "first" takes the first and counts the others.
        columns: Of rows in two languages: "all" makes one dialogue of each, "zh" or "en" only
            of that one. Rows in one language are read whatever is set here.
    """

    output_list: str = "each"
    columns: str = "all"

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        for name, allowed in (("output_list", OUTPUT_LISTS), ("columns", COLUMNS)):
            found = getattr(self, name)
            if found not in allowed:
                raise UserError(f"`{name}` must be one of {', '.join(allowed)} (got {found!r}).")


class InstructionCorpus(FileCorpus):
    """Reads rows of instruction, input and output."""

    FORMAT: ClassVar[str] = "instruction"
    TITLE: ClassVar[str] = 'instructions: [{"instruction": ..., "input": ..., "output": ...}]'
    BUILDER_CONFIG_CLASS = InstructionConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how well the beginning of a file fits this family."""
        rows = [row.value for row in sample.rows]
        fitting = [row for row in rows if isinstance(row, dict) and columns_of(tuple(row))]
        if len(fitting) * 2 <= len(rows):
            return None
        # `prompt` and `response` alone are used for other things as well.
        named = any("instruction" in key for key in fitting[0])
        return Guess(
            (0.95 if named else 0.6) * len(fitting) / len(rows),
            why=f"the columns {', '.join(list(fitting[0])[:6])}",
        )

    @classmethod
    def read_file(
        cls, file: SourceFile, config: InstructionConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings of the family.
            report: Takes the rows that break a rule; in a bilingual row each language, and in
                a list of outputs each of them, is a row of its own.

        Yields:
            Dialogues, with the language where columns of two languages tell it; with roles
            only where there is a system prompt.
        """
        for row in json_rows(file, report, config.encoding):
            for found in _read_row(row.value, config, report):
                if isinstance(found, RowError):
                    report.reject(file.name, row.line, found)
                else:
                    yield found._replace(line=row.line)


@lru_cache(maxsize=1024)
def columns_of(keys: tuple[str, ...]) -> tuple[_Columns, ...]:
    """Find the columns of each language among the keys of a row.

    Args:
        keys: The keys, in order.

    Returns:
        One set of columns a language, the unmarked one first; none if these are no such keys.
    """
    marked = {lang: found for lang, form in _MARKED if (found := _named(keys, form, lang))}
    # Beside English columns the unmarked ones are Chinese, and the other way round.
    others: dict[tuple[str, ...], str] = {("en",): "zh", ("zh",): "en"}
    other = others.get(tuple(marked))
    plain = _named(keys, "{}", other)
    return (*([plain] if plain else []), *marked.values())


def is_no_input(text: str) -> bool:
    """Say whether an input only says that there is none.

    Args:
        text: The input, without blanks around it.

    Returns:
        True for "", "<noinput>", "&lt;无输入&gt;", "N/A" and the like.
    """
    if len(text) > _LONGEST_NO_INPUT:
        return False
    if not text or text in _EMPTY_MARKS:
        return True
    return html.unescape(text).translate(_WRAPPING).lower() in NO_INPUT


def _named(keys: tuple[str, ...], form: str, lang: str | None) -> _Columns | None:
    instruction, given, output = (
        next((key for other in OTHER_NAMES[name] if (key := form.format(other)) in keys), None)
        for name in ("instruction", "input", "output")
    )
    if not output or not (instruction or given):
        return None
    return _Columns(instruction, given, output, lang)


def _chosen_columns(row: Any, choice: str) -> tuple[_Columns, ...]:
    if not isinstance(row, dict):
        raise RowError("not an object", described(row))
    found = columns_of(tuple(row))
    if not found:
        raise RowError("missing field", described(row))
    if choice == "all" or len(found) == 1:
        return found
    return tuple(columns for columns in found if columns.lang in (None, choice))


def _read_row(
    row: Any, config: InstructionConfig, report: BuildReport
) -> Iterator[RawDialogue | RowError]:
    try:
        chosen = _chosen_columns(row, config.columns)
    except RowError as error:
        yield error
        return
    for columns in chosen:
        yield from _read_columns(row, columns, config, report)


def _read_columns(
    row: dict[str, Any], columns: _Columns, config: InstructionConfig, report: BuildReport
) -> Iterator[RawDialogue | RowError]:
    try:
        before, question = _asked(row, columns)
        outputs = _outputs(row[columns.output], config.output_list, report)
    except RowError as error:
        yield error
        return
    for output in outputs:
        try:
            yield _dialogue(row, before, question, output, columns.lang)
        except RowError as error:
            yield error


def _asked(row: dict[str, Any], columns: _Columns) -> tuple[list[str], str]:
    """Give the turns before the question, and the question."""
    texts = [_optional(row[key]) for key in (columns.instruction, columns.input) if key is not None]
    if columns.instruction is not None and is_no_input(texts[-1]):
        texts[1:] = []
    question = "\n".join(text for text in texts if text)
    if not question:
        raise RowError("empty text", described(row))
    return _history(row.get("history")), clean_turn(question)


def _optional(value: Any) -> str:
    if value is not None and not isinstance(value, str):
        raise RowError("not a string", described(value))
    return (value or "").strip()


def _history(value: Any) -> list[str]:
    turns: list[str] = []
    for pair in as_list(value or []):
        if len(as_list(pair)) != 2:
            raise RowError("no reply", described(pair))
        turns += [text_of(text) for text in pair]
    return turns


def _outputs(value: Any, choice: str, report: BuildReport) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    if not value:
        raise RowError("empty text", "an empty list of outputs")
    if choice == "first":
        report.note("other outputs left out", len(value) - 1)
        return value[:1]
    return value


def _dialogue(
    row: dict[str, Any], before: list[str], question: str, output: Any, lang: str | None
) -> RawDialogue:
    if isinstance(output, str) and not output.strip():
        # The empty output alone would show nothing.
        raise RowError("empty text", f"no output: {question}")
    turns = (*before, question, text_of(output))
    system = row.get("system")
    if not isinstance(system, str) or not system.strip():
        return RawDialogue(turns, lang=lang)
    roles = ("system", *("user", "assistant") * (len(turns) // 2))
    return RawDialogue((clean_turn(system), *turns), roles, lang=lang)

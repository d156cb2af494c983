# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The names of all families of formats, and the guess which one a file is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from data_builders.building.builder import DialogueBuilder
from data_builders.formats.alternating import AlternatingCorpus, BlockCorpus, ConvCorpus
from data_builders.formats.base import FileCorpus, Guess
from data_builders.formats.chat_export import ChatExportCorpus
from data_builders.formats.chatterbot import ChatterbotCorpus
from data_builders.formats.chitchat import ChitchatPackageCorpus
from data_builders.formats.cornell import CornellCorpus
from data_builders.formats.hub import HubCorpus
from data_builders.formats.parallel import ParallelCorpus
from data_builders.formats.rows import KNOWN_ROWS, CsvCorpus, ParquetCorpus, RowsCorpus
from data_builders.formats.scripts import ParlaiCorpus, ScriptCorpus
from data_builders.formats.separated import DailyDialogCorpus, DoubanCorpus, SeparatedCorpus
from data_builders.formats.small_talk import SmallTalkCorpus
from data_builders.formats.spreadsheets import TablesCorpus
from data_builders.formats.subtitles import SubtitlesCorpus
from data_builders.formats.toy import ToyCorpus
from data_builders.formats.yaml_corpus import ConversationsCorpus, RasaCorpus, YamlRowsCorpus
from data_builders.reading import Sample
from data_builders.translation import _, listed

# Where two fit equally well, the first is taken.
FILE_FAMILIES: dict[str, type[FileCorpus]] = {
    family.FORMAT: family
    for family in (
        RowsCorpus,
        CsvCorpus,
        ParquetCorpus,
        ConversationsCorpus,
        RasaCorpus,
        YamlRowsCorpus,
        CornellCorpus,
        DailyDialogCorpus,
        DoubanCorpus,
        ConvCorpus,
        SubtitlesCorpus,
        ChatExportCorpus,
        ScriptCorpus,
        ParlaiCorpus,
        TablesCorpus,
        SeparatedCorpus,
        ParallelCorpus,
        BlockCorpus,
        AlternatingCorpus,
    )
}
# Their columns are looked up in the whole file, on the disk.
TABLE_FAMILIES = (ParquetCorpus, TablesCorpus)
FILE_FAMILIES = {**KNOWN_ROWS, **FILE_FAMILIES}
OTHER_FAMILIES: dict[str, type[DialogueBuilder]] = {
    family.FORMAT: family
    for family in (SmallTalkCorpus, ToyCorpus, ChatterbotCorpus, ChitchatPackageCorpus, HubCorpus)
}
# Their `languages` choose what is read; empty, it is all that they have.
OWN_LANGUAGES = (SmallTalkCorpus.FORMAT, ChatterbotCorpus.FORMAT)
FAMILIES: dict[str, type[DialogueBuilder]] = {**FILE_FAMILIES, **OTHER_FAMILIES}

# Below this nobody should build without having looked.
LIKELY = 0.35
# What a file of bytes must reach: a text format would find a tab or a `=` somewhere in it.
SURE = 0.9


class GuessedFormat(NamedTuple):
    """The family that fits a file best.

    Attributes:
        format: Its name.
        guess: How well, and why.
    """

    format: str
    guess: Guess

    def sentence(self, name: str) -> str:
        """Say the guess."""
        options = [f"{key} {value!r}" for key, value in self.guess.options.items()]
        said = _("{name}: format {format}", name=name, format=listed([self.format, *options]))
        return said + (_(" ({what})", what=self.guess.why) if self.guess.why else "")


def guess_format(sample: Sample, options: Mapping[str, Any] = {}) -> GuessedFormat | None:
    """Choose the family that fits the beginning of a file best."""
    if any(options.get(name) for name in ("columns", "describe")):
        return _rows_as_told(sample)
    best, needed = None, SURE if _is_binary(sample.text) else LIKELY
    for name, family in FILE_FAMILIES.items():
        guess = family.resembles(sample)
        if guess and guess.score >= needed and (best is None or guess.score > best.guess.score):
            best = GuessedFormat(name, guess)
    return best


def _rows_as_told(sample: Sample) -> GuessedFormat | None:
    """Say in which container rows are of which the user tells the names."""
    why = _("its names are told")
    for family in TABLE_FAMILIES:
        if family.is_marked(sample):
            return GuessedFormat(family.FORMAT, Guess(1.0, why=why))
    if sample.layout is not None:
        return GuessedFormat(RowsCorpus.FORMAT, Guess(1.0, why=why))
    if _is_binary(sample.text) or not any(line.strip() for line in sample.lines):
        return None
    return GuessedFormat(CsvCorpus.FORMAT, Guess(1.0, why=why))


def _is_binary(text: str) -> bool:
    controls = sum(c < " " and c not in "\t\n\r" or c == "\ufffd" for c in text[:4000])
    return controls > len(text[:4000]) / 20

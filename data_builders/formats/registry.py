# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The names of all families of formats, and the guess which one a file is of."""

from __future__ import annotations

from typing import NamedTuple

from data_builders.building.builder import DialogueBuilder
from data_builders.formats.alternating import AlternatingCorpus, BlockCorpus, ConvCorpus
from data_builders.formats.base import FileCorpus, Guess
from data_builders.formats.c3 import C3Corpus
from data_builders.formats.chat_export import ChatExportCorpus
from data_builders.formats.chatterbot import ChatterbotCorpus
from data_builders.formats.chitchat import ChitchatCorpus, ChitchatPackageCorpus
from data_builders.formats.community_qa import CommunityQACorpus
from data_builders.formats.cornell import CornellCorpus
from data_builders.formats.crosswoz import CrossWozCorpus
from data_builders.formats.csv_table import CsvCorpus
from data_builders.formats.hub import HubCorpus
from data_builders.formats.instruction import InstructionCorpus
from data_builders.formats.kdconv import KdConvCorpus
from data_builders.formats.lccc import LcccCorpus
from data_builders.formats.messages import MessagesCorpus
from data_builders.formats.pairs import PairsCorpus
from data_builders.formats.parallel import ParallelCorpus
from data_builders.formats.parquet import ParquetCorpus
from data_builders.formats.scripts import ParlaiCorpus, ScriptCorpus
from data_builders.formats.separated import DailyDialogCorpus, DoubanCorpus, SeparatedCorpus
from data_builders.formats.small_talk import SmallTalkCorpus
from data_builders.formats.subtitles import SubtitlesCorpus
from data_builders.formats.tables import TablesCorpus
from data_builders.reading import Sample

# Where two fit equally well, the first is taken.
FILE_FAMILIES: dict[str, type[FileCorpus]] = {
    family.FORMAT: family
    for family in (
        PairsCorpus,
        InstructionCorpus,
        CommunityQACorpus,
        MessagesCorpus,
        LcccCorpus,
        CrossWozCorpus,
        KdConvCorpus,
        C3Corpus,
        ChitchatCorpus,
        CornellCorpus,
        DailyDialogCorpus,
        DoubanCorpus,
        ConvCorpus,
        SubtitlesCorpus,
        ChatExportCorpus,
        ScriptCorpus,
        ParlaiCorpus,
        CsvCorpus,
        ParquetCorpus,
        TablesCorpus,
        SeparatedCorpus,
        ParallelCorpus,
        BlockCorpus,
        AlternatingCorpus,
    )
}
OTHER_FAMILIES: dict[str, type[DialogueBuilder]] = {
    family.FORMAT: family
    for family in (SmallTalkCorpus, ChatterbotCorpus, ChitchatPackageCorpus, HubCorpus)
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
        """Say the guess.

        Args:
            name: The file, as the user knows it.

        Returns:
            A line for the terminal.
        """
        options = "".join(f", {key} {value!r}" for key, value in self.guess.options.items())
        why = f" ({self.guess.why})" if self.guess.why else ""
        return f"{name}: format {self.format}{options}{why}"


def guess_format(sample: Sample) -> GuessedFormat | None:
    """Choose the family that fits the beginning of a file best.

    Args:
        sample: The beginning of the file.

    Returns:
        The best one, or None if none fits.
    """
    best, needed = None, SURE if _is_binary(sample.text) else LIKELY
    for name, family in FILE_FAMILIES.items():
        guess = family.resembles(sample)
        if guess and guess.score >= needed and (best is None or guess.score > best.guess.score):
            best = GuessedFormat(name, guess)
    return best


def _is_binary(text: str) -> bool:
    controls = sum(c < " " and c not in "\t\n\r" or c == "\ufffd" for c in text[:4000])
    return controls > len(text[:4000]) / 20

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Corpora in, Arrow dialogues out: one schema, a report for every row, splits without leaks."""

from data_builders.building.builder import DIALOGUE_FEATURES, DialogueBuilder, DialogueConfig
from data_builders.cleaning.pipeline import CleaningSettings
from data_builders.formats.chatterbot import ChatterbotConfig, ChatterbotCorpus
from data_builders.formats.pairs import PairsCorpus
from data_builders.formats.small_talk import SmallTalkConfig, SmallTalkCorpus
from data_builders.output.folder import save_result
from data_builders.report import BuildReport, DataError, Reject
from data_builders.selecting.settings import SelectionSettings
from data_builders.selecting.shards import Dialogue
from data_builders.selecting.splits import split_of
from data_builders.sources.build import BuildResult, build_dialogues
from data_builders.sources.mixture import MixtureConfig, MixtureCorpus

__all__ = [
    "DIALOGUE_FEATURES",
    "BuildReport",
    "BuildResult",
    "ChatterbotConfig",
    "ChatterbotCorpus",
    "CleaningSettings",
    "DataError",
    "Dialogue",
    "DialogueBuilder",
    "DialogueConfig",
    "MixtureConfig",
    "MixtureCorpus",
    "PairsCorpus",
    "Reject",
    "SelectionSettings",
    "SmallTalkConfig",
    "SmallTalkCorpus",
    "build_dialogues",
    "save_result",
    "split_of",
]

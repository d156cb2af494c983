# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Corpora in, Arrow dialogues out: one schema, a report for every row, a stable split."""

from data_builders.base import DIALOGUE_FEATURES, Dialogue, DialogueBuilder, DialogueConfig
from data_builders.build import BuildResult, build_dialogues, save_result
from data_builders.chatterbot import ChatterbotConfig, ChatterbotCorpus
from data_builders.pairs import PairsConfig, PairsCorpus
from data_builders.report import BuildReport, DataError, Reject
from data_builders.splits import split_of

__all__ = [
    "DIALOGUE_FEATURES",
    "BuildReport",
    "BuildResult",
    "ChatterbotConfig",
    "ChatterbotCorpus",
    "DataError",
    "Dialogue",
    "DialogueBuilder",
    "DialogueConfig",
    "PairsConfig",
    "PairsCorpus",
    "Reject",
    "build_dialogues",
    "save_result",
    "split_of",
]

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Corpora in, Arrow dialogues out: one schema, a report for every row, splits without leaks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data_builders.building.builder import DIALOGUE_FEATURES, DialogueBuilder, DialogueConfig
    from data_builders.cleaning.pipeline import CleaningSettings
    from data_builders.errors import UserError
    from data_builders.formats.chatterbot import ChatterbotConfig, ChatterbotCorpus
    from data_builders.formats.rows import PairsCorpus
    from data_builders.formats.small_talk import SmallTalkConfig, SmallTalkCorpus
    from data_builders.output.folder import save_result
    from data_builders.report import BuildReport, Reject
    from data_builders.selecting.settings import SelectionSettings
    from data_builders.selecting.shards import Dialogue
    from data_builders.selecting.splits import split_of
    from data_builders.sources.build import BuildResult, build_dialogues
    from data_builders.sources.mixture import MixtureConfig, MixtureCorpus

_NAMES = {
    "building.builder": "DIALOGUE_FEATURES DialogueBuilder DialogueConfig",
    "cleaning.pipeline": "CleaningSettings",
    "errors": "UserError",
    "formats.chatterbot": "ChatterbotConfig ChatterbotCorpus",
    "formats.rows": "PairsCorpus",
    "formats.small_talk": "SmallTalkConfig SmallTalkCorpus",
    "output.folder": "save_result",
    "report": "BuildReport Reject",
    "selecting.settings": "SelectionSettings",
    "selecting.shards": "Dialogue",
    "selecting.splits": "split_of",
    "sources.build": "BuildResult build_dialogues",
    "sources.mixture": "MixtureConfig MixtureCorpus",
}
_PLACES = {name: place for place, names in _NAMES.items() for name in names.split()}

__all__ = [
    "DIALOGUE_FEATURES",
    "BuildReport",
    "BuildResult",
    "ChatterbotConfig",
    "ChatterbotCorpus",
    "CleaningSettings",
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
    "UserError",
    "build_dialogues",
    "save_result",
    "split_of",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: `datasets` takes a second, and `--help` needs none of it."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)

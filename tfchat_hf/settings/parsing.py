# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Turn settings into the arguments of a run, and check what they must be to one another."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from huggingface_hub.errors import StrictDataclassError

from data_builders.command_line import must_be_one_of
from data_builders.errors import UserError
from data_builders.translation import marked, retold

from ..model.configuration_tfchat import TFChatConfig
from .arguments import DataArguments, GenerationArguments, RunArguments, TFChatTrainingArguments
from .keys import NETWORK
from .reading import COMMAND_LINE, Setting, checked, read_settings
from .rules import check_settings, check_used

# What `TFChatConfig` says, which knows no catalogue.
_NETWORK_RULES = (
    marked(
        "`{name}` must divide `d_model` (got {heads} and {width}). Use a head count such as "
        "{nearest}."
    ),
    marked(
        "`position_embedding_type='rotary'` needs an even head size (got `d_model` {width} / "
        "`{name}` {heads} = {size})."
    ),
    marked("`position_embedding_type` must be 'sinusoidal' or 'rotary' (got {value})."),
    marked("Sinusoidal positions need an even `d_model` (got {width}). Use {next}."),
)


def parse_arguments(argv: Sequence[str]) -> RunArguments:
    """Turn a command line into checked settings.

    Args:
        argv: as `read_settings` takes it.

    Raises:
        UserError: for a file, key or value that cannot be used.
    """
    settings = read_settings(argv)
    # Here: it loads torch.
    from .init_from import with_settings_of_origin

    settings, origin = with_settings_of_origin(settings)
    run = build_arguments(settings)
    check_used(run.data)
    run.origin = origin
    return run


def build_arguments(settings: Mapping[str, Setting]) -> RunArguments:
    """Sort settings into the groups of a run and check the rules between them."""
    settings = _pairs_over_tokens(checked(settings))
    rest = {key: setting.value for key, setting in settings.items()}

    def group(kind: type, keys: Sequence[str]) -> Any:
        return kind(**{key: rest.pop(key) for key in keys if key in rest})

    try:
        run = RunArguments(
            group(TFChatConfig, NETWORK),
            group(DataArguments, [field.name for field in fields(DataArguments)]),
            group(GenerationArguments, [field.name for field in fields(GenerationArguments)]),
            TFChatTrainingArguments(**rest),
            given=tuple(settings),
        )
        check_settings(run)
    except UserError:
        raise
    except (ValueError, ImportError, StrictDataclassError) as error:
        # transformers' own checks, some of them several lines long, and those of the network
        cause = error.__cause__ if isinstance(error, StrictDataclassError) else error
        reason = " ".join(str(cause).split())
        raise _no_choice(reason, settings) or UserError(retold(reason, _NETWORK_RULES)) from error
    return run


def _no_choice(reason: str, settings: Mapping[str, Setting]) -> UserError | None:
    """Name the setting whose word is none of transformers' own: it names the word alone."""
    found = re.fullmatch(r"(.*) is not a valid \w+, please select one of (\[.*\])", reason)
    if found is None:
        return None
    key = next(key for key, setting in settings.items() if str(setting.value) == found[1])
    return settings[key].problem(must_be_one_of(key, ast.literal_eval(found[2]), found[1]))


def _pairs_over_tokens(settings: dict[str, Setting]) -> dict[str, Setting]:
    """Let a number of pairs overrule the default of tokens; on the command line, a file's too."""
    pairs, tokens = map(settings.get, ("per_device_train_batch_size", "tokens_per_update"))
    if pairs and (tokens is None or pairs.origin == COMMAND_LINE != tokens.origin):
        return {**settings, "tokens_per_update": Setting(0, pairs.origin)}
    return settings

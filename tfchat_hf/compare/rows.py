# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The rows of the ladder that a model answers: its presets, and settings from the command line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from transformers import GenerationConfig, PreTrainedModel

from ..chat.settings import IMPLIES_SAMPLING
from ..fast.decoding import preset, preset_names
from ..fast.reranking import RERANK_SETTINGS
from ..measuring.baselines import BASELINES
from ..model.generation_tfchat import OWN_SETTINGS
from ..text.errors import UserError

# All others are compared with it.
BASE_ROW = "greedy"
# Beside settings a configuration holds these, and all presets of its model.
_NO_SETTINGS = ("_", "presets", "transformers_version", "output_")
# What the rows have in common, or what would give more than one reply a question.
_NOT_HERE = ("max_length", "num_return_sequences", "return_dict_in_generate")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_EXAMPLE = '--setting "mine: temperature=0.7,top_p=0.9"'


@dataclass(frozen=True)
class Row:
    """One way of decoding.

    Attributes:
        name: of the preset or setting.
        config: complete, for `generate()`.
        is_preset: whether the model knows it by this name.
    """

    name: str
    config: GenerationConfig
    is_preset: bool

    @property
    def sampled(self) -> bool:
        """Tells whether another seed gives other replies."""
        return bool(self.config.do_sample)

    @property
    def needs_reverse_model(self) -> bool:
        """Tells whether its candidates are ranked by a second model."""
        return getattr(self.config, "rerank_by", None) == "reverse"

    def settings(self) -> dict[str, Any]:
        """Gives the settings that differ from transformers' defaults."""
        found = self.config.to_diff_dict()
        return {key: found[key] for key in sorted(found) if not key.startswith(_NO_SETTINGS)}


def plan_rows(
    model: PreTrainedModel,
    presets: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    has_reverse_model: bool = False,
) -> tuple[list[Row], list[str]]:
    """Lists the rows to decode.

    Args:
        model: knows its presets.
        presets: names of those to take; None for all. The greedy one is always there.
        settings: rows as `read_setting` takes them.
        has_reverse_model: whether rows that need one can be decoded.

    Returns:
        The rows, the greedy one first, and a note on each preset that is left out.

    Raises:
        UserError: names a preset or setting that cannot be.
    """
    known = preset_names(model)
    wanted = _checked_presets(known, presets)
    rows = [Row(name, preset(model, name), True) for name in wanted]
    for text in settings:
        row = read_setting(model, text)
        if row.name in [*known, *BASELINES, *(other.name for other in rows)]:
            raise UserError(
                f"`--setting` {row.name!r} is the name of another row. Give it a name of its own."
            )
        if row.needs_reverse_model and not has_reverse_model:
            raise UserError(
                f"`--setting` {row.name!r} has rerank_by=reverse, which needs a second model. "
                "Add --reverse-model with the folder of a run trained with `swap_sides: true`."
            )
        rows.append(row)
    left_out = [row.name for row in rows if row.needs_reverse_model and not has_reverse_model]
    notes = [f"{name} is left out: it needs --reverse-model" for name in left_out]
    return [row for row in rows if row.name not in left_out], notes


def _checked_presets(known: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """Orders the presets to take, the greedy one first."""
    for name in wanted or ():
        if name not in known:
            raise UserError(
                f"`--presets` must be among {', '.join(known)} (got {name!r}). Other settings go "
                f"into a row of their own: {_EXAMPLE}"
            )
    if BASE_ROW not in known:
        raise UserError(
            f"The model has no preset {BASE_ROW!r}, with which all others are compared (it has "
            f"{', '.join(known) or 'none'}). Add it to `presets` in its generation_config.json."
        )
    chosen = known if wanted is None else wanted
    return list(dict.fromkeys([BASE_ROW, *chosen]))


def read_setting(model: PreTrainedModel, text: str) -> Row:
    """Makes a row from "name: key=value,key=value".

    The values stand on top of the greedy preset, or on top of another one with `preset=name`.
    Settings of sampling turn it on, as they do in chat.

    Raises:
        UserError: says what is wrong with the text.
    """
    name, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon or not _NAME.fullmatch(name):
        raise UserError(
            "`--setting` must be a name of ASCII letters, digits and .-_, a colon and settings "
            f"(got {text!r}). Write {_EXAMPLE}."
        )
    values = _values(name, rest)
    base = str(values.pop("preset", BASE_ROW))
    if base not in preset_names(model):
        raise UserError(
            f"`--setting` {name!r}: `preset` must be one of {', '.join(preset_names(model))} "
            f"(got {base!r})."
        )
    config = preset(model, base)
    for key, value in values.items():
        _check_key(name, key, config)
        setattr(config, key, value)
    if any(key in values for key in IMPLIES_SAMPLING) and "do_sample" not in values:
        config.do_sample = True
    return Row(name, config, False)


def _values(name: str, text: str) -> dict[str, Any]:
    """Reads the settings of a row; values are spelled as in YAML."""
    values: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in re.split(r",(?=\s*\w+\s*=)", text))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise UserError(
                f"`--setting` {name!r}: settings are written key=value (got {part!r}). "
                f"Write {_EXAMPLE}."
            )
        values[key] = _value(name, key, value)
    return values


def _value(name: str, key: str, text: str) -> Any:
    """Reads one value; `1e-3` is a string for YAML and a float here."""
    try:
        value = yaml.safe_load(text)
        return float(value) if isinstance(value, str) and re.match(r"[-+.\d]", value) else value
    except (yaml.YAMLError, ValueError):
        raise UserError(
            f"`--setting` {name!r}: `{key}` has a value that cannot be read (got {text!r}). "
            "Write numbers, true, false or a word."
        ) from None


def _check_key(name: str, key: str, config: GenerationConfig) -> None:
    """Refuses a setting that `generate()` does not know, and one that a row cannot have."""
    known = {one for one in vars(config) if one[0] != "_"}
    known = sorted(known | {*OWN_SETTINGS, *RERANK_SETTINGS})
    if key in _NOT_HERE:
        raise UserError(
            f"`--setting` {name!r}: `{key}` is the same for all rows of the ladder. Leave it out."
        )
    if key not in known:
        nearest = [one for one in known if one.startswith(key)]
        nearest = nearest or difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        advice = f"Did you mean `{nearest[0]}`?" if nearest else "generate() has no such setting."
        raise UserError(f"`--setting` {name!r}: unknown setting `{key}`. {advice}")

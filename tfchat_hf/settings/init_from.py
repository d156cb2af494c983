# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Begin a run with the weights, the network and the tokenizer of another one (`init_from`).

Only `model.safetensors`, `config.json`, the tokenizer's JSON and `run_config.yaml` are read: code
that lies beside them is not run. Optimizer and schedule begin afresh.
"""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase
from transformers.utils import cached_file

from data_builders.errors import UserError
from data_builders.translation import _, joined, marked

from ..model.configuration_tfchat import TFChatConfig
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .keys import NETWORK
from .places import find_model
from .reading import Setting, read_yaml
from .run_folder import SETTINGS_FILE, RunFolder

logger = logging.getLogger(__name__)

# Weights fit whatever these rates are.
_FREE = ("dropout", "attention_dropout", "activation_dropout")
# Of the network and without a setting: the checkpoints of the original have them.
_WITHOUT_SETTING = ("shared_layer_norm", "original_position_exponents")
_TOKENIZER_KEYS = ("tokenizer_scheme", "vocab_size", "tokenizer_user_dictionaries")
_ADVICE = marked(
    "Give the folder of a finished run, a checkpoint, or the id of a TFChat model on the Hub."
)


def with_settings_of_origin(
    settings: dict[str, Setting],
) -> tuple[dict[str, Setting], str | None]:
    """Take the settings of network and tokenizer from the model that a run begins with.

    Args:
        settings: as the user gave them, their values converted.

    Returns:
        The settings, and the folder or Hub id to load from: `init_from`, or of a run that is
        resumed its own newest checkpoint, which outlives the other one; None without `init_from`.

    Raises:
        UserError: if there is no such model, or a setting that was given is not as there.
    """
    given = {key: setting.value for key, setting in settings.items()}
    origin, output_dir = given.get("init_from"), given.get("output_dir")
    if origin is None:
        return settings, None
    own = _own_checkpoint(output_dir) if given.get("resume") else None
    try:
        source = find_model(own or origin)
    except UserError as error:
        raise settings["init_from"].problem(f"`init_from`: {error}") from error
    if own is None and output_dir is not None:
        _check_apart(source, output_dir)
    config = _read_config(source)
    network = {name: getattr(config, name) for name in NETWORK}
    # Where only the size of the tokenizer is known: more tokens may have been asked for.
    vocab_size = max(given.get("vocab_size", 0), config.vocab_size)
    tokenizer = {"vocab_size": vocab_size, **_tokenizer_settings(source)}
    of_origin = {key: Setting(value, source) for key, value in {**network, **tokenizer}.items()}
    # Rates of a training may be others, and beside a `tokenizer` its settings mean nothing.
    free = {*_FREE, *(_TOKENIZER_KEYS if given.get("tokenizer") else ())}
    for key in [key for key in of_origin if key in given and key not in free]:
        if not _same(key, given[key], of_origin[key].value):
            raise settings[key].problem(
                _(
                    "`{key}` must be as in `init_from` {origin} (got {value!r}, there {there!r}). "
                    "Delete the line, or train without `init_from`.",
                    key=key,
                    origin=origin,
                    value=given[key],
                    there=of_origin[key].value,
                )
            )
    return {**of_origin, **settings}, source


def _own_checkpoint(output_dir: str | None) -> str | None:
    """Find what a resumed run has of its own: its newest whole checkpoint, or its end."""
    if output_dir is None:
        return None
    folder = RunFolder(output_dir).workplace(overwrite=False, resume=True)
    if folder.finished:
        return str(folder.path)
    checkpoint = folder.last_checkpoint(lambda line: None)
    return str(checkpoint) if checkpoint else None


def _check_apart(source: str, output_dir: str) -> None:
    """Refuse a folder that the run itself writes to."""
    folder = Path(source).resolve()
    if folder.is_dir() and Path(output_dir).resolve() in (folder, *folder.parents):
        raise UserError(
            "`init_from` {source} must not lie in `output_dir` {output_dir}, which the run "
            "writes to. Choose another --output_dir, or --resume to go on with that run.",
            source=source,
            output_dir=output_dir,
        )


def _is_hub_id(name: str) -> bool:
    """Tell whether a name that is no folder here can be an id of the Hub, `owner/name`."""
    parts = re.fullmatch(r"([\w-][\w.-]*)/([\w-][\w.-]*)", name)
    return parts is not None and not Path(parts[1]).is_dir()


def origin_name(init_from: str) -> str:
    """Name what a run began with, without saying where on this machine it lies.

    Only an id of the Hub has a slash.
    """
    if _is_hub_id(init_from) and not Path(init_from).is_dir():
        return init_from
    folder = Path(init_from).absolute()
    within = f" of {folder.parent.name}" if folder.name.startswith("checkpoint-") else ""
    return folder.name + within


def _read_config(source: str) -> TFChatConfig:
    """Read the shape of the network; refuse another kind of model."""
    try:
        found, _unused = TFChatConfig.get_config_dict(source)
        kind = found.get("model_type")
        if kind == TFChatConfig.model_type:
            return TFChatConfig.from_dict(found)
    except Exception as error:  # many libraries, many error types, one thing to tell
        raise _cannot_load(source, error) from error
    what = _("`init_from` {source} is a model of type {kind!r}.", source=source, kind=kind)
    raise UserError(joined(what, _(_ADVICE)))


def _cannot_load(source: str, error: Exception) -> UserError:
    """Say in a sentence what a library said in many lines."""
    logger.debug("loading failed", exc_info=True)
    reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
    what = _(
        "`init_from` {source} cannot be loaded: {reason}.",
        source=source,
        reason=reason.rstrip("."),
    )
    return UserError(joined(what, _(_ADVICE)))


def _tokenizer_settings(source: str) -> dict[str, Any]:
    """Read how the tokenizer was trained; nothing where the model does not say so."""
    folder = Path(source)
    if folder.name.startswith("checkpoint-") and not (folder / SETTINGS_FILE).is_file():
        source = str(folder.parent)
    file = cached_file(
        source,
        SETTINGS_FILE,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    settings = {} if file is None else read_yaml(file)
    if "tokenizer" in settings and settings["tokenizer"].value:
        return {}
    return {key: settings[key].value for key in _TOKENIZER_KEYS if key in settings}


def _same(key: str, given: Any, value: Any) -> bool:
    """Compare two values of a setting; of a published run's files only the names are known."""
    if key == "tokenizer_user_dictionaries":
        return [Path(path).name for path in given] == [Path(path).name for path in value]
    return given == value


def load_tokenizer(source: str, model_max_length: int) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model to begin with.

    Args:
        source: a folder, or an id on the Hub.
        model_max_length: to which `truncation=True` cuts.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # as above
        raise _cannot_load(source, error) from error
    tokenizer.model_max_length = model_max_length
    return tokenizer


def check_same_tokenizer(
    tokenizer: PreTrainedTokenizerBase, given: PreTrainedTokenizerBase, name: str, origin: str
) -> None:
    """Refuse a `tokenizer` that would give the weights other tokens than they know.

    Args:
        tokenizer: of the model that the run begins with.
        given: of the setting `tokenizer`.
        name: the value of that setting.
        origin: where the model is from.
    """
    if _pipeline(tokenizer) != _pipeline(given):
        raise UserError(
            "`tokenizer` {name} is another one than that of `init_from` {origin}, whose "
            "weights know no other. Delete the line `tokenizer`.",
            name=name,
            origin=origin,
        )


def _pipeline(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return all that turns a text into ids, without what a call leaves behind."""
    pipeline = json.loads(tokenizer.backend_tokenizer.to_str())
    return {**pipeline, "truncation": None, "padding": None}


def network_without_setting(source: str) -> dict[str, Any]:
    """Return what shapes a network and has no setting."""
    config = _read_config(source)
    names = (*_WITHOUT_SETTING, "vocab_size")
    return {name: getattr(config, name) for name in names}


def load_weights(source: str, config: TFChatConfig) -> TFChatForConditionalGeneration:
    """Make the network of `config` with the weights of a model to begin with.

    Args:
        source: a folder, or an id on the Hub.
        config: of the run; the shape is that of the model, the rest the run's own.

    Raises:
        UserError: if the file is not whole or no safetensors.
    """
    try:
        model, report = TFChatForConditionalGeneration.from_pretrained(
            source,
            config=config,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    except Exception as error:  # as above
        raise _cannot_load(source, error) from error
    if report["missing_keys"]:
        lacking = ", ".join(sorted(report["missing_keys"])[:3])
        what = _("`init_from` {source} lacks weights ({names} ...).", source=source, names=lacking)
        raise UserError(joined(what, _(_ADVICE)))
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise UserError(
            "`init_from` {source} has weights that are no numbers. Take another model.",
            source=source,
        )
    # How it answers is the new run's to say.
    model.generation_config = GenerationConfig.from_model_config(config)
    return model.train()

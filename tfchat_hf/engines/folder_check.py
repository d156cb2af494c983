# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whether the files of a model folder can be what they say, before a library loads them.

A library takes a file that it cannot read for none, builds ten million layers where config.json
says so, or ends in an error that names neither file nor key. Here each becomes one sentence.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers.activations import ACT2FN

from data_builders.command_line import sentence
from data_builders.errors import UserError
from data_builders.translation import reason_of

from ..model.configuration_tfchat import TFChatConfig
from ..model.generation_tfchat import OWN_SETTINGS

CONFIG, GENERATION = "config.json", "generation_config.json"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
# Far beyond what anybody trains here, and still made in seconds.
_LARGEST = {
    "vocab_size": 10_000_000,
    "d_model": 65_536,
    "encoder_layers": 1_000,
    "decoder_layers": 1_000,
    "encoder_ffn_dim": 1_000_000,
    "decoder_ffn_dim": 1_000_000,
    "max_position_embeddings": 131_072,
    "max_context_turns": 10_000,
}
_NUMBERS: dict[str, tuple[type, float, float]] = {
    "temperature": (float, 0.001, 100),
    "top_p": (float, 0, 1),
    "min_p": (float, 0, 1),
    "top_k": (int, 0, 10_000_000),
    "num_beams": (int, 1, 512),
    "num_candidates": (int, 1, 512),
    "num_return_sequences": (int, 1, 512),
    "max_new_tokens": (int, 1, 1_000_000),
    "max_length": (int, 1, 1_000_000),
    "min_new_tokens": (int, 0, 1_000_000),
    "min_length": (int, 0, 1_000_000),
    "no_repeat_ngram_size": (int, 0, 1_000),
    "repetition_penalty": (float, 0.001, 1_000),
    "length_penalty": (float, -1_000, 1_000),
    **{name: (type(own.default), own.low, own.high) for name, own in OWN_SETTINGS.items()},
}
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
# How many times as long the texts that a tokenizer replaces may become.
_MOST_GROWTH = 100


def check_model_files(folder: Path) -> None:
    """Refuse a configuration, generation settings or weights that do not fit together.

    Args:
        folder: With a config.json; one of another kind of model is not looked at.

    Raises:
        UserError: Says which file, which key, what is wanted and what was found.
    """
    content = read_json(folder / CONFIG)
    if content.get("model_type") != TFChatConfig.model_type:
        return
    config = check_config(folder / CONFIG, content)
    if (folder / GENERATION).is_file():
        check_generation(folder / GENERATION, config.vocab_size)
    shapes = _weight_shapes(folder)
    if not shapes:
        raise UserError(
            "{folder} holds no weights (model.safetensors; files in pickle format are "
            "not read). Give the folder of a finished run.",
            folder=folder,
        )
    _check_shapes(folder / CONFIG, config, shapes)


def check_tokenizer_files(folder: Path) -> None:
    """Refuse a folder without a readable tokenizer, or with one that blows texts up.

    Raises:
        UserError: Says which file, and what is wrong with it.
    """
    read_json(folder / TOKENIZER_CONFIG)
    steps = read_json(folder / TOKENIZER).get("normalizer")
    growth = math.prod(_growth(step) for step in _steps(steps))
    if growth > _MOST_GROWTH:
        raise UserError(
            "{tokenizer}: `normalizer` may make a text {growth:,.0f} times as long (at "
            "most {most_growth}). Take a tokenizer that leaves texts as they are.",
            tokenizer=folder / TOKENIZER,
            growth=growth,
            most_growth=_MOST_GROWTH,
        )


def check_tokenizer(name: object, tokenizer: Any, vocab_size: int) -> None:
    """Refuse a tokenizer whose ids the model does not have.

    Raises:
        UserError: Says how many each of the two has.
    """
    count = 1 + max(tokenizer.get_vocab().values(), default=-1)
    if count > vocab_size:
        raise UserError(
            "{name}: the tokenizer has another vocabulary, of {count} tokens, than the "
            "model, of {vocab_size} (`vocab_size` in {config}). Call "
            "`model.resize_token_embeddings({count})` and save the model, or take the "
            "tokenizer that it was trained with.",
            name=name,
            count=count,
            vocab_size=vocab_size,
            config=CONFIG,
        )
    for role in ("eos_token", "sep_token"):
        if getattr(tokenizer, role) is None:
            raise UserError(
                "{name}: {tokenizer_config} names no `{role}`, which a chat needs.",
                name=name,
                tokenizer_config=TOKENIZER_CONFIG,
                role=role,
            )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        UserError: It is not there, or not as it should be; says where.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        content = json.loads(text)
    except FileNotFoundError:
        raise UserError(
            "{parent} holds no {name}. Copy it from the run.", parent=path.parent, name=path.name
        ) from None
    except OSError as error:
        raise UserError(
            "{path} cannot be read ({reason}).", path=path, reason=reason_of(error)
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            "{path} is not UTF-8 ({reason}). Save it as UTF-8.", path=path, reason=error.reason
        ) from None
    except json.JSONDecodeError as error:
        if text.startswith("\ufeff"):
            raise UserError(
                "{path} begins with a byte order mark (BOM). Save it as UTF-8 without one.",
                path=path,
            ) from None
        raise UserError(
            "{path}:{lineno}: this is no JSON ({msg}).",
            path=path,
            lineno=error.lineno,
            msg=error.msg,
        ) from None
    except RecursionError:
        raise UserError("{path} is no JSON of ours: its lists go too deep.", path=path) from None
    if not isinstance(content, dict):
        found = type(content).__name__
        raise UserError(
            "{path} must hold an object, {{...}} (got a {found}).", path=path, found=found
        )
    return content


def check_config(path: Path, content: Mapping[str, Any]) -> TFChatConfig:
    """Refuse a configuration that makes no network, or none that anybody could hold.

    Raises:
        UserError: Says which key, what is wanted and what was found.
    """
    for name, most in _LARGEST.items():  # the types are looked at below
        value = content.get(name, 1)
        if isinstance(value, int | float) and not 1 <= value <= most:
            raise UserError(
                "{path}: `{name}` must be from 1 to {most:,} (got {value}).",
                path=path,
                name=name,
                most=most,
                value=value,
            )
    try:
        config = TFChatConfig.from_dict(dict(content))
    except Exception as error:  # many kinds, of huggingface_hub and of transformers
        raise UserError(
            "{file}: {reason}", file=path, reason=sentence(error.__cause__ or error)
        ) from error
    if config.activation_function not in ACT2FN:
        raise UserError(
            "{path}: `activation_function` must be one that transformers has, such as "
            "relu, gelu or silu (got {activation_function!r}).",
            path=path,
            activation_function=config.activation_function,
        )
    ids = {name: getattr(config, name) for name in (*_IDS, "sep_token_id")}
    for name, value in ids.items():
        _check_ids(path, name, value, config.vocab_size)
    _check_bytes(path, config)
    return config


def _check_bytes(path: Path, config: TFChatConfig) -> None:
    """Check what decoding knows of the vocabulary."""
    first, most = config.first_byte_token_id, config.vocab_size - 128
    if first is not None and not 0 <= first <= most:
        raise UserError(
            "{path}: `first_byte_token_id` must be null or from 0 to {most}, for 128 "
            "tokens stand there (got {first}).",
            path=path,
            most=most,
            first=first,
        )
    for token in config.doubled_tokens or ():
        if type(token) is not int or not 0 <= token < config.vocab_size:
            raise UserError(
                "{path}: each entry of `doubled_tokens` must be a token from 0 to {most} (got "
                "{token}).",
                path=path,
                most=config.vocab_size - 1,
                token=str(token)[:80],
            )
    for run in config.character_runs or ():
        if not (
            isinstance(run, list)
            and [type(part) for part in run] == [int, str, int]
            and 0 <= run[0] < config.vocab_size
            and run[2] > 0
        ):
            raise UserError(
                "{path}: each entry of `character_runs` must be [id, character, times] (got "
                "{run}).",
                path=path,
                run=str(run)[:80],
            )


def check_generation(path: Path, vocab_size: int) -> None:
    """Refuse generation settings of the wrong type, or that nobody could wait for.

    Raises:
        UserError: Says which key, what is wanted and what was found.
    """
    content = read_json(path)
    presets = content.get("presets") or {}
    if not isinstance(presets, dict) or not all(isinstance(one, dict) for one in presets.values()):
        raise UserError(
            "{path}: `presets` must be an object with an object for each name.", path=path
        )
    for where, settings in (("", content), *((f"presets.{k}.", v) for k, v in presets.items())):
        for name, value in settings.items():
            if value is None:
                continue
            if name in _NUMBERS:
                _check_number(path, where + name, value, *_NUMBERS[name])
            elif name in ("do_sample", "use_cache", "renormalize_logits"):
                if not isinstance(value, bool):
                    raise UserError(
                        "{path}: `{where}{name}` must be true or false (got {value}).",
                        path=path,
                        where=where,
                        name=name,
                        value=value,
                    )
            elif name in _IDS:
                _check_ids(path, where + name, value, vocab_size)


def _check_number(path: Path, name: str, value: Any, kind: type, low: float, high: float) -> None:
    is_number = isinstance(value, int if kind is int else int | float) and value is not True
    if not is_number or value is False or not low <= value <= high:
        values = {"path": path, "name": name, "low": low, "high": high, "value": value}
        if kind is int:
            raise UserError(
                "{path}: `{name}` must be a whole number from {low} to {high} (got {value!r}).",
                **values,
            )
        raise UserError(
            "{path}: `{name}` must be a number from {low} to {high} (got {value!r}).", **values
        )


def _check_ids(path: Path, name: str, value: Any, vocab_size: int) -> None:
    """Check an id of the vocabulary, or a list of some."""
    ids = value if isinstance(value, list) else [] if value is None else [value]
    for one in ids:
        if type(one) is not int or not 0 <= one < vocab_size:
            raise UserError(
                "{path}: `{name}` must be an id from 0 to {most} (got {value!r}).",
                path=path,
                name=name,
                most=vocab_size - 1,
                value=value,
            )


def _weight_shapes(folder: Path) -> dict[str, list[int]]:
    """Read from the heads of the weight files what they hold, and no weight."""
    shapes: dict[str, list[int]] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        try:
            path.open(
                "rb"
            ).close()  # safetensors says of a file without rights that it is not there
            with safe_open(path, framework="pt") as file:
                shapes |= {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        except OSError as error:
            raise UserError(
                "{path} cannot be read ({reason}).", path=path, reason=reason_of(error)
            ) from error
        except SafetensorError as error:
            raise UserError(
                "{path} is not whole ({error}). Copy it again, or take another checkpoint.",
                path=path,
                error=error,
            ) from error
    return shapes


def _check_shapes(path: Path, config: TFChatConfig, shapes: Mapping[str, list[int]]) -> None:
    """Refuse sizes other than those of the weights, before anything of that size is made."""
    for name, found in _sizes(shapes).items():
        if (told := getattr(config, name)) != found:
            raise UserError(
                "{path}: `{name}` must be {found}, as in the weights beside it (got {told}).",
                path=path,
                name=name,
                found=found,
                told=told,
            )


def _sizes(shapes: Mapping[str, list[int]]) -> dict[str, int]:
    """Tell the sizes that weights show."""
    found: dict[str, int] = {}
    for name, shape in shapes.items():
        if re.search(r"(^|\.)shared\.weight$", name):
            found["vocab_size"], found["d_model"] = shape
        elif layer := re.search(r"(encoder|decoder)\.layers\.(\d+)\.", name):
            side, count = layer[1], int(layer[2]) + 1
            found[f"{side}_layers"] = max(count, found.get(f"{side}_layers", 0))
            if name.endswith(".fc1.weight"):
                found[f"{side}_ffn_dim"] = shape[0]
    return found


def _steps(step: Any) -> Iterator[dict[str, Any]]:
    """Yield the steps of a normalizer, whose sequences hold others."""
    if isinstance(step, dict):
        yield step
        for inner in step.get("normalizers") or ():
            yield from _steps(inner)


def _growth(step: Mapping[str, Any]) -> float:
    """Return how many times as long a text may become."""
    if step.get("type") not in ("Replace", "Prepend"):
        return 1
    pattern = step.get("pattern")
    replaced = pattern.get("String") if isinstance(pattern, dict) else None
    content = str(step.get("content") or step.get("prepend") or "")
    return max(1.0, len(content) / max(1, len(replaced or "")))

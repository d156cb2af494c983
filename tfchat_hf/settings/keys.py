# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which settings there are and of which types, told without loading torch.

A misspelt key is answered in a tenth of a second that way. `HfArgumentParser` needs the classes
themselves: half a second to import it, a second and a half with transformers' training arguments.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

from data_builders.command_line import did_you_mean
from data_builders.errors import UserError
from data_builders.translation import _, joined, marked

# The fields of `TFChatConfig` that are settings. Its others follow from data and tokenizer.
NETWORK = tuple(
    "d_model encoder_layers decoder_layers encoder_attention_heads decoder_attention_heads "
    "encoder_ffn_dim decoder_ffn_dim activation_function dropout attention_dropout "
    "activation_dropout max_position_embeddings tie_word_embeddings init_std scale_embedding "
    "normalize_before gated_activation position_embedding_type".split()
)
# Keys of transformers that a run would ignore without a word, and what to use in their place.
REPLACED_KEYS = {
    "resume_from_checkpoint": marked(
        "use `resume: true` (it finds the last whole checkpoint itself)"
    ),
    "generation_max_length": marked("use `generation_max_new_tokens`"),
    "generation_config": marked("use the `generation_*` keys"),
    "hub_token": marked("log in with `hf auth login`, so that no token lands in the run folder"),
    "train_sampling_strategy": marked("batches are always grouped by length here"),
    "auto_find_batch_size": marked(
        "use `find_batch_size`, which never changes what an update holds"
    ),
    "dataloader_drop_last": marked("an epoch is always cut into whole updates here"),
    "restore_callback_states_from_checkpoint": marked(
        "what has to go on after a resume does so by itself"
    ),
    "average_tokens_across_devices": marked("the loss always counts the tokens of all processes"),
    "save_only_model": marked("a run without its optimizer cannot be resumed"),
    "deepspeed": marked("what it saves cannot be resumed here; with many GPUs use `fsdp`"),
    "accelerator_config": marked("batches are dealt out without accelerate"),
    "neftune_noise_alpha": marked("noise on embeddings is not made here"),
    "do_train": marked("the script always trains"),
    "do_eval": marked("use `eval_strategy`"),
    "do_predict": marked("replies are always generated and scored at the end"),
    **dict.fromkeys(
        "bf16_full_eval fp16_full_eval eval_accumulation_steps eval_do_concat_batches "
        "batch_eval_metrics eval_use_gather_object prediction_loss_only "
        "include_for_metrics".split(),
        marked("evaluation is this project's own"),
    ),
}
_TRUTH = dict.fromkeys(("true", "yes", "on", "1"), True)
_TRUTH |= dict.fromkeys(("false", "no", "off", "0"), False)
_WORDING = {
    "bool": marked("true or false"),
    "int": marked("a whole number"),
    "float": marked("a number"),
    "list": marked("a list"),
    "dict": marked("a mapping"),
}
_TEXT = marked("text")


@functools.cache
def known_keys() -> dict[str, list[str]]:
    """Return every key and the names of its types, such as `["list", "None"]`."""
    ours = Path(__file__).with_name("arguments.py")
    config = ours.parents[1] / "model" / "configuration_tfchat.py"
    spec = importlib.util.find_spec("transformers")
    transformers = Path(spec.origin).parent if spec and spec.origin else Path()
    network = declared_fields(config, "TFChatConfig")
    return (
        declared_fields(transformers / "training_args.py", "TrainingArguments")
        | declared_fields(transformers / "training_args_seq2seq.py", "Seq2SeqTrainingArguments")
        | declared_fields(ours, "TFChatTrainingArguments")
        | declared_fields(ours, "GenerationArguments")
        | declared_fields(ours, "DataArguments")
        | {key: network[key] for key in NETWORK}
    )


def declared_fields(file: Path, name: str) -> dict[str, list[str]]:
    """Read the fields of a dataclass from its source, each with the names of its types."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    (body,) = (
        node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name
    )
    return {
        node.target.id: _type_names(node.annotation)
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _type_names(annotation: ast.expr) -> list[str]:
    """Name the types of a union; `list[str]` is a `list`."""
    if isinstance(annotation, ast.BinOp):
        return [*_type_names(annotation.left), *_type_names(annotation.right)]
    if isinstance(annotation, ast.Subscript):
        return [ast.unparse(annotation.value)]
    return [ast.unparse(annotation)]


def key_problem(key: str) -> str | None:
    """Say why a key cannot be used, or return None if it can."""
    if key in REPLACED_KEYS:
        reason = _(REPLACED_KEYS[key])
        return _("`{key}` is not used by train_hf.py: {reason}.", key=key, reason=reason)
    if key in known_keys():
        return None
    usable = known_keys().keys() - REPLACED_KEYS.keys()
    otherwise = _("configs/reference.yaml lists them.")
    return joined(_("unknown key `{key}`.", key=key), did_you_mean(key, usable, otherwise))


def convert(key: str, value: Any) -> Any:
    """Convert a value to the type of its key; `5e-4` is a string for YAML and a float here.

    Raises:
        UserError: the text says what the key must be.
    """
    types = known_keys()[key]
    if "None" in types and str(value).lower() in ("null", "none"):
        return None
    if value is None:
        raise UserError("`{key}` has no value. Give one or delete the line.", key=key)
    kinds = [name for name in types if name != "None"]
    for kind in sorted(kinds, key="str".__eq__):  # almost anything can be read as a text
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return _read_as(kind, value)
    expected = _(" or ").join(_(_WORDING.get(kind, _TEXT)) for kind in kinds)
    raise UserError(
        "`{key}` must be {expected} (got {value!r}).", key=key, expected=expected, value=value
    )


def _read_as(kind: str, value: Any) -> Any:
    """Read a value as YAML or a shell spells it: `1e4` is whole, `a, b` a list, JSON a mapping."""
    if kind == "bool":
        return _TRUTH[str(value).lower()]
    if kind == "float":
        return float(str(value))
    if kind == "int" and float(str(value)).is_integer():
        return int(float(str(value)))
    if kind == "list" and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if kind == "list" and isinstance(value, list):
        return [str(item) for item in value]
    if kind == "dict":
        return dict(json.loads(value) if isinstance(value, str) else value)
    if kind == "str" and not isinstance(value, (list, dict)):
        return str(value)
    if kind in (*_WORDING, "str"):
        raise ValueError(value)
    return value  # of a type of transformers, which converts it itself

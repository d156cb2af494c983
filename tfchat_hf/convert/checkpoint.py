# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The network in a checkpoint of the original, as a model of this package.

The original saves whole modules: `torch.save({"epoch": ..., "transformer": the module,
"transformer_optimizer": ...})`. Its layers are ours under other names; two settings of
`TFChatConfig` say what its arithmetic has of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from data_builders.errors import UserError

from ..engines.model_folder import check_finite
from ..model.configuration_tfchat import TFChatConfig
from ..model.layers_tfchat import sinusoidal_table
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .unpickling import Holder, SavedFile, StoredTensor

NETWORK = "models.Transformer"
_ATTENTION = "models.MultiHeadAttention"
# What a checkpoint of the original names. No other class stands for anything.
CLASSES = frozenset(
    f"""{NETWORK} models.Embeddings models.EncoderLayer models.DecoderLayer {_ATTENTION}
    models.FeedForward utils.AdamWarmup torch.optim.adam.Adam torch.nn.modules.sparse.Embedding
    torch.nn.modules.linear.Linear torch.nn.modules.normalization.LayerNorm
    torch.nn.modules.dropout.Dropout torch.nn.modules.container.ModuleList""".split()
)
# The original's names of parts, and ours.
_PARTS = {
    "embed.embed.": "model.shared.",
    "logit.": "lm_head.",
    "encoder.": "model.encoder.layers.",
    "decoder.": "model.decoder.layers.",
    ".self_multihead.": ".self_attn.",
    ".src_multihead.": ".encoder_attn.",
    ".query.": ".q_proj.",
    ".key.": ".k_proj.",
    ".value.": ".v_proj.",
    ".concat.": ".out_proj.",
    ".layernorm.": ".self_attn_layer_norm.",
    ".feed_forward.": ".",
}
# The table of positions is computed again; float32 of the same sines.
_POSITIONS_AGREE = 1e-5


def load_original(path: Path, words: dict[str, int]) -> TFChatForConditionalGeneration:
    """Load a checkpoint without executing anything in it.

    Args:
        path: What the original's training saved.
        words: Its map of characters, which tells the special ids.

    Returns:
        The model, in evaluation mode and in float32.

    Raises:
        UserError: It cannot be read, or holds another network than the original's.
    """
    with SavedFile(path, CLASSES) as file:
        saved = file.load()
        network = saved.get("transformer") if isinstance(saved, dict) else saved
        if not isinstance(network, Holder) or network.kind != NETWORK:
            raise UserError(
                "{path} holds no whole network (a `{NETWORK}` under the key `transformer`), as "
                "the original's training saves it. Give such a checkpoint.",
                path=path,
                NETWORK=NETWORK,
            )
        parts = list(_parts(network, path))
        weights = {
            f"{place}{name}": file.read(stored)
            for place, part in parts
            for name, stored in _attribute(part, "_parameters", dict).items()
            if isinstance(stored, StoredTensor)
        }
        table = vars(dict(parts).get("embed.", network)).get("pe")
        if not isinstance(table, StoredTensor):
            raise _other_network(path, "it has no table of positions")
        positions = file.read(table)
    renamed = {_renamed(name): weight for name, weight in weights.items()}
    heads = [vars(part).get("heads") for _, part in parts if part.kind == _ATTENTION]
    config = _config(renamed, heads, positions, words, path)
    return _filled(config, renamed, path)


def _attribute(holder: Holder, name: str, kind: type) -> Any:
    """Return an attribute of a holder, or an empty one where it is none of that kind."""
    value = vars(holder).get(name)
    return value if isinstance(value, kind) else kind()


def _parts(network: Holder, path: Path) -> Iterator[tuple[str, Holder]]:
    """Yield the network and the modules in it, each with its place, such as "encoder.0."."""
    waiting, seen = [("", network)], {id(network)}
    while waiting:
        place, part = waiting.pop()
        yield place, part
        for name, inner in _attribute(part, "_modules", dict).items():
            # One that stands in itself would never end.
            if not isinstance(inner, Holder) or id(inner) in seen:
                raise _other_network(path, f"`{place}{name}` is no module of its own")
            seen.add(id(inner))
            waiting.append((f"{place}{name}.", inner))


def _renamed(name: str) -> str:
    """Give a weight of the original the name that it has here."""
    for theirs, ours in _PARTS.items():
        if theirs[0] == "." or name.startswith(theirs):
            name = name.replace(theirs, ours, 1)
    return name


def _config(
    weights: dict[str, torch.Tensor],
    heads: list[Any],
    positions: torch.Tensor,
    words: dict[str, int],
    path: Path,
) -> TFChatConfig:
    """Read the network's shape from its weights, and check that words and positions fit."""
    try:
        shape = _shape(weights, heads, positions)
        start, end = words["<start>"], words["<end>"]
        config = TFChatConfig(
            **shape,
            shared_layer_norm=True,
            original_position_exponents=True,
            pad_token_id=words["<pad>"],
            bos_token_id=start,
            decoder_start_token_id=start,
            eos_token_id=end,
            sep_token_id=end,
        )
    except Exception as error:  # what is missing, and what huggingface_hub says of types and sizes
        raise _other_network(path, str(error.__cause__ or error)) from error
    if len(words) != config.vocab_size:
        raise UserError(
            "The word map has {words:,} entries, and {path} has {vocab_size:,} embeddings. Give "
            "the map that this model was trained with.",
            words=len(words),
            path=path,
            vocab_size=config.vocab_size,
        )
    expected = sinusoidal_table(positions.shape[1], config.d_model, original_exponents=True)
    if positions.shape != (1, *expected.shape) or not torch.allclose(
        positions[0], expected, atol=_POSITIONS_AGREE
    ):
        raise _other_network(path, "its table of positions is another")
    return config


def _shape(
    weights: dict[str, torch.Tensor], heads: list[Any], positions: torch.Tensor
) -> dict[str, Any]:
    """Tell the sizes that weights and positions show."""
    vocab_size, d_model = weights["model.shared.weight"].shape
    (number,) = {*heads}
    shape: dict[str, Any] = {"vocab_size": vocab_size, "d_model": d_model}
    shape["max_position_embeddings"] = positions.shape[1]
    for side in ("encoder", "decoder"):
        widths = [len(w) for name, w in weights.items() if f".{side}." in name and "fc1.b" in name]
        shape[f"{side}_layers"], shape[f"{side}_ffn_dim"] = len(widths), widths[0]
        shape[f"{side}_attention_heads"] = number
    return shape


def _filled(
    config: TFChatConfig, weights: dict[str, torch.Tensor], path: Path
) -> TFChatForConditionalGeneration:
    """Make the model; every weight must find its place, and every place its weight."""
    with torch.device("meta"):
        model = TFChatForConditionalGeneration(config)
    shared = {f"model.{side}.embed_tokens.weight" for side in ("encoder", "decoder")}
    shapes = {name: w.shape for name, w in model.state_dict().items() if name not in shared}
    found = {name: weight.shape for name, weight in weights.items()}
    if strange := sorted(n for n in {*shapes, *found} if shapes.get(n) != found.get(n)):
        raise _other_network(path, f"`{strange[0]}` is missing, new or of another size")
    model = TFChatForConditionalGeneration(config)
    model.load_state_dict(weights, strict=False)
    check_finite(str(path), model)
    return model.eval()


def _other_network(path: Path, why: str) -> UserError:
    words = " ".join(why.split())[:200]
    return UserError(
        "{path} holds another network than the original's ({words}). Only the network of its "
        "models.py, of any size, can be converted.",
        path=path,
        words=words,
    )

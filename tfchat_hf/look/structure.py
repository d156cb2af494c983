# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The parts of a network with their weights, read from the modules of a real model.

Each weight is counted once, where `named_parameters` names it first: the parts add up to
`model.num_parameters()`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from data_builders.output.terminal import columns

SIDES = ("encoder", "decoder")
# The norm of each sub-layer and its other modules, in the order in which `forward` calls them.
_SUBLAYERS = {
    "self_attn": ("self_attn_layer_norm", ("self_attn",)),
    "encoder_attn": ("encoder_attn_layer_norm", ("encoder_attn",)),
    "feed_forward": ("final_layer_norm", ("fc1", "fc_gate", "fc2")),
}
_LAYER = re.compile(r"\.layers\.\d+")


@dataclass(frozen=True)
class Part:
    """The weights of a module, or of an attention's four.

    `module` is its path, with `*` for the number of a layer; `shapes` are those of the weights of
    one layer, by their names; `layers` is 0 for a part that is in no layer.
    """

    module: str
    shapes: dict[str, tuple[int, ...]]
    layers: int = 0

    @property
    def name(self) -> str:
        """Return the last name of its path."""
        return self.module.rpartition(".")[2]

    @property
    def each(self) -> int:
        """Return its parameters, in one layer."""
        return sum(map(math.prod, self.shapes.values()))

    @property
    def parameters(self) -> int:
        """Return its parameters in all layers."""
        return self.each * max(self.layers, 1)

    def __str__(self) -> str:
        """Write the shapes, equal ones once: `4 × (192 × 192 + 192)`."""
        modules: dict[str, list[str]] = {}
        for name, shape in self.shapes.items():
            modules.setdefault(name.rpartition(".")[0], []).append(sizes(shape))
        (text,) = {" + ".join(each) for each in modules.values()}
        return f"{len(modules)} × ({text})" if len(modules) > 1 else text


@dataclass(frozen=True)
class Sublayer:
    """A sub-layer of a side's layers: what it computes with, and its norm.

    `norm` is None where the layer's one norm, that of its first sub-layer, serves this one too.
    """

    name: str
    parts: tuple[Part, ...]
    norm: Part | None

    @property
    def each(self) -> int:
        """Return the parameters of one, without the norm."""
        return sum(part.each for part in self.parts)


class Structure:
    """What a drawing or a table tells of a model.

    Args:
        model: A TFChat model.
    """

    def __init__(self, model: Any) -> None:
        """Read the parts."""
        self.config = model.config
        self.parts = {part.module: part for part in _read_parts(model)}
        self.total: int = model.num_parameters()
        self.heads = {side: _heads(model, side) for side in SIDES}
        positions = model.model.encoder.embed_positions
        # Their shape; None where positions are rotations of queries and keys.
        self.positions = None if positions is None else tuple(positions.table.shape)
        weight = model.get_input_embeddings().weight
        self.shares_output = model.get_output_embeddings().weight is weight

    def layers(self, side: str) -> int:
        """Return how many layers a side has."""
        return self.parts[f"model.{side}.layers.*.self_attn"].layers

    def sublayers(self, side: str) -> Iterator[Sublayer]:
        """Yield the sub-layers of a side in their order."""
        for name, (norm, modules) in _SUBLAYERS.items():
            found = (self.parts.get(f"model.{side}.layers.*.{module}") for module in modules)
            if parts := tuple(part for part in found if part is not None):
                yield Sublayer(name, parts, self.parts.get(f"model.{side}.layers.*.{norm}"))

    def closing_norm(self, side: str) -> Part | None:
        """Return the norm behind the last layer, which is there with pre-norm."""
        return self.parts.get(f"model.{side}.layer_norm")

    def of_side(self, side: str) -> int:
        """Return the parameters of a side, without the embeddings."""
        return sum(part.parameters for name, part in self.parts.items() if f".{side}." in name)


def _read_parts(model: Any) -> Iterator[Part]:
    """Yield the parts of a model in the order of its modules."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    layers: dict[str, set[str]] = {}
    for name, weight in model.named_parameters():
        module, _, leaf = _LAYER.sub(".layers.*", name).rpartition(".")
        if module.endswith("_proj"):
            module, _, projection = module.rpartition(".")
            leaf = f"{projection}.{leaf}"
        found.setdefault(module, {})[leaf] = tuple(weight.shape)
        layers.setdefault(module, set()).update(_LAYER.findall(name))
    for module, shapes in found.items():
        yield Part(module, shapes, len(layers[module]))


def _heads(model: Any, side: str) -> tuple[int, int]:
    """Return how many heads the attention of a side has, and how wide one is."""
    attention = getattr(model.model, side).layers[0].self_attn
    return model.config.d_model // attention.head_dim, attention.head_dim


def sizes(shape: tuple[int, ...]) -> str:
    """Write a shape."""
    return " × ".join(f"{axis:,}" for axis in shape)


def write_table(structure: Structure, words: Mapping[str, str]) -> str:
    """Write the parts and their parameters for a terminal.

    Args:
        structure: The parts.
        words: The texts in the reader's language.
    """
    rows = [["", words["shapes"], words["a layer"], words["parameters"], "%"]]
    rows.append(_row("shared", structure.parts["model.shared"], structure))
    for side in SIDES:
        share = f"{100 * structure.of_side(side) / structure.total:.1f}"
        layers = words["layers"].format(count=structure.layers(side))
        rows.append([side, layers, "", f"{structure.of_side(side):,}", share])
        rows += [_row(f"  {part.name}", part, structure) for part in _of_side(structure, side)]
    if output := structure.parts.get("lm_head"):
        rows.append(_row("lm_head", output, structure))
    rows.append([words["total"], "", "", f"{structure.total:,}", "100.0"])
    names = ["shared", *(f"{side}.embed_tokens" for side in SIDES)]
    names += ["lm_head.weight"] if structure.shares_output else []
    notes = [words["same"].format(names=" = ".join(names))]
    if structure.positions:
        notes.append(words["computed"].format(shape=sizes(structure.positions)))
    return "\n".join([*columns(rows, right=(2, 3, 4)), "", *notes]) + "\n"


def _row(name: str, part: Part, structure: Structure) -> list[str]:
    """Write one part."""
    share = f"{100 * part.parameters / structure.total:.1f}"
    each = f"{part.each:,}" if part.layers else ""
    return [name, str(part), each, f"{part.parameters:,}", share]


def _of_side(structure: Structure, side: str) -> Iterator[Part]:
    """Yield the parts of a side as `forward` comes to them."""
    before = structure.config.normalize_before
    for sublayer in structure.sublayers(side):
        norm = [sublayer.norm] if sublayer.norm else []
        yield from (*norm, *sublayer.parts) if before else (*sublayer.parts, *norm)
    if closing := structure.closing_norm(side):
        yield closing

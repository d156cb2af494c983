# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The operators of one encoder layer as a drawing, read from what torch.export writes down.

Netron draws the ONNX files of a whole model (docs/engines.md); this is its smallest whole piece.
graphviz would need a program of the system, and a layer is little more than a line: queries, keys
and values go side by side, everything else below each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from data_builders.errors import UserError

from ..model.layers_tfchat import rotary_angles
from .svg import Drawing, text_width, texts

if TYPE_CHECKING:
    from torch.fx import Node

WIDTH = 900
_BOX, _HIGH, _ROW = 240, 24, 46
_COLUMN = 278
_LANE = 24
# They change no number when nothing is trained.
_LEFT_OUT = ("dropout", "contiguous")
_INPUT = "hidden_states"
_SIZES = ("batch", "source")


@dataclass(eq=False)
class Operator:
    """One operator: what it takes of other operators, and of which shape its result is.

    `given` are its other inputs: weights by their names in the layer, and the mask.
    """

    name: str
    module: str
    shape: str
    inputs: list[Operator] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    column: float = 0
    row: int = 0


def read_operators(model: Any) -> list[Operator]:
    """Write down the first encoder layer of a model as its operators, in their order.

    Args:
        model: A TFChat model that attends as its code is written.
    """
    program = _exported(model)
    weights = program.graph_signature.inputs_to_parameters
    found: dict[str, Operator] = {}
    symbols: dict[str, str] = {}
    for node in program.graph.nodes:
        if node.name == _INPUT:
            symbols |= zip(map(str, node.meta["val"].shape), _SIZES, strict=False)
            found[node.name] = Operator(_INPUT, "", _shape(node, symbols))
        elif node.op == "call_function" and not _is_size(node):
            found[node.name] = _operator(node, found, weights, symbols)
    return _with_rotations(list({id(each): each for each in found.values()}.values()))


def _with_rotations(operators: list[Operator]) -> list[Operator]:
    """Make one operator of those that rotate queries or keys, as it is one function in the code."""
    for first in [each for each in operators if "angles_0" in each.given]:
        (given,) = first.inputs
        last = next(each for each in operators if any(before is first for before in each.inputs))
        inside = {id(given)}
        for each in operators[: operators.index(last)]:
            if each.inputs and inside.issuperset(map(id, each.inputs)):
                inside.add(id(each))
        inside.remove(id(given))
        operators = [each for each in operators if id(each) not in inside]
        last.name, last.inputs, last.given = "rotate", [given], ["angles"]
    return operators


class _Layer(nn.Module):
    """A layer whose inputs are tensors alone, as torch.export wants them."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, hidden_states: Tensor, attention_mask: Tensor, *angles: Tensor) -> Tensor:
        return self.layer(hidden_states, attention_mask, angles=angles or None)


def _exported(model: Any) -> Any:
    """Let torch follow the layer, with sizes left open."""
    config, layer = model.config, model.model.encoder.layers[0]
    states, mask = torch.zeros(2, 7, config.d_model), torch.zeros(2, 1, 1, 7)
    angles: tuple[Tensor, ...] = ()
    if config.position_embedding_type == "rotary":
        positions = torch.arange(7).expand(2, -1)
        angles = rotary_angles(positions, layer.self_attn.head_dim, states.dtype)
    sizes, batch, source = torch.export.ShapesCollection(), *map(torch.export.Dim, _SIZES)
    sizes[states], sizes[mask] = {0: batch, 1: source}, {0: batch, 3: source}
    for angle in angles:
        sizes[angle] = {0: batch, 2: source}
    given = (states, mask, *angles)
    try:
        with torch.no_grad():
            return torch.export.export(_Layer(layer).eval(), given, dynamic_shapes=sizes)
    except Exception as error:  # of tracing, or of a layer that was changed
        raise UserError(
            "torch.export cannot follow the encoder layer ({error}). Look at the network as "
            "`--structure` draws it.",
            error=str(error).splitlines()[0],
        ) from error


def _is_size(node: Node) -> bool:
    """Whether a node tells how long something is, and computes nothing."""
    return node.target is torch.ops.aten.sym_size.int


def _operator(
    node: Node,
    found: Mapping[str, Operator],
    weights: Mapping[str, str],
    symbols: Mapping[str, str],
) -> Operator:
    """Read one operator; what changes nothing is the one before it."""
    name = getattr(node.target, "__name__", str(node.target)).partition(".")[0]
    inputs = [found[given.name] for given in node.all_input_nodes if given.name in found]
    if name in _LEFT_OUT:
        return inputs[0]
    stack = list(node.meta.get("nn_module_stack", {}).values())
    module = stack[-1][0].removeprefix("layer").lstrip(".") if stack else ""
    shape = _shape(node, symbols) if hasattr(node.meta["val"], "shape") else ""
    result = Operator(name, module, shape, inputs)
    for given in node.all_input_nodes:
        name = weights.get(given.name, given.name).removeprefix("layer.")
        if given.op == "placeholder" and given.name != _INPUT and name not in result.given:
            result.given.append(name)
    return result


def _shape(node: Node, symbols: Mapping[str, str]) -> str:
    """Write the shape of a result, open sizes by their names."""
    return " × ".join(symbols.get(str(axis), str(axis)) for axis in node.meta["val"].shape)


def draw_layer(model: Any, name: str, language: str) -> str:
    """Draw the operators of a model's first encoder layer.

    Args:
        model: A TFChat model.
        name: What to call it.
        language: `en` or `zh`.

    Returns:
        An SVG.
    """
    operators = read_operators(model)
    _arrange(operators)
    said = texts(language, "layer")
    drawing = Drawing(WIDTH, said["title"].format(name=name), language)
    drawing.add_arrowheads()
    drawing.text((24, 32), said["title"].format(name=name), 18, classes="strong")
    about = said["about"].format(left=", ".join(_LEFT_OUT))
    drawing.text((24, 54), about, 13, classes="quiet")
    taken = {(each.column, each.row) for each in operators}
    for operator in operators:
        for before in operator.inputs:
            between = {(before.column, row) for row in range(before.row + 1, operator.row)}
            around = before.column == operator.column and not taken.isdisjoint(between)
            _draw_edge(drawing, before, operator, around)
    for operator in operators:
        _draw_box(drawing, operator)
    return drawing.finished(_top(operators[-1]) + _HIGH + 30)


def _arrange(operators: list[Operator]) -> None:
    """Give each operator its row, below what it takes, and its column."""
    taken: set[tuple[float, int]] = set()
    for operator in operators:
        if operator.inputs:
            operator.row = 1 + max(before.row for before in operator.inputs)
            operator.column = min((each.column for each in operator.inputs), key=abs)
        beside = [each for each in _beside(operators, operator)]
        if len(beside) > 1:
            place = next(number for number, each in enumerate(beside) if each is operator)
            # Three go left, down and right; of two the first goes straight down.
            operator.column += place - (1 if len(beside) > 2 else 0)
        while (operator.column, operator.row) in taken:
            operator.row += 1
        taken.add((operator.column, operator.row))


def _beside(operators: list[Operator], operator: Operator) -> Iterator[Operator]:
    """Yield the operators that take nothing but the same one, itself among them."""
    for other in operators:
        if operator.inputs and list(map(id, other.inputs)) == list(map(id, operator.inputs)):
            yield other


def _middle(operator: Operator) -> float:
    return WIDTH / 2 + 10 + _COLUMN * operator.column


def _top(operator: Operator) -> float:
    return 76 + _ROW * operator.row


def _draw_box(drawing: Drawing, operator: Operator) -> None:
    """Draw an operator, and below it the shape of what it gives."""
    left, top = _middle(operator) - _BOX / 2, _top(operator)
    kind = {"self_attn": "question", "fc1": "both", "fc2": "both", "fc_gate": "both"}.get(
        operator.module.partition(".")[0], "both" if "activation" in operator.module else "plain"
    )
    drawing.box(left, top, _BOX, _HIGH, kind, 12 if operator.name == _INPUT else 5)
    drawing.text((left + 9, top + 16.5), operator.name, 13, classes="strong")
    inputs = [given for given in operator.given if not given.startswith(operator.module + ".")]
    label = " ".join(filter(None, (operator.module, *inputs)))
    if text_width(label, 10.5, True) > _BOX - 24 - text_width(operator.name, 13):
        label = inputs[-1] if inputs else operator.module.rpartition(".")[2]
    drawing.text((left + _BOX - 9, top + 16.5), label, 10.5, "end", "code quiet")
    at = (_middle(operator) + 8, top + _HIGH + 12)
    drawing.text(at, operator.shape, 10.5, classes="code quiet")


def _draw_edge(drawing: Drawing, before: Operator, operator: Operator, around: bool) -> None:
    """Draw the way from one operator to the next, around those between them or straight."""
    start, end = (_middle(before), _top(before) + _HIGH), (_middle(operator), _top(operator))
    if around:
        left, out, back = start[0] - _BOX / 2, start[1] - 7, end[1] + 7
        drawing.line([(left, out), (_LANE, out), (_LANE, back), (left, back)])
    elif before.column == operator.column:
        drawing.line([start, end])
    elif len(operator.inputs) > 1:
        # Into its side.
        side = end[0] + (_BOX / 2 if before.column > operator.column else -_BOX / 2)
        drawing.line([start, (start[0], end[1] + _HIGH / 2), (side, end[1] + _HIGH / 2)])
    else:
        turn = end[1] - 6
        drawing.line([start, (start[0], turn), (end[0], turn), end], bend=5)

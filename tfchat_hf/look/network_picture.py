# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One drawing of the whole network of a model, question and reply above, probabilities below.

Data flows down, as in the drawing at the head of `modeling_tfchat.py`: left the encoder, right the
decoder, residual connections outside, what both sides share in boxes across.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .structure import SIDES, Part, Structure, Sublayer, sizes
from .svg import Drawing, text_width, texts

WIDTH = 900
_BOX = 330  # the width of a box of one side
_LEFT = {"encoder": 66, "decoder": 484}
# The outer lanes, in which residual connections run.
_LANE = {"encoder": 40, "decoder": 840}
_TIE = 878  # where the line to a shared output layer runs
_GUTTER = 450  # where the question's states rise to the decoder
_KIND = {"encoder": "question", "decoder": "reply"}
_GAP = 16
_SUBLAYER = 132  # how high a sub-layer is drawn


def draw_network(structure: Structure, name: str, language: str) -> str:
    """Draw the network of a model.

    Args:
        structure: Read from the model.
        name: What to call the model.
        language: `en` or `zh`.

    Returns:
        An SVG.
    """
    return _Network(structure, name, language).draw()


@dataclass
class _Flow:
    """One side while it is drawn: how far down its line has come."""

    side: str
    y: float

    @property
    def left(self) -> float:
        return _LEFT[self.side]

    @property
    def middle(self) -> float:
        return _LEFT[self.side] + _BOX / 2

    @property
    def kind(self) -> str:
        return _KIND[self.side]


class _Network:
    """The drawing and what is known while it grows."""

    def __init__(self, structure: Structure, name: str, language: str) -> None:
        self.structure, self.texts = structure, texts(language, "network")
        config = structure.config
        self.numbers: Mapping[str, object] = {
            "width": f"{config.d_model:,}",
            "vocabulary": f"{config.vocab_size:,}",
            "total": f"{structure.total:,}",
            "name": name,
        }
        self.pre_norm = config.normalize_before
        self.drawing = Drawing(WIDTH, self.say("title"), language)
        self.drawing.add_arrowheads()
        # Where cross-attention takes in the question's states.
        self.keys_at: float = 0
        self.table_at: float = 0

    def say(self, key: str, **more: object) -> str:
        """Return a text with its numbers."""
        return self.texts[key].format(**{**self.numbers, **more})

    def draw(self) -> str:
        """Draw everything, from the top."""
        norm = self.texts["pre" if self.pre_norm else "post"]
        self.drawing.text((24, 32), self.say("title"), 18, classes="strong")
        self.drawing.text((24, 54), self.say("about", norm=norm), 13, classes="quiet")
        flows = {side: _Flow(side, 76) for side in SIDES}
        self.draw_inputs(flows)
        for flow in flows.values():
            self.draw_positions(flow)
            self.draw_layers(flow)
        self.draw_states(flows["encoder"])
        self.draw_shares(flows["encoder"].y + 30)
        self.draw_output(flows["decoder"])
        return self.drawing.finished(max(flow.y for flow in flows.values()) + 24)

    def draw_inputs(self, flows: Mapping[str, _Flow]) -> None:
        """Draw what comes in, and the table in which both sides look their tokens up."""
        for flow in flows.values():
            key = "question" if flow.side == "encoder" else "reply"
            self.note(flow, self.say(key), self.say(f"{key} axes"), "plain")
            self.arrow(flow)
        table = self.structure.parts["model.shared"]
        left, top = _LEFT["encoder"], flows["encoder"].y
        width = _LEFT["decoder"] + _BOX - left
        self.drawing.box(left, top, width, 44, "both")
        key = "embeddings output" if self.structure.shares_output else "embeddings"
        self.drawing.text((WIDTH / 2, top + 19), self.say(key), 14, "middle", "strong")
        self.drawing.text((WIDTH / 2, top + 36), str(table), 12, "middle", "quiet")
        self.count((left + width - 10, top + 36), table.parameters)
        self.drawing.text((left + 10, top + 36), "model.shared", 11.5, classes="code quiet")
        self.table_at = top + 22
        for flow in flows.values():
            flow.y = top + 44

    def draw_positions(self, flow: _Flow) -> None:
        """Draw how a side's embeddings are scaled and get their positions."""
        positions = self.structure.positions
        if self.structure.config.scale_embedding:
            self.drawing.text((flow.middle - 12, flow.y + 20), self.say("scale"), 12.5, "end")
        if positions is None:
            lines = self.say("rotary"), self.say("rotated")
        else:
            lines = self.say("positions", shape=sizes(positions)), self.say("computed")
            self.drawing.line([(flow.middle, flow.y), (flow.middle, flow.y + 24)], arrow=False)
            self.drawing.plus((flow.middle, flow.y + 32))
        self.drawing.text((flow.middle + 16, flow.y + 29), lines[0], 12.5)
        self.drawing.text((flow.middle + 16, flow.y + 44), lines[1], 11.5, classes="quiet")
        flow.y += 0 if positions is None else 40
        self.arrow(flow, 62 if positions is None else 22)

    def draw_layers(self, flow: _Flow) -> None:
        """Draw a side's layer, with as many cards behind it as there are layers more."""
        layers, top = self.structure.layers(flow.side), flow.y
        sublayers = list(self.structure.sublayers(flow.side))
        height = _SUBLAYER * len(sublayers) + 28
        left, width = _LEFT[flow.side] - 49, _BOX + 75
        if flow.side == "decoder":
            left += 23
        for behind in range(min(layers, 4) - 1, 0, -1):
            self.drawing.box(left + 4 * behind, top + 4 * behind, width, height, "plain", 12)
        self.drawing.box(left, top, width, height, "plain", 12)
        count = self.say("layers", count=layers)
        at = left + width - 12 if flow.side == "encoder" else left + 12
        anchor = "end" if flow.side == "encoder" else "start"
        self.drawing.text((at, top + 20), count, 16, anchor, "strong")
        self.drawing.line([(flow.middle, top), (flow.middle, top + 14)], arrow=False)
        flow.y = top + 14
        for sublayer in sublayers:
            self.draw_sublayer(flow, sublayer)
        reached, flow.y = flow.y, top + height
        if layers > 1:
            flow.y += 4 * (min(layers, 4) - 1)
        self.drawing.line([(flow.middle, reached), (flow.middle, flow.y)], arrow=False)
        if closing := self.structure.closing_norm(flow.side):
            self.arrow(flow)
            self.draw_norm(flow, closing)

    def draw_sublayer(self, flow: _Flow, sublayer: Sublayer) -> None:
        """Draw one sub-layer with its norm and the residual connection around it."""
        branch = flow.y + 4
        self.drawing.line([(flow.middle, flow.y), (flow.middle, branch)], arrow=False)
        flow.y = branch
        if self.pre_norm:
            self.arrow(flow, 14)
            self.draw_norm(flow, sublayer.norm)
        self.arrow(flow, 14)
        self.draw_work(flow, sublayer)
        self.arrow(flow, 12)
        centre = (flow.middle, flow.y + 8)
        self.drawing.plus(centre)
        lane, outwards = _LANE[flow.side], -1 if flow.side == "encoder" else 1
        end = (centre[0] + 9 * outwards, centre[1])
        self.drawing.line([(flow.middle, branch), (lane, branch), (lane, centre[1]), end])
        at = (lane + (12 if outwards > 0 else -4), (branch + centre[1]) / 2)
        self.drawing.upright(at, self.say("residual"))
        flow.y = centre[1] + 8
        if not self.pre_norm:
            self.arrow(flow, 14)
            self.draw_norm(flow, sublayer.norm)

    def draw_work(self, flow: _Flow, sublayer: Sublayer) -> None:
        """Draw the box of an attention or of a feed-forward part."""
        if sublayer.name == "feed_forward":
            title, detail = self.say("feed_forward"), self.feed_forward(sublayer)
            names = ", ".join(part.name for part in sublayer.parts)
        else:
            title, names = self.say(f"{sublayer.name} {flow.side}"), sublayer.name
            heads, size = self.structure.heads[flow.side]
            detail = self.say("heads", heads=heads, size=size, shapes=str(sublayer.parts[0]))
            if text_width(detail, 11.5) > _BOX - 30 - text_width(f"{sublayer.each:,}", 12):
                detail = self.say("heads alone", heads=heads, size=size)
        if sublayer.name == "encoder_attn":
            self.keys_at = flow.y + 22
        self.labelled(flow, title, names, detail, sublayer.each, flow.kind)

    def feed_forward(self, sublayer: Sublayer) -> str:
        """Say how wide a feed-forward part is, and what makes it bend."""
        inner = sublayer.parts[0].shapes["weight"][0]
        key = "gated" if len(sublayer.parts) > 2 else "feed"
        activation = self.structure.config.activation_function
        return self.say(key, inner=f"{inner:,}", activation=activation)

    def labelled(
        self, flow: _Flow, title: str, names: str, detail: str, count: int | None, kind: str
    ) -> None:
        """Draw a box with a title, the names of its modules, a detail and its parameters."""
        top = flow.y
        self.drawing.box(flow.left, top, _BOX, 44, kind)
        self.drawing.text((flow.left + 10, top + 18), title, 14, classes="strong")
        right = flow.left + _BOX - 10
        if text_width(title, 14) + text_width(names, 11, True) < _BOX - 30:
            self.drawing.text((right, top + 18), names, 11, "end", "code quiet")
        self.drawing.text((flow.left + 10, top + 36), detail, 11.5, classes="quiet")
        if count is not None:
            self.count((right, top + 36), count)
        flow.y = top + 44

    def draw_norm(self, flow: _Flow, norm: Part | None) -> None:
        """Draw a norm, which may be one that was drawn before."""
        top = flow.y
        self.drawing.box(flow.left, top, _BOX, 26, "plain")
        name = "LayerNorm" if norm else self.say("one norm")
        self.drawing.text((flow.left + 10, top + 18), name, 13)
        if norm:
            at = (flow.left + _BOX / 2 + 90, top + 18)
            self.drawing.text(at, norm.name, 11, "end", "code quiet")
            self.count((flow.left + _BOX - 10, top + 18), norm.each)
        else:
            self.count((flow.left + _BOX - 10, top + 18), 0)
        flow.y = top + 26

    def draw_states(self, flow: _Flow) -> None:
        """Draw what the encoder gives, and its way into the decoder's cross-attention."""
        self.arrow(flow)
        top = flow.y
        self.note(flow, self.say("states"), self.say("states axes"), "question")
        right = flow.left + _BOX
        into = _LEFT["decoder"]
        way = [
            (right, top + 16),
            (_GUTTER, top + 16),
            (_GUTTER, self.keys_at),
            (into, self.keys_at),
        ]
        self.drawing.line(way)
        at = (_GUTTER - 4, (top + 16 + self.keys_at) / 2)
        self.drawing.upright(at, self.say("keys"), 12, "")

    def draw_output(self, flow: _Flow) -> None:
        """Draw the output layer and what comes out of it."""
        self.arrow(flow)
        top = flow.y
        tied = self.structure.shares_output
        own = self.structure.parts.get("lm_head")
        detail = self.say("tied" if tied else "untied")
        kind = "both" if tied else "reply"
        count = own.each if own else 0
        self.labelled(flow, self.say("output"), "lm_head", detail, count, kind)
        if tied:
            right = flow.left + _BOX
            way = [
                (right, self.table_at),
                (_TIE, self.table_at),
                (_TIE, top + 22),
                (right, top + 22),
            ]
            self.drawing.line(way, arrow=False, classes="same")
            self.drawing.upright((_TIE + 14, (self.table_at + top) / 2), self.say("same"))
        self.arrow(flow)
        axes = self.say("logits axes")
        self.labelled(flow, self.say("logits"), axes, self.say("softmax"), None, "plain")

    def draw_shares(self, top: float) -> None:
        """Draw how the parameters are shared out, where the encoder leaves room."""
        structure = self.structure
        output = structure.parts.get("lm_head")
        rows = {"embeddings": structure.parts["model.shared"].parameters}
        rows |= {side: structure.of_side(side) for side in SIDES}
        rows["output"] = output.parameters if output else 0
        kinds = ("both", "question", "reply", "both" if structure.shares_output else "reply")
        left = _LEFT["encoder"]
        self.drawing.text((left, top + 16), self.say("where"), 14, classes="strong")
        for number, (key, kind) in enumerate(zip(rows, kinds, strict=True)):
            y = top + 30 + 22 * number
            share, long = rows[key] / structure.total, rows[key] / max(rows.values())
            self.drawing.text((left, y + 13), self.say(f"part {key}"), 12.5)
            self.drawing.box(left + 96, y + 3, max(110 * long, 1), 12, kind, 2)
            end = (left + _BOX, y + 13)
            self.count(end, f"{rows[key]:,} · {100 * share:.1f} %")

    def note(self, flow: _Flow, text: str, axes: str, kind: str) -> None:
        """Draw a box of one line with the axes of its tensor."""
        self.drawing.box(flow.left, flow.y, _BOX, 32, kind, 16)
        both = text_width(text, 13) + text_width(axes, 11, True) + 34
        if both < _BOX:
            self.drawing.text((flow.left + 14, flow.y + 21), text, 13)
            at = (flow.left + _BOX - 14, flow.y + 21)
            self.drawing.text(at, axes, 11, "end", "code quiet")
        else:
            self.drawing.text((flow.middle, flow.y + 21), text, 13, "middle")
        flow.y += 32

    def arrow(self, flow: _Flow, length: float = _GAP) -> None:
        """Go on downwards."""
        self.drawing.line([(flow.middle, flow.y), (flow.middle, flow.y + length)])
        flow.y += length

    def count(self, at: tuple[float, float], number: int | str) -> None:
        """Write how many parameters something has."""
        text = number if isinstance(number, str) else f"{number:,}"
        self.drawing.text(at, text, 12, "end", "strong")

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A moving picture of a reply being made: its tokens one after another, and where each looked.

It moves by a style sheet alone, so that a page may hold it as an image. For whoever asks for less
motion it stands still and shows the end: all tokens with all lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from data_builders.errors import UserError

from ..text.dialogue import encode_context
from .choices import reply_to
from .recording import longest, record
from .report import visible
from .svg import Drawing, Point, text_width, texts

WIDTH = 900
_LEFT, _RIGHT = 92, 24
_QUESTION, _REPLY, _HIGH = 106, 252, 32
_SIZES, _GAP = (15.0, 14.0, 13.0, 12.0), 6  # of the letters of tokens; between tokens
_SECONDS, _REST = 1.1, 4.0
_BEGIN = -1.6 * _SECONDS
_CANDIDATES = 4
# Of a line that is drawn at all; weaker ones would only make everything grey.
_LEAST = 0.04


@dataclass(frozen=True)
class Step:
    """One token of a reply: where the network looked, and what it thought likely.

    `looked` has a weight for each token of the question; `likely` are the likeliest tokens with
    their probabilities, before the settings of the reply change them.
    """

    token: str
    looked: list[float]
    likely: list[tuple[str, float]]


@dataclass(frozen=True)
class MadeReply:
    """A question and the reply, token by token; `heads` were averaged."""

    question: list[str]
    start: str
    steps: list[Step]
    heads: int


def make_reply(model: Any, tokenizer: Any, question: str) -> MadeReply:
    """Let a model answer as it does in chat, without a memory, and record how.

    Args:
        model: A TFChat model that attends as its code is written, so that it gives its weights.
        tokenizer: Its tokenizer.
        question: What is asked.
    """
    source = encode_context(tokenizer, [question], longest(model)).input_ids
    reply = reply_to(model, source, model.generation_config)
    seen = record(model, source, reply)
    heads = seen.decoder.cross_attention[-1]  # (heads, target, source)
    looked = heads.mean(dim=0)
    likely = seen.logits.softmax(dim=-1).topk(_CANDIDATES)
    spell = tokenizer.convert_ids_to_tokens
    steps = [
        Step(spell(int(token)), weights.tolist(), list(zip(spell(ids), found, strict=True)))
        for token, weights, ids, found in zip(
            reply, looked, likely.indices.tolist(), likely.values.tolist(), strict=True
        )
    ]
    names = [visible(name) for name in spell(list(source))]
    return MadeReply(names, spell(model.config.decoder_start_token_id), steps, len(heads))


def draw_reply(reply: MadeReply, name: str, language: str) -> str:
    """Draw a reply being made.

    Args:
        reply: What was recorded.
        name: What to call the model.
        language: `en` or `zh`.

    Returns:
        An SVG that moves.
    """
    return _Film(reply, name, language).draw()


class _Film:
    """The drawing, and the time that each of its steps takes."""

    def __init__(self, reply: MadeReply, name: str, language: str) -> None:
        self.reply, self.said = reply, texts(language, "reply")
        self.title = self.said["title"].format(name=name)
        self.drawing = Drawing(WIDTH, self.title, language)
        self.seconds = _SECONDS * (len(reply.steps) + 0.5) + _REST
        tokens = [visible(name) for name in (reply.start, *(step.token for step in reply.steps))]
        self.size = self.largest_size(tokens)
        self.written = self.places(tokens, _GAP)
        # The question is set as wide as its reply, so that lines are steep, but stays a sentence.
        spare = sum(place[2] + _GAP for place in self.written)
        spare -= sum(place[2] for place in self.places(reply.question, 0))
        self.asked = self.places(reply.question, min(max(spare / len(reply.question), _GAP), 60))

    def largest_size(self, written: list[str]) -> float:
        """Return the largest size of letters with which question and reply fit."""
        for self.size in _SIZES:
            rows = (self.places(row, _GAP) for row in (written, self.reply.question))
            if all(row[-1][1] + row[-1][2] <= WIDTH - _RIGHT for row in rows):
                return self.size
        raise UserError(
            "the picture has no room for a reply of {written} tokens. Ask another question, one "
            "that is answered in a few words.",
            written=len(written),
        )

    def places(self, tokens: list[str], gap: float) -> list[tuple[str, float, float]]:
        """Return the tokens of a row, each with its left edge and its width."""
        row, left = [], float(_LEFT)
        for token in tokens:
            width = max(text_width(token, self.size) + 14, 30)
            row.append((token, left, width))
            left += width + gap
        return row

    def draw(self) -> str:
        """Draw what stands still, then one step after the other."""
        about = self.said["about"].format(heads=self.reply.heads)
        self.drawing.text((24, 34), self.title, 18, classes="strong")
        self.drawing.text((24, 58), about, 13, classes="quiet")
        for key, top in (("question", _QUESTION), ("reply", _REPLY)):
            self.drawing.text((24, top + 21), self.said[key], 14, classes="quiet")
        for number, step in enumerate(self.reply.steps):
            self.draw_lines(number, step)
        for place in self.asked:
            self.draw_token(place, _QUESTION, "question")
        self.draw_token(self.written[0], _REPLY, "plain")
        for number, step in enumerate(self.reply.steps):
            self.draw_step(number, step)
        self.draw_end()
        self.drawing.rules += [
            ".look { fill: none; stroke: var(--reply-edge); }",
            # Where nothing moves, the end is shown.
            ".step { opacity: 0; } .rest { opacity: 1; }",
            # It begins with the second token: who comes to the page sees lines at once.
            f".step, .token {{ animation: {self.seconds:.1f}s step-end {_BEGIN:.1f}s infinite; }}",
            "@media (prefers-reduced-motion: reduce) {",
            "  .step, .token { animation: none !important; }",
            "}",
        ]
        return self.drawing.finished(372)

    def at(self, number: float) -> str:
        """Return when a step begins, as a share of the whole."""
        return f"{100 * _SECONDS * (number + 0.5) / self.seconds:.2f}%"

    def moving(self, number: int, classes: str, after: int | None = None) -> Any:
        """Open a group that is seen from one step on, up to another or to the end."""
        name = f"s{number}" if after is None else f"o{number}"
        end = "" if after is None else f" {self.at(after)} {{ opacity: 0; }}"
        rule = (
            f"@keyframes {name} {{ 0% {{ opacity: 0; }} {self.at(number)} {{ opacity: 1; }}{end} }}"
        )
        if rule not in self.drawing.rules:
            self.drawing.rules.append(rule)
        return self.drawing.group(classes, f"animation-name: {name}")

    def draw_lines(self, number: int, step: Step) -> None:
        """Draw where a token looked; the lines come again at the end, all together."""
        _, left, width = self.written[number + 1]
        last = len(self.reply.steps)
        groups = (
            (self.moving(number, "step", number + 1), 1.0),
            (self.moving(last, "step rest"), 0.6),
        )
        for group, strength in groups:
            with group:
                for (_, start, wide), weight in zip(self.asked, step.looked, strict=True):
                    if weight < _LEAST:
                        continue
                    path = _curve((start + wide / 2, _QUESTION + _HIGH), (left + width / 2, _REPLY))
                    line = self.drawing.path(path, "look")
                    line.set("stroke-opacity", f"{strength * weight**0.7:.2f}")
                    line.set("stroke-width", f"{1 + 5 * weight * strength:.1f}")

    def draw_step(self, number: int, step: Step) -> None:
        """Draw a token of the reply, the weights of its lines, and what else was likely."""
        with self.moving(number, "token"):
            self.draw_token(self.written[number + 1], _REPLY, "reply")
        with self.moving(number, "step", number + 1):
            for (_, left, width), weight in zip(self.asked, step.looked, strict=True):
                if weight >= _LEAST:
                    at = (left + width / 2, _QUESTION - 7)
                    self.drawing.text(at, f"{100 * weight:.0f} %", 12, "middle")
            self.draw_candidates(step)

    def draw_candidates(self, step: Step) -> None:
        """Draw the likeliest tokens, the one that was taken in the colour of the reply."""
        top = _REPLY + 76
        self.drawing.text((24, top), self.said["next"], 14, classes="quiet")
        for place, (token, share) in enumerate(step.likely):
            left = _LEFT + 196 * place
            self.drawing.text((left, top), visible(token), 15, classes="strong")
            percent = f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"
            self.drawing.text((left + 170, top), percent, 13, "end")
            kind = "reply" if token == step.token else "plain"
            self.drawing.box(left, top + 10, max(170 * share, 1.5), 10, kind, 3)

    def draw_end(self) -> None:
        """Say what the picture shows when the reply is whole."""
        with self.moving(len(self.reply.steps), "step rest"):
            self.drawing.text((_LEFT, _REPLY + 76), self.said["end"], 14, classes="quiet")

    def draw_token(self, place: tuple[str, float, float], top: float, kind: str) -> None:
        """Draw one token."""
        token, left, width = place
        self.drawing.box(left, top, width, _HIGH, kind)
        self.drawing.text((left + width / 2, top + 21), token, self.size, "middle")


def _curve(start: Point, end: Point) -> str:
    """Describe a line from a token of the question down to one of the reply."""
    half = (start[1] + end[1]) / 2
    points = (start, (start[0], half), (end[0], half), end)
    return "M{} {}C{} {} {} {} {} {}".format(*(f"{value:.1f}" for each in points for value in each))

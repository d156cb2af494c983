# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A journey as text for a terminal of 80 columns, in Chinese or in English."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from data_builders.output.terminal import GAP, columns, fit
from data_builders.widths import display_width, wrapped

from .choices import Step
from .comparison import Comparison
from .journey import Journey
from .page import texts
from .recording import Side
from .report import visible

_WIDTH = 80
# Cells of a token in a table, of a bar, and candidates named in a line.
_TOKEN, _BAR, _NAMED = 8, 16, 4
# What is less likely is not named.
_LEAST = 0.001
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def render(journey: Journey, language: str) -> str:
    """Write everything about one question, section by section, as the page has it."""
    return _Report(journey, language).text()


def render_comparison(comparison: Comparison, language: str) -> str:
    """Write what differs between two models."""
    said = texts()[language]
    lines = _head(said, "comparison", {})
    for text, *models in comparison.replies:
        lines += ["", fit(visible(text) or said["labels"]["nothing"], _WIDTH)]
        for name, model in zip(comparison.names, models, strict=True):
            lines.append(f"{GAP}{name}")
            pairs = zip(model.tokens, model.probabilities, strict=True)
            lines += _flow([f"{token} {_percent(share)}" for token, share in pairs])
    lines += ["", said["labels"]["moved" if comparison.moved else "nomoved"]]
    moved = [[_percent(share), name] for name, share in comparison.moved]
    lines += columns(moved, right=(0,), indent=GAP) if moved else []
    return "\n".join(lines) + "\n"


class _Report:
    """The sections of one journey."""

    def __init__(self, journey: Journey, language: str) -> None:
        self.journey = journey
        self.said = texts()[language]
        self.labels = self.said["labels"]
        spell, recording = journey.traveller.spell, journey.recording
        self.encoder, self.decoder = recording.encoder, recording.decoder
        self.asked, self.written = spell(self.encoder.ids), spell(self.decoder.ids)
        self.reply = spell(journey.reply)
        facts = journey.facts()
        self.values = {
            "width": facts["width"],
            "vocabulary": f"{facts['vocabulary']:,}",
            "neurons": f"{facts['neurons'][0]:,}",
        }

    def text(self) -> str:
        """Write all sections."""
        rotary = self.encoder.positions is None
        is_pre_norm = self.journey.traveller.model.config.normalize_before
        sections = [
            self.head(),
            [*self.about("tokens"), *self.tokens()],
            [*self.about("vectors", "rotary" if rotary else None), *self.vectors()],
            [*self.about("encoder"), *self.attention(self.encoder.self_attention, self.asked)],
            [*self.about("decoder"), *self.attention(self.decoder.self_attention, self.written)],
            [*self.about("cross"), *self.attention(self.decoder.cross_attention, self.asked, True)],
            [*self.about("neurons"), *self.neurons()],
            [*self.about("norms", "prenorm" if is_pre_norm else None), *self.norms()],
            [*self.about("choice"), *self.choices()],
            [*self.about("rules"), *self.rules()],
            [*self.about("tree"), *self.tree()],
        ]
        return "\n\n".join("\n".join(lines) for lines in sections) + "\n"

    def head(self) -> list[str]:
        """Say what was asked, what was answered, and by whom."""
        journey, facts = self.journey, self.journey.facts()
        encoder, decoder = facts["layers"]
        named = {"encoder": encoder, "decoder": decoder, "name": journey.traveller.name}
        values = self.values | named | {"parameters": f"{facts['parameters']:,}"}
        preset = journey.request.preset or self.said["own"]
        label = "reply" if journey.request.reply is None else "given"
        lines = [
            self.said["title"],
            *wrapped(
                self.said["facts"].format(**values)
                + " · "
                + self.said["preset"].format(preset=preset),
                _WIDTH,
            ),
            "",
            *columns(
                [
                    [self.labels["question"], fit(" ".join(self.asked), _WIDTH - 14)],
                    [self.labels[label], fit(" ".join(self.reply), _WIDTH - 14)],
                ]
            ),
        ]
        cut, more = self.said["cut"].format(count=journey.cut), self.said["more"]
        notes = [*([cut] if journey.cut else []), *([more] if journey.goes_on else [])]
        return [*lines, *(line for note in notes for line in wrapped(note, _WIDTH))]

    def about(self, name: str, variant: str | None = None) -> list[str]:
        """Begin a section."""
        legend = self.said["legend"].get(name)
        return [*_head(self.said, name, self.values, variant), *([legend] if legend else []), ""]

    def tokens(self) -> list[str]:
        """Set words above tokens and ids."""
        found = self.journey.explanation
        cut = found.jieba if found is not None and found.jieba else ()
        words = _flow(list(map(visible, cut)), " | ") if cut else []
        ids = [f"{token} {one}" for token, one in zip(self.asked, self.encoder.ids, strict=True)]
        lines = [self.labels["words"], *words] if words else []
        return [*lines, self.labels["ids"], *_flow(ids, " | ")]

    def vectors(self) -> list[str]:
        """List the lengths of the vectors."""
        named = [("embedding", self.encoder.embeddings), ("position", self.encoder.positions)]
        shown = [
            (name, one) for name, one in [*named, ("sum", self.encoder.sums)] if one is not None
        ]
        rows = [
            [fit(token, _TOKEN), *(f"{float(one[row].norm()):.1f}" for _, one in shown)]
            for row, token in enumerate(self.asked)
        ]
        head = ["", *(self.labels[name] for name, _ in shown)]
        return columns([head, *rows], right=range(1, len(head)), indent=GAP)

    def attention(
        self, layers: Sequence[Tensor], keys: list[str], is_cross: bool = False
    ) -> Iterator[str]:
        """Name where each token looks most, head by head, as many heads a table as fit."""
        queries = self.written if is_cross else keys
        room = (_WIDTH - _TOKEN - 2) // (_TOKEN + 7)
        for number, layer in enumerate(layers, 1):
            heads = list(range(layer.shape[0]))
            for begin in range(0, len(heads), room):
                group = heads[begin : begin + room]
                head = [self.labels["layer"].format(n=number)]
                head += [f"{self.labels['head']} {one + 1}" for one in group]
                rows = [
                    [fit(token, _TOKEN), *(_most(layer[one, row], keys) for one in group)]
                    for row, token in enumerate(queries)
                ]
                yield from columns([head, *rows], indent=GAP)

    def neurons(self) -> Iterator[str]:
        """Say how many neurons fire and which the strongest are."""
        for name, side, tokens in self.sides():
            for number, inner in enumerate(side.activations, 1):
                head = [
                    f"{name} {self.labels['layer'].format(n=number)}",
                    "",
                    "",
                    self.labels["strongest"],
                ]
                rows = [head]
                for token, row in zip(tokens, inner, strict=True):
                    share = float((row > 0).float().mean())
                    top = row.topk(min(4, len(row)))
                    strongest = zip(top.indices.tolist(), top.values.tolist(), strict=True)
                    named = ", ".join(f"#{one} {value:.1f}" for one, value in strongest)
                    rows.append([fit(token, _TOKEN), _percent(share), _bar(share), named])
                yield from columns(rows, right=(1,), indent=GAP)

    def sides(self) -> list[tuple[str, Side, list[str]]]:
        """Name both stacks."""
        encoder, decoder = (
            self.said["titles"][name].partition(":")[0].partition("：")[0]
            for name in ("encoder", "decoder")
        )
        return [(encoder, self.encoder, self.asked), (decoder, self.decoder, self.written)]

    def norms(self) -> Iterator[str]:
        """List each LayerNorm with the least and the most length before and after."""
        yield from columns(
            [
                [one.name, _span(one.before), "→", _span(one.after)]
                for _, side, _ in self.sides()
                for one in side.norms
            ],
            indent=GAP,
        )

    def choices(self) -> list[str]:
        """Put the tokens of the reply below each other with their rivals."""
        head = ["", self.labels["rank"], self.labels["said"], "", ""]
        return columns(
            [head, *(self.choice(step) for step in self.journey.steps)], right=(1, 2), indent=GAP
        )

    def choice(self, step: Step) -> list[str]:
        """Write one step."""
        spell, taken = self.journey.traveller.spell, step.taken
        others = [one for one in step.candidates if one.id != taken.id]
        rivals = [one for one in others if one.probability >= _LEAST][:_NAMED]
        said = "  ".join(f"{spell([one.id])[0]} {_percent(one.probability)}" for one in rivals)
        share = taken.probability
        row = [fit(spell([taken.id])[0], _TOKEN), f"#{step.rank}", _percent(share), _bar(share)]
        return [*row, fit(said, 38)]

    def rules(self) -> list[str]:
        """Say what each processor changed, where it did."""
        lines = []
        spell, names = self.journey.traveller.spell, self.said["processors"]
        for token, step in zip(self.reply, self.journey.steps, strict=True):
            for change in step.changes:
                if change.moved:
                    moved = "  ".join(
                        f"{spell([one])[0]} {_percent(before)} → {_percent(after)}"
                        for one, before, after in change.moved[:3]
                    )
                    name = names.get(change.processor, change.processor)
                    lines += [
                        fit(f"{GAP}{token}  {name}:", _WIDTH),
                        fit(f"{GAP * 3}{moved}", _WIDTH),
                    ]
        none = "untouched" if self.journey.processors else "none"
        return lines or [self.labels[none]]

    def tree(self) -> Iterator[str]:
        """Draw the reply as a trunk, with its branches."""
        spell = self.journey.traveller.spell
        for place, (token, step) in enumerate(zip(self.reply, self.journey.steps, strict=True)):
            yield f"{GAP}● {token} {_percent(step.taken.probability)}"
            for branch in self.journey.branches:
                if branch.step == place:
                    first, *rest = spell(branch.ids)
                    line = f"{GAP}├─ {first} {_percent(branch.probabilities[0])}  {' '.join(rest)}"
                    yield fit(line, _WIDTH)
        if not self.journey.branches:
            yield self.labels["nobranch"]


def _head(
    said: dict, name: str, values: dict[str, object], variant: str | None = None
) -> list[str]:
    """Write the title of a section and its sentences."""
    title = said["titles"][name]
    about = said["about"][variant or name][0].format(**values)
    return [f"── {title} " + "─" * (_WIDTH - 4 - display_width(title)), *wrapped(about, _WIDTH)]


def _flow(items: Sequence[str], between: str = "  ") -> list[str]:
    """Put items one behind the other, in as many lines as it takes."""
    lines = [""]
    for item in items:
        joined = f"{lines[-1]}{between}{item}" if lines[-1] else item
        if display_width(joined) > _WIDTH - len(GAP) and lines[-1]:
            lines.append(item)
        else:
            lines[-1] = joined
    return [fit(GAP + line, _WIDTH) for line in lines]


def _most(weights: Tensor, keys: Sequence[str]) -> str:
    """Name what is looked at most."""
    key = int(weights.argmax())
    return f"{fit(keys[key], _TOKEN)} {_percent(float(weights[key]))}"


def _span(lengths: Tensor) -> str:
    """Write the least and the most."""
    return f"{float(lengths.min()):.1f} – {float(lengths.max()):.1f}"


def _percent(share: float) -> str:
    """Write a share as the page does."""
    if share == 0:
        return "–"
    return "<0.1%" if share < 0.001 else f"{100 * share:.{1 if share < 0.1 else 0}f}%"


def _bar(share: float) -> str:
    """Draw a share as a bar of eighths of a cell."""
    eighths = round(share * _BAR * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8].strip())

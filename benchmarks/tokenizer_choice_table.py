# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The results of `tokenizer_choice.py` as tables in Markdown and as a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

# A scheme whose bits are so many times the best is named beside the curves, not drawn.
_FAR = 1.1
Result = dict[str, Any]
Runs = list[Result]


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        title: its head.
        read: finds the figure in one result.
        shape: how it is written.
    """

    title: str
    read: Callable[[Result], float]
    shape: str


def _validation(key: str) -> Callable[[Result], float]:
    return lambda result: result["metrics"]["validation"][key]


COLUMNS = (
    Column("characters a token", lambda r: r["vocabulary"]["characters_per_token"], "{:.2f}"),
    Column("million parameters", lambda r: r["metrics"]["run"]["parameters"] / 1e6, "{:.2f}"),
    Column("updates", lambda r: r["metrics"]["run"]["steps"], "{:,.0f}"),
    Column("epochs", lambda r: r["metrics"]["run"]["epochs"], "{:.2f}"),
    Column("CPU s", lambda r: r["metrics"]["run"]["train_cpu_seconds"], "{:.0f}"),
    Column("distinct-2", _validation("distinct_2"), "{:.3f}"),
    Column("repetition", _validation("repetition"), "{:.1%}"),
    Column("top reply", _validation("top_reply_share"), "{:.0%}"),
    Column("reply length", _validation("mean_length"), "{:.1f}"),
)


def bits(result: Result) -> float:
    """Give the bits a character on held-out replies, by which everything is sorted.

    Args:
        result: one line of results.jsonl.
    """
    return result["metrics"]["validation"]["bits_per_character"]


def grouped(results: Iterable[Result]) -> dict[str, dict[str, Runs]]:
    """Sort results by corpus and by tokenizer.

    Args:
        results: lines of results.jsonl.

    Returns:
        For each corpus and tokenizer its runs, one a seed.
    """
    corpora: dict[str, dict[str, Runs]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        corpus, name, *_ = result["key"]
        corpora[corpus][name].append(result)
    return corpora


def print_tables(results: Sequence[Result]) -> None:
    """Print a table for each corpus, the best tokenizer first, and one over all.

    Args:
        results: lines of results.jsonl.
    """
    corpora = grouped(results)
    for corpus, tokenizers in corpora.items():
        print(f"\n**{corpus}**\n")
        print("| tokenizer | bits a character | " + " | ".join(c.title for c in COLUMNS) + " |")
        print("| --- | ---: |" + " ---: |" * len(COLUMNS))
        for name in sorted(tokenizers, key=lambda name: _mean(tokenizers[name])):
            print(_line(name, tokenizers[name]))
    _print_summary(corpora)


def _line(name: str, runs: Runs) -> str:
    """Write a line: means over the seeds, and how far the bits lie apart."""
    figures = [column.shape.format(fmean(map(column.read, runs))) for column in COLUMNS]
    return f"| {name} | {_spread(runs)} | " + " | ".join(figures) + " |"


def _spread(runs: Runs) -> str:
    found = sorted(map(bits, runs))
    if len(found) == 1:
        return f"{found[0]:.3f}"
    return f"{fmean(found):.3f} ({found[0]:.3f}..{found[-1]:.3f}, {len(found)} seeds)"


def _mean(runs: Runs) -> float:
    return fmean(map(bits, runs))


def _print_summary(corpora: dict[str, dict[str, Runs]]) -> None:
    """Print how far each tokenizer is above the best of each corpus, in per cent."""
    everywhere = set.intersection(*(set(found) for found in corpora.values())) if corpora else set()
    above = {name: [_above(found, name) for found in corpora.values()] for name in everywhere}
    print("\n**Above the best, in per cent of its bits**\n")
    print("| tokenizer | " + " | ".join(corpora) + " | mean |")
    print("| --- |" + " ---: |" * (len(corpora) + 1))
    for name in sorted(above, key=lambda name: fmean(above[name])):
        cells = " | ".join(f"{value:.1f}" for value in above[name])
        print(f"| {name} | {cells} | {fmean(above[name]):.2f} |")


def _above(tokenizers: dict[str, Runs], name: str) -> float:
    best = min(map(_mean, tokenizers.values()))
    return 100 * (_mean(tokenizers[name]) / best - 1)


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw bits a character over the size of the vocabulary, a panel for each corpus.

    Args:
        results: lines of results.jsonl.
        path: the picture to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    corpora = grouped(results)
    figure, panels = pyplot.subplots(1, len(corpora), figsize=(4.2 * len(corpora), 3.6))
    for panel, (corpus, tokenizers) in zip(panels, corpora.items(), strict=True):
        _draw_corpus(panel, tokenizers)
        panel.set_title(corpus)
        panel.set_xlabel("tokens in the vocabulary")
    panels[0].set_ylabel("bits a character, held out")
    panels[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _draw_corpus(panel: Any, tokenizers: dict[str, Runs]) -> None:
    """Draw a line through the means of each scheme, and a dot for each run."""
    lines: dict[str, list[tuple[float, Runs]]] = defaultdict(list)
    for runs in tokenizers.values():
        vocabulary = runs[0]["vocabulary"]
        lines[vocabulary["scheme"]].append((vocabulary["size"], runs))
    best = min(map(_mean, tokenizers.values()))
    far = []
    for number, scheme in enumerate(sorted(lines)):
        points = sorted(lines[scheme], key=lambda point: point[0])
        color = f"C{number}"
        if min(_mean(runs) for _, runs in points) > _FAR * best:
            far.append(f"{scheme}: {_mean(points[0][1]):.2f}")
            del lines[scheme]
            continue
        panel.plot([x for x, _ in points], [_mean(runs) for _, runs in points], color, label=scheme)
        for x, runs in points:
            panel.plot([x] * len(runs), list(map(bits, runs)), "o", color=color, markersize=4)
    panel.text(0.5, 0.96, "\n".join(far), transform=panel.transAxes, va="top", ha="center")
    panel.set_xscale("log", base=2)
    sizes = sorted({x for points in lines.values() for x, _ in points})
    panel.set_xticks(sizes, [f"{x:,}" for x in sizes], fontsize=7)
    panel.minorticks_off()
    panel.grid(alpha=0.3)

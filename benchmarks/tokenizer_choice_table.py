# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The results of `tokenizer_choice.py` as tables in Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

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

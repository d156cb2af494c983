# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From a run's folder to the ladder's files: questions, replies, figures, table, picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from ..examples.evaluation_split import EvaluationSplit, load_evaluation_split
from ..measuring.relevance import measure_relevance, ranking_tasks
from ..settings.run_folder import write_json
from .baselines import baseline_rows
from .decoder import Decoder, Replies
from .facts import depends_on, ladder_facts
from .figures import AgainstGreedy, RowFigures, describe_row
from .loss import held_out_loss
from .models import load_models, model_digest
from .options import LadderOptions
from .picture import draw_ladder
from .reply_store import ReplyStore
from .rows import BASE_ROW, Row, plan_rows
from .samples import write_samples
from .table import figures_table, goals_table, ladder_page

Say = Callable[[str], None]
JSON_FILE, PAGE_FILE, PICTURE_FILE, SAMPLES_FILE = (
    "ladder.json",
    "ladder.md",
    "ladder.png",
    "samples.jsonl",
)


@dataclass
class Answered:
    """A row with its replies, one for each seed."""

    row: Row
    replies: list[Replies]


def measure_ladder(options: LadderOptions, say: Say) -> list[RowFigures]:
    """Decodes a split under every preset and writes the figures.

    Args:
        options: what to do.
        say: takes a line for each thing that is done.

    Returns:
        The rows of the table.

    Raises:
        ValueError: a setting, folder or model that cannot be used; says what to do.
    """
    options.check()
    model, tokenizer, reverse = load_models(options.run, options.reverse_model, options.device)
    rows, notes = plan_rows(model, options.presets, options.settings, reverse is not None)
    for note in notes:
        say(note)
    asked = load_evaluation_split(options.run, options.dataset, options.split, options.questions)
    say(f"{len(asked.questions):,} questions of the {asked.split} split of {asked.dataset}")
    digest = model_digest(options.run)
    store = ReplyStore(options.folder / "replies", depends_on(options, asked, digest))
    decoder = Decoder(model, tokenizer, asked.questions, options.batch_size, reverse)
    answered = _answer_all(rows, options.seeds, decoder, store, say)
    loss = held_out_loss(model, asked, options.batch_size, digest, options.folder)
    say(f"perplexity {loss['perplexity']:.1f} on {loss['replies']:,} replies of the split")
    described = _describe_all(answered, asked)
    tasks = ranking_tasks(asked.examples, options.questions, asked.seed)
    relevance = measure_relevance(model, tasks)
    facts = ladder_facts(options, asked, {**loss, **relevance}, digest, model.device)
    _write(options, facts, described, notes, say)
    if options.samples:
        texts = {one.row.name: one.replies[0].texts for one in answered}
        path = options.folder / SAMPLES_FILE
        write_samples(path, asked.questions, texts, options.samples)
        say(f"{path}: questions and replies, not for publishing")
    return described


def _answer_all(
    rows: Sequence[Row], seeds: int, decoder: Decoder, store: ReplyStore, say: Say
) -> list[Answered]:
    """Reads the replies that are there and decodes what is missing."""
    count = len(decoder.questions)
    wanted = [(row, list(range(seeds if row.sampled else 1))) for row in rows]
    missing = [row for row, all_of in wanted for s in all_of if store.read(row, s, count) is None]
    for row in missing:
        try:
            decoder.try_out(row)
        except ValueError as error:
            kind = "preset" if row.is_preset else "--setting"
            raise ValueError(f"`{kind}` {row.name!r} cannot be used: {error}") from error
    answered = []
    for row, all_of in wanted:
        replies = [_answer(row, seed, decoder, store, say) for seed in all_of]
        answered.append(Answered(row, replies))
    return answered


def _answer(row: Row, seed: int, decoder: Decoder, store: ReplyStore, say: Say) -> Replies:
    """Gives the replies of a row and a seed."""
    count = len(decoder.questions)
    name = f"{row.name}, seed {seed}" if row.sampled else row.name
    found = store.read(row, seed, count)
    if found is not None:
        say(f"{name}: kept from an earlier call")
        return found
    with tqdm(total=count, desc=name, unit="question", disable=None, leave=False) as bar:
        found = decoder.answer(row, seed, bar.update)
    store.write(row, seed, found)
    say(f"{name}: {found.tokens:,} tokens in {found.seconds:.1f} s")
    return found


def _describe_all(answered: Sequence[Answered], asked: EvaluationSplit) -> list[RowFigures]:
    """Gives the rows of the table, baselines last."""
    greedy = AgainstGreedy(answered[0].replies[0], asked.questions)
    described = []
    for one in answered:
        row = describe_row(one.replies, asked.questions, asked.frequent)
        row.name, row.kind = one.row.name, "preset" if one.row.is_preset else "setting"
        row.settings, row.seeds = one.row.settings(), list(range(len(one.replies)))
        if row.name != BASE_ROW:
            greedy.compare(row, one.replies)
        described.append(row)
    return described + baseline_rows(asked)


def _write(
    options: LadderOptions,
    facts: dict[str, Any],
    rows: Sequence[RowFigures],
    notes: Sequence[str],
    say: Say,
) -> None:
    """Writes the three files, and says the tables."""
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    content = {**facts, "rows": [row.as_json() for row in rows], "notes": list(notes)}
    write_json(json.loads(json.dumps(content, default=str)), folder / JSON_FILE)
    page = folder / PAGE_FILE
    fresh = page.with_name(f".{page.name}.new")
    fresh.write_text(ladder_page(facts, rows, notes), encoding="utf-8")
    fresh.replace(page)
    drawn = draw_ladder(rows, folder / PICTURE_FILE)
    say(f"\n{figures_table(rows)}\n\n{goals_table(rows)}\n")
    written = [JSON_FILE, PAGE_FILE, *([PICTURE_FILE] if drawn else [])]
    say(f"{folder}: {', '.join(written)}")
    if not drawn:
        say("no picture: matplotlib is missing; pip install 'tfchat-hf[plots]'")

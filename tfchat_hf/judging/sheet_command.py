# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Make a blind sheet: several systems' replies to one list of questions, to be marked 2, 1 or 0.

    python -m tfchat_hf.judging sheet --input questions.jsonl --output judged \
        --system model=runs/mine --system precise=runs/mine:precise --system other=replies.jsonl
    python -m tfchat_hf.judging sheet --dataset data/mine --questions 120 --output judged \
        --system model=runs/mine --baselines human,random

A system is a file that `chat_hf.py --input ... --output` wrote for the same questions, or a run or
a model on the Hub, with a preset behind a colon, which answers now. Writes to the folder sheet.html
(a page to click through, without network) and sheet.tsv for the judges, and key.json, which they
must not see.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from data_builders.command_line import check_at_least, names_in, say, tell
from data_builders.errors import UserError
from data_builders.translation import _, counted_text, listed
from data_builders.writing import write_whole

from ..settings.places import find_model
from ..text.console import quiet_libraries
from .sheet import Key, make_key, write_page, write_sheet
from .systems import (
    BASELINES,
    Asked,
    System,
    check_questions,
    check_replies,
    corpus_questions,
    open_model,
    questions_of_file,
    read_corpus,
    read_system,
    replies_of_file,
    replies_of_model,
)

SHEET, PAGE, KEY, QUESTIONS = "sheet.tsv", "sheet.html", "key.json", "questions.jsonl"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.description = __doc__
    add = parser.add_argument
    add("--input", type=Path, metavar="FILE", help="questions, as `chat_hf.py --input` reads them")
    add(
        "--dataset",
        metavar="NAME",
        help="or questions it keeps back; and where baselines come from",
    )
    add("--questions", type=int, default=120, metavar="N", help="of --dataset (default 120)")
    add("--split", choices=("test", "validation"), help="default: test where there is one")
    add("--context-turns", type=int, default=3, metavar="N", help="most turns of them (default 3)")
    add(
        "--system",
        dest="systems",
        action="append",
        default=[],
        metavar="NAME=SOURCE",
        help="who answers: REPLIES.jsonl, or MODEL or MODEL:preset; as often as there are systems",
    )
    add("--baselines", type=names_in, default=[], metavar="A,B", help=f"{', '.join(BASELINES)}")
    add("--output", type=Path, required=True, metavar="DIR", help="where the sheet goes")
    add("--seed", type=int, default=1, help="of the order and of what is drawn (default 1)")
    add("--device", default="auto", help="auto (the GPU if there is one), cpu ...")
    add("--overwrite", action="store_true", help="replace a sheet, also a marked one")


def run(options: argparse.Namespace) -> None:
    """Check the options and make the sheet."""
    systems = [read_system(text) for text in options.systems]
    _check(options, systems)
    _make_sheet(options, systems)


def _check(options: argparse.Namespace, systems: Sequence[System]) -> None:
    """Refuse what cannot work, before anything slow begins."""
    names = [system.name for system in systems] + options.baselines
    if not names:
        raise UserError("there must be something to judge (got none). Add --system NAME=MODEL.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError("each system needs a name of its own (got {twice} twice).", twice=twice[0])
    if options.input is None and options.dataset is None:
        raise UserError("questions come from `--input FILE` or `--dataset NAME` (got neither).")
    if unknown := [name for name in options.baselines if name not in BASELINES]:
        raise UserError(
            "`--baselines` knows {baselines} (got {unknown!r}).",
            baselines=listed(BASELINES),
            unknown=unknown[0],
        )
    if options.baselines and options.dataset is None:
        raise UserError("`--baselines` come from a corpus (got none). Add --dataset NAME.")
    check_at_least(options, questions=1, context_turns=1)
    if (options.output / SHEET).exists() and not options.overwrite:
        raise UserError(
            "{sheet} is there already, perhaps with marks. Give another --output, or add "
            "--overwrite.",
            sheet=options.output / SHEET,
        )
    if options.input is not None:
        check_questions(options.input)
    for system in systems:
        check_replies(Path(system.source)) if system.is_file else find_model(system.source)


def _make_sheet(options: argparse.Namespace, systems: Sequence[System]) -> None:
    """Collect questions and replies, and write the files."""
    tell(_("Loading datasets and the questions ..."))
    quiet_libraries()
    asked = _questions(options)
    replies = {
        system.name: replies_of_file(Path(system.source), asked.turns)
        for system in systems
        if system.is_file
    }
    asked_now = [system for system in systems if not system.is_file]
    models = {system.name: open_model(system, options.device) for system in asked_now}
    replies |= {name: BASELINES[name](asked, options.seed) for name in options.baselines}
    options.output.mkdir(parents=True, exist_ok=True)
    questions = options.output / QUESTIONS
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in asked.rows)
    write_whole(questions, text)
    for name, session in models.items():
        say(_("{name} answers ...", name=name))
        path = options.output / "replies" / f"{name}.jsonl"
        replies_of_model(session, questions, path, say)
        replies[name] = replies_of_file(path, asked.turns)
    order = [*(system.name for system in systems), *options.baselines]
    key = make_key(asked.turns, {name: replies[name] for name in order}, options.seed)
    _write(options.output, key)


def _write(folder: Path, key: Key) -> None:
    """Write the three files, and say for whom each one is."""
    key.write(folder / KEY)
    write_page(key, folder / PAGE)
    write_sheet(key, folder / SHEET)
    questions, systems = key.rows[-1].number, len(key.systems)
    say(
        _(
            "{replies} to {questions} from {systems}, equal ones once",
            replies=counted_text("{number:,} reply", "{number:,} replies", len(key.rows)),
            questions=counted_text("{number:,} question", "{number:,} questions", questions),
            systems=counted_text("{number:,} system", "{number:,} systems", systems),
        )
    )
    say(_("for the judges: {page} or {sheet}", page=folder / PAGE, sheet=folder / SHEET))
    say(_("not for them: {key}", key=folder / KEY))


def _questions(options: argparse.Namespace) -> Asked:
    """Read the questions, and the corpus where one is named."""
    asked = questions_of_file(options.input) if options.input is not None else None
    if asked is not None and options.dataset is None:
        return asked
    corpus = read_corpus(options.dataset)
    if asked is None:
        limit, turns = options.questions, options.context_turns
        asked = corpus_questions(corpus, options.dataset, options.split, limit, turns, options.seed)
        if len(asked.turns) < limit:
            say(
                counted_text(
                    "{dataset} keeps back {number:,} question, no more",
                    "{dataset} keeps back {number:,} questions, no more",
                    len(asked.turns),
                    dataset=options.dataset,
                )
            )
    asked.train = corpus["train"]
    return asked

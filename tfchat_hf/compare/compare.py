# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From a run's folder to the comparison: model, questions, replies, figures, files."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import sacrebleu
import torch
import transformers
from accelerate import Accelerator
from torch.utils.data import DataLoader
from tqdm.auto import tqdm
from transformers import DataCollatorForSeq2Seq, PreTrainedModel

from data_builders.errors import UserError
from data_builders.translation import _, counted_text
from data_builders.writing import write_whole

from ..chat.session import load_session
from ..engines.fingerprints import answering_code, weight_digests
from ..examples.evaluation_split import EvaluationSplit, load_evaluation_split
from ..examples.questions import Question
from ..examples.rows import ExampleRows
from ..measuring.baselines import baseline_replies
from ..measuring.evaluation import exact_loss
from ..measuring.relevance import measure_relevance, ranking_tasks
from ..settings.run_folder import write_json
from ..training.trainer import by_length
from .decode import Decoder, Replies, ReplyStore, Row, plan_rows
from .figures import RowFigures, describe_baseline, describe_rows
from .report import comparison_page, draw_comparison, figures_table, goals_table

if TYPE_CHECKING:
    from .__main__ import Options

Say = Callable[[str], None]
JSON_FILE, PAGE_FILE, PICTURE_FILE = "presets.json", "presets.md", "presets.png"
SAMPLES_FILE = "samples.jsonl"


def compare_presets(options: Options, say: Say) -> list[RowFigures]:
    """Decode a split under every preset and write the figures.

    Args:
        options: What to do.
        say: Takes a line for each thing that is done.

    Returns:
        The rows of the table.

    Raises:
        UserError: A setting, folder or model cannot be used; the message says what to do.
    """
    second = None if options.reverse_model is None else str(options.reverse_model)
    session = load_session(str(options.run), options.device, reverse_model=second, memory=False)
    model, tokenizer, reverse = session.model, session.tokenizer, session.reverse_model
    rows, left_out = plan_rows(model, options.presets, options.settings, reverse is not None)
    for name in left_out:
        say(_("{row} is left out: it needs --reverse-model", row=name))
    asked = load_evaluation_split(options.run, options.dataset, options.split, options.questions)
    say(
        _(
            "{questions} of the {split} split of {dataset}",
            questions=counted_text(
                "{number:,} question", "{number:,} questions", len(asked.questions)
            ),
            split=asked.split,
            dataset=asked.dataset,
        )
    )
    about = _about(options, asked, model)
    store = ReplyStore(options.output / "replies", _replies_depend_on(options, about))
    decoder = Decoder(model, tokenizer, asked.questions, options.batch_size, reverse)
    answered = _answer_all(rows, options.seeds, decoder, store, say)
    options.output.mkdir(parents=True, exist_ok=True)
    about["loss"] = _loss(options, asked, model, about["model"]["sha256"])
    say(
        _(
            "perplexity {perplexity:.1f} on {replies}",
            perplexity=about["loss"]["perplexity"],
            replies=counted_text(
                "{number:,} reply", "{number:,} replies", about["loss"]["replies"]
            ),
        )
    )
    described = describe_rows(answered, asked.questions, asked.frequent)
    for name, texts in baseline_replies(asked.questions, asked.train, asked.seed).items():
        described.append(describe_baseline(name, texts, asked.questions, asked.frequent))
    _write(options.output, about, described, left_out, say)
    if options.samples:
        samples = {row.name: replies[0].texts for row, replies in answered}
        path = options.output / SAMPLES_FILE
        _write_samples(path, asked.questions[: options.samples], samples)
        say(_("{path}: questions and replies, not for publishing", path=path))
    return described


def _answer_all(
    rows: Sequence[Row], seeds: int, decoder: Decoder, store: ReplyStore, say: Say
) -> list[tuple[Row, list[Replies]]]:
    """Read the replies that are there and decode what is missing."""
    count = len(decoder.questions)
    asked = [(row, range(seeds if row.sampled else 1)) for row in rows]
    for row, own in asked:
        if all(store.read(row, seed, count) for seed in own):
            continue
        try:
            decoder.try_out(row)
        except (ValueError, TypeError) as error:
            kind = "preset" if row.is_preset else "--setting"
            raise UserError(
                "`{kind}` {name!r} cannot be used: {error}", kind=kind, name=row.name, error=error
            ) from error
    return [(row, [_answer(row, seed, decoder, store, say) for seed in own]) for row, own in asked]


def _answer(row: Row, seed: int, decoder: Decoder, store: ReplyStore, say: Say) -> Replies:
    """Return the replies of a row and a seed."""
    count = len(decoder.questions)
    name = _("{row}, seed {seed}", row=row.name, seed=seed) if row.sampled else row.name
    found = store.read(row, seed, count)
    if found is not None:
        say(_("{name}: kept from an earlier call", name=name))
        return found
    with tqdm(total=count, desc=name, unit="question", disable=None, leave=False) as bar:
        found = decoder.answer(row, seed, bar.update)
    store.write(row, seed, found)
    say(
        _(
            "{name}: {tokens} in {seconds:.1f} s",
            name=name,
            tokens=counted_text("{number:,} token", "{number:,} tokens", found.tokens),
            seconds=found.seconds,
        )
    )
    return found


def _loss(
    options: Options, asked: EvaluationSplit, model: PreTrainedModel, digest: str
) -> dict[str, Any]:
    """Measure what no preset changes, or take it from an earlier call for the same pairs.

    Returns:
        What `exact_loss` and `measure_relevance` find, and the number of `replies`.
    """
    of = [digest, ExampleRows(asked.examples).digest(), options.questions, asked.seed]
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads((options.output / JSON_FILE).read_text(encoding="utf-8"))["loss"]
        if known["of"] == of:
            return known
    collate = DataCollatorForSeq2Seq(asked.tokenizer)
    loader = DataLoader(by_length(asked.examples), options.batch_size, collate_fn=collate)
    batches = (batch.to(model.device) for batch in loader)
    accelerator = Accelerator(cpu=model.device.type == "cpu")
    tasks = ranking_tasks(asked.examples, options.questions, asked.seed)
    return {
        **exact_loss(model, batches, accelerator, asked.characters()),
        **measure_relevance(model, tasks),
        "replies": len(asked.examples),
        "of": of,
    }


# ----------------------------------------------------------------------- what it was measured with


def _about(options: Options, asked: EvaluationSplit, model: PreTrainedModel) -> dict[str, Any]:
    """Say what is measured, and with what; names without their places, for it may be published."""
    reverse, device = options.reverse_model, model.device
    on_gpu = device.type == "cuda"
    return {
        "model": {"name": options.run.resolve().name, "sha256": _model_digest(options.run)},
        "reverse_model": reverse and reverse.resolve().name,
        "questions": {
            "number": len(asked.questions),
            "split": asked.split,
            "dataset": asked.dataset,
            "fingerprint": asked.fingerprint,
            "sha256": asked.digest,
            "seed": asked.seed,
        },
        "batch_size": options.batch_size,
        "device": torch.cuda.get_device_name(device) if on_gpu else str(device),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            **{m.__name__: m.__version__ for m in (torch, transformers, datasets, sacrebleu)},
        },
    }


def _replies_depend_on(options: Options, about: dict[str, Any]) -> dict[str, Any]:
    """Choose what the replies of every row depend on."""
    return {
        "model": about["model"]["sha256"],
        "reverse_model": options.reverse_model and _model_digest(options.reverse_model),
        "questions": about["questions"]["sha256"],
        "batch_size": options.batch_size,
        "code": answering_code(),
    }


def _model_digest(folder: Path) -> str:
    """Name the weights, settings and tokenizer of a model folder by their bytes."""
    return hashlib.sha256(json.dumps(weight_digests(folder)).encode()).hexdigest()


# --------------------------------------------------------------------------------- the files


def _write(
    folder: Path,
    about: dict[str, Any],
    rows: Sequence[RowFigures],
    left_out: Sequence[str],
    say: Say,
) -> None:
    """Write figures, table and picture, and say the tables."""
    content = {**about, "rows": [row.as_json() for row in rows], "left_out": list(left_out)}
    write_json(json.loads(json.dumps(content, default=str)), folder / JSON_FILE)
    write_whole(folder / PAGE_FILE, comparison_page(about, rows, left_out))
    drawn = draw_comparison(rows, folder / PICTURE_FILE)
    say(f"\n{figures_table(rows, plain=True)}\n\n{goals_table(rows, plain=True)}\n")
    written = [JSON_FILE, PAGE_FILE, *([PICTURE_FILE] if drawn else [])]
    say(f"{folder}: {', '.join(written)}")
    if not drawn:
        say(_("no picture: matplotlib is missing; pip install 'tfchat-hf[plots]'"))


def _write_samples(
    path: Path, questions: Sequence[Question], replies: dict[str, list[str]]
) -> None:
    """Write questions with the replies of every row, for reading on one's own machine."""
    lines = []
    for place, question in enumerate(questions):
        said = {name: texts[place] for name, texts in replies.items()}
        row = {"context": question.context, "human": question.references[0], **said}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    write_whole(path, "".join(lines))

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The end of a run: the finished model is measured, and its folder written."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers

from ..engines.model_folder import save_for_hub
from ..examples.preparing import read_dialogues
from ..examples.questions import Question, frequent_replies
from ..measuring.baselines import baseline_replies, score_baselines
from ..measuring.evaluation import generate_replies
from ..measuring.metrics import describe_answers
from ..measuring.relevance import RELEVANCE_FIGURES, RELEVANCE_QUESTIONS, ranking_tasks
from ..memory.opinion import ModelOpinion
from ..memory.writing import write_memory
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..publishing.card.facts import selection_facts
from ..publishing.model_card import write_model_card
from ..settings.arguments import RunArguments
from ..settings.init_from import origin_name
from ..settings.run_folder import SAMPLES_FILE, RunFolder
from .announcing import device_name, dtype_name, update_size
from .callbacks.progress import ProgressLine
from .callbacks.throughput import ThroughputCallback
from .checkpoints import disk_errors
from .set_up import Workshop

Report = Callable[[str], None]


def run_facts(run: RunArguments, shop: Workshop, train_loss: float | None) -> dict[str, Any]:
    """Collects what metrics.json says of the run itself."""
    trainer = shop.trainer
    state = trainer.state
    meters = [c for c in trainer.callback_handler.callbacks if isinstance(c, ThroughputCallback)]
    speed = meters[0].speed if meters else None
    began = run.training.init_from
    return {
        "init_from": origin_name(began) if began else None,
        "parameters": trainer.model.num_parameters(),
        "vocabulary": len(shop.tokenizer),
        "steps": state.global_step,
        "epochs": float(state.epoch or 0),
        "update_size": update_size(trainer.sampler.plan),
        "train_loss": None if train_loss is None else _finite(train_loss),
        "device": device_name(run.training.device),
        "dtype": dtype_name(run),
        "seed": run.training.seed,
        "speed": None if speed is None else speed.figures(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "datasets": datasets.__version__,
    }


def _finite(value: float) -> float | None:
    """Keeps numbers that JSON can hold."""
    return float(value) if math.isfinite(value) else None


def finish(
    run: RunArguments, folder: RunFolder, shop: Workshop, facts: dict[str, Any], report: Report
) -> None:
    """Evaluates, then writes everything of the finished folder, metrics.json last."""
    model = shop.trainer.accelerator.unwrap_model(shop.trainer.model)
    # The Trainer turned the cache off for training; generation is several times slower without.
    model.config.use_cache = True
    # Before the last evaluation, which adds to the history.
    history = list(shop.trainer.state.log_history)
    selection = selection_facts(shop.trainer.state, run.training)
    started = time.monotonic()
    metrics, replies = _measure(run, shop, model)
    facts["evaluation_seconds"] = round(time.monotonic() - started, 1)
    metrics.update(run=facts, selection=selection)
    # All processes measure together, one writes.
    if not run.training.should_save:
        return
    advice = "Training is done and its last checkpoint is whole: make room, then add --resume."
    with disk_errors("the finished model", folder.path, advice):
        save_for_hub(model, shop.tokenizer, str(folder.path))
        if run.training.memory:
            dialogues = read_dialogues(run.data).dataset
            judge = ModelOpinion(model.eval(), shop.tokenizer)
            metrics["memory"] = write_memory(folder.path, dialogues, report, judge)
    split = "validation" if shop.questions["validation"] else "train"
    samples = _samples(split, shop.questions[split], replies[split])
    _write_samples(folder.path / SAMPLES_FILE, samples)
    example = shop.questions["train"][0].context[-1]
    write_model_card(folder.path, run, metrics, example, history, samples)
    folder.finish(metrics)
    _report_results(metrics, folder, report)


def _measure(
    run: RunArguments, shop: Workshop, model: TFChatForConditionalGeneration
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Evaluates both splits.

    Returns:
        The content of metrics.json so far, and the replies of each split.
    """
    data = shop.data
    batch_size = run.training.per_device_eval_batch_size
    metrics: dict[str, Any] = {"train": {}, "validation": {}, "baselines": {}}
    replies: dict[str, list[str]] = {}
    frequent = frequent_replies(data.train)
    for name, questions in shop.questions.items():
        replies[name] = generate_replies(model, shop.tokenizer, questions, batch_size)
        if questions:
            metrics[name] = describe_answers(replies[name], questions, frequent)
    if len(data.validation):
        metrics["validation"].update(_held_out_figures(run, shop))
        asked = shop.questions["validation"]
        texts = baseline_replies(asked, data.train, run.training.seed)
        metrics["baselines"] = score_baselines(asked, texts, frequent)
    metrics["data"] = {**data.report(), "languages": data.languages(), "sources": shop.sources}
    return metrics, replies


def _held_out_figures(run: RunArguments, shop: Workshop) -> dict[str, float | None]:
    """Measures loss, perplexity and bits per character on all pairs, relevance on some."""
    trainer = shop.trainer
    if trainer.tasks:
        limit = min(run.training.eval_max_samples or RELEVANCE_QUESTIONS, RELEVANCE_QUESTIONS)
        trainer.tasks = ranking_tasks(shop.data.validation, limit, run.training.seed)
    trainer.remove_callback(ProgressLine)  # the last epoch has said it
    trainer.assessor = None  # the replies of the finished model are measured on more questions
    found = trainer.evaluate()
    names = ("loss", "perplexity", "bits_per_character", *RELEVANCE_FIGURES)
    measured = {name: found[f"eval_{name}"] for name in names if f"eval_{name}" in found}
    return {name: _finite(value) for name, value in measured.items()}


def _samples(
    split: str, questions: Sequence[Question], replies: Sequence[str]
) -> list[dict[str, Any]]:
    """Pairs questions and answers for reading."""
    return [
        {
            "split": split,
            "context": question.context,
            "reference": question.references[0],
            "reply": reply,
        }
        for question, reply in zip(questions, replies, strict=True)
    ]


def _write_samples(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes one JSON object a line."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _report_results(metrics: dict[str, Any], folder: RunFolder, report: Report) -> None:
    """Says the numbers that matter, and what to do next."""
    for name in ("train", "validation"):
        row = metrics[name]
        if row.get("replies"):
            report(
                f"{name}: {100 * row['exact_match']:.1f} % of {row['replies']:,} questions get a "
                f"reply of the corpus; BLEU {row['bleu']:.1f}, distinct-2 {row['distinct_2']:.3f}, "
                f"repetition {100 * row['repetition']:.1f} %, "
                f"stutter {100 * row['stutter']:.1f} %, "
                f"top reply {100 * row['top_reply_share']:.1f} %"
            )
    facts, chosen = metrics["run"], metrics["selection"]
    if chosen["rule"] != "last":
        report(f"selected: checkpoint of step {chosen['step']:,}, by {chosen['rule']}")
    report(
        f"trained in {facts['train_seconds']:.0f} s ({facts['train_cpu_seconds']:.0f} s of CPU), "
        f"evaluated in {facts['evaluation_seconds']:.0f} s"
    )
    report(f"finished: {folder.path}")
    report(f"Talk to it: python chat_hf.py {folder.path}")

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a run tells: its plan before the first update, its figures and its folder after the last."""

from __future__ import annotations

import json
import math
import platform
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers

from data_builders.report import ENOUGH_QUESTIONS
from data_builders.translation import _, counted_text, listed, marked, speaking
from data_builders.writing import write_whole

from ..engines.model_folder import save_for_hub
from ..examples.preparing import SplitCounts
from ..examples.questions import frequent_replies
from ..measuring.baselines import baseline_replies, score_baselines
from ..measuring.evaluation import generate_replies
from ..measuring.metrics import describe_answers
from ..measuring.relevance import RELEVANCE_FIGURES, RELEVANCE_QUESTIONS, ranking_tasks
from ..memory.building import write_memory
from ..memory.ranking import ModelScorer
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..publishing.card import write_model_card
from ..publishing.results import describe_selection
from ..settings.arguments import RunArguments, TFChatTrainingArguments
from ..settings.full_disk import disk_errors
from ..settings.init_from import origin_name
from ..settings.run_folder import SAMPLES_FILE, RunFolder
from .batch_sampler import UpdatePlan
from .callbacks import ProgressLine, Report
from .checkpoints import way_on
from .samples import sample_rows
from .set_up import RunData, peak_learning_rate, planned_updates, warmup_updates
from .throughput import ThroughputCallback
from .trainer import TFChatTrainer


def announce(data: RunData, trainer: TFChatTrainer, report: Report) -> None:
    """Say device, model, data and plan, a line each."""
    args, config, examples = trainer.args, trainer.model.config, data.examples
    report(
        _(
            "device: {device}, {dtype} ({reason})",
            device=device_name(args.device),
            dtype=dtype_name(args),
            reason=args.precision_reason,
        )
    )
    if args.unused_gpus:
        report(
            _(
                "note: 1 of {total} GPUs is used; `torchrun --nproc_per_node {total}` uses all",
                total=args.unused_gpus + 1,
            )
        )
    report(
        _(
            "model: {parameters:,} parameters, vocabulary {vocabulary:,}, d_model {d_model}, "
            "{encoder}+{decoder} layers",
            parameters=trainer.model.num_parameters(),
            vocabulary=len(data.tokenizer),
            d_model=config.d_model,
            encoder=config.encoder_layers,
            decoder=config.decoder_layers,
        )
    )
    if args.init_from:
        report(_("weights and tokenizer: those of {origin}", origin=args.init_from))
    longest = data.settings.max_target_length
    report(_data_line("train", examples.train_counts, longest))
    report(_data_line("validation", examples.validation_counts, longest))
    if 0 < (held_out := len(examples.validation)) < ENOUGH_QUESTIONS:
        report(
            counted_text(
                "note: {number} validation pair is too few to measure by: loss and perplexity say "
                "little below {enough}. Add data, or raise `validation_fraction`",
                "note: {number} validation pairs are too few to measure by: loss and perplexity "
                "say little below {enough}. Add data, or raise `validation_fraction`",
                held_out,
                enough=ENOUGH_QUESTIONS,
            )
        )
    again = len(examples.train_augmented) - examples.train_counts.pairs
    if again > 0:
        report(
            counted_text(
                "train: {number:,} pair once more, with questions in lower case, no end mark",
                "train: {number:,} pairs once more, with questions in lower case, no end mark",
                again,
            )
        )
    report(_plan_line(trainer))


def _data_line(name: str, counts: SplitCounts, longest_reply: int) -> str:
    """Say how much a split has and what was left out of it."""
    numbers = {
        marked("dropped {number:,} duplicates"): counts.duplicates_dropped,
        marked("dropped {number:,} also in train"): counts.also_in_train_dropped,
        marked("dropped {number:,} replies over {longest} tokens"): counts.long_replies_dropped,
        marked("{number:,} contexts shortened to fit"): counts.contexts_truncated,
        marked("{number:,} contexts without their oldest turns"): (
            counts.contexts_with_dropped_turns
        ),
    }
    notes = [_(text, number=n, longest=longest_reply) for text, n in numbers.items() if n]
    has = listed(
        [
            counted_text("{number:,} dialogue", "{number:,} dialogues", counts.dialogues),
            counted_text("{number:,} pair", "{number:,} pairs", counts.pairs),
        ]
    )
    if notes:
        has = _("{what} ({more})", what=has, more=listed(notes, are_long=True))
    return _("{place}: {problem}", place=_(name), problem=has)


def _plan_line(trainer: TFChatTrainer) -> str:
    """Say how long training is going to be."""
    args, plan = trainer.args, trainer.sampler.plan
    size, peak = update_size(plan), f"{args.learning_rate:.2e}"
    if args.max_minutes is not None:
        return _(
            "training: {minutes:g} minutes of updates of {size}, peak learning rate {peak}",
            minutes=args.max_minutes,
            size=size,
            peak=peak,
        )
    updates, warmup = planned_updates(trainer), warmup_updates(trainer)
    plan_of_all = counted_text(
        "training: {number:,} update of {size}, {epochs:.1f} epochs",
        "training: {number:,} updates of {size}, {epochs:.1f} epochs",
        updates,
        size=size,
        epochs=updates / plan.updates,
    )
    if warmup > updates:
        rate = _(
            "learning rate rising to {peak} only: `warmup_steps` is {warmup:,}",
            peak=f"{peak_learning_rate(trainer, updates):.2e}",
            warmup=warmup,
        )
    else:
        rate = _("peak learning rate {peak} after {warmup} steps", peak=peak, warmup=warmup)
    return listed([plan_of_all, rate])


def update_size(plan: UpdatePlan) -> str:
    """Say what one update holds, over all devices and accumulated batches."""
    if plan.tokens:
        return _("about {tokens:,} tokens", tokens=plan.tokens)
    return counted_text("{number:,} pair", "{number:,} pairs", plan.pairs)


def device_name(device: torch.device) -> str:
    """Name the device for a person."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (cuda)"
    if device.type != "cpu":
        return str(device)
    return counted_text("cpu ({number} thread)", "cpu ({number} threads)", torch.get_num_threads())


def dtype_name(args: TFChatTrainingArguments) -> str:
    """Name the precision of the arithmetic."""
    return "bfloat16" if args.bf16 else "float16" if args.fp16 else "float32"


def write_finished_run(
    run: RunArguments,
    folder: RunFolder,
    settings: dict[str, object],
    data: RunData,
    trainer: TFChatTrainer,
    training: dict[str, Any],
    report: Report,
) -> None:
    """Measure the finished model and write everything of its folder, metrics.json last.

    Args:
        run: all settings, which the model card tells.
        folder: of the run.
        settings: the same as they stand in its folder: a resumed run may have others than before.
        data: of the run, with its questions.
        trainer: after training.
        training: what metrics.json says of it.
        report: takes the lines meant for the user.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    # The Trainer turned the cache off for training; generation is several times slower without.
    model.config.use_cache = True
    # Before the last evaluation, which adds to the history.
    history = list(trainer.state.log_history)
    selection = describe_selection(trainer.state, trainer.args)
    with speaking("en"):  # metrics.json is for programs too
        described = _describe_run(data, trainer)
    started = time.monotonic()
    metrics, replies = _measure(model, data, trainer)
    seconds = {"evaluation_seconds": round(time.monotonic() - started, 1)}
    metrics.update(run=described | training | seconds, selection=selection)
    # All processes measure together, one writes.
    if not trainer.args.should_save:
        return
    advice = way_on(folder.path, trainer.args.overwrite)
    split = "validation" if data.questions["validation"] else "train"
    rows = sample_rows(data.questions[split], replies[split])
    samples = [{"split": split, **row} for row in rows]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in samples]
    # A greeting: a question of the corpus could be anything.
    example = "你好" if {"zh", "mixed"} & set(data.examples.languages()) else "Hello"
    with disk_errors(_("the finished model"), folder.path, advice), folder.adding() as fresh:
        save_for_hub(model, data.tokenizer, str(fresh))
        if trainer.args.memory:
            scorer = ModelScorer(model.eval(), data.tokenizer)
            metrics["memory"] = write_memory(folder.path, data.dialogues, report, scorer)
        write_whole(fresh / SAMPLES_FILE, "".join(lines))
        write_model_card(fresh, run, metrics, example, history, samples)
    folder.note_settings(settings)
    folder.finish(metrics)
    _report_results(metrics, report)
    report(_("finished: {folder}", folder=folder.place))
    chat = "tfchat-chat" if Path(sys.argv[0]).stem == "tfchat-train" else "python chat_hf.py"
    report(_("Talk to it: {command}", command=f"{chat} {shlex.quote(str(folder.place))}"))


def _describe_run(data: RunData, trainer: TFChatTrainer) -> dict[str, Any]:
    """Collect what metrics.json says of the run beside its figures."""
    args, state = trainer.args, trainer.state
    meters = [c for c in trainer.callback_handler.callbacks if isinstance(c, ThroughputCallback)]
    speed = meters[0].speed if meters else None
    return {
        "init_from": origin_name(args.init_from) if args.init_from else None,
        "parameters": trainer.model.num_parameters(),
        "vocabulary": len(data.tokenizer),
        "steps": state.global_step,
        "epochs": float(state.epoch or 0),
        "update_size": update_size(trainer.sampler.plan),
        "warmup_updates": warmup_updates(trainer),
        "peak_learning_rate": peak_learning_rate(trainer, state.global_step),
        "device": device_name(args.device),
        "dtype": dtype_name(args),
        "seed": args.seed,
        "speed": None if speed is None else speed.figures(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "datasets": datasets.__version__,
    }


def _measure(
    model: TFChatForConditionalGeneration, data: RunData, trainer: TFChatTrainer
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Evaluate both splits.

    Returns:
        The content of metrics.json so far, and the replies of each split.
    """
    args, examples = trainer.args, data.examples
    metrics: dict[str, Any] = {"train": {}, "validation": {}, "baselines": {}}
    replies: dict[str, list[str]] = {}
    frequent = frequent_replies(examples.train)
    for name, questions in data.questions.items():
        batch_size = args.per_device_eval_batch_size
        replies[name] = generate_replies(model, data.tokenizer, questions, batch_size)
        if questions:
            metrics[name] = describe_answers(replies[name], questions, frequent)
    if len(examples.validation):
        metrics["validation"].update(_validation_losses(data, trainer))
        asked = data.questions["validation"]
        texts = baseline_replies(asked, examples.train, args.seed)
        metrics["baselines"] = score_baselines(asked, texts, frequent)
    metrics["data"] = {
        **examples.report(),
        "languages": examples.languages(),
        "sources": data.sources,
        "coarse_replies": examples.coarse_replies(),
    }
    return metrics, replies


def _validation_losses(data: RunData, trainer: TFChatTrainer) -> dict[str, float | None]:
    """Measure loss, perplexity and bits per character on all pairs, relevance on some."""
    args = trainer.args
    if trainer.tasks:
        limit = min(args.eval_max_samples or RELEVANCE_QUESTIONS, RELEVANCE_QUESTIONS)
        trainer.tasks = ranking_tasks(data.examples.validation, limit, args.seed)
    trainer.remove_callback(ProgressLine)  # the last epoch has said it
    trainer.assessor = None  # the replies of the finished model are measured on more questions
    found = trainer.evaluate()
    names = ("loss", "perplexity", "bits_per_character", *RELEVANCE_FIGURES)
    measured = {name: found[f"eval_{name}"] for name in names if f"eval_{name}" in found}
    return {name: finite(value) for name, value in measured.items()}


def finite(value: float | None) -> float | None:
    """Return a number that JSON can hold, or None."""
    return None if value is None or not math.isfinite(value) else float(value)


def _report_results(metrics: dict[str, Any], report: Report) -> None:
    """Say the numbers that matter."""
    for name in ("train", "validation"):
        row = metrics[name]
        if row.get("replies"):
            report(_result_line(_(name), row))
    run, chosen = metrics["run"], metrics["selection"]
    if chosen["rule"] != "last":
        report(_("selected: checkpoint of step {step:,}, by {rule}", **chosen))
    times = (
        _(
            "trained in {train_seconds:.0f} s ({train_cpu_seconds:.0f} s of CPU, all its parts "
            "together), evaluated in {evaluation_seconds:.0f} s",
            **run,
        )
        if run["resumed_from"]
        else _(
            "trained in {train_seconds:.0f} s ({train_cpu_seconds:.0f} s of CPU), evaluated in "
            "{evaluation_seconds:.0f} s",
            **run,
        )
    )
    report(times)


def _result_line(split: str, row: dict[str, Any]) -> str:
    """Say how the model answers the questions of one split."""
    shares = ("exact_match", "repetition", "stutter", "top_reply_share")
    return _(
        "{split}: {exact_match:.1f} % of {replies:,} questions get a reply of the corpus; BLEU "
        "{bleu:.1f}, distinct-2 {distinct_2:.3f}, repetition {repetition:.1f} %, stutter "
        "{stutter:.1f} %, top reply {top_reply_share:.1f} %",
        split=split,
        **row | {name: 100 * row[name] for name in shares},
    )

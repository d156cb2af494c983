# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One training run from settings to a finished folder."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from transformers import PreTrainedTokenizerBase, set_seed

from data_builders import build_dialogues

from .arguments import RunArguments, SettingsError, resolved_settings
from .configuration_tfchat import TFChatConfig
from .data import PreparedData, load_or_train_tokenizer, prepare_data
from .evaluation import Question, baseline_rows, collect_questions, generate_replies
from .hub import save_for_hub
from .metrics import describe_replies
from .model_card import build_model_card
from .modeling_tfchat import TFChatForConditionalGeneration
from .run_folder import SAMPLES_FILE, RunFolder
from .trainer import ProgressLine, StopCallback, StopRequest, TFChatTrainer

Report = Callable[[str], None]
INTERRUPTED = 130
# Settings that say where things lie or how fast they are read; the examples themselves are
# compared by their digest.
_FREE_DATA_KEYS = ("dataset", "tokenizer", "dataset_cache_dir", "preprocessing_num_proc", "strict")


@dataclass
class Workshop:
    """What a run works with once its data is read."""

    data: PreparedData
    tokenizer: PreTrainedTokenizerBase
    trainer: TFChatTrainer
    questions: dict[str, list[Question]]


def run_training(run: RunArguments, report: Report, request: StopRequest) -> int:
    """Trains, evaluates and writes the run folder.

    Args:
        run: checked settings.
        report: takes the lines meant for the user.
        request: told of Ctrl-C and SIGTERM.

    Returns:
        The exit code: 0, or 130 when the run was stopped and can be resumed.
    """
    folder = RunFolder(run.training.output_dir)
    if run.training.resume and folder.finished:
        report(f"{folder.path} holds a finished run already: nothing to resume.")
        return 0
    if not run.training.resume:
        folder.check_free(run.training.overwrite)
    shop = _set_up(run, report, request)
    checkpoint = _open_folder(run, folder, shop.data, report)
    _announce(run, shop, report)
    started, cpu_started = time.monotonic(), time.process_time()
    steps, _ = planned_updates(run, len(shop.data.lessons))
    loss = None
    if checkpoint is None or not shop.trainer.restore_if_trained(checkpoint, steps):
        with request.training():
            result = shop.trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
        loss = result.training_loss
    if request.asked:
        last = folder.last_checkpoint(report)
        report(f"stopped; {last.name if last else 'no checkpoint'} is in {folder.path}.")
        report("Go on with the same command and --resume.")
        return INTERRUPTED
    facts = _run_facts(run, shop, loss)
    facts["train_seconds"] = round(time.monotonic() - started, 1)
    facts["train_cpu_seconds"] = round(time.process_time() - cpu_started, 1)
    facts["resumed_from"] = checkpoint.name if checkpoint else None
    if run.training.should_save:
        _finish(run, folder, shop, facts, report)
    return 0


def _set_up(run: RunArguments, report: Report, request: StopRequest) -> Workshop:
    """Reads the data and builds tokenizer, model and trainer."""
    settings = run.data
    with run.training.main_process_first(desc="data"):
        built = build_dialogues(
            settings.dataset,
            languages=settings.languages,
            strict=settings.strict,
            cache_dir=settings.dataset_cache_dir,
            validation_fraction=settings.validation_fraction,
            exclude_categories=settings.exclude_categories,
        )
        for line in built.report.lines():
            report(line)
        tokenizer = load_or_train_tokenizer(
            built.dataset["train"], settings, settings.max_source_length
        )
        data = prepare_data(built.dataset, tokenizer, settings)
    if not len(data.validation):
        _do_without_validation(run)
    limit, seed = run.training.eval_max_samples, run.training.seed
    corpus = [data.train, data.validation]
    questions = {
        "train": collect_questions(data.train, corpus, tokenizer, limit, seed),
        "validation": collect_questions(data.validation, corpus, tokenizer, limit, seed),
    }
    set_seed(seed)
    trainer = TFChatTrainer(
        model=build_model(run, tokenizer),
        args=run.training,
        tokenizer=tokenizer,
        train=data.lessons,
        validation=data.validation,
        questions=questions["validation"],
        callbacks=[ProgressLine(report), StopCallback(request, report)],
    )
    return Workshop(data, tokenizer, trainer, questions)


def _do_without_validation(run: RunArguments) -> None:
    """Turns evaluation off where there is nothing to evaluate on."""
    if run.training.load_best_model_at_end:
        raise SettingsError(
            "`load_best_model_at_end` needs validation examples and there are none. Raise "
            f"`validation_fraction` (now {run.data.validation_fraction}) or add data."
        )
    run.training.eval_strategy = transformers.trainer_utils.IntervalStrategy.NO


def build_model(
    run: RunArguments, tokenizer: PreTrainedTokenizerBase
) -> TFChatForConditionalGeneration:
    """Makes a new model that fits the tokenizer, with the generation defaults of the run."""
    config = TFChatConfig(
        **vars(run.model),
        vocab_size=len(tokenizer),
        max_context_turns=run.data.max_context_turns,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        sep_token_id=tokenizer.sep_token_id,
        decoder_start_token_id=tokenizer.bos_token_id,
    )
    model = TFChatForConditionalGeneration(config)
    wanted = {
        name.removeprefix("generation_"): value for name, value in vars(run.generation).items()
    }
    if run.training.generation_num_beams is not None:
        wanted["num_beams"] = run.training.generation_num_beams
    model.generation_config.update(**wanted)
    return model


def _open_folder(
    run: RunArguments, folder: RunFolder, data: PreparedData, report: Report
) -> Path | None:
    """Makes the run folder ready and finds the checkpoint to go on from."""
    settings, counts = resolved_settings(run), data.report()
    checkpoint = folder.last_checkpoint(report) if run.training.resume else None
    if checkpoint is not None:
        compared = {key: value for key, value in settings.items() if key != "output_dir"}
        fixed = {*vars(run.model), *vars(run.data)} - {*_FREE_DATA_KEYS}
        for note in folder.check_same_run(compared, fixed, counts["train_digest"]):
            report(f"note: {note}; the result is not that of an uninterrupted run")
        report(f"resuming from {checkpoint.name}")
        return checkpoint
    if run.training.resume:
        report("no checkpoint to resume from: starting at the beginning")
    if run.training.should_save:
        if run.training.overwrite:
            folder.clear()
        folder.start(settings, counts)
    return None


def _announce(run: RunArguments, shop: Workshop, report: Report) -> None:
    """Says what is about to be trained on what."""
    args, data = run.training, shop.data
    report(f"device: {device_name(args.device)}, {dtype_name(run)} ({args.precision_reason})")
    model = shop.trainer.model
    report(
        f"model: {model.num_parameters():,} parameters, vocabulary {len(shop.tokenizer):,}, "
        f"d_model {run.model.d_model}, {run.model.encoder_layers}+{run.model.decoder_layers} layers"
    )
    for name, counts in (("train", data.train_counts), ("validation", data.validation_counts)):
        dropped = {
            "duplicates": counts.duplicates_dropped,
            "also in train": counts.also_in_train_dropped,
            f"replies over {run.data.max_target_length} tokens": counts.long_replies_dropped,
        }
        cut = {
            "contexts shortened to fit": counts.contexts_truncated,
            "contexts without their oldest turns": counts.contexts_with_dropped_turns,
        }
        words = [f"dropped {n:,} {what}" for what, n in dropped.items() if n]
        words += [f"{n:,} {what}" for what, n in cut.items() if n]
        text = f"{name}: {counts.dialogues:,} dialogues, {counts.pairs:,} pairs"
        report(text + (f" ({'; '.join(words)})" if words else ""))
    if len(data.lessons) > data.train_counts.pairs:
        hurried = len(data.lessons) - data.train_counts.pairs
        report(f"train: {hurried:,} of the pairs once more, their questions as typed in a hurry")
    steps, epochs = planned_updates(run, len(data.lessons))
    report(
        f"training: {steps:,} updates of {update_size(run)} pairs, {epochs:.1f} epochs, "
        f"peak learning rate {args.learning_rate:.2e} after {args.get_warmup_steps(steps):g} steps"
    )


def update_size(run: RunArguments) -> int:
    """Counts the pairs of one update, over all devices and accumulated batches."""
    args = run.training
    return args.train_batch_size * args.gradient_accumulation_steps * args.world_size


def planned_updates(run: RunArguments, pairs: int) -> tuple[int, float]:
    """Counts updates and epochs as the Trainer does.

    Returns:
        The number of updates and of epochs.
    """
    args = run.training
    batches = math.ceil(pairs / (args.train_batch_size * args.world_size))
    a_epoch = max(1, math.ceil(batches / args.gradient_accumulation_steps))
    if args.max_steps > 0:
        return args.max_steps, args.max_steps / a_epoch
    return math.ceil(args.num_train_epochs * a_epoch), args.num_train_epochs


def device_name(device: torch.device) -> str:
    """Names the device for a person."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (cuda)"
    return (
        f"{device.type} ({torch.get_num_threads()} threads)"
        if device.type == "cpu"
        else str(device)
    )


def dtype_name(run: RunArguments) -> str:
    """Names the precision of the arithmetic."""
    return "bfloat16" if run.training.bf16 else "float16" if run.training.fp16 else "float32"


def _run_facts(run: RunArguments, shop: Workshop, train_loss: float | None) -> dict[str, Any]:
    """Collects what metrics.json says of the run itself."""
    state = shop.trainer.state
    return {
        "parameters": shop.trainer.model.num_parameters(),
        "vocabulary": len(shop.tokenizer),
        "steps": state.global_step,
        "epochs": float(state.epoch or 0),
        "update_size": update_size(run),
        "train_loss": None if train_loss is None else _finite(train_loss),
        "device": device_name(run.training.device),
        "dtype": dtype_name(run),
        "seed": run.training.seed,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "datasets": datasets.__version__,
    }


def _finite(value: float) -> float | None:
    """Keeps numbers that JSON can hold."""
    return float(value) if math.isfinite(value) else None


def _finish(
    run: RunArguments, folder: RunFolder, shop: Workshop, facts: dict[str, Any], report: Report
) -> None:
    """Evaluates, then writes everything of the finished folder, metrics.json last."""
    model = shop.trainer.accelerator.unwrap_model(shop.trainer.model)
    # The Trainer turned the cache off for training; generation is several times slower without.
    model.config.use_cache = True
    started = time.monotonic()
    metrics, replies = _measure(run, shop, model)
    facts["evaluation_seconds"] = round(time.monotonic() - started, 1)
    metrics["run"] = facts
    save_for_hub(model, shop.tokenizer, str(folder.path))
    split = "validation" if shop.questions["validation"] else "train"
    _write_samples(folder.path / SAMPLES_FILE, split, shop.questions[split], replies[split])
    example = shop.questions["train"][0].context[-1]
    build_model_card(run, metrics, example).save(folder.path / "README.md")
    folder.finish(metrics)
    _report_results(metrics, folder, report)


def _measure(
    run: RunArguments, shop: Workshop, model: TFChatForConditionalGeneration
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Evaluates both splits.

    Returns:
        The content of metrics.json so far, and the replies of each split.
    """
    data, trainer = shop.data, shop.trainer
    batch_size = run.training.per_device_eval_batch_size
    metrics: dict[str, Any] = {"train": {}, "validation": {}, "baselines": {}}
    replies: dict[str, list[str]] = {}
    for name, questions in shop.questions.items():
        replies[name] = generate_replies(model, shop.tokenizer, questions, batch_size)
        if questions:
            known = [question.references for question in questions]
            metrics[name] = describe_replies(replies[name], known)
    if len(data.validation):
        trainer.remove_callback(ProgressLine)  # the last epoch has said it
        loss = trainer.evaluate()
        metrics["validation"]["loss"] = _finite(loss["eval_loss"])
        metrics["validation"]["perplexity"] = loss["eval_perplexity"]
        characters = sum(len(reply) for reply in data.validation["reply"])
        bits = loss["eval_loss"] * loss["eval_tokens"] / math.log(2)
        metrics["validation"]["bits_per_character"] = _finite(bits / max(characters, 1))
        metrics["baselines"] = baseline_rows(
            shop.questions["validation"], list(data.train["reply"]), run.training.seed
        )
    counts = data.report()
    counts["languages"] = sorted(set(data.train["lang"]))
    metrics["data"] = counts
    return metrics, replies


def _write_samples(path: Path, split: str, questions: list[Question], replies: list[str]) -> None:
    """Writes questions and answers for reading."""
    with open(path, "w", encoding="utf-8") as file:
        for question, reply in zip(questions, replies, strict=True):
            row = {
                "split": split,
                "context": question.context,
                "reference": question.references[0],
                "reply": reply,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _report_results(metrics: dict[str, Any], folder: RunFolder, report: Report) -> None:
    """Says the numbers that matter, and what to do next."""
    for name in ("train", "validation"):
        row = metrics[name]
        if row.get("replies"):
            report(
                f"{name}: {100 * row['exact_match']:.1f} % of {row['replies']:,} questions get a "
                f"reply of the corpus; BLEU {row['bleu']:.1f}, distinct-2 {row['distinct_2']:.3f}, "
                f"repetition {100 * row['repetition']:.1f} %, "
                f"top reply {100 * row['top_reply_share']:.1f} %"
            )
    facts = metrics["run"]
    report(
        f"trained in {facts['train_seconds']:.0f} s ({facts['train_cpu_seconds']:.0f} s of CPU), "
        f"evaluated in {facts['evaluation_seconds']:.0f} s"
    )
    report(f"finished: {folder.path}")
    report(f"Talk to it: python chat_hf.py {folder.path}")

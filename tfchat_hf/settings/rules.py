# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Rules that settings must keep, alone and with each other; `TFChatConfig` has the network's."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import GenerationConfig, Trainer, get_scheduler
from transformers.activations import ACT2FN
from transformers.integrations import get_reporting_integration_callbacks

from data_builders.command_line import must_be_one_of
from data_builders.errors import UserError

from ..model.generation_tfchat import PRESETS
from .arguments import (
    TOKENIZER_SCHEMES,
    DataArguments,
    GenerationArguments,
    RunArguments,
    TFChatTrainingArguments,
    higher_is_better,
)

# Corpora of this package by name.
CHATTERBOT, SMALL_TALK = "chatterbot", "small_talk"
# The metrics of each evaluation.
_EVERY_EVALUATION = ("selection_score", "loss", "perplexity", "bits_per_character")
_OF_RANKING = ("question_gain", "hits_at_1", "mrr", "hits_at_1_pmi", "mrr_pmi")
_OF_REPLIES = (
    *("bleu", "f1", "exact_match", "distinct_1", "distinct_2", "repetition", "stutter"),
    *("dull", "language_mismatch", "top_reply_share", "mean_length"),
)


def check_settings(run: RunArguments) -> None:
    """Check the rules between settings and settle the learning rate.

    Raises:
        UserError: names the setting, the rule, the value and the way out.
    """
    _check_choice("tokenizer_scheme", run.data.tokenizer_scheme, TOKENIZER_SCHEMES)
    _check_choice("activation_function", run.model.activation_function, list(ACT2FN))
    _check_choice("generation_preset", run.generation.generation_preset, list(PRESETS))
    _check_generation(run.generation)
    _check_lengths(run)
    _check_data(run.data)
    _check_with_data(run.training, run.data)
    _check_training(run.training)
    _check_budget(run.training)
    _check_selection(run.training)
    if run.training.learning_rate == 0:
        run.training.learning_rate = _noam_peak(run.model.d_model, run.training.warmup_steps)
    _check_optimizer(run.training)
    _check_license(run.training.model_license, run.training.model_license_link)
    _check_reporters(run.training.report_to)


def require(holds: object, text: str, /, **values: object) -> None:
    """Raise a `UserError` in the language of the user unless a rule holds.

    Args:
        holds: Whether it does.
        text: English, as `_` takes it.
        values: That stand in it.
    """
    if not holds:
        raise UserError(text, **values)


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Check a setting that is one of a few words."""
    if value not in choices:
        raise UserError(must_be_one_of(name, choices, value))


def _says(error: Exception) -> str:
    return " ".join(str(error).split())


def _check_generation(answers: GenerationArguments) -> None:
    """Check now what transformers refuses to save when training is done."""
    try:
        answers.config(GenerationConfig()).validate(strict=True)
    except ValueError as error:
        first = _says(error).partition("- `")[2].partition(" - `")[0]
        raise UserError(
            "the `generation_` settings contradict each other or `generation_preset` "
            "{preset}: {reason}",
            preset=answers.generation_preset,
            reason=f"`{first}",
        ) from error


def _check_lengths(run: RunArguments) -> None:
    """Check that nothing can be longer than the position table."""
    limit = run.model.max_position_embeddings
    lengths = {
        "max_source_length": run.data.max_source_length,
        "max_target_length": run.data.max_target_length,
        "generation_max_new_tokens": run.generation.generation_max_new_tokens,
    }
    for name, value in lengths.items():
        require(
            1 <= value <= limit,
            "`{name}` must lie between 1 and `max_position_embeddings` (got {value} and {limit}). "
            "Lower it to {limit} or raise `max_position_embeddings` to {value}.",
            name=name,
            value=value,
            limit=limit,
        )


def _check_data(data: DataArguments) -> None:
    """Check the data settings against each other."""
    require(
        data.tokenizer_scheme != "char" or not data.tokenizer_user_dictionaries,
        "`tokenizer_user_dictionaries` must be empty with `tokenizer_scheme` char, which knows no "
        "words (got {files}). Take another scheme.",
        files=", ".join(data.tokenizer_user_dictionaries),
    )
    require(
        not data.swap_sides or data.max_context_turns == 1,
        "`swap_sides` learns which turn a reply answers, one turn, so `max_context_turns` must be "
        "1 (got {turns}). Delete one of the two lines.",
        turns=data.max_context_turns,
    )
    require(
        not (data.swap_sides and data.add_lowercase_questions),
        "`swap_sides` and `add_lowercase_questions` contradict each other: with sides swapped the "
        "question is what the model writes. Delete one of the two lines.",
    )


def check_used(data: DataArguments) -> None:
    """Refuse settings that the dataset would make no use of.

    Raises:
        UserError: Names them and the way out.
    """
    require(
        data.exclude_categories == DataArguments().exclude_categories or data.dataset == CHATTERBOT,
        "`exclude_categories` is for `dataset: {corpus}` (got {dataset}). Delete the line.",
        corpus=CHATTERBOT,
        dataset=data.dataset,
    )
    fractions = (data.validation_fraction, data.test_fraction)
    require(
        fractions == (None, None) or not _has_sides(data.dataset),
        "`dataset` {dataset} is split already, so `validation_fraction` and `test_fraction` would "
        "not be used (got {validation} and {test}). Delete them, or build the data anew with other "
        "ones.",
        dataset=data.dataset,
        validation=data.validation_fraction,
        test=data.test_fraction,
    )


def _has_sides(dataset: str) -> bool:
    """Tell whether a dataset says by itself what is held out."""
    if dataset == SMALL_TALK:
        return True
    try:
        known = json.loads((Path(dataset) / "dataset_dict.json").read_text(encoding="utf-8"))
        return "validation" in known["splits"]
    except (OSError, ValueError, KeyError, TypeError):  # whoever loads it says what is wrong
        return False


def _check_with_data(training: TFChatTrainingArguments, data: DataArguments) -> None:
    """Check what training asks of the data."""
    require(
        not training.random_history or data.max_context_turns >= 3,
        "`random_history` puts two turns before a question, so `max_context_turns` must be at "
        "least 3 (got {turns}). Set it to 3, or leave the other out.",
        turns=data.max_context_turns,
    )
    require(
        not (training.memory and data.swap_sides),
        "`memory` remembers replies, and with `swap_sides` the model writes questions. Delete one "
        "of the two lines.",
    )


def _check_training(training: TFChatTrainingArguments) -> None:
    """Check what of training excludes or needs what else."""
    require(
        not (training.resume and training.overwrite),
        "`resume` and `overwrite` contradict each other. Use one of them.",
    )
    require(
        training.memory or not training.push_memory,
        "`push_memory` uploads what `memory: true` writes (got `memory` false). Add it, or leave "
        "`push_memory` out.",
    )
    for name in ("unlikelihood_weight", "frequency_weight", "torch_compile"):
        value = getattr(training, name)
        require(
            not (training.plain and value),
            "`plain: true` trains with the network's own loss and nothing else (got `{name}` "
            "{value}). Leave one of the two out.",
            name=name,
            value=value,
        )
    if training.torch_compile:
        _check_compiler(training)
    require(
        not training.muon_learning_rate or not training.fsdp,
        "`muon_learning_rate` needs whole matrices, which `fsdp` cuts (got {rate}). Leave one of "
        "the two out.",
        rate=training.muon_learning_rate,
    )


def _check_compiler(training: TFChatTrainingArguments) -> None:
    """Ask torch for the compiler; nothing is compiled yet."""
    backend, mode = training.torch_compile_backend, training.torch_compile_mode
    try:
        torch.compile(torch.nn.Identity(), backend=backend, mode=mode)
    except Exception as error:  # of torch and of what stands in for its compiler
        raise UserError(
            "`torch_compile_backend` {backend} and `torch_compile_mode` {mode} cannot be used: "
            "{reason}",
            backend=backend,
            mode=mode,
            reason=_says(error),
        ) from error


def _check_budget(training: TFChatTrainingArguments) -> None:
    """Check the clock, and that nothing is counted in shares of a number that it decides."""
    if training.max_minutes is None:
        return
    for name in ("logging_steps", "eval_steps", "save_steps"):
        value = getattr(training, name)
        require(
            value is None or value >= 1,
            "`{name}` below 1 is a share of all updates, and with `max_minutes` nobody knows how "
            "many there will be (got {value}). Give a number of updates.",
            name=name,
            value=value,
        )


def _check_selection(training: TFChatTrainingArguments) -> None:
    """Check that every evaluation has the number by which checkpoints are compared."""
    known = [
        *_EVERY_EVALUATION,
        *(_OF_RANKING if training.eval_relevance_samples else ()),
        *(_OF_REPLIES if training.predict_with_generate else ()),
    ]
    name = (training.metric_for_best_model or "").removeprefix("eval_")
    _check_choice("metric_for_best_model", name, known)
    up, given = higher_is_better(name), training.greater_is_better
    require(
        given or not up or name == "mean_length",
        "of `metric_for_best_model` {name} a higher value is better (got `greater_is_better` "
        "false). Delete that line.",
        name=name,
    )
    require(
        not given or up or name == "mean_length",
        "of `metric_for_best_model` {name} a lower value is better (got `greater_is_better` "
        "true). Delete that line.",
        name=name,
    )
    require(
        not training.early_stopping_patience or training.load_best_model_at_end,
        "`early_stopping_patience` needs `load_best_model_at_end: true`: it stops when the best "
        "checkpoint lies that many evaluations back.",
    )


def _check_optimizer(training: TFChatTrainingArguments) -> None:
    """Make optimizer and schedule once, of one weight: both refuse what does not fit them."""
    if training.optim_target_modules or "lomo" in training.optim:
        return
    try:
        kind, options = Trainer.get_optimizer_cls_and_kwargs(training)
        optimizer = kind([torch.nn.Parameter(torch.zeros(2, 2))], **options)
    except Exception as error:  # of many libraries
        raise UserError(
            "`optim` {name} cannot be used with the settings of the optimizer: {reason}",
            name=training.optim.value,
            reason=_says(error),
        ) from error
    schedule, options = training.lr_scheduler_type, training.lr_scheduler_kwargs
    try:
        get_scheduler(schedule, optimizer, 1, 10, options)
    except Exception as error:
        raise UserError(
            "`lr_scheduler_type` {name} cannot be used with `lr_scheduler_kwargs` {options}: "
            "{reason}",
            name=getattr(schedule, "value", schedule),
            options=options,
            reason=_says(error),
        ) from error


def _check_license(license: str, link: str | None) -> None:
    """Check that the Hub can read the licence: one it knows, or the short name of another."""
    require(
        re.fullmatch(r"[A-Za-z0-9][\w .+-]{0,59}", license),
        "`model_license` must be a licence's short name of at most 60 letters, digits, blanks and "
        "the signs . + _ - (got {license!r}). Use apache-2.0, cc-by-4.0, ..., or other.",
        license=license,
    )
    if link is None:
        return
    # Here: the data builders take seconds to load, and nobody else asks for them this early.
    from data_builders.output.card_header import hub_license

    require(
        hub_license(license) == "other",
        "`model_license_link` is for a licence that the Hub does not know (got `model_license` "
        "{license}, which it knows). Delete the line.",
        license=license,
    )
    require(
        re.fullmatch(r"https?://\S+|LICENSE(\.md)?", link),
        "`model_license_link` must be an address, or LICENSE or LICENSE.md for a file that you "
        "put beside the model (got {link!r}).",
        link=link,
    )


def _check_reporters(names: str | list[str]) -> None:
    """Check that the packages of `report_to` are there before any data is read."""
    for name in [names] if isinstance(names, str) else names:
        try:
            for reporter in get_reporting_integration_callbacks([name]):
                reporter()
        except (ImportError, RuntimeError, ValueError) as error:
            raise UserError(
                "`report_to` {name!r} cannot be used: {reason}", name=name, reason=_says(error)
            ) from error


def _noam_peak(d_model: int, warmup_steps: float) -> float:
    """Return the highest learning rate of the Noam schedule."""
    require(
        warmup_steps >= 1,
        "`learning_rate` 0 means d_model^-0.5 * warmup_steps^-0.5, which needs `warmup_steps` of "
        "at least 1 (got {steps}). Set either of the two.",
        steps=warmup_steps,
    )
    return d_model**-0.5 * warmup_steps**-0.5

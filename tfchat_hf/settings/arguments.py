# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a training run can be told: four dataclasses and the rules between their fields."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass, field, fields

import torch
from transformers import Seq2SeqTrainingArguments
from transformers.integrations import get_reporting_integration_callbacks

from ..model.generation_tfchat import DEFAULT_PRESET, PRESETS
from ..text.errors import UserError

TOKENIZER_SCHEMES = ("char", "word", "subword-bpe", "subword-unigram")
# Keys of transformers that this script answers in another way; a run that took them would ignore
# them without a word.
REPLACED_KEYS = {
    "resume_from_checkpoint": "use `resume: true` (it finds the last whole checkpoint itself)",
    "generation_max_length": "use `generation_max_new_tokens`",
    "generation_config": "use the `generation_*` keys",
    "hub_token": "log in with `hf auth login`, so that no token lands in the run folder",
    "train_sampling_strategy": "batches are always grouped by length here",
    "auto_find_batch_size": "use `find_batch_size`, which never changes what an update holds",
    "dataloader_drop_last": "an epoch is always cut into whole updates here",
    "restore_callback_states_from_checkpoint": "what has to go on after a resume does so by itself",
    "average_tokens_across_devices": "the loss always counts the tokens of all processes",
    "save_only_model": "a run without its optimizer cannot be resumed",
    "neftune_noise_alpha": "noise on embeddings is not made here",
    **dict.fromkeys(
        (
            "bf16_full_eval",
            "fp16_full_eval",
            "eval_accumulation_steps",
            "prediction_loss_only",
            "include_for_metrics",
            "batch_eval_metrics",
            "eval_do_concat_batches",
            "eval_use_gather_object",
        ),
        "evaluation is this project's own",
    ),
    "do_train": "the script always trains",
    "do_eval": "use `eval_strategy`",
    "do_predict": "replies are always generated and scored at the end",
}


@dataclass
class ModelArguments:
    """The network; names and meanings are those of `TFChatConfig`."""

    d_model: int = 512
    encoder_layers: int = 2
    decoder_layers: int = 2
    encoder_attention_heads: int = 8
    decoder_attention_heads: int = 8
    encoder_ffn_dim: int = 2048
    decoder_ffn_dim: int = 2048
    activation_function: str = "relu"
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.1
    max_position_embeddings: int = 512
    tie_word_embeddings: bool = False
    init_std: float = 0.02
    scale_embedding: bool = True
    normalize_before: bool = False
    gated_activation: bool = False
    position_embedding_type: str = "sinusoidal"


@dataclass
class DataArguments:
    """Which dialogues, how they become examples, and the tokenizer."""

    dataset: str = "small_talk"
    languages: list[str] = field(default_factory=list)
    exclude_categories: list[str] = field(default_factory=lambda: ["coding"])
    validation_fraction: float = 0.05
    strict: bool = False
    dataset_cache_dir: str | None = None
    preprocessing_num_proc: int | None = None
    tokenizer: str | None = None
    tokenizer_scheme: str = "subword-unigram"
    vocab_size: int = 8000
    tokenizer_user_dictionaries: list[str] = field(default_factory=list)
    max_source_length: int = 256
    max_target_length: int = 128
    max_context_turns: int = 1
    hurried_questions: bool = False
    swap_sides: bool = False


@dataclass
class GenerationArguments:
    """How the trained model answers by default; saved in generation_config.json.

    What is None is as `generation_preset` says.
    """

    generation_preset: str = DEFAULT_PRESET
    generation_max_new_tokens: int = 128
    generation_do_sample: bool | None = None
    generation_repetition_penalty: float | None = None
    generation_no_repeat_ngram_size: int | None = None


@dataclass
class TFChatTrainingArguments(Seq2SeqTrainingArguments):
    """Everything of `Seq2SeqTrainingArguments`, with the defaults of this project.

    `learning_rate` 0 means the peak of the Noam schedule, d_model^-0.5 * warmup_steps^-0.5, and
    `bf16` None means bf16 where the device multiplies it in hardware.
    """

    output_dir: str | None = None
    init_from: str | None = None
    resume: bool = False
    overwrite: bool = False
    seed: int = 42
    num_train_epochs: float = 30.0
    max_steps: int = -1
    max_minutes: float | None = None
    plain: bool = False
    tokens_per_update: int = 4096
    per_device_train_batch_size: int = 64
    per_device_eval_batch_size: int = 64
    gradient_accumulation_steps: int = 1
    find_batch_size: bool = False
    learning_rate: float = 0.0
    muon_learning_rate: float = 0.0
    question_dropout: float = 0.0
    random_history: float = 0.0
    lr_scheduler_type: str = "inverse_sqrt"
    warmup_steps: float = 4000
    adam_beta2: float = 0.98
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    label_smoothing_factor: float = 0.1
    unlikelihood_weight: float = 0.0
    frequency_weight: float = 0.0
    bf16: bool | None = None
    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    save_total_limit: int | None = 2
    logging_steps: float = 50
    predict_with_generate: bool = True
    eval_generate_samples: int = 200
    eval_relevance_samples: int = 200
    eval_max_samples: int = 1000
    load_best_model_at_end: bool = False
    metric_for_best_model: str | None = "selection_score"
    greater_is_better: bool | None = False
    selection_relevance_weight: float = 5.0
    early_stopping_patience: int = 0
    report_to: str | list[str] = "none"
    memory: bool = False
    push_to_hub: bool = False
    push_dry_run: bool = False
    push_memory: bool = False
    hub_model_id: str | None = None
    hub_private_repo: bool | None = None
    model_license: str = "other"
    model_license_link: str | None = None
    # The check costs a wait for the device at each update; a loss that is not a number is logged.
    logging_nan_inf_filter: bool = False
    # The datasets handed to the trainer hold exactly the model's columns.
    remove_unused_columns: bool = False
    disable_tqdm: bool | None = None
    # Each parameter is used in each update; looking for unused ones costs a walk of the graph.
    ddp_find_unused_parameters: bool | None = False

    def __post_init__(self) -> None:
        """Settles what depends on the device, then lets transformers check the rest."""
        _require(
            self.output_dir is not None,
            "`output_dir` is not set. Say where the run goes, for example `output_dir: runs/mine`.",
        )
        self.bf16, self.precision_reason = _choose_bf16(self.bf16, self.fp16, self.use_cpu)
        # transformers takes bf16 without a GPU for a mistake unless the CPU is asked for too.
        self.use_cpu = self.use_cpu or (self.bf16 and not torch.cuda.is_available())
        self.dataloader_pin_memory = self.dataloader_pin_memory and _cuda_wanted(self.use_cpu)
        if self.tf32 is None and _cuda_wanted(self.use_cpu) and not (self.bf16 or self.fp16):
            # Products of float32 in 19 bits, where the GPU has them: Ampere and later.
            self.tf32 = torch.cuda.get_device_capability()[0] >= 8 or None
        if self.disable_tqdm is None:
            # A bar drawn into a file is a thousand lines of noise.
            self.disable_tqdm = not sys.stderr.isatty()
        super().__post_init__()
        # Without a launcher transformers would split each batch over all GPUs (DataParallel),
        # which a packed batch cannot be. torchrun uses them all.
        self.unused_gpus = max(0, self.n_gpu - 1)
        self._n_gpu = min(self._n_gpu, 1)


def _cuda_wanted(use_cpu: bool) -> bool:
    """Tells whether the run will be on a CUDA device."""
    return torch.cuda.is_available() and not use_cpu


def _choose_bf16(bf16: bool | None, fp16: bool, use_cpu: bool) -> tuple[bool, str]:
    """Decides on bf16 and says why.

    Returns:
        Whether to use bf16, and the reason as words for the user.
    """
    if bf16 is not None:
        return bf16, f"`bf16: {str(bf16).lower()}` was asked for"
    if fp16:
        return False, "`fp16: true` was asked for"
    if not _cuda_wanted(use_cpu):
        # Known from the processor, not timed: a resumed run must decide alike.
        if _cpu_multiplies_bf16():
            return True, "this CPU multiplies bf16 faster"
        return False, "this CPU has no instructions for bf16"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return True, "the GPU supports bf16"
    return False, "the GPU does not support bf16"


def fast_dtype(args: TFChatTrainingArguments) -> torch.dtype:
    """Gives the type in which the device multiplies fastest, of those that the run uses.

    bfloat16 that was asked for on a CPU without its instructions is emulated: Muon's iterations
    took twice the time of float32 with AVX-512, and minutes with AVX2.
    """
    emulated = args.device.type == "cpu" and not _cpu_multiplies_bf16()
    return torch.bfloat16 if args.bf16 and not emulated else torch.float32


def _cpu_multiplies_bf16() -> bool:
    """Tells whether the CPU has products of bf16 in hardware.

    Measured with AVX-512 BF16 on the quickstart and at d_model 512: matrix products take a
    quarter of the time of float32. Conversion alone (AVX-512 without BF16) gains nothing.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@dataclass
class RunArguments:
    """The four groups of one run, and which keys the user gave himself.

    `origin` is the folder or Hub id that a run with `init_from` loads its model from.
    """

    model: ModelArguments
    data: DataArguments
    generation: GenerationArguments
    training: TFChatTrainingArguments
    given: tuple[str, ...] = ()
    origin: str | None = None


def own_keys() -> tuple[str, ...]:
    """Lists the keys that this project defines or gives a default of its own."""
    groups = (ModelArguments, DataArguments, GenerationArguments)
    names = [item.name for group in groups for item in fields(group)]
    return (*names, *TFChatTrainingArguments.__annotations__)


def resolved_settings(run: RunArguments) -> dict[str, object]:
    """Gives the settings a run really used, flat, fit for YAML and for `train_hf.py` again."""
    settings: dict[str, object] = {}
    for group in (run.model, run.data, run.generation):
        settings.update(vars(group))
    for key in (*TFChatTrainingArguments.__annotations__, *run.given):
        if key not in settings and key not in ("resume", "overwrite"):
            value = getattr(run.training, key)
            settings[key] = getattr(value, "value", value)
    return settings


def check_settings(run: RunArguments) -> None:
    """Checks the rules between fields and settles the learning rate.

    Raises:
        UserError: names the setting, the rule, the value and the way out.
    """
    _check_model(run.model)
    _check_data(run.data)
    _check_generation(run)
    _check_lengths(run)
    _check_training(run)


def _require(holds: bool, message: str) -> None:
    """Raises `message` as a `UserError` unless the rule holds."""
    if not holds:
        raise UserError(message)


def _check_model(model: ModelArguments) -> None:
    """Checks sizes, heads and dropout rates of the network."""
    for name, value in vars(model).items():
        if "dropout" in name:
            _require(0 <= value < 1, f"`{name}` must be at least 0 and below 1 (got {value}).")
        elif isinstance(value, int) and not isinstance(value, bool):
            _require(value >= 1, f"`{name}` must be at least 1 (got {value}).")
    for name in ("encoder_attention_heads", "decoder_attention_heads"):
        heads = getattr(model, name)
        _require(
            model.d_model % heads == 0,
            f"`{name}` must divide `d_model` (got {heads} and {model.d_model}). "
            f"Use `d_model` {heads * max(1, round(model.d_model / heads))} or other heads.",
        )


def _check_data(data: DataArguments) -> None:
    """Checks what can be said of the data settings without reading any data."""
    _require(
        data.tokenizer_scheme in TOKENIZER_SCHEMES,
        f"`tokenizer_scheme` must be one of {', '.join(TOKENIZER_SCHEMES)} "
        f"(got {data.tokenizer_scheme!r}).",
    )
    _require(
        data.tokenizer_scheme != "char" or not data.tokenizer_user_dictionaries,
        "`tokenizer_user_dictionaries` must be empty with `tokenizer_scheme` char, which knows no "
        f"words (got {', '.join(data.tokenizer_user_dictionaries)}). Take another scheme.",
    )
    _require(
        0 <= data.validation_fraction < 1,
        f"`validation_fraction` must be at least 0 and below 1 (got {data.validation_fraction}).",
    )
    for name, least in (
        ("max_context_turns", 1),
        ("max_source_length", 2),
        ("max_target_length", 2),
        ("vocab_size", 6),
    ):
        value = getattr(data, name)
        _require(value >= least, f"`{name}` must be at least {least} (got {value}).")
    _require(
        not data.swap_sides or data.max_context_turns == 1,
        "`swap_sides` learns which turn a reply answers, one turn, so `max_context_turns` must be "
        f"1 (got {data.max_context_turns}). Delete one of the two lines.",
    )
    _require(
        not (data.swap_sides and data.hurried_questions),
        "`swap_sides` and `hurried_questions` contradict each other: with sides swapped the "
        "question is what the model writes. Delete one of the two lines.",
    )


def _check_generation(run: RunArguments) -> None:
    """Checks that a finished run can answer with the preset it names."""
    name = run.generation.generation_preset
    _require(
        name in PRESETS,
        f"`generation_preset` must be one of {', '.join(PRESETS)} (got {name!r}).",
    )


def _check_lengths(run: RunArguments) -> None:
    """Checks that nothing can be longer than the position table."""
    limit = run.model.max_position_embeddings
    wanted = {
        "max_source_length": run.data.max_source_length,
        "max_target_length": run.data.max_target_length,
        "generation_max_new_tokens": run.generation.generation_max_new_tokens,
    }
    for name, value in wanted.items():
        _require(
            1 <= value <= limit,
            f"`{name}` must lie between 1 and `max_position_embeddings` (got {value} and {limit}). "
            f"Lower it to {limit} or raise `max_position_embeddings` to {value}.",
        )


def _check_training(run: RunArguments) -> None:
    """Checks the training settings and fills in the Noam learning rate."""
    training = run.training
    if "per_device_train_batch_size" in run.given and "tokens_per_update" not in run.given:
        training.tokens_per_update = 0  # whoever counts pairs means pairs
    for key, advice in REPLACED_KEYS.items():
        _require(key not in run.given, f"`{key}` is not used by train_hf.py: {advice}.")
    _check_reporters(training.report_to)
    _check_selection(training)
    _require(
        not (training.resume and training.overwrite),
        "`resume` and `overwrite` contradict each other. Use one of them.",
    )
    _require(
        0 <= training.question_dropout <= 0.25,
        "`question_dropout` must lie between 0 and 0.25: half of the visits see the whole question "
        f"(got {training.question_dropout}).",
    )
    _require(
        0 <= training.random_history <= 1,
        f"`random_history` must lie between 0 and 1 (got {training.random_history}).",
    )
    _require(
        not training.random_history or run.data.max_context_turns >= 3,
        "`random_history` puts two turns before a question, so `max_context_turns` must be at "
        f"least 3 (got {run.data.max_context_turns}). Set it to 3, or leave the other out.",
    )
    _require(
        0 <= training.label_smoothing_factor < 1,
        "`label_smoothing_factor` must be at least 0 and below 1 "
        f"(got {training.label_smoothing_factor}).",
    )
    _check_memory(run)
    _check_license(training.model_license, training.model_license_link)
    for name in (
        "tokens_per_update",
        "unlikelihood_weight",
        "frequency_weight",
        "selection_relevance_weight",
        "early_stopping_patience",
        "eval_generate_samples",
        "eval_relevance_samples",
        "muon_learning_rate",
    ):
        value = getattr(training, name)
        _require(value >= 0, f"`{name}` must be at least 0 (got {value}).")
    for name in ("unlikelihood_weight", "frequency_weight", "torch_compile"):
        _require(
            not training.plain or not getattr(training, name),
            f"`plain: true` trains with the network's own loss and nothing else (got `{name}` "
            f"{getattr(training, name)}). Leave one of the two out.",
        )
    _require(
        not training.muon_learning_rate or not (training.fsdp or training.deepspeed),
        "`muon_learning_rate` needs whole matrices, which `fsdp` and `deepspeed` cut "
        f"(got {training.muon_learning_rate}). Leave one of the two out.",
    )
    _require(
        training.frequency_weight <= 1,
        f"`frequency_weight` must lie between 0 and 1 (got {training.frequency_weight}). "
        "0.5 divides by the square root of a word's count.",
    )
    _require(
        training.max_minutes is None or training.max_minutes > 0,
        f"`max_minutes` must be above 0 (got {training.max_minutes}).",
    )
    for name in ("logging_steps", "eval_steps", "save_steps"):
        value = getattr(training, name)
        _require(
            training.max_minutes is None or value is None or value >= 1,
            f"`{name}` below 1 is a share of all updates, and with `max_minutes` nobody knows how "
            f"many there will be (got {value}). Give a number of updates.",
        )
    _require(
        not training.early_stopping_patience or training.load_best_model_at_end,
        "`early_stopping_patience` needs `load_best_model_at_end: true`: it stops when the best "
        "checkpoint lies that many evaluations back.",
    )
    _require(training.seed >= 0, f"`seed` must be at least 0 (got {training.seed}).")
    _require(
        training.eval_max_samples >= 0,
        f"`eval_max_samples` must be at least 0 (got {training.eval_max_samples}); 0 means all.",
    )
    _require(
        training.learning_rate >= 0,
        f"`learning_rate` must be at least 0 (got {training.learning_rate}); 0 means Noam's peak.",
    )
    if training.learning_rate == 0:
        _require(
            training.warmup_steps >= 1,
            "`learning_rate` 0 means d_model^-0.5 * warmup_steps^-0.5, which needs "
            f"`warmup_steps` of at least 1 (got {training.warmup_steps}). Set either of the two.",
        )
        training.learning_rate = run.model.d_model**-0.5 * training.warmup_steps**-0.5


def _check_memory(run: RunArguments) -> None:
    """Checks that a memory is of use to the model, and there where it is to be pushed."""
    _require(
        not (run.training.memory and run.data.swap_sides),
        "`memory` remembers replies, and with `swap_sides` the model writes questions. Delete one "
        "of the two lines.",
    )
    _require(
        run.training.memory or not run.training.push_memory,
        "`push_memory` uploads what `memory: true` writes (got `memory` false). Add it, or leave "
        "`push_memory` out.",
    )


def _check_license(license: str, link: str | None) -> None:
    """Checks that the Hub can read the licence: one it knows, or the short name of another."""
    _require(
        re.fullmatch(r"[A-Za-z0-9][\w .+-]{0,59}", license) is not None,
        "`model_license` must be a licence's short name of at most 60 letters, digits, blanks and "
        f"the signs . + _ - (got {license!r}). Use apache-2.0, cc-by-4.0, ..., or other.",
    )
    if link is None:
        return
    # Here: the data builders take seconds to load, and nobody else asks for them this early.
    from data_builders.output.card_header import hub_license

    _require(
        hub_license(license) == "other",
        f"`model_license_link` is for a licence that the Hub does not know (got `model_license` "
        f"{license}, which it knows). Delete the line.",
    )
    _require(
        re.fullmatch(r"https?://\S+|LICENSE(\.md)?", link) is not None,
        "`model_license_link` must be an address, or LICENSE or LICENSE.md for a file that you "
        f"put beside the model (got {link!r}).",
    )


def _check_selection(training: TFChatTrainingArguments) -> None:
    """Makes sure that every evaluation has the number by which checkpoints are compared."""
    known = ["selection_score", "loss", "perplexity", "bits_per_character"]
    if training.eval_relevance_samples:
        known += ["question_gain", "hits_at_1", "mrr", "hits_at_1_pmi", "mrr_pmi"]
    if training.predict_with_generate:
        known += ["bleu", "f1", "exact_match", "distinct_1", "distinct_2"]
        known += ["repetition", "stutter", "dull", "language_mismatch"]
        known += ["top_reply_share", "mean_length"]
    name = (training.metric_for_best_model or "").removeprefix("eval_")
    _require(
        name in known,
        f"`metric_for_best_model` must be one of {', '.join(known)} (got {name!r}).",
    )


def _check_reporters(names: list[str]) -> None:
    """Makes sure that the packages of `report_to` are there before any data is read."""
    for name in names:
        try:
            reporters = get_reporting_integration_callbacks([name])
            for reporter in reporters:
                reporter()
        except (ImportError, RuntimeError, ValueError) as error:
            raise UserError(
                f"`report_to` {name!r} cannot be used: {' '.join(str(error).split())}"
            ) from error

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a training run can be told: one dataclass a group of settings.

`tests/settings` holds `configs/reference.yaml` to these names and defaults.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field, fields

import torch
from transformers import GenerationConfig, Seq2SeqTrainingArguments

from data_builders.errors import UserError
from data_builders.translation import _

from ..model.configuration_tfchat import TFChatConfig
from ..model.generation_tfchat import DEFAULT_PRESET, with_presets
from .keys import NETWORK

# Of the metrics of an evaluation.
_LESS_IS_BETTER = (
    *("selection_score", "loss", "perplexity", "bits_per_character", "repetition", "stutter"),
    *("dull", "language_mismatch", "top_reply_share"),
)
TOKENIZER_SCHEMES = ("char", "word", "subword-bpe", "subword-unigram")


@dataclass
class DataArguments:
    """Which dialogues, how they become examples, and the tokenizer."""

    dataset: str = "small_talk"
    languages: list[str] = field(default_factory=list)
    exclude_categories: list[str] = field(default_factory=lambda: ["coding"])
    validation_fraction: float | None = None
    test_fraction: float | None = None
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
    add_lowercase_questions: bool = False
    swap_sides: bool = False


@dataclass
class GenerationArguments:
    """How the trained model answers by default; saved in generation_config.json.

    What is None is as `generation_preset` says.
    """

    generation_preset: str = DEFAULT_PRESET
    generation_max_new_tokens: int = 128
    generation_num_beams: int | None = None
    generation_do_sample: bool | None = None
    generation_repetition_penalty: float | None = None
    generation_no_repeat_ngram_size: int | None = None

    def config(self, base: GenerationConfig) -> GenerationConfig:
        """Return the generation settings of a model that answers as these say."""
        config = with_presets(base, self.generation_preset)
        chosen = {
            name.removeprefix("generation_"): value
            for name, value in vars(self).items()
            if value is not None and name != "generation_preset"
        }
        config.update(**chosen)
        return config


@dataclass
class TFChatTrainingArguments(Seq2SeqTrainingArguments):
    """Everything of `Seq2SeqTrainingArguments`, with the defaults of this project.

    `learning_rate` 0 means the peak of the Noam schedule, d_model^-0.5 * warmup_steps^-0.5, and
    `bf16` None means bf16 where the device multiplies it in hardware.
    """

    output_dir: str = ""
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
    greater_is_better: bool | None = None
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
        """Settle what depends on the device, then let transformers check the rest."""
        if not self.output_dir:
            raise UserError(
                "`output_dir` is not set. Say where the run goes, for example `output_dir: "
                "runs/mine`."
            )
        on_gpu = torch.cuda.is_available() and not self.use_cpu
        self.bf16, self.precision_reason = _choose_bf16(self.bf16, self.fp16, on_gpu)
        # transformers takes bf16 without a GPU for a mistake unless the CPU is asked for too.
        self.use_cpu: bool = self.use_cpu or (self.bf16 and not on_gpu)
        self.dataloader_pin_memory: bool = self.dataloader_pin_memory and on_gpu
        if self.tf32 is None and on_gpu and not (self.bf16 or self.fp16):
            # Products of float32 in 19 bits, where the GPU has them: Ampere and later.
            self.tf32: bool | None = torch.cuda.get_device_capability()[0] >= 8 or None
        if self.disable_tqdm is None:
            # A bar drawn into a file is a thousand lines of noise.
            self.disable_tqdm = not sys.stderr.isatty()
        self.metric_for_best_model = self.metric_for_best_model or "loss"
        if self.greater_is_better is None:
            self.greater_is_better = higher_is_better(self.metric_for_best_model)
        super().__post_init__()
        # Without a launcher transformers would split each batch over all GPUs (DataParallel),
        # which a packed batch cannot be. torchrun uses them all.
        self.unused_gpus = max(0, self.n_gpu - 1)
        self._n_gpu: int = min(self._n_gpu, 1)


def higher_is_better(metric: str) -> bool:
    """Tell the direction of a metric from its name, with `eval_` before it or without."""
    return metric.removeprefix("eval_") not in _LESS_IS_BETTER


def _choose_bf16(bf16: bool | None, fp16: bool, on_gpu: bool) -> tuple[bool, str]:
    """Decide on bf16.

    Returns:
        Whether to use it, and the reason as words for the user.
    """
    if bf16 is not None:
        return bf16, _("`{setting}` was asked for", setting=f"bf16: {str(bf16).lower()}")
    if fp16:
        return False, _("`{setting}` was asked for", setting="fp16: true")
    if on_gpu:
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
        told = _("the GPU supports bf16") if supported else _("the GPU does not support bf16")
        return supported, told
    # Known from the processor, not timed: a resumed run must decide alike.
    if _cpu_multiplies_bf16():
        return True, _("this CPU multiplies bf16 faster")
    return False, _("this CPU has no instructions for bf16")


def fast_dtype(args: TFChatTrainingArguments) -> torch.dtype:
    """Return the type in which the device multiplies fastest, of those that the run uses.

    bfloat16 that was asked for on a CPU without its instructions is emulated: Muon's iterations
    took twice the time of float32 with AVX-512, and minutes with AVX2.
    """
    emulated = args.device.type == "cpu" and not _cpu_multiplies_bf16()
    return torch.bfloat16 if args.bf16 and not emulated else torch.float32


def _cpu_multiplies_bf16() -> bool:
    """Tell whether the CPU has products of bf16 in hardware.

    Measured with AVX-512 BF16 on the quickstart and at d_model 512: matrix products take a
    quarter of the time of float32. Conversion alone (AVX-512 without BF16) gains nothing.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@dataclass
class RunArguments:
    """The settings of one run.

    Attributes:
        model: the network; `NETWORK` names the fields that are settings.
        data: the dialogues and the tokenizer.
        generation: how the finished model answers.
        training: all else.
        given: the keys that the user gave.
        origin: the folder or Hub id that a run with `init_from` loads its model from.
    """

    model: TFChatConfig
    data: DataArguments
    generation: GenerationArguments
    training: TFChatTrainingArguments
    given: tuple[str, ...] = ()
    origin: str | None = None


def own_keys() -> tuple[str, ...]:
    """List the keys that this project defines or gives a default of its own."""
    groups = (DataArguments, GenerationArguments)
    names = [item.name for group in groups for item in fields(group)]
    return (*NETWORK, *names, *TFChatTrainingArguments.__annotations__)


def resolved_settings(run: RunArguments) -> dict[str, object]:
    """Return the settings a run really used, flat, fit for YAML and for `train_hf.py` again."""
    settings: dict[str, object] = {key: getattr(run.model, key) for key in NETWORK}
    settings |= vars(run.data) | vars(run.generation)
    for key in (*TFChatTrainingArguments.__annotations__, *run.given):
        if key not in settings and key not in ("resume", "overwrite"):
            value = getattr(run.training, key)
            settings[key] = getattr(value, "value", value)
    return settings

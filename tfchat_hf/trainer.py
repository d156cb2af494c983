# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Seq2SeqTrainer where it must differ: batch order, exact evaluation loss, a clean stop."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_model
from tqdm import tqdm
from transformers import (
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    ProgressCallback,
    Seq2SeqTrainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
)
from transformers.trainer_utils import speed_metrics

from .arguments import TFChatTrainingArguments
from .data import LengthGroupedSampler, example_lengths
from .evaluation import Question, exact_loss, generate_replies
from .metrics import describe_replies

MODEL_COLUMNS = ["input_ids", "labels"]


class StopRequest:
    """Turns Ctrl-C and SIGTERM into a request to stop after the step that is under way.

    Outside `training()` a signal raises KeyboardInterrupt at once, and so does the second one:
    whoever asks twice does not want to wait.
    """

    def __init__(self) -> None:
        """Starts with nothing asked for."""
        self.asked = False
        self._patient = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Takes over both signals for the time of a `with` block."""
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._on_signal) for number in signals}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Marks the time in which a signal waits for the end of a step."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Remembers the first signal, obeys the second."""
        if self.asked or not self._patient:
            raise KeyboardInterrupt
        self.asked = True


class StopCallback(TrainerCallback):
    """Saves a checkpoint and ends training when a stop was asked for."""

    def __init__(self, request: StopRequest, report: Callable[[str], None]) -> None:
        """Keeps where to look and where to say so."""
        self.request = request
        self.report = report

    def on_step_end(
        self,
        args: TFChatTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Asks the trainer for a checkpoint and the end."""
        if self.request.asked and not control.should_training_stop:
            self.report(f"stopping: writing a checkpoint of step {state.global_step} ...")
            control.should_save = True
            control.should_training_stop = True

    def on_epoch_end(
        self,
        args: TFChatTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Keeps the flow callback from evaluating an epoch that was left in its middle.

        At a true end of an epoch the evaluation belongs to the checkpoint, and the signal may
        have come after the last step's `on_step_end`: save and stop here too.
        """
        if not self.request.asked:
            return
        if float(state.epoch).is_integer():
            control.should_save = True
            control.should_training_stop = True
        else:
            control.should_evaluate = False
            control.should_save = False


class EpochCallback(TrainerCallback):
    """Tells the sampler its epoch.

    accelerate reaches a sampler through one wrapper; a resumed run on several processes has two.
    """

    def __init__(self, sampler: LengthGroupedSampler) -> None:
        """Keeps the sampler."""
        self.sampler = sampler

    def on_epoch_begin(
        self,
        args: TFChatTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Passes the epoch on."""
        self.sampler.set_epoch(int(state.epoch or 0))


class ProgressLine(TrainerCallback):
    """Says one short line a log instead of a dictionary."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """Keeps where to say it."""
        self.report = report

    def on_log(
        self,
        args: TFChatTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Words the numbers of one log."""
        logs = logs or {}
        place = f"step {state.global_step}/{state.max_steps}  epoch {state.epoch or 0:.2f}"
        if "eval_loss" in logs:
            self.report(
                f"{place}  validation loss {logs['eval_loss']:.3f}  "
                f"perplexity {logs['eval_perplexity']:.1f}"
            )
        elif "loss" in logs and state.is_world_process_zero:
            self.report(f"{place}  loss {logs['loss']:.3f}  lr {logs['learning_rate']:.2e}")


class ProgressBar(TrainerCallback):
    """Draws how far training is, how fast it goes and how long it will take yet.

    transformers' own bar prints every log as a dictionary too, beside `ProgressLine`'s words.
    """

    def __init__(self) -> None:
        """Starts without a bar: only the first process of several draws one."""
        self.bar: tqdm | None = None

    def on_train_begin(
        self,
        args: TFChatTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Draws the bar, at the step that a resumed run goes on from."""
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps,
                initial=state.global_step,
                desc="training",
                unit="step",
                dynamic_ncols=True,
            )

    def on_step_end(
        self,
        args: TFChatTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Moves the bar."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_train_end(
        self,
        args: TFChatTrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Leaves the bar standing."""
        if self.bar is not None:
            self.bar.close()


class TFChatTrainer(Seq2SeqTrainer):
    """Trains on examples in groups of like length and evaluates without smoothing."""

    args: TFChatTrainingArguments

    def __init__(
        self,
        model: PreTrainedModel,
        args: TFChatTrainingArguments,
        tokenizer: PreTrainedTokenizerBase,
        train: Dataset,
        validation: Dataset,
        questions: Sequence[Question] = (),
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        """Builds the trainer.

        Args:
            model: a `TFChatForConditionalGeneration`.
            args: the training settings.
            tokenizer: pads, and is saved in every checkpoint.
            train: examples with the columns `input_ids` and `labels`; others are left out.
            validation: the same.
            questions: answered at each evaluation if `predict_with_generate` is on.
            callbacks: beside transformers' own.
        """
        train = train.select_columns(MODEL_COLUMNS)
        # model=: without it the collator makes no decoder_input_ids, which smoothing needs.
        collator = DataCollatorForSeq2Seq(
            tokenizer, model=model, pad_to_multiple_of=8 if args.bf16 or args.fp16 else None
        )
        self.questions = questions
        self.sampler = LengthGroupedSampler(
            example_lengths(train),
            args.train_batch_size * args.gradient_accumulation_steps * args.world_size,
            args.seed if args.data_seed is None else args.data_seed,
        )
        super().__init__(
            model=model,
            args=args,
            data_collator=collator,
            train_dataset=train,
            eval_dataset=validation.select_columns(MODEL_COLUMNS) if len(validation) else None,
            processing_class=tokenizer,
            callbacks=[*callbacks, EpochCallback(self.sampler)],
        )
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        if not args.disable_tqdm:
            self.add_callback(ProgressBar())

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> LengthGroupedSampler:
        """Gives the sampler that resumes exactly."""
        return self.sampler

    def restore_if_trained(self, checkpoint: Path, planned_updates: int) -> bool:
        """Loads a checkpoint that has nothing left to train, only to be evaluated.

        transformers looks at `max_steps` after a step, so its own resume would train one update
        too many.

        Returns:
            Whether it was such a checkpoint; if not, nothing is loaded.
        """
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if state.global_step < planned_updates:
            return False
        best = state.best_model_checkpoint if self.args.load_best_model_at_end else None
        # load_model knows of tied weights, which the file holds once.
        load_model(self.model, Path(best or checkpoint) / "model.safetensors")
        self.state = state
        return True

    def evaluate(
        self,
        eval_dataset: Dataset | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
        **gen_kwargs: Any,
    ) -> dict[str, float]:
        """Measures the unsmoothed loss and, if asked for, what generated replies are like.

        transformers' own evaluation smooths the loss as training does, and draws random numbers,
        which would make training depend on how often it is evaluated.
        """
        start = time.time()
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            batches = self.get_eval_dataloader(eval_dataset)
            model = self.accelerator.prepare_model(self.model, evaluation_mode=True)
            with self.compute_loss_context_manager():
                metrics: dict[str, float] = exact_loss(model, batches, self.accelerator)
            if self.args.predict_with_generate and self.questions:
                metrics.update(self._describe_generated())
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        named.update(
            speed_metrics(metric_key_prefix, start, num_samples=self.num_examples(batches))
        )
        self.log(named)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)
        return named

    def _describe_generated(self) -> dict[str, float]:
        """Answers the evaluation questions and describes the answers."""
        replies = generate_replies(
            self.model,
            self.processing_class,
            self.questions,
            self.args.per_device_eval_batch_size,
        )
        return describe_replies(replies, [question.references for question in self.questions])

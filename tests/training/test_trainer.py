# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The trainer on a tiny model: accumulation, exact evaluation, signals."""

from __future__ import annotations

import math
import os
import signal

import pytest
import torch
from datasets import Dataset
from torch.nn import functional
from transformers import TrainerCallback

from tests.tiny import one_layer_config
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.examples.preparing import DataArguments, prepare_data
from tfchat_hf.examples.questions import collect_questions
from tfchat_hf.measuring.evaluation import exact_loss, generate_replies
from tfchat_hf.measuring.selection import ReplyAssessor
from tfchat_hf.settings.arguments import TFChatTrainingArguments
from tfchat_hf.text.tokenizer_training import train_tokenizer
from tfchat_hf.training.callbacks import StopCallback, StopRequest
from tfchat_hf.training.trainer import TFChatTrainer

PAIRS = [(f"question {i} " + "ab " * (i % 5), f"reply {i} " + "好" * (i % 7)) for i in range(24)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for pair in PAIRS for text in pair], "char", 300, 64)


@pytest.fixture(scope="module")
def data(tokenizer):
    rows = [
        {"id": str(i), "turns": list(pair), "roles": [], "lang": "en", "source": "t"}
        for i, pair in enumerate(PAIRS)
    ]
    settings = DataArguments(max_source_length=64, max_target_length=64)
    dataset = Dataset.from_list(rows)
    splits = {"train": dataset.select(range(16)), "validation": dataset.select(range(16, 24))}
    return prepare_data(splits, tokenizer, settings)


def make_trainer(tmp_path, tokenizer, data, dropout=0.0, callbacks=(), **settings):
    torch.manual_seed(0)
    config = one_layer_config(
        vocab_size=len(tokenizer),
        dropout=dropout,
        attention_dropout=dropout,
        activation_dropout=dropout,
        max_position_embeddings=64,
    )
    defaults = {
        "max_steps": 4,
        "learning_rate": 1e-2,
        "warmup_steps": 1,
        "eval_strategy": "no",
        "save_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "tokens_per_update": 0,
    }
    args = TFChatTrainingArguments(output_dir=str(tmp_path), **{**defaults, **settings})
    model = TFChatForConditionalGeneration(config)
    return TFChatTrainer(model, args, tokenizer, data.train, data.validation, callbacks=callbacks)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_accumulation_trains_on_the_same_updates(tmp_path, tokenizer, data, smoothing):
    def trained(batch, accumulate):
        trainer = make_trainer(
            tmp_path,
            tokenizer,
            data,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulate,
            label_smoothing_factor=smoothing,
        )
        return trainer.train().training_loss, trainer.model.state_dict()

    loss, weights = trained(8, 1)
    for batch, accumulate in ((1, 8), (4, 2)):
        other_loss, other = trained(batch, accumulate)
        assert other_loss == pytest.approx(loss, rel=1e-5)
        for name, value in weights.items():
            # adaptive steps of 1e-2 on gradients near 0 magnify rounding
            torch.testing.assert_close(other[name], value, atol=2e-4, rtol=1e-3)


def test_training_moves_weights_and_lowers_the_loss(tmp_path, tokenizer, data):
    trainer = make_trainer(tmp_path, tokenizer, data, max_steps=40, warmup_steps=10)
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < before - 0.5


def test_evaluation_is_the_plain_mean_over_tokens(tmp_path, tokenizer, data):
    trainer = make_trainer(
        tmp_path, tokenizer, data, label_smoothing_factor=0.3, per_device_eval_batch_size=3
    )
    found = trainer.evaluate()
    model = trainer.model.eval()
    total, tokens = 0.0, 0
    for row in data.validation:  # one at a time: no padding, no batches
        labels = torch.tensor([row["labels"]])
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([row["input_ids"]]), labels=labels).logits
        total += functional.cross_entropy(logits[0], labels[0], reduction="sum").item()
        tokens += labels.numel()
    assert found["eval_tokens"] == tokens
    assert found["eval_loss"] == pytest.approx(total / tokens, rel=1e-5)
    assert found["eval_perplexity"] == pytest.approx(math.exp(total / tokens), rel=1e-4)


def test_evaluation_leaves_the_random_numbers_alone(tmp_path, tokenizer, data):
    trainer = make_trainer(tmp_path, tokenizer, data, dropout=0.1, predict_with_generate=True)
    questions = collect_questions(data.validation, [data.validation], tokenizer)
    trainer.assessor = ReplyAssessor(questions, tokenizer, 4)
    state = torch.random.get_rng_state()
    found = trainer.evaluate()
    assert torch.equal(torch.random.get_rng_state(), state)
    assert found["eval_replies"] == len(data.validation)


def test_exact_loss_puts_the_model_back_into_training(tmp_path, tokenizer, data):
    trainer = make_trainer(tmp_path, tokenizer, data)
    trainer.model.train()
    exact_loss(trainer.model, trainer.get_eval_dataloader(), trainer.accelerator)
    assert trainer.model.training


def test_replies_keep_the_order_of_their_questions(tmp_path, tokenizer, data):
    model = make_trainer(tmp_path, tokenizer, data, max_steps=30).model
    model.generation_config.max_new_tokens = 8
    questions = collect_questions(data.train, [data.train], tokenizer)
    together = generate_replies(model, tokenizer, questions, 5)
    alone = [generate_replies(model, tokenizer, [q], 1)[0] for q in questions]
    assert together == alone


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_step_and_a_second_one_does_not(number):
    before = signal.getsignal(number)
    request = StopRequest()
    with request.listening():
        with request.training():
            os.kill(os.getpid(), number)
            assert request.asked
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_signal_outside_training_stops_at_once():
    request = StopRequest()
    with request.listening(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


class AskAt(TrainerCallback):
    """Asks for a stop in one place of the loop, as a signal would."""

    def __init__(self, request, event, step):
        self.request, self.event, self.step = request, event, step

    def on_step_begin(self, args, state, control, **kwargs):
        self._ask("on_step_begin", state)

    def on_step_end(self, args, state, control, **kwargs):
        self._ask("on_step_end", state)

    def _ask(self, event, state):
        if event == self.event and state.global_step == self.step:
            self.request.asked = True


# 16 examples, 4 an update: step 4 ends an epoch. The callback stands behind StopCallback, so
# "on_step_end" is a signal that came just after StopCallback had looked.
@pytest.mark.parametrize(
    ("event", "step", "stops_at"),
    [
        ("on_step_begin", 1, 2),
        ("on_step_begin", 3, 4),
        ("on_step_end", 4, 4),
        ("on_step_end", 2, 3),
    ],
)
def test_a_stop_leaves_one_checkpoint_wherever_it_comes(
    tmp_path, tokenizer, data, event, step, stops_at
):
    request, said = StopRequest(), []
    trainer = make_trainer(
        tmp_path,
        tokenizer,
        data,
        callbacks=[StopCallback(request, said.append), AskAt(request, event, step)],
        max_steps=12,
        per_device_train_batch_size=4,
        eval_strategy="epoch",
    )
    trainer.train()
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == [f"checkpoint-{stops_at}"]
    evaluated = [log for log in trainer.state.log_history if "eval_loss" in log]
    assert len(evaluated) == (stops_at == 4)

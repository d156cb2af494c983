# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What TensorBoard shows of a run: read back from the event files."""

from __future__ import annotations

import pytest
import torch
from transformers import Seq2SeqTrainingArguments, Trainer
from transformers.integrations import TensorBoardCallback

from tests.tiny import tiny_model
from tfchat_hf.examples.questions import Question
from tfchat_hf.measuring.selection import ReplyAssessor
from tfchat_hf.training.samples import (
    TENSORBOARD_FOLDER,
    TensorBoardWithSamples,
    add_samples_to_tensorboard,
    markdown_table,
)

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

ROW = {"input_ids": torch.tensor([5, 6, 2]), "labels": torch.tensor([7, 8, 2])}


class FixedReplies(ReplyAssessor):
    """Answers without a model."""

    def __init__(self):
        super().__init__([Question(["你好", "a|b"], [5], ["person"])], None, 1.0, 1)


class TinyTrainer(Trainer):
    """Trains a tiny model; its evaluation is given."""

    def evaluate(self, *unused, **ignored):
        step = self.state.global_step
        self.assessor.replies = [f"reply of {step}"]
        found = {"eval_loss": 10.0 - step, "eval_distinct_2": 0.5}
        self.log(dict(found))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found


def make_trainer(folder, steps, report_to="tensorboard", save="no"):
    args = Seq2SeqTrainingArguments(
        str(folder),
        max_steps=steps,
        report_to=report_to,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=2,
        save_strategy=save,
        save_steps=4,
        per_device_train_batch_size=1,
        use_cpu=True,
        disable_tqdm=True,
        lr_scheduler_type="constant",
    )
    trainer = TinyTrainer(tiny_model(), args, train_dataset=[ROW] * 20, eval_dataset=[ROW])
    trainer.assessor = FixedReplies()
    add_samples_to_tensorboard(trainer, trainer.assessor)
    return trainer


def events(folder):
    found = EventAccumulator(str(folder / TENSORBOARD_FOLDER), {"tensors": 0, "scalars": 0})
    return found.Reload()


def samples(found):
    rows = found.Tensors("samples/text_summary")
    return {row.step: row.tensor_proto.string_val[0].decode() for row in rows}


def test_curves_and_samples_are_there(tmp_path):
    trainer = make_trainer(tmp_path, 4)
    trainer.train()
    found = events(tmp_path)
    assert [event.step for event in found.Scalars("train/loss")] == [1, 2, 3, 4]
    curve = [(event.step, event.value) for event in found.Scalars("eval/loss")]
    assert curve == [(2, 8.0), (4, 6.0)]
    assert [event.step for event in found.Scalars("eval/distinct_2")] == [2, 4]
    texts = samples(found)
    assert sorted(texts) == [2, 4]
    assert "| 你好 / a&#124;b | reply of 4 | person |" in texts[4]


def test_a_resumed_run_goes_on_with_the_same_curve(tmp_path):
    make_trainer(tmp_path, 6, save="steps").train()
    trainer = make_trainer(tmp_path, 8)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    found = events(tmp_path)
    assert [event.step for event in found.Scalars("train/loss")] == list(range(1, 9))
    assert sorted(samples(found)) == [2, 4, 6, 8]


def test_a_new_run_in_the_same_folder_hides_the_old_one(tmp_path):
    make_trainer(tmp_path, 4).train()
    make_trainer(tmp_path, 2).train()
    found = events(tmp_path)
    assert [event.step for event in found.Scalars("train/loss")] == [1, 2]


def test_the_evaluation_after_training_is_no_point_of_the_curve(tmp_path):
    trainer = make_trainer(tmp_path, 2)
    trainer.train()
    trainer.evaluate()
    assert len(events(tmp_path).Scalars("eval/loss")) == 1


def test_transformers_own_callback_is_replaced_only_where_it_stands(tmp_path):
    def writers(trainer):
        callbacks = trainer.callback_handler.callbacks
        return [type(one) for one in callbacks if isinstance(one, TensorBoardCallback)]

    assert writers(make_trainer(tmp_path, 1)) == [TensorBoardWithSamples]
    assert writers(make_trainer(tmp_path, 1, report_to="none")) == []


def test_the_environment_may_choose_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "elsewhere"))
    make_trainer(tmp_path / "run", 1).train()
    assert list((tmp_path / "elsewhere").glob("events.*"))
    assert not (tmp_path / "run" / TENSORBOARD_FOLDER).exists()


def test_a_reply_stays_in_its_cell():
    row = {"context": ["a", "b|c"], "reply": "two\nlines", "reference": "back\\slash"}
    assert markdown_table([row]).splitlines()[2] == "| a / b&#124;c | two lines | back&#92;slash |"

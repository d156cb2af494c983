# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Samples in their file and in the terminal, and the collapse warning, by the events of a run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from transformers import TrainerControl, TrainerState

from data_builders.widths import display_width
from tfchat_hf.examples.questions import Question
from tfchat_hf.training.samples import (
    SAMPLES_DURING_TRAINING,
    SAMPLES_WRITTEN,
    CollapseWarning,
    SampleFile,
    SampleTable,
)

QUESTIONS = [Question(["先说", f"问题{i}"], [i], [f"答{i}", "x"]) for i in range(40)]
ARGS = SimpleNamespace(
    frequency_weight=0.5,
    muon_learning_rate=0.0,
    tokens_per_update=4096,
    get_warmup_steps=lambda steps: 0,
)


class Run:
    """The events of a run, with replies given instead of generated."""

    def __init__(self, step=0, history=(), max_steps=1000, first=True):
        self.said = []
        self.assessor = SimpleNamespace(questions=QUESTIONS, replies=[])
        self.state = TrainerState(
            global_step=step,
            max_steps=max_steps,
            log_history=list(history),
            is_world_process_zero=first,
        )

    def begin(self, callback):
        self.callback = callback
        callback.on_train_begin(ARGS, self.state, TrainerControl())
        return self

    def evaluate(self, step, replies):
        self.assessor.replies, self.state.global_step = replies, step
        share = max(map(replies.count, replies)) / len(replies) if replies else 0
        self.state.log_history.append({"step": step, "eval_top_reply_share": share})
        self.callback.on_evaluate(ARGS, self.state, TrainerControl(), metrics={})
        return self

    def end(self):
        self.callback.on_train_end(ARGS, self.state, TrainerControl())
        return self


def table_run(folder, **settings):
    run = Run(**settings)
    return run.begin(SampleTable(run.assessor, folder, run.said.append))


def rows_of(folder):
    text = (folder / SAMPLES_DURING_TRAINING).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


REPLIES = [f"model {i}" for i in range(40)]


def test_the_same_first_questions_are_written_at_each_evaluation(tmp_path):
    table_run(tmp_path).evaluate(10, REPLIES).evaluate(20, REPLIES[::-1])
    rows = rows_of(tmp_path)
    assert [row["step"] for row in rows] == [10] * SAMPLES_WRITTEN + [20] * SAMPLES_WRITTEN
    expected = {"step": 10, "context": ["先说", "问题1"], "reference": "答1", "reply": "model 1"}
    assert rows[1] == expected
    assert rows[SAMPLES_WRITTEN + 1] == expected | {"step": 20, "reply": "model 38"}


def test_three_of_them_are_shown_in_columns(tmp_path):
    long = ["一个很长很长的回答" * 9, "two\nlines \x1b[31m", *REPLIES[2:]]
    said = table_run(tmp_path).evaluate(10, long).said
    assert said[0] == "samples at step 10:" and len(said) == 5
    assert all(display_width(line) <= 96 and "\x1b" not in line for line in said)
    assert "问题0" in said[2] and "答0" in said[2] and "…" in said[2] and "先说" not in said[2]
    starts = [display_width(line[: line.rindex("答")]) for line in said[2:]]
    assert len(set(starts)) == 1


def test_a_resumed_run_has_each_step_once(tmp_path):
    table_run(tmp_path).evaluate(10, REPLIES).evaluate(20, REPLIES).evaluate(30, REPLIES)
    # killed at 30, goes on from the checkpoint of 20 and evaluates 20 once more
    again = table_run(tmp_path, step=20)
    assert {row["step"] for row in rows_of(tmp_path)} == {10, 20}
    again.evaluate(20, REPLIES[::-1]).evaluate(30, REPLIES)
    steps = [row["step"] for row in rows_of(tmp_path)]
    assert steps == [10] * SAMPLES_WRITTEN + [20] * SAMPLES_WRITTEN + [30] * SAMPLES_WRITTEN
    assert rows_of(tmp_path)[SAMPLES_WRITTEN]["reply"] == "model 39"


def test_the_evaluation_of_the_selected_checkpoint_is_not_a_sample_of_the_last_step(tmp_path):
    run = table_run(tmp_path).evaluate(10, REPLIES).end()
    shown = len(run.said)
    run.evaluate(10, REPLIES[::-1])
    assert rows_of(tmp_path)[0]["reply"] == "model 0" and len(run.said) == shown


def test_only_the_first_process_writes(tmp_path):
    run = table_run(tmp_path, first=False).evaluate(10, REPLIES)
    assert not run.said and not (tmp_path / SAMPLES_DURING_TRAINING).exists()


def test_nothing_is_written_where_nothing_was_generated(tmp_path):
    assert not table_run(tmp_path).evaluate(10, []).said
    assert not (tmp_path / SAMPLES_DURING_TRAINING).exists()


def test_a_run_outlives_samples_that_cannot_be_written(tmp_path):
    (tmp_path / SAMPLES_DURING_TRAINING).mkdir()
    said = table_run(tmp_path).evaluate(10, REPLIES).said
    assert any("was not written" in line for line in said)
    assert "samples at step 10:" in said


def collapse_run(**settings):
    run = Run(**settings)
    return run.begin(CollapseWarning(run.assessor, run.said.append))


def replies(same):
    """Forty replies of which so many are the same."""
    return ["我不知道"] * same + [f"r{i}" for i in range(40 - same)]


def warnings(run):
    return sum(line.startswith("warning") for line in run.said)


def test_a_collapse_is_told_once_and_again_when_it_worsens():
    run = collapse_run()
    # shares 0.25, 0.30, 0.35: warned at the second; 0.5 and more twice: warned again, once
    told = [
        warnings(run.evaluate(step, replies(same)))
        for step, same in ((1, 10), (2, 12), (3, 14), (4, 20), (5, 24), (6, 40), (7, 40))
    ]
    assert told == [0, 1, 1, 1, 2, 2, 2]


def test_the_warning_says_what_and_what_to_try():
    run = collapse_run().evaluate(1, replies(40)).evaluate(2, replies(40))
    text = "\n".join(run.said)
    for part in ("step 2", "100 %", "我不知道", "2 %"):
        assert part in text
    assert "label_smoothing" not in text
    order = ["longer (0.0 epochs so far)", "`frequency_weight: 0` (now 0.5)", "`muon_learning_rate"]
    order += ["`tokens_per_update: 2048` (now 4096)", "more data", "preset"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_the_warning_does_not_advise_what_is_done_already(monkeypatch):
    monkeypatch.setattr(ARGS, "frequency_weight", 0.0)
    monkeypatch.setattr(ARGS, "muon_learning_rate", 0.01)
    monkeypatch.setattr(ARGS, "tokens_per_update", 2048)
    run = collapse_run()
    run.state.epoch = 40.0
    run.evaluate(1, replies(40)).evaluate(2, replies(40))
    assert run.said[2].startswith("  Try, in this order: more data, ")


def test_a_long_reply_is_cut():
    run = collapse_run()
    for step in (1, 2):
        run.evaluate(step, ["好" * 200] * 40)
    assert display_width(run.said[0]) < 160


def test_an_untrained_model_is_not_warned_of():
    assert not collapse_run().evaluate(1, replies(40)).evaluate(2, replies(2)).said


def test_a_model_whose_learning_rate_still_rises_is_not_warned_of(monkeypatch):
    monkeypatch.setattr(ARGS, "get_warmup_steps", lambda steps: 3)
    run = collapse_run()
    told = [warnings(run.evaluate(step, replies(40))) for step in (1, 2, 3, 4, 5)]
    assert told == [0, 0, 0, 0, 1]


def test_the_last_evaluation_counts_by_itself():
    assert warnings(collapse_run(max_steps=5).evaluate(5, replies(40))) == 1


def test_a_resumed_run_does_not_warn_again():
    history = [{"step": step, "eval_top_reply_share": 0.3} for step in (1, 2)]
    run = collapse_run(step=2, history=history).evaluate(3, replies(12))
    assert not run.said
    assert warnings(run.evaluate(4, replies(30)).evaluate(5, replies(30))) == 1


def test_people_who_are_as_uniform_are_no_collapse(monkeypatch):
    run = Run()
    run.assessor.questions = [Question(["a"], [1], ["yes"])] * 20 + QUESTIONS[:20]
    run.begin(CollapseWarning(run.assessor, run.said.append))
    assert not run.evaluate(1, replies(20)).evaluate(2, replies(20)).said
    assert warnings(run.evaluate(3, replies(30)).evaluate(4, replies(30))) == 1


@pytest.mark.parametrize(("count", "told"), [(19, 0), (20, 1)])
def test_a_handful_of_replies_proves_nothing(count, told):
    run = collapse_run()
    for step in (1, 2):
        run.evaluate(step, ["same"] * count)
    assert warnings(run) == told


def test_after_training_there_is_nothing_to_warn_of():
    assert not collapse_run(max_steps=5).end().evaluate(5, replies(40)).said


def filled(tmp_path, steps=(0, 10, 20, 30)):
    file = SampleFile(tmp_path / "samples.jsonl")
    for step in steps:
        file.write(step, [{"reply": f"第{step}"}, {"reply": "b"}])
    return file


def steps(file):
    return [row["step"] for row in file.rows()]


def test_rows_come_back_as_written(tmp_path):
    file = filled(tmp_path)
    lines = file.path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[2]) == {"step": 10, "reply": "第10"}
    assert steps(file) == [0, 0, 10, 10, 20, 20, 30, 30]


def test_resuming_drops_later_steps(tmp_path):
    file = filled(tmp_path)
    file.go_on_after(20)
    assert steps(file) == [0, 0, 10, 10, 20, 20]


def test_the_same_step_is_replaced(tmp_path):
    file = filled(tmp_path)
    file.write(20, [{"reply": "new"}])
    assert steps(file) == [0, 0, 10, 10, 30, 30, 20]
    assert list(file.rows())[-1]["reply"] == "new"


def test_a_new_run_starts_with_an_empty_file(tmp_path):
    file = filled(tmp_path)
    file.go_on_after(0)
    assert steps(file) == []


def test_a_half_written_row_is_dropped(tmp_path):
    file = filled(tmp_path, steps=(10,))
    with open(file.path, "ab") as stream:
        stream.write('{"step": 10, "reply": "好'.encode()[:-1])  # killed in the middle
    assert steps(file) == [10, 10]
    file.go_on_after(10)
    file.write(20, [{"reply": "c"}])
    assert steps(file) == [10, 10, 20]


def test_no_file_is_made_before_there_is_a_sample(tmp_path):
    file = SampleFile(tmp_path / "samples.jsonl")
    file.go_on_after(5)
    assert list(file.rows()) == [] and not file.path.exists()


def test_a_lone_surrogate_does_not_end_the_run(tmp_path):
    file = SampleFile(tmp_path / "samples.jsonl")
    file.write(1, [{"reply": "a\ud800"}])
    assert steps(file) == [1]

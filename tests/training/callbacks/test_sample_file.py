# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Samples of a resumed run: no step twice, nothing of steps that are trained again."""

from __future__ import annotations

import json

from tfchat_hf.training.callbacks.sample_file import SampleFile


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

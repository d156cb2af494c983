# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Every number has a range, and what lies outside it is one sentence before anything begins."""

from __future__ import annotations

import pytest

from tests.settings.test_arguments import error_of
from tfchat_hf.settings.keys import REPLACED_KEYS, known_keys
from tfchat_hf.settings.parsing import parse_arguments
from tfchat_hf.settings.ranges import range_problem

NUMBERS = sorted(
    key
    for key, kinds in known_keys().items()
    if {"int", "float"} & set(kinds) and "str" not in kinds and key not in REPLACED_KEYS
)
# Numbers that the launcher sets, and seeds, of which all are as good.
FREE = {"local_rank"}
SEEDS = {"seed", "data_seed"}


@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_may_be_infinite_no_number_at_all_or_absurd(name):
    for value in (float("inf"), float("-inf"), float("nan")):
        assert range_problem(name, value), value
    if name not in FREE:
        assert range_problem(name, -2)
        assert name in SEEDS or range_problem(name, 1e9)


@pytest.mark.parametrize(
    "name",
    [
        *("num_train_epochs", "max_steps", "max_minutes", "per_device_train_batch_size"),
        *("per_device_eval_batch_size", "gradient_accumulation_steps", "save_steps", "d_model"),
        *("logging_steps", "encoder_attention_heads", "generation_num_beams", "vocab_size"),
    ],
)
def test_zero_of_what_there_must_be_some_of_is_refused(name):
    assert "(got 0)" in error_of([f"--{name}", "0", "--output_dir", "a"]).replace("0.0", "0")


def test_where_transformers_gives_a_number_another_meaning_it_keeps_it():
    options = ["--save_total_limit", "-1", "--max_steps", "-1", "--max_grad_norm", "0"]
    options += ["--eval_strategy", "steps", "--eval_steps", "0", "--logging_steps", "7"]
    training = parse_arguments([*options, "--output_dir", "a"]).training
    assert (training.save_total_limit, training.max_steps, training.eval_steps) == (-1, -1, 7)


def test_the_sentence_names_where_the_number_is_written(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("output_dir: a\nweight_decay: -5\n")
    assert error_of([str(path)]) == (
        f"{path}:2: `weight_decay` must be at least 0 and at most 10 (got -5.0)."
    )

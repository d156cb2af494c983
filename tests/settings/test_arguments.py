# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What settings files and command lines may say, and what they are told when they may not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from data_builders.errors import UserError
from tfchat_hf.settings.arguments import (
    DataArguments,
    GenerationArguments,
    TFChatTrainingArguments,
    own_keys,
    resolved_settings,
)
from tfchat_hf.settings.keys import NETWORK, known_keys
from tfchat_hf.settings.parsing import parse_arguments
from tfchat_hf.settings.reading import read_settings, write_yaml

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def error_of(argv: list[str]) -> str:
    with pytest.raises(UserError) as caught:
        parse_arguments(argv)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_parses(path):
    parse_arguments([str(path)])


def test_reference_names_every_own_key_with_its_default(tmp_path):
    path = ROOT / "configs" / "reference.yaml"
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == set(own_keys())
    explained = resolved_settings(parse_arguments([str(path)]))
    defaults = resolved_settings(parse_arguments(["--output_dir", "runs/reference"]))
    assert explained == defaults


def test_home_is_found_in_a_file_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(tmp_path, "output_dir: ~/run\ndataset: ~/a.tsv\ninit_from: ~/base\n")
    settings = {key: setting.value for key, setting in read_settings([path]).items()}
    names = {"output_dir": "run", "dataset": "a.tsv", "init_from": "base"}
    assert settings == {key: str(tmp_path / name) for key, name in names.items()}


@pytest.mark.parametrize("text", ["output_dir: {{ run }}\n", "{a}: b\n", "[a]: b\n"])
def test_a_template_that_nobody_filled_in_is_no_traceback(tmp_path, text):
    assert "not valid YAML" in error_of([write(tmp_path, text)])


@pytest.mark.parametrize("schedule", ["polynomial", "cosine_with_min_lr"])
def test_schedules_are_tried_with_the_learning_rate_that_will_be_used(schedule):
    kwargs = ["--lr_scheduler_kwargs", '{"min_lr": 1e-5}'] if "min" in schedule else []
    run = parse_arguments(["--output_dir", "a", "--lr_scheduler_type", schedule, *kwargs])
    assert run.training.learning_rate > 0


def test_command_line_overrules_the_file(tmp_path):
    path = write(tmp_path, "d_model: 64\nencoder_layers: 3\noutput_dir: a\nlanguages: [zh]\n")
    run = parse_arguments([path, "--d-model=128", "--overwrite", "--languages", "zh", "en"])
    assert (run.model.d_model, run.model.encoder_layers) == (128, 3)
    assert run.training.overwrite is True
    assert run.data.languages == ["zh", "en"]


def test_yaml_numbers_and_words_as_people_write_them(tmp_path):
    text = "learning_rate: 5e-4\nmax_steps: 1e3\neval_strategy: no\nsave_strategy: no\n"
    run = parse_arguments([write(tmp_path, text + "output_dir: a\nstrict: true\n")])
    assert run.training.learning_rate == 5e-4
    assert run.training.max_steps == 1000
    assert run.training.eval_strategy.value == "no"
    assert run.data.strict is True


def test_learning_rate_zero_is_the_noam_peak():
    run = parse_arguments(["--output_dir", "a", "--d_model", "256", "--warmup_steps", "400"])
    assert run.training.learning_rate == pytest.approx(256**-0.5 * 400**-0.5)
    assert run.training.lr_scheduler_type.value == "inverse_sqrt"


def test_unknown_key_names_file_key_and_nearest(tmp_path):
    path = write(tmp_path, "output_dir: a\nlerning_rate: 1e-3\n")
    message = error_of([path])
    assert path in message and "`lerning_rate`" in message and "`learning_rate`" in message
    assert "command line" in error_of(["--output_dir", "a", "--d_modle", "64"])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--d_model", "wide"], ["command line: ", "d_model", "whole number", "'wide'"]),
        (["--d_model", "1.5"], ["d_model", "whole number"]),
        (["--seed", "true"], ["seed", "whole number", "'true'"]),
        (["--dropout", "much"], ["dropout", "a number"]),
        (["--strict", "perhaps"], ["strict", "true or false"]),
        (["--d_model", "30"], ["encoder_attention_heads", "divide", "30"]),
        (["--dropout", "1.0"], ["dropout", "at least 0 and below 1"]),
        (["--encoder_layers", "0"], ["encoder_layers", "at least 1"]),
        (["--max_target_length", "600"], ["max_target_length", "max_position_embeddings", "600"]),
        (["--generation_max_new_tokens", "900"], ["generation_max_new_tokens", "900"]),
        (["--tokenizer_scheme", "word2"], ["tokenizer_scheme", "subword-bpe"]),
        (["--warmup_steps", "0.1"], ["warmup_steps", "0.1"]),
        (["--d_model", "31", "--encoder_attention_heads", "31"], ["decoder_attention_heads"]),
        (["--position_embedding_type", "learned"], ["position_embedding_type", "rotary"]),
        (["--swap_sides", "--max_context_turns", "2"], ["swap_sides", "max_context_turns", "2"]),
        (["--swap_sides", "--add_lowercase_questions"], ["swap_sides", "add_lowercase_questions"]),
        (["--swap_sides", "--memory"], ["memory", "swap_sides", "Delete one"]),
        (["--push_memory"], ["push_memory", "memory: true"]),
        (["--generation_preset", "wild"], ["generation_preset", "wild", "balanced"]),
        (["--generation_preset", "mutual"], ["generation_preset", "mutual", "balanced"]),
        (
            ["--plain", "--unlikelihood_weight", "0.5"],
            ["plain: true", "unlikelihood_weight", "0.5"],
        ),
        (["--question_dropout", "0.5"], ["question_dropout", "0.25", "0.5"]),
        (["--random_history", "0.3"], ["random_history", "max_context_turns", "at least 3"]),
        (["--random_history", "2"], ["random_history", "at most 1", "2"]),
        (["--muon_learning_rate", "-1"], ["muon_learning_rate", "at least 0", "-1"]),
        (["--plain", "--frequency_weight", "0.5"], ["plain: true", "frequency_weight", "0.5"]),
        (["--plain", "--torch_compile"], ["plain: true", "torch_compile", "Leave one"]),
        (["--learning_rate", "nan"], ["learning_rate"]),
        (["--resume", "--overwrite"], ["resume", "overwrite"]),
        (["--accelerator_config", '{"even_batches": false}'], ["accelerator_config", "not used"]),
        (["--deepspeed", "a.json"], ["deepspeed", "fsdp"]),
        (["--eval_strategy", "sometimes"], ["sometimes"]),
        (["--resume_from_checkpoint", "x"], ["resume: true"]),
        (["--report_to", "wandb"], ["wandb"]),
        (["stray"], ["stray"]),
        (["--validation_fraction", "1"], ["validation_fraction"]),
        (["--validation_fraction", "0.2"], ["`dataset` small_talk is split already", "0.2"]),
        (["--test_fraction", "0"], ["`dataset` small_talk is split already", "Delete"]),
        (["--exclude_categories", "ai"], ["`exclude_categories`", "chatterbot", "small_talk"]),
        (
            ["--generation_preset", "creative", "--generation_do_sample", "false"],
            ["generation_preset` creative", "do_sample", "temperature"],
        ),
        (
            ["--generation_preset", "beam", "--generation_num_beams", "1"],
            ["generation_preset` beam", "num_beams"],
        ),
        (["--torch_compile_mode", "wild"], ["torch_compile_mode", "wild", "max-autotune"]),
        (["--adam_beta2", "1.5"], ["command line: ", "adam_beta2", "below 1", "1.5"]),
        (["--optim", "adamw_bnb_8bit"], ["`optim` adamw_bnb_8bit", "cannot be used"]),
        (
            ["--lr_scheduler_type", "cosine_with_min_lr"],
            ["lr_scheduler_type", "lr_scheduler_kwargs", "min_lr"],
        ),
        (["--lr_scheduler_kwargs", '{"nonsense": 1}'], ["lr_scheduler_kwargs", "nonsense"]),
        (
            ["--metric_for_best_model", "bleu", "--greater_is_better", "false"],
            ["metric_for_best_model", "a higher value is better", "Delete"],
        ),
        (["--activation_function", "reluu"], ["`activation_function` must be one of", "'reluu'"]),
        (["--optim", "adamm"], ["command line: `optim` must be one of adamw_torch", "'adamm'"]),
        (["--eval_strategy", "x"], ["command line: `eval_strategy` must be one of no, steps"]),
        (["--model_license", "see: the file"], ["model_license", "'see: the file'", "apache-2.0"]),
        (["--model_license_link", "my.txt"], ["model_license_link", "'my.txt'", "LICENSE.md"]),
        (
            ["--model_license", "mit", "--model_license_link", "LICENSE"],
            ["model_license_link", "mit", "Delete"],
        ),
    ],
)
def test_bad_values_are_explained(argv, words):
    message = error_of(["--seed=1", *argv, "--output_dir", "a"])
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("splits", "refused"), [(["train", "validation"], True), (["train"], False)]
)
def test_a_fraction_that_a_saved_dataset_would_not_use_is_refused(tmp_path, splits, refused):
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": splits}), encoding="utf-8")
    argv = ["--dataset", str(tmp_path), "--validation_fraction", "0.99", "--output_dir", "a"]
    if refused:
        assert "build the data anew" in error_of(argv)
    else:
        assert parse_arguments(argv).data.validation_fraction == 0.99


@pytest.mark.parametrize(
    ("metric", "higher"),
    [("bleu", True), ("eval_bleu", True), ("stutter", False), ("loss", False), (None, False)],
)
def test_the_name_of_a_metric_says_its_direction(metric, higher):
    run = parse_arguments(["--metric_for_best_model", str(metric), "--output_dir", "a"])
    assert run.training.greater_is_better is higher
    assert run.training.metric_for_best_model == (metric or "loss")


def test_the_keys_read_from_the_sources_are_those_of_the_classes():
    groups = (TFChatTrainingArguments, GenerationArguments, DataArguments)
    names = {item.name for group in groups for item in fields(group) if item.init}
    assert known_keys().keys() == names | set(NETWORK)
    kinds = {kind for key in own_keys() for kind in known_keys()[key]}
    assert kinds == {"int", "float", "bool", "str", "list", "None"}


def test_keys_and_types_are_checked_without_torch():
    program = (
        "import sys\n"
        "from tfchat_hf.settings.reading import read_settings\n"
        "for argv in (['--d_modle', '3'], ['--d_model', 'x'], ['--do_train'], ['none.yaml']):\n"
        "    try:\n"
        "        read_settings(argv)\n"
        "    except ValueError as error:\n"
        "        print(error)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(told.stdout.splitlines()) == 4 and "Did you mean `d_model`" in told.stdout


def test_output_dir_is_required():
    assert "output_dir" in error_of(["--d_model", "64"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: b: c\n", ["run.yaml:1", "YAML"]),
        ("- d_model\n", ["list"]),
        ("d_model: 64\nd_model: 32\n", ["run.yaml:2", "twice"]),
        ("output_dir: a\n\nd_model:\n", ["run.yaml:3", "d_model", "no value"]),
        ("# one\nseed: x\n", ["run.yaml:2", "seed", "whole number", "'x'"]),
        ("seed: 1\nlerning_rate: 2\n", ["run.yaml:2", "`learning_rate`"]),
        ("hub_token: x\n", ["run.yaml:1", "`hub_token` is not used", "hf auth login"]),
        ("fsdp_config: {a: 1, a: 2}\n", ["run.yaml:1", "`a` is set twice"]),
    ],
)
def test_broken_files_are_explained(tmp_path, text, words):
    message = error_of([write(tmp_path, text)])
    for word in words:
        assert word in message


def test_missing_file_is_explained(tmp_path):
    assert "none.yaml" in error_of([str(tmp_path / "none.yaml")])


def test_resolved_settings_read_back_as_themselves(tmp_path):
    run = parse_arguments(["--output_dir", "a", "--optim", "sgd", "--overwrite"])
    settings = resolved_settings(run)
    assert settings["optim"] == "sgd" and "overwrite" not in settings
    write_yaml(settings, tmp_path / "resolved.yaml")
    again = resolved_settings(parse_arguments([str(tmp_path / "resolved.yaml")]))
    assert again == settings

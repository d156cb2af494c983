# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""train_hf.py as a user meets it: what it leaves, refuses, resumes and says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig

import train_hf
from tests import cli_runs
from tests.training.conftest import no_curves  # noqa: F401
from tfchat_hf.model import layers_tfchat, modeling_tfchat
from tfchat_hf.model.generation_tfchat import PRESETS
from tfchat_hf.publishing.upload_plan import PLACEHOLDER
from tfchat_hf.settings.run_folder import checkpoint_problem

SETTINGS = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
    "max_source_length": 32,
    "max_target_length": 32,
    "generation_max_new_tokens": 8,
    "tokenizer_scheme": "char",
    "vocab_size": 300,
    "validation_fraction": 0.2,
    "test_fraction": 0.0,
    "learning_rate": "1e-2",
    "warmup_steps": 2,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "save_strategy": "steps",
    "save_steps": 4,
    "save_total_limit": 10,
    "max_steps": 12,
    "use_cpu": True,
    "bf16": False,
}


def write_config(folder: Path) -> Path:
    """Write a settings file and its data into a folder; datasets' cache goes there too."""
    data = folder / "pairs.jsonl"
    with open(data, "w", encoding="utf-8") as file:
        for i in range(22):
            row = {"question": f"问题 {i} Q" + "a" * (i % 6), "reply": f"回答 {i}" + "b" * (i % 4)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    settings = {**SETTINGS, "dataset": str(data), "output_dir": str(folder / "run")}
    settings["dataset_cache_dir"] = str(folder / "cache")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run to its end, 12 updates with a checkpoint after every fourth."""
    folder = tmp_path_factory.mktemp("trained")
    assert train_hf.main([str(write_config(folder))]) == 0
    return folder / "run"


@pytest.fixture
def run(config, trained, tmp_path):
    """A copy of that run in the folder of `config`."""
    return shutil.copytree(trained, tmp_path / "run")


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def files_of(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime for path in folder.rglob("*") if path.is_file()}


def test_a_run_leaves_the_whole_folder_and_protects_it(config, tmp_path, capsys):
    run = tmp_path / "run"
    assert train_hf.main([str(config)]) == 0
    said = capsys.readouterr().out
    for words in ("device: cpu", "float32", "parameters", "train: ", "validation: ", "12 updates"):
        assert words in said
    names = {path.name for path in run.iterdir()}
    promised = "model.safetensors config.json generation_config.json tokenizer.json README.md "
    promised += "tokenizer_config.json chat_template.jinja run_config.yaml metrics.json "
    promised += "samples.jsonl configuration_tfchat.py modeling_tfchat.py generation_tfchat.py"
    assert set(promised.split()) <= names
    assert {"checkpoint-4", "checkpoint-8", "checkpoint-12"} <= names

    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["run"]["steps"] == 12
    assert metrics["train"]["replies"] == metrics["data"]["train"]["pairs"]
    assert metrics["validation"]["perplexity"] > 1
    assert set(metrics["baselines"]) == {
        "human",
        "nearest_question",
        "random_training_reply",
        "most_frequent_reply",
    }
    lines = (run / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == metrics["validation"]["replies"]
    assert {"context", "reference", "reply"} <= set(json.loads(lines[0]))
    resolved = yaml.safe_load((run / "run_config.yaml").read_text(encoding="utf-8"))
    assert resolved["learning_rate"] == 1e-2 and resolved["d_model"] == 32

    tokenizer = AutoTokenizer.from_pretrained(run, trust_remote_code=False)
    model = AutoModelForSeq2SeqLM.from_pretrained(run)
    assert model.config.use_cache is True and model.generation_config.max_new_tokens == 8
    assert model.config.vocab_size == len(tokenizer)

    before = files_of(run)
    capsys.readouterr()
    assert train_hf.main([str(config)]) == 2
    complaint = capsys.readouterr().err
    assert "--overwrite" in complaint and "finished" in complaint
    assert "Traceback" not in complaint and len(complaint.strip().splitlines()) == 1
    assert train_hf.main([str(config), "--resume"]) == 0
    assert "nothing to resume" in capsys.readouterr().out
    assert files_of(run) == before

    (run / "notes.txt").write_text("mine")
    same = weights(run)
    assert train_hf.main([str(config), "--overwrite", "--max_steps", "4"]) == 0
    assert (run / "notes.txt").exists() and not (run / "checkpoint-12").exists()
    assert weights(run) != same


def test_plain_training_shows_what_the_network_does(config, tmp_path, capsys, monkeypatch):
    loss, attention = modeling_tfchat.next_token_loss, layers_tfchat.eager_attention_forward

    def saying_loss(logits, *args):
        sys.stdout.write(f"logits {tuple(logits.shape)}\n")
        return loss(logits, *args)

    def saying_attention(module, query, *args, **kwargs):
        sys.stdout.write(f"query {tuple(query.shape)}\n")
        return attention(module, query, *args, **kwargs)

    monkeypatch.setattr(modeling_tfchat, "next_token_loss", saying_loss)
    monkeypatch.setattr(layers_tfchat, "eager_attention_forward", saying_attention)
    assert train_hf.main([str(config), "--plain", "--max_steps", "2"]) == 0
    said = capsys.readouterr().out
    assert said.count("logits (8, 16, ") == 4  # two updates of two pieces
    assert "query (8, 2, 16, 16)" in said
    resolved = yaml.safe_load((tmp_path / "run" / "run_config.yaml").read_text(encoding="utf-8"))
    assert resolved["plain"] is True
    assert "attn" not in (tmp_path / "run" / "config.json").read_text(encoding="utf-8")


def test_a_changed_network_is_trained_as_it_reads_with_a_note(config, capsys, monkeypatch):
    attention = layers_tfchat.eager_attention_forward

    def sharper(module, query, *args, **kwargs):
        return attention(module, 2 * query, *args, **kwargs)

    monkeypatch.setattr(layers_tfchat, "eager_attention_forward", sharper)
    assert train_hf.main([str(config), "--max_steps", "2", "--unlikelihood_weight", "0.5"]) == 2
    complaint = capsys.readouterr().err.splitlines()[-1]  # behind what says that torch loads
    assert complaint.startswith("error: ") and "`unlikelihood_weight`" in complaint
    assert train_hf.main([str(config), "--max_steps", "2"]) == 0
    assert "training as with `plain: true`" in capsys.readouterr().out


def test_a_run_that_was_begun_before_there_was_plain_training_goes_on(config, tmp_path, capsys):
    run = tmp_path / "run"
    assert train_hf.main([str(config), "--max_steps", "4"]) == 0
    (run / "metrics.json").unlink()
    settings = yaml.safe_load((run / "run_config.yaml").read_text(encoding="utf-8"))
    assert settings.pop("plain") is False
    (run / "run_config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    capsys.readouterr()
    assert train_hf.main([str(config), "--max_steps", "4", "--resume"]) == 0
    said = capsys.readouterr().out
    assert "resuming from checkpoint-4" in said and "`plain`" not in said


def test_the_model_card_is_true_and_private(config, tmp_path, capsys):
    run = tmp_path / "run"
    assert train_hf.main([str(config), "--max_steps", "2", "--save_strategy", "no"]) == 0
    text = (run / "README.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in text and str(Path.home()) + "/" not in text
    card = ModelCard(text)
    assert card.data.library_name == "transformers" and "tfchat" in card.data.tags
    assert "trust_remote_code" in text and "pairs.jsonl" in text
    code = re.search(r"```python\n(.*?)```", text, re.S).group(1)
    capsys.readouterr()
    exec(compile(code.replace(PLACEHOLDER, str(run)), "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith("\n")


# Within an epoch tests/test_faults_cli.py resumes too.
@pytest.mark.parametrize(
    "step", [5, *(pytest.param(step, marks=pytest.mark.slow) for step in (3, 6))]
)
def test_resumed_is_uninterrupted_to_the_bit(config, tmp_path, step, capsys):
    # 17 pairs, 4 an update: 5 updates an epoch. Steps 3 and 6 stand within one, 12 in the third.
    command = [str(config), "--save_steps", str(step), "--dropout", "0.2", "--eval_strategy"]
    whole = tmp_path / "whole"
    assert train_hf.main([*command, "epoch", "--output_dir", str(whole), "--max_steps", "12"]) == 0
    state = json.loads((whole / f"checkpoint-{step}" / "trainer_state.json").read_text())
    assert state["global_step"] == step and (state["epoch"] == 1.0) == (step == 5)
    part = tmp_path / "part"
    part.mkdir()
    for name in ("run_config.yaml", "data_report.json"):
        shutil.copy(whole / name, part)
    shutil.copytree(whole / f"checkpoint-{step}", part / f"checkpoint-{step}")
    options = ["epoch", "--output_dir", str(part), "--max_steps", "12"]
    assert train_hf.main([*command, *options]) == 2
    assert "--resume" in capsys.readouterr().err
    torch.manual_seed(987)
    assert train_hf.main([*command, *options, "--resume"]) == 0
    assert f"resuming from checkpoint-{step}" in capsys.readouterr().out
    assert weights(part) == weights(whole)


def test_resume_of_a_run_that_had_only_to_be_evaluated(config, run, capsys):
    reference = weights(run)
    for name in ("metrics.json", "model.safetensors"):
        (run / name).unlink()
    assert train_hf.main([str(config), "--resume"]) == 0
    assert "resuming from checkpoint-12" in capsys.readouterr().out
    assert weights(run) == reference and (run / "metrics.json").exists()


def test_resume_counts_the_lowercase_questions_too(config, tmp_path, capsys):
    # With every question learned twice, checkpoint-8 lies beyond what the pairs alone would need
    # (5 updates an epoch) and before the end (9 an epoch).
    command = [
        str(config),
        "--add_lowercase_questions",
        "--max_steps",
        "-1",
        "--num_train_epochs",
        "1",
    ]
    assert train_hf.main(command) == 0
    run = tmp_path / "run"
    steps = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["run"]["steps"]
    assert steps == 9
    reference = weights(run)
    (run / "metrics.json").unlink()
    for checkpoint in run.glob("checkpoint-*"):
        if checkpoint.name != "checkpoint-8":
            shutil.rmtree(checkpoint)
    assert train_hf.main([*command, "--resume"]) == 0
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["run"]["steps"] == steps
    assert weights(run) == reference


def test_resume_refuses_another_model_or_other_data(config, run, tmp_path, capsys):
    (run / "metrics.json").unlink()
    assert train_hf.main([str(config), "--resume", "--d_model", "64"]) == 2
    assert "`d_model` was 32" in capsys.readouterr().err
    with open(tmp_path / "pairs.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"question": "another q", "reply": "a b"}) + "\n")
        file.write(json.dumps({"question": "yet another q", "reply": "b a"}) + "\n")
    assert train_hf.main([str(config), "--resume"]) == 2
    assert "other training examples" in capsys.readouterr().err


def test_resume_with_nothing_there_starts(config, tmp_path, capsys):
    assert train_hf.main([str(config), "--resume", "--max_steps", "1"]) == 0
    assert "starting at the beginning" in capsys.readouterr().out


def test_without_validation(config, tmp_path, capsys):
    options = ["--validation_fraction", "0", "--max_steps", "2"]
    assert train_hf.main([str(config), *options]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["validation"] == {} and metrics["train"]["replies"] > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--d_modle", "64"], "d_model"),
        (["--dataset", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--vocab_size", "10"], "vocab_size"),
    ],
)
def test_errors_are_one_sentence(config, tmp_path, options, words, capsys):
    assert train_hf.main([str(config), *options]) == 2
    complaint = capsys.readouterr().err
    assert words in complaint and "Traceback" not in complaint
    assert not (tmp_path / "run").exists()


def test_help_and_nothing(capsys):
    assert train_hf.main(["--help"]) == 0
    assert "configs/quickstart.yaml" in capsys.readouterr().out
    assert train_hf.main([]) == 2


def test_ctrl_c_leaves_a_checkpoint_that_resumes(config, tmp_path):
    options = ["--max_steps", "100000", "--logging_steps", "5", "--save_strategy", "no"]
    options += ["--eval_strategy", "no"]
    log = tmp_path / "log"
    process = cli_runs.start([str(config), *options], log)
    while not (log.exists() and "\nstep 5/" in log.read_text()):
        assert process.is_alive(), log.read_text()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    process.join()
    said = log.read_text()
    assert process.exitcode == 130, said
    assert "--resume" in said and "Traceback" not in said
    (checkpoint,) = (tmp_path / "run").glob("checkpoint-*")
    assert checkpoint_problem(checkpoint) is None
    assert not (tmp_path / "run" / "metrics.json").exists()
    step = int(checkpoint.name.rpartition("-")[2])
    options[1] = str(step + 3)
    assert train_hf.main([str(config), *options, "--resume"]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["run"]["steps"] == step + 3


def test_a_run_saves_its_presets_and_answers_with_the_one_it_names(config, tmp_path):
    command = [str(config), "--generation_preset", "creative", "--swap_sides", "--overwrite"]
    assert train_hf.main([*command, "--generation_num_beams", "2"]) == 0
    folder = yaml.safe_load(config.read_text())["output_dir"]
    saved = GenerationConfig.from_pretrained(folder)
    assert saved.num_beams == 2
    assert saved.do_sample and saved.anti_lm_weight == PRESETS["creative"]["anti_lm_weight"]
    assert saved.max_new_tokens == yaml.safe_load(config.read_text())["generation_max_new_tokens"]
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    assert model.preset_names() == list(PRESETS)
    assert not model.preset("precise").do_sample and model.config.swap_sides
    assert model.config.character_runs is not None and model.config.doubled_tokens is not None
    assert "reverse model" in (Path(folder) / "README.md").read_text(encoding="utf-8")

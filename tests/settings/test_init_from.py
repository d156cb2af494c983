# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A run that begins with another one's model: what it takes over, what it refuses, what it tells.

The loss of its first update is compared with that of the first run's model, worked out by
transformers alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import train_hf
from tests.cli_runs import SETTINGS, largest_difference, losses, run_alone, run_together, weights
from tests.publishing.fake_hub import Repository, in_place_of_the_hub

NETWORK = ("d_model", "encoder_layers", "encoder_ffn_dim", "normalize_before", "vocab_size")
QUIET = {"eval_strategy": "no", "save_strategy": "steps", "save_steps": 100, "max_steps": 2}
# One update of all pairs, without smoothing: its loss is the mean over all reply tokens.
WHOLE = {"tokens_per_update": 100_000, "label_smoothing_factor": 0.0, "validation_fraction": 0}


def write(folder: Path, name: str, texts: list[tuple[str, str]], **settings: object) -> str:
    """Writes a corpus and a settings file of a run; gives the file's name."""
    rows = [json.dumps({"question": q, "reply": r}, ensure_ascii=False) for q, r in texts]
    (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    places = {
        "dataset": str(folder / f"{name}.jsonl"),
        "output_dir": str(folder / name),
        "dataset_cache_dir": str(folder / "cache"),
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**places, **settings}, allow_unicode=True), encoding="utf-8")
    return str(path)


ALL = [(f"第 {i} 个问题 {'a' * (i % 7)}", f"回答 {i} {'b' * (i % 5)}") for i in range(27)]
CLEAN = [(f"问 {i}？", f"答 {i}。") for i in range(9)]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on all data, pre-norm, with a checkpoint of each second update."""
    folder = tmp_path_factory.mktemp("first")
    changes = {"normalize_before": True, "save_steps": 2, "dropout": 0.2}
    settings = write(folder, "all", ALL, **{**SETTINGS, **changes})
    assert train_hf.main([settings]) == 0
    return folder / "all"


def second(folder: Path, first: Path, **changes: object) -> str:
    """Writes the settings of a second stage: nothing about network and tokenizer."""
    own = {k: v for k, v in SETTINGS.items() if k.startswith(("max_", "gen", "eval", "save"))}
    own |= {"learning_rate": 1e-3, "warmup_steps": 1, "logging_steps": 1, "dropout": 0.0}
    own |= {"attention_dropout": 0.0, "activation_dropout": 0.0, "bf16": False, "use_cpu": True}
    own |= QUIET | {"init_from": str(first)} | changes
    return write(folder, "clean", CLEAN, **{k: v for k, v in own.items() if v is not None})


@torch.no_grad()
def loss_by_transformers(folder: Path, texts: list[tuple[str, str]]) -> float:
    """Gives the mean loss of a reply token, one pair after the other."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    total = tokens = 0.0
    for question, reply in texts:
        source, labels = (
            tokenizer(text, return_tensors="pt").input_ids for text in (question, reply)
        )
        logits = model(input_ids=source, labels=labels).logits[0]
        chances = logits.log_softmax(-1)[torch.arange(labels.shape[1]), labels[0]]
        total, tokens = total - chances.sum().item(), tokens + labels.shape[1]
    return total / tokens


@pytest.mark.parametrize("plain", [False, True])
def test_the_loss_of_the_first_update_is_that_of_the_first_runs_model(first, tmp_path, plain):
    settings = second(tmp_path, first, **WHOLE, save_steps=1, max_steps=1, plain=plain)
    assert train_hf.main([settings]) == 0
    assert losses(tmp_path / "clean") == pytest.approx([loss_by_transformers(first, CLEAN)], 1e-4)


def test_network_and_tokenizer_are_those_of_the_first_run_and_the_rest_is_new(first, tmp_path):
    settings = second(tmp_path, first / "checkpoint-4", max_context_turns=3, max_source_length=24)
    assert train_hf.main([settings]) == 0
    run = tmp_path / "clean"
    old, new = (json.loads((f / "config.json").read_text()) for f in (first, run))
    assert [old[name] for name in NETWORK] == [new[name] for name in NETWORK]
    assert new["max_context_turns"] == 3 and new["dropout"] == 0
    files = [json.loads((f / "tokenizer.json").read_text()) for f in (first, run)]
    assert files[0]["model"] == files[1]["model"]
    assert AutoTokenizer.from_pretrained(run).model_max_length == 24
    told = yaml.safe_load((run / "run_config.yaml").read_text(encoding="utf-8"))
    assert told["tokenizer_scheme"] == "char" and told["normalize_before"] is True
    state = json.loads((run / "checkpoint-2" / "trainer_state.json").read_text())
    assert state["global_step"] == 2  # 4 updates of the first run are not counted
    # What it wrote can be trained again as it stands.
    again = ["--output_dir", str(tmp_path / "again")]
    assert train_hf.main([str(run / "run_config.yaml"), *again]) == 0
    assert weights(tmp_path / "again") == weights(run)


def test_card_and_metrics_name_the_first_run_and_no_path(first, tmp_path):
    assert train_hf.main([second(tmp_path, first / "checkpoint-4")]) == 0
    run = tmp_path / "clean"
    saved = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["run"]
    assert saved["init_from"] == "checkpoint-4 of all"
    text = (run / "README.md").read_text(encoding="utf-8")
    assert "trained further from `checkpoint-4 of all`" in text and "from scratch" not in text
    assert "| began with the weights of | checkpoint-4 of all |" in text
    assert str(first.parent) not in text and ModelCard(text).data.base_model is None


def test_a_resumed_run_is_the_uninterrupted_one_though_the_first_run_is_gone(first, tmp_path):
    origin = tmp_path / "origin"
    shutil.copytree(first, origin)
    settings = second(tmp_path, origin, save_steps=2, max_steps=5, dropout=0.2)
    assert train_hf.main([settings]) == 0
    run, part = tmp_path / "clean", tmp_path / "part"
    shutil.copytree(run, part)
    for name in ("metrics.json", "model.safetensors"):
        (part / name).unlink()
    shutil.rmtree(part / "checkpoint-4")
    shutil.rmtree(part / "checkpoint-5", ignore_errors=True)
    shutil.rmtree(origin)
    assert train_hf.main([settings, "--output_dir", str(part), "--resume"]) == 0
    assert weights(part) == weights(run)
    assert json.loads((part / "metrics.json").read_text())["run"]["init_from"] == "origin"


def test_resume_refuses_another_beginning(first, tmp_path, capsys):
    settings = second(tmp_path, first, save_steps=1)
    assert train_hf.main([settings]) == 0
    (tmp_path / "clean" / "metrics.json").unlink()
    assert train_hf.main([settings, "--resume", "--init_from", str(first / "checkpoint-2")]) == 2
    assert "`init_from` was" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_begin_with_the_same_weights_as_one(first, tmp_path):
    settings = second(tmp_path, first)
    assert run_alone([settings], tmp_path / "one.log") == 0
    together = [settings, "--output_dir", str(tmp_path / "both")]
    assert run_together(together, tmp_path / "both.log") == [0, 0], (
        tmp_path / "both.log"
    ).read_text()
    assert largest_difference(tmp_path / "clean", tmp_path / "both") < 1e-5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--d_model", "64"], ["`d_model`", "got 64, there 32"]),
        (["--normalize_before", "false"], ["`normalize_before`", "got False, there True"]),
        (["--tokenizer_scheme", "word"], ["`tokenizer_scheme`", "got 'word', there 'char'"]),
        (["--vocab_size", "400"], ["`vocab_size`", "got 400, there 300"]),
        (["--init_from", "runs/nowhere/at/all"], ["`init_from`: There is no model folder"]),
        (["--max_source_length", "100"], ["`max_position_embeddings`"]),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(first, tmp_path, capsys, options, words):
    assert train_hf.main([second(tmp_path, first), *options]) == 2
    complaint = capsys.readouterr().err
    assert all(word in complaint for word in words), complaint
    assert "Traceback" not in complaint and not (tmp_path / "clean").exists()


def test_settings_that_say_the_same_as_the_model_are_welcome(first, tmp_path):
    options = ["--d_model", "32", "--tokenizer_scheme", "char", "--vocab_size", "300"]
    assert train_hf.main([second(tmp_path, first), *options]) == 0
    # Beside a tokenizer that is there, those of its training mean nothing.
    options[3:] = ["word", "--tokenizer", str(first), "--overwrite"]
    assert train_hf.main([second(tmp_path, first), *options]) == 0


def test_a_model_that_does_not_tell_how_its_tokenizer_was_trained(first, tmp_path, capsys):
    origin = tmp_path / "origin"
    shutil.copytree(first, origin)
    (origin / "run_config.yaml").unlink()
    settings = second(tmp_path, origin, tokenizer_scheme="word")
    assert train_hf.main([settings, "--vocab_size", "260"]) == 2
    size = json.loads((first / "config.json").read_text())["vocab_size"]
    assert f"got 260, there {size}" in capsys.readouterr().err
    assert train_hf.main([settings, "--vocab_size", "8000"]) == 0  # at most so many tokens


def test_another_tokenizer_is_refused(first, tmp_path, capsys):
    other = AutoTokenizer.from_pretrained(first)
    other.add_tokens(["新词"])
    other.save_pretrained(tmp_path / "other")
    settings = second(tmp_path, first, tokenizer=str(tmp_path / "other"))
    assert train_hf.main([settings]) == 2
    assert "is another one than that of `init_from`" in capsys.readouterr().err


def test_folders_that_hold_no_model_to_begin_with_are_refused(first, tmp_path, capsys):
    def refusal(origin: Path, *options: str) -> str:
        assert train_hf.main([second(tmp_path, origin), *options]) == 2
        return capsys.readouterr().err

    options = ["--output_dir", str(first), "--overwrite"]
    assert "must not lie in `output_dir`" in refusal(first, *options)
    inner = first / "checkpoint-2"
    assert "must not lie in `output_dir`" in refusal(inner, *options)
    unfinished = tmp_path / "unfinished"
    shutil.copytree(inner, unfinished / "checkpoint-2")
    assert f"newest checkpoint is {unfinished / 'checkpoint-2'}" in refusal(unfinished)
    broken = tmp_path / "broken"
    shutil.copytree(inner, broken)
    content = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**content, "model_type": "bart"}))
    assert "of type 'bart'" in refusal(broken)
    (broken / "config.json").write_text(json.dumps(content))
    file = broken / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    assert "cannot be loaded" in refusal(broken)
    file.unlink()
    torch.save({}, broken / "pytorch_model.bin")
    assert "cannot be loaded" in refusal(broken)


def test_a_model_of_the_hub_is_begun_with_and_named_and_its_code_is_not_run(
    first, tmp_path, monkeypatch
):
    bomb = b"raise SystemExit('code from the Hub was run')"
    sent = [path for path in first.iterdir() if path.is_file() and path.name != "metrics.json"]
    files = {path.name: path.read_bytes() for path in sent}
    files |= {name: bomb for name in files if name.endswith(".py")}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with in_place_of_the_hub(monkeypatch) as hub:
        hub.repositories["somebody/first-stage"] = Repository()
        hub.repositories["somebody/first-stage"].commit(files)
        settings = second(tmp_path, first, init_from="somebody/first-stage", **WHOLE, save_steps=1)
        assert train_hf.main([settings]) == 0
    run = tmp_path / "clean"
    assert losses(run)[0] == pytest.approx(loss_by_transformers(first, CLEAN), 1e-4)
    card = ModelCard((run / "README.md").read_text(encoding="utf-8"))
    assert card.data.base_model == "somebody/first-stage"
    assert bomb not in (run / "modeling_tfchat.py").read_bytes()

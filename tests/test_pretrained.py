# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The model that comes with the package answers at once, and only a whole run takes its place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import chat_hf
import tfchat_hf  # noqa: F401  (registers the model)
from tests.memory.small_memory import small_memory
from tfchat_hf.memory import Memory
from tfchat_hf.pretrained import SMALL_TALK
from tfchat_hf.pretrained.__main__ import FILES, MOST_BYTES, main, pack


def test_a_chat_without_a_run_answers_in_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    memory = Memory.from_pretrained(SMALL_TALK)
    for question in ("你好", "can you tell me a joke?"):
        assert chat_hf.main(["--once", question]) == 0
        assert capsys.readouterr().out.strip() in memory.pairs["reply"][:]


def test_the_network_alone_says_what_it_was_taught() -> None:
    tokenizer = AutoTokenizer.from_pretrained(SMALL_TALK)
    model = AutoModelForSeq2SeqLM.from_pretrained(SMALL_TALK)
    memory = Memory.from_pretrained(SMALL_TALK)
    rows = [row for row in memory.pairs.select(range(0, len(memory), 1000)) if not row["history"]]
    said = []
    for row in rows:
        inputs = tokenizer(row["question"], split_special_tokens=True, return_tensors="pt")
        said.append(tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True))
    known = set(memory.pairs["reply"][:])
    assert sum(reply in known for reply in said) >= 0.6 * len(rows)  # 74 % of all


def test_the_weights_are_small_and_no_path_of_a_machine_is_in_the_folder() -> None:
    assert (SMALL_TALK / "model.safetensors").stat().st_size <= MOST_BYTES
    for path in SMALL_TALK.rglob("*"):
        if path.suffix in (".json", ".yaml", ".md"):
            text = path.read_text(encoding="utf-8")
            assert str(Path.home()) not in text and "dataset_cache_dir: /" not in text


def test_only_a_whole_run_with_a_memory_takes_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, target = tmp_path / "run", tmp_path / "package"
    run.mkdir()
    for name in FILES:
        shutil.copy(SMALL_TALK / name, run / name)
    assert main([str(run)]) == 2
    assert "has no memory. Train it to its end" in capsys.readouterr().err
    small_memory().save_pretrained(run)
    settings = (run / "run_config.yaml").read_text(encoding="utf-8")
    elsewhere = settings.replace("output_dir: runs/small_talk", "output_dir: /home/me/secret")
    (run / "run_config.yaml").write_text(elsewhere, encoding="utf-8")
    (run / "optimizer.pt").write_bytes(b"no part of a model")
    pack(run, target)
    assert {path.name for path in target.iterdir()} == {*FILES, "memory"}
    assert len(Memory.from_pretrained(target)) == len(small_memory())
    packed = (target / "run_config.yaml").read_text(encoding="utf-8")
    assert packed == settings.replace("runs/small_talk", "runs/package")
    with (run / "model.safetensors").open("ab") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ValueError, match="at most 12,000,000"):
        pack(run, target)
    assert json.loads((target / "config.json").read_text())["model_type"] == "tfchat"

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""An exported folder is whole or not there, works alone, and is refused once it is stale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from tests.engines.exported import questions, saved_run
from tfchat_hf import export
from tfchat_hf.chat import ChatSession
from tfchat_hf.engines import EngineError, load_engine, packages
from tfchat_hf.engines.exported_folder import NOTES

MODULES = {"onnx": "onnxruntime", "ctranslate2": "ctranslate2"}
both = pytest.mark.parametrize("engine", MODULES)


@pytest.fixture
def run(tmp_path: Path, engine: str) -> Path:
    pytest.importorskip(MODULES[engine])
    folder = tmp_path / "run"
    saved_run(folder)
    return folder


def command(run: Path, engine: str, *more: str) -> int:
    return export.main([str(run), "--engine", engine, *more])


@both
def test_the_folder_lies_in_the_run_and_works_without_it(
    run: Path, engine: str, tmp_path: Path
) -> None:
    assert command(run, engine) == 0
    beside = load_engine(run, engine).generate(**questions())
    alone = shutil.move(run / engine, tmp_path / "elsewhere")
    shutil.rmtree(run)
    assert torch.equal(load_engine(alone, engine).generate(**questions()), beside)
    session = ChatSession(load_engine(alone, engine), AutoTokenizer.from_pretrained(alone))
    session.settings.set("max_new_tokens", "5")
    session.settings.set("num_beams", "1")
    assert isinstance(session.reply("你好"), str)
    assert len(session.reply_to_many([["你好"], ["Hello", "hi", "how are you?"]])) == 2


@both
def test_presets_and_settings_are_the_runs(run: Path, engine: str) -> None:
    path = run / "generation_config.json"
    settings = json.loads(path.read_text()) | {"max_new_tokens": 3}
    path.write_text(json.dumps(settings))
    command(run, engine)
    model = load_engine(run, engine)
    assert model.generation_config.max_new_tokens == 3
    assert model.generate(**questions()).shape[1] <= 4
    assert "greedy" in model.preset_names()
    assert model.preset("greedy").max_new_tokens == 3


@both
def test_nothing_is_left_of_an_export_that_fails(
    run: Path, engine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps(config | {"activation_function": "laplace"}))
    before = sorted(path.name for path in run.iterdir())
    assert command(run, engine) == 2
    assert "`activation_function` 'laplace'" in capsys.readouterr().err
    assert sorted(path.name for path in run.iterdir()) == before


@both
def test_an_export_is_replaced_only_when_told(
    run: Path, engine: str, capsys: pytest.CaptureFixture
) -> None:
    assert command(run, engine) == 0
    assert command(run, engine) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert command(run, engine, "--overwrite") == 0
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []


@both
def test_a_folder_that_is_no_export_is_never_replaced(
    run: Path, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")
    assert command(run, engine, "--output", str(mine), "--overwrite") == 2
    assert "is no exported folder" in capsys.readouterr().err
    assert (mine / "letter.txt").read_text() == "dear"


@both
def test_an_export_of_other_weights_is_refused_with_the_command(run: Path, engine: str) -> None:
    command(run, engine)
    weights = load_file(run / "model.safetensors")
    weights["lm_head.bias"] += 1
    save_file(weights, run / "model.safetensors", metadata={"format": "pt"})
    for name in (run, run / engine):
        with pytest.raises(EngineError, match=f"--engine {engine} --overwrite"):
            load_engine(name, engine)


@both
def test_a_run_without_export_is_refused_with_the_command(run: Path, engine: str) -> None:
    with pytest.raises(EngineError, match=f"python -m tfchat_hf.export .* --engine {engine}"):
        load_engine(run, engine)
    with pytest.raises(EngineError, match="There is no folder"):
        load_engine(run / "nowhere", engine)


@both
def test_an_export_of_another_format_or_engine_is_refused(run: Path, engine: str) -> None:
    command(run, engine)
    notes = run / engine / NOTES
    content = json.loads(notes.read_text())
    for change, words in (
        ({"format": 99}, "format 99"),
        ({"engine": "other"}, "exported for the engine other"),
    ):
        notes.write_text(json.dumps(content | change))
        with pytest.raises(EngineError, match=words):
            load_engine(run, engine)
    notes.write_text("{")
    with pytest.raises(EngineError, match="cannot be read"):
        load_engine(run, engine)


@both
def test_a_damaged_file_is_refused_with_the_command(run: Path, engine: str) -> None:
    command(run, engine)
    for path in (*(run / engine).glob("*.onnx"), *(run / engine).glob("model/model.bin")):
        path.write_bytes(b"nothing")
    with pytest.raises(EngineError, match="cannot be loaded .* --overwrite"):
        load_engine(run, engine).generate(**questions())


@both
def test_what_is_no_run_cannot_be_exported(
    run: Path, engine: str, capsys: pytest.CaptureFixture
) -> None:
    (run / "model.safetensors").unlink()
    assert command(run, engine) == 2
    assert "holds no model.safetensors" in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(packages._MODULES, "onnx", "no_such_package_here")
    with pytest.raises(EngineError, match=r"pip install 'tfchat-hf\[onnx\]'"):
        load_engine("anything", "onnx")


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(EngineError, match="ctranslate2, onnx"):
        load_engine("anything", "tensorrt")

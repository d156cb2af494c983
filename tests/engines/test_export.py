# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""An exported folder is whole or not there, works alone, and is refused once it is stale."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from data_builders.errors import UserError
from tests.another_writer import another_writer
from tests.engines.exported import TRACED, questions, saved_run, trace_no_more, traced_run, traces
from tfchat_hf.chat.session import ChatSession
from tfchat_hf.engines import dependencies, export, fingerprints, load_engine
from tfchat_hf.engines.exported_folder import NOTES

MODULES = {"onnx": "onnxruntime", "ctranslate2": "ctranslate2"}
ENGINES = [pytest.param("onnx", marks=traces), "ctranslate2"]
both = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture
def run(tmp_path: Path, engine: str, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip(MODULES[engine])
    if engine == "onnx":
        trace_no_more(traced_run(shared), monkeypatch)
    saved_run(tmp_path / "run", **TRACED)
    return tmp_path / "run"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Callable[[str], Path]:
    """Give a run that is exported to an engine, to be copied; each is made once."""

    @functools.cache
    def made(engine: str) -> Path:
        folder = tmp_path_factory.mktemp(engine) / "run"
        with pytest.MonkeyPatch.context() as patch:
            if engine == "onnx":
                trace_no_more(traced_run(shared), patch)
            saved_run(folder, **TRACED)
            assert command(folder, engine) == 0
        return folder

    return made


@pytest.fixture
def exported(tmp_path: Path, engine: str, finished: Callable[[str], Path]) -> Path:
    """Copy a run that is exported to an engine."""
    pytest.importorskip(MODULES[engine])
    return shutil.copytree(finished(engine), tmp_path / "run")


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
def test_a_torn_or_changed_export_is_refused_and_settings_may_be_changed(
    exported: Path, engine: str, tmp_path: Path
) -> None:
    alone = Path(shutil.move(exported / engine, tmp_path / "alone"))
    settings = alone / "generation_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"max_new_tokens": 3}))
    assert load_engine(alone, engine).generation_config.max_new_tokens == 3
    noted = json.loads((alone / NOTES).read_text())["files"]
    assert {"config.json", "tokenizer.json"} < set(noted) and len(noted) > 2
    for name in noted:
        content = (alone / name).read_bytes()
        (alone / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match="is not as it was exported.*--overwrite"):
            load_engine(alone, engine)
        (alone / name).write_bytes(content)
    for broken in ("[]", '{"top_k": [1]}', "{"):
        settings.write_text(broken)
        with pytest.raises(UserError, match=r"generation_config\.json"):
            load_engine(alone, engine)


@pytest.mark.parametrize("engine", ["marian", *ENGINES])
@pytest.mark.parametrize(
    ("name", "content"),
    [("tokenizer.json", "{"), ("tokenizer.json", "{}"), ("tokenizer_config.json", "[]")],
)
def test_a_broken_tokenizer_is_not_exported(
    tmp_path: Path, engine: str, name: str, content: str, capsys
) -> None:
    pytest.importorskip({**MODULES, "marian": "transformers"}[engine])
    saved_run(tmp_path / "run", encoder_layers=1, decoder_layers=1)
    (tmp_path / "run" / name).write_text(content)
    assert command(tmp_path / "run", engine) == 2
    assert not (tmp_path / "run" / engine).exists()
    assert capsys.readouterr().err.count("\n") == 2  # "Loading ...", and the error


@both
def test_settings_of_the_run_that_were_changed_since_make_an_export_stale(
    exported: Path, engine: str
) -> None:
    path = exported / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_new_tokens": 3}))
    with pytest.raises(UserError, match=r"changed: generation_config\.json.*--overwrite"):
        load_engine(exported, engine)


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
    def refuse(*args: object) -> None:
        raise UserError("it says something else")

    monkeypatch.setattr(export, "check_export", refuse)
    before = sorted(path.name for path in run.iterdir())
    assert command(run, engine) == 2
    assert "it says something else" in capsys.readouterr().err
    assert sorted(path.name for path in run.iterdir()) == before


@pytest.mark.parametrize("written", ["run", "run/marian"], ids=["training", "export"])
def test_an_export_beside_another_writer_is_refused_and_a_killed_one_is_no_obstacle(
    tmp_path: Path, capsys: pytest.CaptureFixture, written: str
) -> None:
    saved_run(tmp_path / "run")
    with another_writer(tmp_path / written) as other:
        assert command(tmp_path / "run", "marian") == 2
        assert f"Another run (process {other.pid}, begun " in capsys.readouterr().err
        assert not (tmp_path / "run" / "marian").exists()
        other.kill()
    assert command(tmp_path / "run", "marian") == 0
    assert not list(tmp_path.rglob(".*.lock"))


def test_a_run_that_is_written_during_its_export_is_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    saved_run(run)
    fit = export.fit_template

    def meanwhile(*arguments: Any) -> None:
        fit(*arguments)
        saved_run(run, encoder_layers=1)

    monkeypatch.setattr(export, "fit_template", meanwhile)
    before = {path.name for path in run.iterdir()}
    assert command(run, "marian") == 2
    assert "has been written to meanwhile" in capsys.readouterr().err
    assert {path.name for path in run.iterdir()} == before


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
def test_an_export_of_other_weights_is_refused_with_the_command(
    exported: Path, engine: str
) -> None:
    weights = load_file(exported / "model.safetensors")
    weights["lm_head.bias"] += 1
    save_file(weights, exported / "model.safetensors", metadata={"format": "pt"})
    for name in (exported, exported / engine):
        with pytest.raises(UserError, match=f"--engine {engine} --overwrite"):
            load_engine(name, engine)


@both
def test_an_export_of_other_code_is_refused_with_the_command(
    exported: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = exported / "layers_tfchat.py"
    code = copy.read_text()
    copy.write_text("# a remark\n" + code)
    load_engine(exported, engine)
    copy.write_text(code.replace("hidden_states + self", "hidden_states - self"))
    with pytest.raises(UserError, match=rf"layers_tfchat.py\).*--engine {engine} --overwrite"):
        load_engine(exported, engine)
    copy.write_text(code)
    real = fingerprints._source_of
    changed = exported / "changed.py"
    changed.write_text("FORMULA = 2\n")
    monkeypatch.setattr(
        fingerprints,
        "_source_of",
        lambda name: changed if name.endswith("modeling_tfchat") else real(name),
    )
    with pytest.raises(UserError, match="other code .*modeling_tfchat"):
        load_engine(exported, engine)
    alone = shutil.copytree(exported / engine, exported.parent / "alone")
    load_engine(alone, engine)  # without the run beside it nothing could be exported again


def test_plain_graphs_are_of_onnx_alone(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    with pytest.raises(UserError, match="`--plain` adds ONNX graphs"):
        export.export_run(tmp_path, "ctranslate2", plain=True)


@both
def test_a_run_without_export_is_refused_with_the_command(run: Path, engine: str) -> None:
    with pytest.raises(UserError, match=f"python -m tfchat_hf.engines.export .* --engine {engine}"):
        load_engine(run, engine)
    with pytest.raises(UserError, match="There is no folder"):
        load_engine(run / "nowhere", engine)


@both
def test_an_export_of_another_format_or_engine_is_refused(exported: Path, engine: str) -> None:
    notes = exported / engine / NOTES
    content = json.loads(notes.read_text())
    for change, words in (
        ({"format": 99}, "format 99"),
        ({"engine": "other"}, "exported for the engine other"),
    ):
        notes.write_text(json.dumps(content | change))
        with pytest.raises(UserError, match=words):
            load_engine(exported, engine)
    notes.write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        load_engine(exported, engine)


@both
def test_a_damaged_file_is_refused_with_the_command(exported: Path, engine: str) -> None:
    for path in (*(exported / engine).glob("*.onnx"), *(exported / engine).glob("model/model.bin")):
        path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be loaded .* --overwrite"):
        load_engine(exported, engine).generate(**questions())


@both
def test_what_is_no_run_cannot_be_exported(
    run: Path, engine: str, capsys: pytest.CaptureFixture
) -> None:
    (run / "model.safetensors").unlink()
    assert command(run, engine) == 2
    assert "holds no model.safetensors" in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dependencies._MODULES, "onnx", "no_such_package_here")
    with pytest.raises(UserError, match=r"pip install 'tfchat-hf\[onnx\]'"):
        load_engine("anything", "onnx")


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="ctranslate2, onnx"):
        load_engine("anything", "tensorrt")


def test_a_folder_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    saved_run(tmp_path)
    copy = tmp_path / "modeling_tfchat.py"
    copy.write_text("# a remark\n" + copy.read_text())
    export.export_run(tmp_path, "marian")
    copy.write_text(copy.read_text().replace("self.lm_head(hidden", "-self.lm_head(hidden"))
    with pytest.raises(UserError, match="another modeling_tfchat.py"):
        export.export_run(tmp_path, "marian", overwrite=True)


def test_an_older_tokenizer_is_fitted_to_the_model(tmp_path: Path) -> None:
    saved_run(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    exported = AutoTokenizer.from_pretrained(export.export_run(tmp_path, "marian"))
    asked = [{"role": "user", "content": text} for text in ("a", "b")]
    assert exported.apply_chat_template(asked, tokenize=False) == "b</s>"
    assert exported.truncation_side == "left"

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A static Space is the page that a run was exported to, with the card of a Space."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import SpaceCard

from data_builders.errors import UserError
from tests.finished_run import finished_run
from tfchat_hf.engines.exported_folder import note_files, write_notes
from tfchat_hf.publishing.__main__ import main
from tfchat_hf.publishing.push import PushOrder
from tfchat_hf.publishing.static_space import plan_static_space

SPACE, MODEL = "someone/demo", "someone/tiny"
ORDER = PushOrder(SPACE, space_sdk="static")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = finished_run(tmp_path)
    page = run / "web"
    (page / "vendor").mkdir(parents=True)
    for name in ("index.html", "encoder.onnx", "README.md"):
        (page / name).write_text(name, encoding="utf-8")
    # Everybody has it, whatever machine it was built on.
    (page / "vendor" / "onnxruntime-web.wasm").write_bytes(b"/home/somebody/built.cc\x00")
    write_notes(page, run, "web", "1.0", True, [])
    note_files(page)
    return run


def test_it_is_the_page_and_a_card(folder):
    files = {
        u.name: u.content or u.source.read_bytes() for u in plan_static_space(folder, ORDER).uploads
    }
    page = {"README.md", "index.html", "encoder.onnx", "vendor/onnxruntime-web.wasm"}
    assert set(files) - page <= {"demo/README.md", "demo/curves.png"}
    assert page <= set(files) and b'name = "demo"' in files["demo/README.md"]
    card = SpaceCard(files["README.md"].decode())
    assert (card.data.sdk, card.data.app_file, card.data.title) == ("static", "index.html", "demo")
    assert "app_port" not in card.data.to_dict()
    assert "stays there" in card.text and "浏览器" in card.text
    of_hub = plan_static_space(folder, ORDER, MODEL).uploads
    assert not [upload for upload in of_hub if upload.name.startswith("demo/")]
    assert f"huggingface.co/{MODEL})" in of_hub[0].content.decode()


def test_without_a_current_export_there_is_nothing_to_push(folder, capsys):
    command = [str(folder), "--space", SPACE, "--static", "--dry_run"]
    assert main(command) == 0
    assert "encoder.onnx" in capsys.readouterr().out
    settings = folder / "generation_config.json"
    settings.write_text(settings.read_text("utf-8") + " ", encoding="utf-8")
    assert main(command) == 2
    assert "--engine web --overwrite" in capsys.readouterr().err
    (folder / "web").rename(folder / "elsewhere")
    with pytest.raises(UserError, match="--engine web"):
        plan_static_space(folder, ORDER)


def test_a_page_is_no_model(folder, capsys):
    with pytest.raises(SystemExit):
        main([str(folder), "--hub_model_id", MODEL, "--static"])
    assert "--static needs --space" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(folder), "--space", SPACE, "--static", "--push_memory"])
    assert "leave --with_logs and --push_memory out" in capsys.readouterr().err

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A Space has all that it needs, is pushed as a model is, and tells nothing of this machine."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import socket
import subprocess
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from huggingface_hub import SpaceCard

from data_builders.errors import UserError
from tests.finished_run import finished_run
from tests.publishing.fake_hub import FakeHub, Repository, in_place_of_the_hub
from tests.serve.started import started
from tests.test_docs import blocks
from tests.test_wheel import environment
from tfchat_hf.publishing import push, space
from tfchat_hf.publishing.__main__ import main
from tfchat_hf.publishing.push import PushOrder
from tfchat_hf.publishing.space import plan_space, publish_space

ROOT = Path(__file__).parents[2]
SPACE, MODEL, TOKEN = "someone/demo", "someone/tiny", "a-token-of-the-test"
ORDER = PushOrder(SPACE, space_sdk="docker")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, bytes]:
    """The content of each file of its Space."""
    return files_of(folder)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> Iterator[FakeHub]:
    """A Hub; the package is not read again, its wheel is the one of `files`."""
    [wheel] = [content for name, content in files.items() if name.endswith(".whl")]
    monkeypatch.setattr(space, "_sources", lambda folder: [])
    monkeypatch.setattr(space, "_pack", lambda *given: wheel)
    monkeypatch.setattr(push, "WAITS", ())
    with in_place_of_the_hub(monkeypatch, TOKEN) as hub:
        yield hub
        assert hub.unknown == []


def files_of(folder: Path) -> dict[str, bytes]:
    plan = plan_space(folder, ORDER)
    return {u.name: u.content or u.source.read_bytes() for u in plan.uploads}


def inside(files: dict[str, bytes]) -> dict[str, bytes]:
    """Unpack the wheel."""
    [wheel] = [content for name, content in files.items() if name.endswith(".whl")]
    with zipfile.ZipFile(io.BytesIO(wheel)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def test_it_holds_the_model_the_package_and_how_to_start(
    folder: Path, files: dict[str, bytes]
) -> None:
    assert {name for name in files if "/" not in name} == {
        "README.md",
        "Dockerfile",
        "requirements.txt",
        "tfchat_hf-0.1.0-py3-none-any.whl",
    }
    assert files["demo/model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert b'name = "demo"' in files["demo/README.md"]
    package = {name for name in inside(files) if ".dist-info/" not in name}
    code = {
        path.relative_to(ROOT).as_posix()
        for house in ("tfchat_hf", "data_builders")
        for path in (ROOT / house).rglob("*.py")
    }
    assert code <= package and "data_builders/translation/zh.mo" in package
    assert not [name for name in package if "__pycache__" in name or "small_talk/" in name]


def test_its_bounds_are_those_of_the_project(files: dict[str, bytes]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    *needs, package = files["requirements.txt"].decode().splitlines()
    assert needs == project["dependencies"] + project["optional-dependencies"]["serve"]
    assert package == f"./tfchat_hf-{project['version']}-py3-none-any.whl"


def test_its_header_says_how_the_hub_runs_it(files: dict[str, bytes]) -> None:
    header = SpaceCard(files["README.md"].decode()).data.to_dict()
    dockerfile = files["Dockerfile"].decode()
    command = json.loads(re.search(r"^CMD (.*)$", dockerfile, re.M)[1])
    assert header["sdk"] == "docker" and header["title"] == "demo"
    assert [str(header["app_port"])] == command[command.index("--port") + 1 :]
    assert command[command.index("--frame") + 1] == "https://huggingface.co"
    assert {"--web", "--no-api-key", "0.0.0.0", "demo"} <= set(command)
    assert "USER 1000" in dockerfile
    assert len(header["short_description"]) <= 60  # the Hub takes no more
    assert "models" not in header


def test_its_card_speaks_both_languages(files: dict[str, bytes]) -> None:
    text = files["README.md"].decode()
    assert "Do not use it for advice." in text and "模型" in text
    assert text.count("https://someone-demo.hf.space/v1") == 2


def test_nothing_private_is_in_it_and_it_is_the_same_again(
    folder: Path, files: dict[str, bytes]
) -> None:
    assert files == files_of(folder)
    secrets = [str(folder), str(folder.parent), str(ROOT) + "/", TOKEN]
    name = socket.gethostname()
    for path, content in {**files, **inside(files)}.items():
        assert not [secret for secret in secrets if secret.encode() in content], path
        assert len(name) < 5 or name.encode() not in content, path


def test_a_secret_in_the_package_is_not_published(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tfchat_hf").mkdir()
    (tmp_path / "tfchat_hf" / "mine.py").write_text(f"KEY = 'hf_{'a' * 30}'\n")
    monkeypatch.setattr("tfchat_hf.publishing.space._HOUSES", (tmp_path / "tfchat_hf",))
    with pytest.raises(UserError, match=r"tfchat_hf/mine.py, line 1: an access token"):
        plan_space(folder, ORDER)


def test_it_is_pushed_in_one_commit(
    hub: FakeHub, folder: Path, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--space", SPACE, "--private"]) == 0
    assert capsys.readouterr().out.endswith(f"pushed: {hub.url}/spaces/{SPACE}\n")
    [(name, made)] = hub.repositories.items()
    assert name == f"spaces/{SPACE}" and made.private and len(made.commits) == 2
    assert made.files == files


def test_a_dry_run_lists_its_files_and_asks_the_hub_nothing(
    hub: FakeHub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--space", SPACE, "--hub_model_id", MODEL, "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert "Dockerfile" in said and ".whl" in said and "demo/" not in said
    assert hub.requests == []


def test_a_model_of_the_hub_is_loaded_from_there(hub: FakeHub, folder: Path) -> None:
    hub.repositories[MODEL] = Repository()
    publish_space(folder, ORDER, list, MODEL)
    files = hub.repositories[f"spaces/{SPACE}"].files
    assert SpaceCard(files["README.md"].decode()).data.models == [MODEL]
    assert f'"{MODEL}"' in files["Dockerfile"].decode()
    assert not [name for name in files if name.startswith("demo/")]


def test_a_model_that_a_space_cannot_read_is_refused(hub: FakeHub, folder: Path) -> None:
    with pytest.raises(UserError, match="no model someone/tiny that everyone may read"):
        publish_space(folder, ORDER, list, MODEL)
    assert hub.repositories == {}


def test_where_to_must_be_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(folder)])
    assert "--hub_model_id or --space must say where to" in capsys.readouterr().err
    assert main([str(folder), "--space", "demo", "--dry_run"]) == 2
    assert "--space must be owner/name" in capsys.readouterr().err


def commands_of(page: str) -> list[list[str]]:
    lines = [line for block in blocks(page) for line in block.text.splitlines()]
    return [shlex.split(line)[3:] for line in lines if "tfchat_hf.publishing " in line]


def test_the_commands_of_the_docs_make_spaces(
    hub: FakeHub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = commands_of("docs/serving.md")
    assert len(commands) == 3 and commands == commands_of("docs/serving.zh-CN.md")
    shutil.copytree(folder, tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    hub.repositories["someone/chat"] = Repository()
    assert list(map(main, commands)) == [0, 0, 0]
    assert {"spaces/someone/demo", "spaces/someone/small"} < set(hub.repositories)


@pytest.mark.slow
def test_it_starts_by_itself_and_answers(files: dict[str, bytes], tmp_path: Path) -> None:
    """Install its wheel beside the libraries of this environment, and do what its image does."""
    for name, content in files.items():
        path = tmp_path / "space" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    python = environment(tmp_path / "environment") / "python"
    install = [python, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*install, *(tmp_path / "space").glob("*.whl")], check=True)
    command = json.loads(
        re.search(r"^CMD (.*)$", (tmp_path / "space" / "Dockerfile").read_text(), re.M)[1]
    )
    # Here nobody but the test shall reach it.
    here = {"python": str(python), "0.0.0.0": "127.0.0.1", "7860": "0"}
    command = [here.get(word, word) for word in command]
    settings = {"cwd": tmp_path / "space", "env": {"PYTHONPATH": ""}}
    with (
        started(command, tmp_path / "said.txt", **settings) as url,
        openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client,
    ):
        [model] = client.models.list().data
        said = [{"role": "user", "content": "你好"}]
        reply = client.chat.completions.create(model=model.id, messages=said, max_tokens=4)
        page = urllib.request.urlopen(url.removesuffix("/v1")).read()
    assert model.id == "demo" and reply.usage.completion_tokens > 0
    assert b"<!doctype html>" in page.lower()


def test_an_unfinished_run_makes_no_space(folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(folder, tmp_path / "mine")
    (broken / "metrics.json").unlink()
    with pytest.raises(UserError, match="finished"):
        plan_space(broken, ORDER)

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Every command and every program of the READMEs runs; only the sizes are made small."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import run_python
from tests.publishing.fake_hub import in_place_of_the_hub

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
PYTHON = ".venv/bin/python"
# Run by whoever reads this: `make test` is running, and installing needs the network.
SET_UP = {
    "make chat",
    "make test",
    "python3 -m venv .venv",
    f'{PYTHON} -m pip install -c constraints.txt -e ".[dev]"',
    f"{PYTHON} -m pytest",
}
SMALL = (
    "--max_steps 3 --d_model 32 --encoder_ffn_dim 32 --decoder_ffn_dim 32 --eval_max_samples 8 "
    "--load_best_model_at_end false"  # the three dialogues of the README leave none to evaluate on
)

# Half of the small talk: its words are many times the work of three updates.
QUICKSTART = f"{PYTHON} train_hf.py configs/quickstart.yaml"
LESS_TO_READ = "--languages en"


def blocks(readme: str, language: str) -> list[str]:
    text = (ROOT / readme).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


def commands(readme: str) -> list[str]:
    return [line for block in blocks(readme, "bash") for line in block.splitlines() if line]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like a fresh checkout, with the files that the README speaks of."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("train_hf.py", "chat_hf.py", "Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "configs", folder / "configs")
    examples = blocks("README.md", "json")[0]
    (folder / "my_pairs.jsonl").write_text(examples, encoding="utf-8")
    (folder / "mixture.yaml").write_text(blocks("README.md", "yaml")[0], encoding="utf-8")
    questions = '{"question": "你好"}\n{"question": "What can you do?"}\n'
    (folder / "questions.jsonl").write_text(questions, encoding="utf-8")
    return folder


def run(command: list[str], place: Path) -> str:
    done = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_here(arguments: list[str], place: Path) -> str:
    done = run_python(arguments, place, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def outputs(place: Path) -> dict[str, str]:
    """Run the README's commands in their order; maps each to what it printed."""
    made = {}
    for command in commands("README.md"):
        if command in SET_UP:
            continue
        small = f"{command} {SMALL}" if "train_hf.py" in command else command
        small += f" {LESS_TO_READ}" if command == QUICKSTART else ""
        words = shlex.split(small)
        assert words[0] == PYTHON, f"not run by this test: {command}"
        made[command] = run_here(words[1:], place)
    return made


def test_each_command_does_what_the_readme_says(place: Path, outputs: dict[str, str]) -> None:
    assert len(outputs) >= 7
    assert (place / "runs/quickstart/metrics.json").exists()
    assert (place / "runs/mine/metrics.json").exists()
    assert len((place / "replies.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert "你好" in outputs[f"{PYTHON} chat_hf.py runs/quickstart --demo"]


def test_both_languages_give_the_same_commands_and_programs() -> None:
    for language in ("bash", "json", "python", "yaml"):
        english, chinese = (blocks(readme, language) for readme in READMES)
        assert english == chinese
        assert english


def test_the_program_loads_the_model_and_prints_a_reply(
    place: Path, outputs: dict[str, str]
) -> None:
    assert run_here(["-c", blocks("README.md", "python")[0]], place).strip()


def test_the_second_program_pushes_model_and_tokenizer(
    place: Path, outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    with in_place_of_the_hub(monkeypatch, "hf_test") as hub:
        exec(blocks("README.md", "python")[1], {"__name__": "readme"})
        files = hub.repositories["your-name/my-tfchat"].files
    assert {"model.safetensors", "modeling_tfchat.py", "tokenizer.json"} <= set(files)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_runs_the_commands_that_are_written_out(place: Path) -> None:
    chat = run(["make", "-n", "chat"], place)
    assert ".venv/bin/python train_hf.py configs/quickstart.yaml" in chat
    assert ".venv/bin/python chat_hf.py runs/quickstart" in chat
    assert "pip install -q -c constraints.txt -e '.[dev]'" in chat
    assert f"{PYTHON} -m pytest" in run(["make", "-n", "test"], place)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_tests_the_oldest_transformers_that_is_allowed_and_the_newest(place: Path) -> None:
    oldest, newest = (run(["make", "-n", f"test-{which}"], place) for which in ("oldest", "newest"))
    lower = re.search(r'"transformers>=([\d.]+),', (ROOT / "pyproject.toml").read_text())[1]
    assert f"'transformers=={lower}.0'" in oldest
    assert "'transformers'" in newest and "grep -v '^transformers=='" in newest
    assert ".venv-oldest/bin/python -m pytest" in oldest
    assert ".venv-newest/bin/python -m pytest" in newest


def test_links_lead_to_files_that_exist() -> None:
    for readme in READMES:
        text = (ROOT / readme).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (ROOT / target).exists(), f"{readme}: {target}"

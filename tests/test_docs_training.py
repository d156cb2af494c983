# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Everything in the chapter on training runs, in the order of the page, and prints what is shown.

A ```text block right below a command or a program is its output, as in tests/test_docs.py. Where it
says that a run was stopped at an update, Ctrl-C is pressed during that update. Losses, times and
what a model that has learned nothing says differ from one machine to another, so numbers with a
decimal point and quoted replies are compared by their place alone.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch

import chat_hf
import train_hf
from data_builders.__main__ import main as build_data
from tests.finished_run import blank_curves
from tests.test_docs import SUFFIXES, Block, blocks, check_output, run_program
from tfchat_hf.examples.questions import Question
from tfchat_hf.judging import __main__ as measuring
from tfchat_hf.measuring.metrics import describe_answers
from tfchat_hf.measuring.relevance import RELEVANCE_FIGURES
from tfchat_hf.publishing import card
from tfchat_hf.settings.arguments import own_keys
from tfchat_hf.settings.parsing import parse_arguments
from tfchat_hf.training.run import INTERRUPTED, NOT_PUSHED
from tfchat_hf.training.trainer import TFChatTrainer

PAGES = [f"docs/training{suffix}" for suffix in SUFFIXES]
ROOT = Path(__file__).parents[1]
COMMAND = ["python", "train_hf.py"]
CHAT = "python chat_hf.py "
MEASURING = "python -m tfchat_hf.judging"
# Of transformers, schedules by their names, and what says that code may be run.
MORE_SETTINGS = (
    "torch_compile", "inverse_sqrt", "constant_with_warmup", "trust_remote_code",
    "auto_find_batch_size", "eval_steps", "save_steps",
)  # fmt: skip
OF_HOURS = "configs/chat.yaml"
BASELINES = ("human", "nearest_question", "random_training_reply", "most_frequent_reply")
FIGURE = re.compile(r'\d[\d,]*\.\d+(?:e[-+]\d+)?|"[^"]+"')
# What these lines say after their first word is the machine's, or how fast it was.
MACHINE = re.compile(r"^(device:|speed:|trained in|  asked) .*")
BY_THE_CLOCK = re.compile(r"[\d,]+(?= updates)|(?<=shortened to )[\d,]+")


def comparable(text: str) -> str:
    lines = [MACHINE.sub(r"\1", line) for line in text.splitlines()]
    # Once it has learned nothing, how many replies are alike is chance too.
    lines = [re.sub(r"\d+ % of the replies", "# % of the replies", line) for line in lines]
    if "time is up" in text:
        lines = [BY_THE_CLOCK.sub("#", line) for line in lines]
    return "\n".join(FIGURE.sub("#", line) for line in lines)


def press_ctrl_c(update: int, monkeypatch: pytest.MonkeyPatch) -> None:
    step = TFChatTrainer.training_step

    def training_step(trainer: TFChatTrainer, *args: Any, **kwargs: Any) -> torch.Tensor:
        if trainer.state.global_step + 1 == update:
            os.kill(os.getpid(), signal.SIGINT)
        return step(trainer, *args, **kwargs)

    monkeypatch.setattr(TFChatTrainer, "training_step", training_step)


def train(block: Block, capsys: pytest.CaptureFixture[str]) -> str:
    """Runs the one command of a block; gives what it printed."""
    (line,) = block.text.splitlines()
    words = shlex.split(line)
    assert words[:2] == COMMAND, f"not run by this test: {line}"
    shown = block.output or ""
    stopped = re.search(r"stopping: writing a checkpoint of step (\d+)", shown)
    expected = 2 if shown.startswith("error:") else 130 if stopped else 0
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as monkeypatch:
        if stopped:
            press_ctrl_c(int(stopped[1]), monkeypatch)
        code = train_hf.main(words[2:])
    said = capsys.readouterr()
    assert code == expected, said.err
    return said.err if expected == 2 else said.out


def check_hours(block: Block) -> None:
    """Builds the dataset of a small corpus, and only reads the settings of an hour's training."""
    corpus = [{"question": f"q {number}", "reply": f"a {number}"} for number in range(9)]
    text = "".join(json.dumps(row) + "\n" for row in corpus)
    Path("my_corpus.jsonl").write_text(text, encoding="utf-8")
    build, train = map(shlex.split, block.text.splitlines())
    assert build[:3] == ["python", "-m", "data_builders"] and train[:2] == COMMAND
    assert build_data(build[3:]) == 0
    run = parse_arguments([str(ROOT / OF_HOURS), *train[3:]])
    assert Path(run.data.dataset).is_dir() and run.training.find_batch_size


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    """Stands in an empty folder with a cache of its own."""
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(card, "draw_curves", blank_curves)
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
        yield folder
    datasets.enable_progress_bars()


@pytest.mark.slow
def test_the_chapter_can_be_followed_from_top_to_bottom(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = 0
    for block in blocks(PAGES[0]):
        if block.name:
            Path(block.name).write_text(block.text, encoding="utf-8")
        elif block.language == "bash" and OF_HOURS in block.text:
            check_hours(block)
        elif block.language in ("bash", "python"):
            shown = block.output or ""
            if block.text.startswith(MEASURING):
                assert measuring.main(shlex.split(block.text)[3:]) == 0
            elif block.text.startswith(CHAT):
                assert chat_hf.main(shlex.split(block.text)[2:]) == 0
            elif block.language == "python":
                check_output(shown, run_program(block.text, {"__name__": "docs"}))
            else:
                check_output(comparable(shown), comparable(train(block, capsys)))
            ran += 1
    assert ran >= 10
    check_the_folder(place / "runs" / "sums")
    assert list((place / "runs" / "curves" / "tensorboard").glob("events.*"))


@pytest.mark.slow
def test_the_exercise_reaches_training_chat_and_the_folder(place: Path, tmp_path: Path) -> None:
    page = blocks(PAGES[0])
    (change,) = [block.text for block in page if block.language == "diff"]
    before, after = (line[1:] for line in change.splitlines())
    for name in ("tfchat_hf", "data_builders"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("train_hf.py", "chat_hf.py"):
        shutil.copy(ROOT / name, tmp_path)
    layers = tmp_path / "tfchat_hf" / "model" / "layers_tfchat.py"
    code = layers.read_text(encoding="utf-8")
    assert code.count(before) == 1
    layers.write_text(code.replace(before, after), encoding="utf-8")
    (settings,) = [block.text for block in page if block.name == "small.yaml"]
    for folder in (place, tmp_path):
        (folder / "small.yaml").write_text(settings, encoding="utf-8")
        pairs = [f"{a} 加 {b} 等于几？\t{a + b}，我算好了。" for a in range(12) for b in range(12)]
        (folder / "sums.tsv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    assert train_hf.main(["small.yaml", "--output_dir", "runs/relu", "--dropout", "0"]) == 0
    say(tmp_path, "train_hf.py", "small.yaml", "--output_dir", "runs/squared", "--dropout", "0")
    losses = [
        json.loads((run / "metrics.json").read_text(encoding="utf-8"))["validation"]["loss"]
        for run in (place / "runs/relu", tmp_path / "runs/squared")
    ]
    assert abs(losses[0] - losses[1]) > 1e-3
    carried = (tmp_path / "runs/squared/layers_tfchat.py").read_text(encoding="utf-8")
    assert carried == code.replace(before, after)
    assert say(tmp_path, "chat_hf.py", "runs/squared", "--once", "3 加 4 等于几？")


def say(place: Path, *command: str) -> str:
    """Runs a command of a copy of the project; gives what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place), "HF_DATASETS_CACHE": str(place / "cache")},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_the_folder(run: Path) -> None:
    """Compares the run with what both pages say lies in it and stands in metrics.json."""
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    measured = {*metrics["validation"], *metrics["baselines"]["most_frequent_reply"]}
    for page in PAGES:
        told = table_names(page)
        assert set(metrics["baselines"]) == {*BASELINES} <= told
        assert measured <= told
        for path in run.iterdir():
            name = re.sub(r"-\d+$", "-N/", path.name)
            name = "*_tfchat.py" if name.endswith("_tfchat.py") else name
            assert name in told, f"{page} does not say what {path.name} is"


def table_names(page: str) -> set[str]:
    """Gives what stands in back-ticks in the first cells of the tables of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    firsts = re.findall(r"^\| (.*?) \|", text, flags=re.M)
    return {name for cell in firsts for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("page", PAGES)
def test_every_name_in_the_text_is_a_setting_a_metric_or_of_the_network(page: str) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.M | re.S)
    known = {*own_keys(), *MORE_SETTINGS, *RELEVANCE_FIGURES}
    known |= {*describe_answers(["a b"], [Question(["x"], [1], ["a c"])])}
    known |= {"selection_score", "bits_per_character", "bleu_zh", "bleu_en", *BASELINES}
    # Or a name in the code of the network.
    for file in ("layers_tfchat.py", "modeling_tfchat.py"):
        network = (ROOT / "tfchat_hf" / "model" / file).read_text(encoding="utf-8")
        known |= set(re.findall(r"\b[a-z0-9_]+\b", network))
    named = set(re.findall(r"`(?:--)?([a-z0-9]+(?:_[a-z0-9]+)+)\b[^`./]*`", text))
    assert named - known == set()
    assert "tokens_per_update" in named


@pytest.mark.parametrize("page", PAGES)
def test_the_exit_codes_are_those_of_the_program(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.M)]
    assert codes == [0, 2, NOT_PUSHED, INTERRUPTED]


def test_a_chinese_page_explains_each_setting() -> None:
    settings = (ROOT / "configs/reference.yaml").read_text(encoding="utf-8")
    pages = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("docs/*.zh-CN.md"))
    keys = re.findall(r"^(\w+):", settings, flags=re.M)
    assert [key for key in keys if not re.search(rf"`{key}\b", pages)] == []

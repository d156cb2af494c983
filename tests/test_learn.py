# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The book in docs/learn runs from top to bottom, in the reader's terminal, on the reader's toy.

Programs of one page share their names; a ```text block is the output of what stands above it. The
command below a ```diff FILE block is run in a copy of the project that was changed so. The toy is
trained once, in half the time, and its replies and numbers are then near to those that are shown;
`-m slow` trains it as the book says. What does not come from the toy is the same to two digits.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_python
from tests.test_docs import SUFFIXES, Block, blocks, run_program

ROOT = Path(__file__).parents[1]
LEARN = ROOT / "docs" / "learn"
CHAPTERS = sorted(page.stem for page in LEARN.glob("??-*.md") if ".zh" not in page.name)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
OF_THE_TOY = re.compile(r"runs/|toy\.yaml|\boutputs\b|(?<!tfchat_hf\.)\bmodel\b")
TRAIN = "python train_hf.py configs/toy.yaml"
# Half of what the book says, and as good for all that it claims.
QUICK = ["--max_steps", "500"]
COPIED = ("tfchat_hf", "data_builders", "configs", "docs/learn")
SCRIPTS = ("train_hf.py", "chat_hf.py")
# Loads the libraries once, but nothing of this project, and forks for each job.
FORKS = """
import json, os, runpy, sys, traceback
import datasets, accelerate, transformers.models.auto.modeling_auto, transformers.generation.utils
import transformers.masking_utils, transformers.trainer_seq2seq, torch._dynamo
assert not {"tfchat_hf", "data_builders"} & set(sys.modules)
for line in sys.stdin:
    folder, words = json.loads(line)
    if not (child := os.fork()):
        os.chdir(folder)
        sys.argv, sys.path[:0] = words, [folder]
        sys.stdout = open("printed.txt", "a", encoding="utf-8")
        try:
            if words[0] == "-c":
                exec(compile(words[1], "-c", "exec"), {"__name__": "__main__"})
            else:
                runpy.run_path(words[0], run_name="__main__")
        except SystemExit:
            pass
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
"""


def train(folder: Path, *options: str) -> str:
    """Train the toy into runs/toy of a folder; gives what was printed."""
    (folder / "docs").mkdir(parents=True)
    (folder / "runs").mkdir()
    for name in ("tfchat_hf", "data_builders", "configs", *SCRIPTS, "docs/learn"):
        (folder / name).symlink_to(ROOT / name)
    done = run_python([*shlex.split(TRAIN)[1:], *options], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("learn") / "quick"
    return folder, train(folder, *QUICK)


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("learn") / "full"
    return folder, train(folder)


def alike(shown: str, printed: str, loose: bool) -> bool:
    """Compare two lines: their words, and their numbers as far as machines agree on them."""
    if NUMBER.sub("#", shown) != NUMBER.sub("#", printed):
        return loose and SequenceMatcher(None, shown, printed).ratio() >= 0.7
    for one, other in zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True):
        near = 30.0 if "of 100 right" in shown else 0.3 if loose else 0.02
        exact = re.fullmatch(r"-?\d+", one) and "of 100" not in shown and not loose
        if float(other) != pytest.approx(float(one), abs=0 if exact else near, rel=0.3 * loose):
            return False
    return True


def check(shown: str, printed: str, loose: bool) -> None:
    lines = iter(printed.splitlines())
    for line in shown.splitlines():
        if line.strip() != "...":
            found = any(alike(line.rstrip(), other.rstrip(), loose) for other in lines)
            assert found, f"not printed: {line}\n\nprinted:\n{printed}"


def run(block: Block, names: dict[str, Any], place: Path, log: str) -> str:
    """Run one block where the toy is; gives what it printed."""
    if block.language == "python":
        return run_program(block.text, names)
    printed = ""
    for line in block.text.splitlines():
        python, *words = shlex.split(line)
        assert python == "python"
        if line == TRAIN:
            printed += log
            continue
        done = run_python(words, place)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    return printed


def steps(page: str) -> Iterator[tuple[Block, Block | None]]:
    """Yield what a page has one run, each with the change of the source that comes before it."""
    change = None
    for block in blocks(page):
        if block.language == "diff":
            change = block
        elif block.language in ("python", "bash"):
            yield block, change
            change = None


def follow(page: str, toy: tuple[Path, str], loose: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    place, log = toy
    monkeypatch.chdir(place)
    names: dict[str, Any] = {"__name__": "docs"}
    for block, change in steps(page):
        if change is None:
            printed = run(block, names, place, log)
            if block.output is not None:
                check(block.output, printed, loose and bool(OF_THE_TOY.search(block.text)))


@pytest.mark.parametrize("chapter", ["README", *CHAPTERS])
def test_a_chapter_can_be_followed_from_top_to_bottom(
    chapter: str, quick: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(f"docs/learn/{chapter}.md", quick, True, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("chapter", ["README", *CHAPTERS])
def test_a_chapter_prints_what_it_shows_when_the_toy_is_trained_as_it_says(
    chapter: str, suffix: str, full: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(f"docs/learn/{chapter}{suffix}", full, False, monkeypatch)


def changed_copy(folder: Path, runs: Path, change: Block) -> Path:
    """Copy the project, with one change of its source; it shares the runs."""
    for name in COPIED:
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__", "*.md", "*.png", "corpora", "pretrained"),
        )
    for name in SCRIPTS:
        shutil.copy(ROOT / name, folder)
    (folder / "runs").mkdir()
    (folder / "runs" / "toy").symlink_to(runs / "toy")
    lines = change.text.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] != "+")
    new = "".join(line[1:] for line in lines if line[0] != "-")
    path = folder / change.name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"not once in {change.name}:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def exercises(of_minutes: bool) -> list[tuple[str, Block, Block]]:
    """List the exercises: those that train take minutes, the others a second."""
    found = [
        (chapter, block, change)
        for chapter in CHAPTERS
        for block, change in steps(f"docs/learn/{chapter}.md")
        if change is not None
    ]
    return [one for one in found if ("train_hf" in one[1].text) == of_minutes]


def do_exercises(folder: Path, runs: Path, chosen: list[tuple[str, Block, Block]]) -> None:
    """Make the changes that the pages ask for, and see that what they foretell happens."""
    copies = {
        chapter: changed_copy(folder / chapter, runs, change) for chapter, _, change in chosen
    }
    jobs = [
        json.dumps([str(copies[chapter]), shlex.split(line)[1:]])
        for chapter, block, _ in chosen
        for line in block.text.splitlines()
    ]
    done = subprocess.run(
        [sys.executable, "-c", FORKS], input="\n".join(jobs), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for chapter, block, _ in chosen:
        printed = (copies[chapter] / "printed.txt").read_text(encoding="utf-8")
        check(block.output, printed, loose=True)


def test_each_exercise_ends_as_its_page_foretells(quick: tuple[Path, str], tmp_path: Path) -> None:
    do_exercises(tmp_path, quick[0] / "runs", exercises(of_minutes=False))


@pytest.mark.slow
def test_each_exercise_that_trains_ends_as_its_page_foretells(
    quick: tuple[Path, str], tmp_path: Path
) -> None:
    do_exercises(tmp_path, quick[0] / "runs", exercises(of_minutes=True))

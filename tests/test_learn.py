# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The book in docs/learn runs from top to bottom, in the reader's terminal, on the reader's toy.

Programs of one page share their names; a ```text block is the output of what stands above it. The
command below a ```diff FILE block is run in a copy of the project that was changed so. The toy is
trained once, in a third of the time, and its replies and numbers are near to those that are shown;
`-m slow` trains it as the book says. What does not come from the toy is the same to two digits.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from data_builders.errors import UserError
from tests.commands import run_python
from tests.test_docs import SUFFIXES, Block, blocks, run_program

ROOT = Path(__file__).parents[1]
LEARN = ROOT / "docs" / "learn"
CHAPTERS = sorted(page.stem for page in LEARN.glob("??-*.md") if ".zh" not in page.name)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
TOY = re.compile(r"runs/|toy\.yaml")
TRAIN = "python train_hf.py configs/toy.yaml"
# A quarter of what the book says, and as good for all that it claims.
QUICK = ["--max_steps", "550", "--per_device_train_batch_size", "32", "--learning_rate", "1.5e-3"]
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
    of_toy: set[str] = set()
    for block, change in steps(page):
        if change is not None:
            continue
        printed = run(block, names, place, log)
        is_of_toy = bool(TOY.search(block.text) or of_toy & set(re.findall(r"\w+", block.text)))
        if is_of_toy:
            of_toy |= {name for name in names if re.search(rf"\b{name}\b[\w, ]* = ", block.text)}
        if block.output is not None:
            check(block.output, printed, loose and is_of_toy)


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


@pytest.mark.slow
def test_the_toy_is_right_in_more_than_99_of_100_unseen_questions(full: tuple[Path, str]) -> None:
    assert float(re.search(r"^validation: ([\d.]+) % of 500", full[1], re.M)[1]) > 99


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


def exercise(chapter: str) -> tuple[Block, Block]:
    """Give the commands of a page's exercise and the change that is made before them."""
    ((block, change),) = [step for step in steps(f"docs/learn/{chapter}.md") if step[1] is not None]
    return block, change


def do_exercises(chapters: Sequence[str], runs: Path, folder: Path) -> None:
    """Make the changes that the pages ask for, and see that what they foretell happens."""
    chosen = {chapter: exercise(chapter) for chapter in chapters}
    jobs = [
        json.dumps([str(changed), shlex.split(line)[1:]])
        for chapter, (block, change) in chosen.items()
        for changed in [changed_copy(folder / chapter, runs, change)]
        for line in block.text.splitlines()
    ]
    done = subprocess.run(
        [sys.executable, "-c", FORKS], input="\n".join(jobs), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for chapter, (block, _) in chosen.items():
        printed = (folder / chapter / "printed.txt").read_text(encoding="utf-8")
        check(block.output, printed, loose=True)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_line_that_an_exercise_changes_is_there_once(chapter: str, tmp_path: Path) -> None:
    _, change = exercise(chapter)
    changed_copy(tmp_path, tmp_path, change)


@pytest.mark.slow
def test_some_exercises_end_as_their_pages_foretell(
    quick: tuple[Path, str], tmp_path: Path
) -> None:
    do_exercises(["03-positions", "08-decoder"], quick[0] / "runs", tmp_path)


@pytest.mark.slow
def test_all_exercises_end_as_their_pages_foretell(full: tuple[Path, str], tmp_path: Path) -> None:
    do_exercises(CHAPTERS, full[0] / "runs", tmp_path)


@pytest.mark.parametrize("chapter", ["README", *CHAPTERS])
def test_both_languages_show_the_same(chapter: str) -> None:
    english, chinese = (blocks(f"docs/learn/{chapter}{suffix}") for suffix in SUFFIXES)
    assert english and english == chinese
    texts = [(LEARN / f"{chapter}{suffix}").read_text(encoding="utf-8") for suffix in SUFFIXES]
    formulas = [re.findall(r"\$.+?\$", text) for text in texts]
    assert set(formulas[0]) == set(formulas[1])
    for mark in ("pictures.py", "<details>", "## "):
        assert texts[0].count(mark) == texts[1].count(mark), mark


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_a_formula_a_picture_an_exercise_and_three_questions(
    chapter: str, suffix: str
) -> None:
    text = (LEARN / f"{chapter}{suffix}").read_text(encoding="utf-8")
    (picture,) = re.findall(r"^!\[.+\]\((pictures/\w+)(?:\.zh-CN)?\.png\)$", text, re.M)
    assert f"(pictures/{Path(picture).name}{suffix.replace('.md', '.png')})" in text
    assert f"`python docs/learn/pictures.py {Path(picture).name}`" in text
    assert text.count("$$") >= 2
    # What stands behind "diff" is for this test; a reader does not see it.
    (changed,) = re.findall(r"^```diff (\S+)$", text, re.M)
    assert re.search(rf"\[`{changed}`\]\(../../{changed}\).*\n\n```diff", text)
    assert text.count("<details><summary>") == text.count("</summary>\n\n") == 3
    programs = [block.text for block in blocks(f"docs/learn/{chapter}{suffix}")]
    assert max(len(re.findall(r"^\S.*|^ +\S.*", program, re.M)) for program in programs) <= 20


@pytest.mark.parametrize("page", sorted(LEARN.glob("*.md")), ids=lambda page: page.name)
def test_links_and_pictures_are_there(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert linked and [name for name in linked if not (page.parent / name).exists()] == []


def test_every_chapter_is_in_the_index_and_leads_to_the_next() -> None:
    for suffix in SUFFIXES:
        index = (LEARN / f"README{suffix}").read_text(encoding="utf-8")
        assert re.findall(rf"^\d+\. \[.+\]\((.+){re.escape(suffix)}\)$", index, re.M) == CHAPTERS
        for chapter, following in pairwise(CHAPTERS):
            text = (LEARN / f"{chapter}{suffix}").read_text(encoding="utf-8")
            assert text.rstrip().endswith(f"({following}{suffix})")


@pytest.fixture()
def pictures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that draws, where there is a font to draw with."""
    pytest.importorskip("matplotlib")
    module = loaded_script("pictures")
    try:
        module.look()
    except UserError as error:
        pytest.skip(str(error))
    return module


def loaded_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"learn_{name}", LEARN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "names", [["decoder", "writing"], pytest.param([], marks=pytest.mark.slow)], ids=["two", "all"]
)
def test_pictures_are_drawn_in_both_languages_and_no_character_is_a_box(
    names: list[str], pictures: ModuleType, quick: tuple[Path, str], tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # "Glyph 22825 missing from font"
        files = list(pictures.drawn(names, quick[0] / "runs" / "toy", tmp_path))
    assert len(files) == 2 * (len(names) or len(pictures.PICTURES))
    assert all(0 < file.stat().st_size < 40_000 for file in files)
    assert {file.name for file in files} <= {file.name for file in LEARN.glob("pictures/*.png")}


def test_a_font_that_is_missing_is_named_with_its_package(
    pictures: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "FONTS", ("No Such Font",))
    with pytest.raises(UserError, match="sudo apt install fonts-noto-cjk` or `fonts-wqy-microhei`"):
        pictures.look()


def test_a_picture_that_there_is_not_and_a_model_that_is_missing_are_said_in_a_sentence(
    pictures: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="There is no picture `head`. Did you mean `heads`?"):
        list(pictures.drawn(["head"], tmp_path, tmp_path))
    with pytest.raises(UserError, match="There is no model in .*Run `python train_hf.py configs"):
        list(pictures.drawn(["heads"], tmp_path, tmp_path))


@pytest.fixture()
def notebooks(tmp_path: Path) -> list[Path]:
    pytest.importorskip("jupytext")
    return list(loaded_script("notebooks").notebooks(tmp_path))


def test_a_notebook_has_the_programs_of_its_page_and_not_their_output(
    notebooks: list[Path],
) -> None:
    assert len(notebooks) == len(CHAPTERS) * len(SUFFIXES)
    for path in notebooks:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        page = blocks(f"docs/learn/{path.stem}.md")
        programs = [block.text.strip() for block in page if block.language == "python"]
        assert [text for text in code if text in programs] == programs
        assert len(code) == 1 + sum(block.language in ("python", "bash") for block in page)
        assert not any("```text" in "".join(cell["source"]) for cell in cells)


@pytest.mark.slow
def test_notebooks_run_from_top_to_bottom(notebooks: list[Path], quick: tuple[Path, str]) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    for path in notebooks[::2]:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:  # what trains has a test of its own
            if "train_hf.py configs" in cell.source and cell.cell_type == "code":
                cell.source = ""
        nbclient.NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": str(quick[0])}}
        ).execute()

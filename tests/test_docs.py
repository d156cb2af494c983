# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Everything in docs/ and CONTRIBUTING.md runs, in both languages, and prints what is shown.

In these pages a fenced block whose first line names a file (```tsv chat.tsv) is that file. A
```text block right below a command or a program is its output: each of its lines is printed, in
this order; a line `...` stands for lines left out. One that begins with `error:` is what a
command says before it ends with exit code 2.
"""

from __future__ import annotations

import ast
import io
import logging
import re
import shlex
from contextlib import redirect_stdout
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from huggingface_hub import constants

import data_builders.output.folder as output
from data_builders import CleaningSettings, SelectionSettings
from data_builders.__main__ import main
from data_builders.cleaning.pipeline import Cleaner
from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig
from data_builders.formats.registry import FAMILIES, FILE_FAMILIES, guess_format
from data_builders.output.pictures import draw_pictures
from data_builders.reading import sample_of, source_files
from data_builders.report import BuildReport
from tests.publishing.fake_hub import in_place_of_the_hub

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CHAPTERS = ("data", "cleaning", "splits", "small_talk", "mixtures", "large", "losses", "memory")
SUFFIXES = (".md", ".zh-CN.md")
TRANSLATED = [f"docs/{name}.zh-CN.md" for name in CHAPTERS]
PAGES = [f"docs/{name}{suffix}" for name in ("README", *CHAPTERS) for suffix in SUFFIXES]
# Both languages of a chapter show the same (a test says so): one is always followed, and of those
# that train or ask a model for long none.
OFTEN = [page for page in PAGES if page not in (*TRANSLATED, "docs/memory.md")]
FOLLOWED = [pytest.param(page, marks=[] if page in OFTEN else [pytest.mark.slow]) for page in PAGES]
# The others have tests of their own, or commands that need several processes or hours.
ALL_PAGES = sorted(f"docs/{page.name}" for page in DOCS.glob("*.md"))
COMMANDS = (("python", "-m", "data_builders"), ("tfchat-data",))
# No beginning of a file tells these: they are two files, a table of bytes, a package, the Hub.
NOT_GUESSED = {"parquet", "tables", "small_talk", "toy", "chatterbot", "chitchat-dataset", "hub"}
# Where the name of a file is a part of the guess.
FILES = {"parallel": "src-train.txt", "conversations": "corpus.yml", "rasa": "corpus.yml"}
FILES["yaml"] = FILES["rasa"]
# A column that only the tables of that kind have, in both languages.
FORMATS, DEFAULTS, EXAMPLES = ("format", "格式"), ("default", "默认值"), ("before", "之前")
# A cell of a table that holds nothing else.
FIGURE = re.compile(r"(?<=\|) *[*`]*([-+]?\d[\d,.]*)[*`]* *(?=\|)")
WRITTEN = {"<TAB>": "\t", "⏎": "\n", r"\|": "|"}


class Block(NamedTuple):
    language: str
    name: str
    text: str
    output: str | None


def blocks(page: str) -> list[Block]:
    """Read the fenced blocks of a page, each with the output shown right below it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = list(re.finditer(r"^```(\w*) ?(\S*)\n(.*?)^```$", text, flags=re.M | re.S))
    outputs = {
        first.start(): second[3]
        for first, second in pairwise(found)
        if not second[2] and second[1] == "text" and not text[first.end() : second.start()].strip()
    }
    return [Block(m[1], m[2], m[3], outputs.get(m.start())) for m in found]


def commands(block: Block) -> list[list[str]]:
    """Split a block of commands into arguments; empty if it is not of this package."""
    words = [shlex.split(line) for line in block.text.replace("\\\n", " ").splitlines()]
    return [
        line[len(known) :]
        for line in words
        for known in COMMANDS
        if tuple(line)[: len(known)] == known
    ]


def tables(page: str, heads: tuple[str, ...]) -> list[list[str]]:
    """Read the rows of all tables that have a column with one of these heads."""
    text = (ROOT / page).read_text(encoding="utf-8")
    rows, wanted = [], False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            wanted = False
        elif wanted and not set(cells[0]) <= set("-: "):
            rows.append(cells)
        wanted = wanted or not set(cells).isdisjoint(heads)
    return rows


def code(cell: str) -> str:
    """Give the first text of a cell in back-ticks, with tabs and newlines as in a file."""
    text = re.search(r"`+(.*?)`+", cell)[1].strip()
    for shown, meant in WRITTEN.items():
        text = text.replace(shown, meant)
    return re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)


@pytest.fixture()
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder with a cache of its own and a terminal of 80 columns.

    Builds draw no pictures, which no page shows.
    """
    monkeypatch.chdir(tmp_path)
    for kind in DirFileSystem.__subclasses__():  # or datatrove's is that of the folder before
        kind.clear_instance_cache()
    monkeypatch.setattr(output, "draw_pictures", lambda *given: [])
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache")
    monkeypatch.setenv("COLUMNS", "80")
    level = logging.getLogger("data_builders").level
    yield tmp_path
    logging.getLogger("data_builders").setLevel(level)
    datasets.enable_progress_bars()


def run_program(text: str, names: dict[str, Any]) -> str:
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(text, "<docs>", "exec", dont_inherit=True), names)
    return printed.getvalue()


def run(block: Block, capsys: pytest.CaptureFixture[str]) -> str:
    """Run one block and return what it printed."""
    if block.language == "python":
        return run_program(block.text, {"__name__": "docs"})
    printed = ""
    expected = 2 if (block.output or "").startswith("error:") else 0
    for arguments in commands(block):
        capsys.readouterr()
        assert main(arguments) == expected, capsys.readouterr().err
        said = capsys.readouterr()
        printed += said.out + (said.err if expected else "")
    return printed


def check_output(shown: str, printed: str) -> None:
    lines = iter(line.rstrip() for line in printed.splitlines())
    for line in shown.splitlines():
        if line.strip() != "...":
            assert line.rstrip() in lines, f"not printed: {line}\n\nprinted:\n{printed}"


@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_can_be_followed_from_top_to_bottom(
    page: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(place / ".hub"))
    if page.startswith("docs/small_talk"):  # one build as a user has it
        monkeypatch.setattr(output, "draw_pictures", draw_pictures)
    with in_place_of_the_hub(monkeypatch, "hf_test") as hub:
        for block in blocks(page):
            if block.name:
                path = place / block.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.language == "python" or (block.language == "bash" and commands(block)):
                printed = run(block, capsys).replace(hub.url, "https://huggingface.co")
                if block.output is not None:
                    check_output(block.output, printed)


@pytest.mark.parametrize("page", PAGES)
def test_each_line_of_a_block_of_commands_is_run(page: str) -> None:
    for block in blocks(page):
        if block.language == "bash":
            lines = block.text.replace("\\\n", " ").splitlines()
            assert len(commands(block)) == len(lines), f"not run by this test: {block.text}"


@pytest.mark.parametrize("chapter", [page for page in ALL_PAGES if ".zh-CN" not in page])
def test_both_languages_have_the_same_files_commands_programs_outputs_and_figures(
    chapter: str,
) -> None:
    shown = []
    for page in (chapter, chapter.replace(".md", ".zh-CN.md")):
        text = (ROOT / page).read_text(encoding="utf-8")
        found = [block._replace(text=re.sub(r" *#.*", "", block.text)) for block in blocks(page)]
        if chapter == "docs/look.md":  # what that command prints is in the language of the page
            found = [block[:3] for block in found if block.language != "text"]
        shown.append([found, FIGURE.findall(text), re.findall(r"<!-- .* -->", text)])
    assert shown[0] == shown[1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_setting_is_explained_with_its_default(suffix: str) -> None:
    known = [*fields(CleaningSettings), *fields(SelectionSettings)]
    rows = tables(f"docs/cleaning{suffix}", DEFAULTS)
    told = {code(row[0]): ast.literal_eval(code(row[1])) for row in rows}
    assert told == {field.name: field.default for field in known}
    assert len(rows) == len(told)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_table_of_formats_has_every_format_and_no_other(suffix: str) -> None:
    rows = tables(f"docs/data{suffix}", FORMATS)
    assert [code(row[0]) for row in rows] == list(FAMILIES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_file_looks_like_is_guessed_to_be_of_that_format(suffix: str, place: Path) -> None:
    for row in tables(f"docs/data{suffix}", FORMATS):
        name = code(row[0])
        if name in NOT_GUESSED:
            assert name not in FILE_FAMILIES or name in ("parquet", "tables")
            continue
        path = place / FILES.get(name, "corpus.txt")
        path.write_text(code(row[1]) + "\n", encoding="utf-8")
        guessed = guess_format(sample_of(next(source_files([str(path)]))))
        assert guessed is not None and guessed.format == name, row[1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_step_does_to_its_example_what_the_table_says(suffix: str) -> None:
    rows = tables(f"docs/cleaning{suffix}", EXAMPLES)
    known = {field.name: field.default for field in fields(CleaningSettings)}
    off = {name: False for name, default in known.items() if isinstance(default, bool)}
    # It drops dialogues and changes no text.
    del off["drop_placeholders"]
    for setting, _, before, after, _ in rows:
        name = code(setting)
        if name == "to_simplified":
            pytest.importorskip("opencc")
        on = {**off, "join_segmented": "never", name: "always" if name not in off else True}
        cleaned = Cleaner(CleaningSettings(**on)).clean([code(before)])
        assert cleaned.turns == (code(after),), name
    assert {*off, "join_segmented"} == {code(row[0]) for row in rows}


def test_the_format_of_contributing_is_guessed_read_and_passes_its_test(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {"__name__": "docs"}
    for block in blocks("CONTRIBUTING.md"):
        if block.language == "python":
            run_program(block.text, names)
    corpus = names["InterviewCorpus"]
    for known in (FILE_FAMILIES, FAMILIES):
        monkeypatch.setitem(known, corpus.FORMAT, corpus)
    Path("talk.txt").write_text("Q: Is it far?\nA: Ten minutes.\n" * 2, encoding="utf-8")
    assert main(["build", "talk.txt", "--output", "data/talk"]) == 0
    printed = capsys.readouterr().out
    check_output(
        "talk.txt: format interview (lines begin with Q: and A:)\n2 rows read from talk.txt",
        printed,
    )

    def read(kind: type[FileCorpus], text: str) -> tuple[list[RawDialogue], BuildReport]:
        Path("a.txt").write_text(text, encoding="utf-8")
        report = BuildReport()
        return list(kind.read_sources(FilesConfig(files=("a.txt",)), report)), report

    tests = [test for name, test in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test(read)


@pytest.mark.parametrize("command", ["mix", "build"])
def test_options_outweigh_a_mixture_setting_by_setting(command: str, place: Path) -> None:
    Path("a.tsv").write_text("早\t早上好\nHi\tHello\n", encoding="utf-8")
    Path("m.yaml").write_text(
        "sources: [{files: a.tsv}]\ntest_fraction: 0.01\ncleaning: {urls: true, kaomoji: true}\n",
        encoding="utf-8",
    )
    assert main([command, "m.yaml", "--output", "out", "--no-kaomoji"]) == 0
    card = Path("out/README.md").read_text(encoding="utf-8")
    for line in ("cleaning.urls | true", "cleaning.kaomoji | false", "test\\_fraction | 0.01"):
        assert line in card


@pytest.mark.parametrize("page", [*ALL_PAGES, "CONTRIBUTING.md"])
def test_links_lead_to_files_and_headings_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", text):
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if heading:
            heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.M)
            assert heading in {_anchor(head) for head in heads}, f"{page}: {target}#{heading}"


def _anchor(head: str) -> str:
    return re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")


def test_the_index_leads_to_every_chapter() -> None:
    for suffix in SUFFIXES:
        index = (DOCS / f"README{suffix}").read_text(encoding="utf-8")
        for page in DOCS.glob(f"*{suffix}"):
            if not page.name.startswith("README") and (suffix != ".md" or ".zh" not in page.name):
                assert f"({page.name})" in index, page.name

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Corpora in YAML of one's own: for ChatterBot and for Rasa, and never taken for a mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_builders.errors import UserError
from data_builders.formats.base import FilesConfig
from data_builders.formats.registry import guess_format
from data_builders.formats.yaml_corpus import (
    ConversationsCorpus,
    RasaCorpus,
    is_corpus,
    parsed_yaml,
)
from data_builders.reading import sample_of, source_files
from data_builders.report import BuildReport
from data_builders.sources.sources import find_sources
from tests.data_builders.formats.json_rows import turns
from tests.data_builders.rows.test_shapes import read as read_one

TALKS = """
categories: [greetings]
conversations:
- - 你好
  - 你也好
- - How old are you?
  - 1984
- - alone
- - Really?
  - yes
"""
NLU = """
version: "3.1"
nlu:
- intent: greet
  examples: |
    - hey there
    - how is [Paris](city)?
- intent: faq/open
  examples: |
    - are you open?
- intent: shout
  examples: |
    - HELP
"""
DOMAIN = """
responses:
  utter_greet:
  - text: Hi!
  utter_faq/open:
  - text: Until nine.
"""
RULES = """
rules:
- rule: greet
  steps:
  - intent: greet
  - action: utter_greet
stories:
- story: a talk
  steps:
  - user: Where is the key?
    intent: ask_key
  - bot: On the table.
"""


def written(folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return [str(folder / f"{name}.yml") for name in files]


def read(corpus: Any, files: list[str]) -> tuple[list[tuple[str, ...]], BuildReport]:
    report = BuildReport()
    found = corpus.read_sources(FilesConfig(files=tuple(files)), report)
    return [one.turns for one in found], report


def test_lists_of_turns_are_dialogues(tmp_path: Path) -> None:
    found, report = read(ConversationsCorpus, written(tmp_path, bot=TALKS))
    assert found == [("你好", "你也好"), ("How old are you?", "1984")]
    # YAML has lost how "yes" was written.
    assert report.rejected == {"fewer than two turns": 1, "not a string": 1}


def test_examples_are_answered_by_what_stands_in_other_files(tmp_path: Path) -> None:
    found, report = read(RasaCorpus, written(tmp_path, nlu=NLU, domain=DOMAIN, rules=RULES))
    assert found == [
        ("Where is the key?", "On the table."),
        ("hey there", "Hi!"),
        ("how is Paris?", "Hi!"),
        ("are you open?", "Until nine."),
    ]
    assert report.notes == {"intents that nothing in these files answers": 1}


def test_a_turn_of_a_story_without_its_text_cuts_it(tmp_path: Path) -> None:
    steps = ("user: hello", "action: utter_greet", "user: what time is it", "bot: five")
    story = "stories:\n- story: a\n  steps:\n" + "".join(f"  - {step}\n" for step in steps)
    slot = story.replace("  - bot", "  - slot_was_set: [{a: 1}]\n  - bot")
    for text in (story, slot):
        assert read(RasaCorpus, written(tmp_path, stories=text))[0] == [("what time is it", "five")]


@pytest.mark.parametrize(
    ("text", "format"), [(TALKS, "conversations"), (NLU, "rasa"), (DOMAIN, "rasa")]
)
def test_it_is_guessed_and_is_no_mixture(tmp_path: Path, text: str, format: str) -> None:
    (path,) = written(tmp_path, a=text)
    guess = guess_format(sample_of(next(source_files([path]))))
    assert guess is not None and guess.format == format
    assert is_corpus(Path(path))


def test_files_in_which_nothing_is_answered_are_passed_over(tmp_path: Path) -> None:
    story = "stories:\n- story: a\n  steps:\n  - intent: greet\n  - action: utter_greet\n"
    names = written(tmp_path, stories=story)
    (tmp_path / "faq.jsonl").write_text('{"q": "Open?", "a": "Yes."}\n')
    said: list[str] = []
    assert [spec.format for spec in find_sources([str(tmp_path)], say=said.append)] == ["json"]
    assert any("stories.yml: passed over, no question in it is answered" in line for line in said)
    with pytest.raises(UserError, match="Name the files of the assistant together"):
        find_sources(names)


@pytest.mark.parametrize("text", ["sources:\n- files: a.tsv\n", "a: 1\n", ""])
def test_other_yaml_is_no_corpus(tmp_path: Path, text: str) -> None:
    assert not is_corpus(Path(written(tmp_path, a=text)[0]))
    assert not is_corpus(tmp_path / "nowhere.yml")


@pytest.mark.parametrize("text", ["a: [", "conversations: 3", "- !!python/object:os.system x"])
def test_what_is_not_of_that_shape_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="a.yml"):
        read(ConversationsCorpus, written(tmp_path, a=text))


@pytest.mark.parametrize(
    ("text", "talks"),
    [
        ("# ours\n---\n- instruction: >-\n    在吗？\n    Hello\n  input: ''\n  response: 在。\n",
         [("在吗？ Hello", "在。")]),
        ("- question: 在吗？\n  answer: 在。\n- question: Open?\n  answer: 'Yes.'\n",
         [("在吗？", "在。"), ("Open?", "Yes.")]),
        ("- - 在吗？\n  - 在。\n- - Open?\n  - 'Yes.'\n", [("在吗？", "在。"), ("Open?", "Yes.")]),
        ("- messages:\n  - {role: user, content: 在吗？}\n  - {role: assistant, content: 在。}\n",
         [("在吗？", "在。")]),
    ],
)  # fmt: skip
def test_a_list_in_yaml_is_read_as_rows(tmp_path: Path, text: str, talks: Any) -> None:
    path = tmp_path / "talk.yaml"
    path.write_text(text, encoding="utf-8")
    found, report, kind = read_one(path)
    assert kind == "yaml" and not report.rejected and is_corpus(path)
    assert turns(found) == talks


@pytest.mark.parametrize(
    "text",
    ["- " + "[" * 100_000, "- " * 5_000 + "a", "- &a [*a]", "- &a [b]\n- &c [*a, *a]\n- [*c, *c]"],
)
def test_yaml_that_would_fill_the_memory_or_the_stack_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="nested deeper"):
        parsed_yaml(text.encode(), "a.yaml")

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which files belong together: questions and replies, lines and conversations, an assistant."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_builders import build_dialogues
from data_builders.errors import UserError
from tests.data_builders.sources.found import LINES, NUMBERS, TALKS, TEXTS, find, pack, write


def test_companions_in_an_archive_are_joined(tmp_path):
    members = {"f/movie_lines.txt": LINES, "f/movie_conversations.txt": TALKS}
    members |= {"train.enc": "".join(f"where is {i}\n" for i in NUMBERS)}
    members |= {"train.dec": "".join(f"at number {i}\n" for i in NUMBERS)}
    path = pack(tmp_path / "c.tar", members)
    specs, _ = find(path)
    assert sorted(spec.format for spec in specs) == ["cornell", "parallel"]
    result = build_dialogues(str(path), cache_dir=str(tmp_path / "cache"))
    assert {origin.format: origin.read for origin in result.report.origins} == {
        "cornell": 20,
        "parallel": 40,
    }


def parallel(folder: Path, one: str, other: str, lines: tuple[int, int] = (40, 40)) -> None:
    for name, count in zip((one, other), lines, strict=True):
        write(folder / name, "".join(f"{name[:1]} says 第{i}句话\n" for i in range(count)))


@pytest.mark.parametrize(
    "one, other",
    [
        ("src-train.txt", "tgt-train.txt"),
        ("train.enc", "train.dec"),
        ("weibo_post", "weibo_response"),
        ("questions.txt", "answers.txt"),
        ("chat.q", "chat.a"),
    ],
)
def test_files_of_questions_and_replies_are_joined(tmp_path, one, other):
    parallel(tmp_path, one, other)
    specs, said = find(tmp_path)
    assert [spec.format for spec in specs] == ["parallel"]
    options = specs[0].options
    assert (Path(options["questions"]).name, Path(options["replies"]).name) == (one, other)
    assert said == [f"{one} + {other}: format parallel"]
    result = build_dialogues(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    assert result.report.rows_read == 40


def test_files_of_unequal_length_are_not_joined(tmp_path):
    parallel(tmp_path, "train.enc", "train.dec", (40, 42))
    write(tmp_path / "a.tsv", TEXTS["separated"])
    assert [spec.format for spec in find(tmp_path)[0]] == ["separated"]


def test_pairs_of_several_folders_stay_apart(tmp_path):
    for name in ("one", "two"):
        parallel(tmp_path / name, "questions.txt", "answers.txt")
    specs, _ = find(tmp_path)
    assert [spec.format for spec in specs] == ["parallel", "parallel"]
    for spec in specs:
        assert Path(spec.options["questions"]).parent == Path(spec.options["replies"]).parent


def test_lines_and_conversations_are_joined_whatever_lies_beside(tmp_path):
    write(tmp_path / "movie_lines.txt", LINES)
    write(tmp_path / "movie_conversations.txt", TALKS)
    write(tmp_path / "movie_titles.txt", "m0 +++$+++ a film +++$+++ 1999\n" * 40)
    write(tmp_path / "notes.txt", TEXTS["separated"])
    specs, said = find(tmp_path)
    assert sorted(spec.format for spec in specs) == ["cornell", "separated"]
    assert "movie_lines.txt + movie_conversations.txt: format cornell" in said
    assert "movie_titles.txt: passed over, no known format of dialogues" in said


def test_of_several_lines_and_conversations_those_named_alike_are_joined(tmp_path):
    names = ("egret", "movie", "series")
    for name in names:
        write(tmp_path / f"{name}_conversations.txt", TALKS)
        write(tmp_path / f"{name}_lines.tsv", LINES)
    _, said = find(tmp_path)
    for name in names:
        assert f"{name}_lines.tsv + {name}_conversations.txt: format cornell" in said


def test_both_halves_named_one_by_one_are_joined_too(tmp_path):
    lines = write(tmp_path / "movie_lines.txt", LINES)
    talks = write(tmp_path / "movie_conversations.txt", TALKS)
    assert [spec.format for spec in find(talks, lines)[0]] == ["cornell"]


def test_half_a_pair_alone_is_an_error(tmp_path):
    lines = write(tmp_path / "movie_lines.txt", LINES)
    with pytest.raises(UserError, match="cornell is two files, lines and conversations"):
        find(lines)


def test_files_that_answer_each_other_are_one_source(tmp_path):
    bot = tmp_path / "bot"
    nlu = "nlu:\n- intent: greet\n  examples: |\n    - hey\n    - hello there\n"
    story = "stories:\n- story: a\n  steps:\n  - intent: greet\n  - action: utter_greet\n"
    reply = "responses:\n  utter_greet:\n  - text: Hi!\n  - text: Good day.\n"
    write(bot / "domain.yml", reply)
    write(bot / "data" / "nlu.yml", nlu)
    write(bot / "data" / "stories.yml", story)
    write(tmp_path / "other" / "nlu.yml", nlu.replace("there", "you"))
    write(tmp_path / "other" / "domain.yml", story + reply.replace("Good day.", "Yes?"))
    specs, said = find(tmp_path)
    assert [spec.name for spec in specs] == ["data", "other"]
    assert len(said) == 2 and all("format rasa" in line for line in said)
    report = build_dialogues(str(tmp_path), cache_dir=str(tmp_path / "cache")).report
    assert [origin.read for origin in report.origins] == [4, 4]

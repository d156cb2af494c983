# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""All replies to one held-out question stand together as its references."""

from __future__ import annotations

import json

import pytest
from datasets import Dataset

from data_builders import DIALOGUE_FEATURES, build_dialogues, save_result
from data_builders.__main__ import main
from data_builders.output.references import group_references
from data_builders.selecting.splits import normalize_question


def rows(*dialogues: tuple[list[str], list[str]]) -> Dataset:
    columns = {
        "id": [str(i) for i in range(len(dialogues))],
        "turns": [turns for turns, _ in dialogues],
        "roles": [roles for _, roles in dialogues],
        "lang": ["zh"] * len(dialogues),
        "source": ["t"] * len(dialogues),
    }
    return Dataset.from_dict(columns, features=DIALOGUE_FEATURES)


def test_spellings_of_one_question_share_their_replies():
    split = rows(
        (["你好!", "嗨"], []), (["早", "早"], []), (["你好", "您好"], []), (["你好", "嗨"], [])
    )
    found = group_references(split)
    assert found["context"][:] == [["你好!"], ["早"]]
    assert found["references"][:] == [["嗨", "您好"], ["早"]]


def test_only_the_assistant_is_a_reference_and_contexts_are_cut():
    turns = ["be kind", "hi", "hello", "tea?", "yes"]
    roles = ["system", "user", "assistant", "user", "assistant"]
    one = group_references(rows((turns, roles)))
    assert one["context"][:] == [["hi"], ["tea?"]]
    two = group_references(rows((turns, roles)), max_context_turns=3)
    assert two["context"][:] == [["be kind", "hi"], ["hi", "hello", "tea?"]]
    assert two["references"][:] == [["hello"], ["yes"]]
    with pytest.raises(ValueError, match="max_context_turns"):
        group_references(rows((turns, roles)), max_context_turns=0)


def test_no_reply_to_a_test_question_is_missing(tmp_path, capsys):
    corpus = tmp_path / "a.tsv"
    words = ["天气", "音乐", "早饭", "电影", "工作", "朋友", "书", "海边", "下雨", "周末"]
    lines = [f"{a}和{b}你更喜欢哪个\t{b}{n}" for a in words for b in words for n in "一二三"]
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    command = ["build", str(corpus), "--output", str(out), "--cache-dir", str(tmp_path / "cache")]
    assert main([*command, "--test-fraction", "0.2", "--no-leak-free"]) == 0
    wanted = tmp_path / "references.jsonl"
    assert main(["references", str(out), "--output", str(wanted)]) == 0
    assert "questions with" in capsys.readouterr().out
    everything: dict[str, set[str]] = {}
    for line in lines:
        question, reply = line.split("\t")
        everything.setdefault(normalize_question(question), set()).add(reply)
    found = [json.loads(line) for line in wanted.read_text(encoding="utf-8").splitlines()]
    assert len(found) > 5
    for row in found:
        assert set(row["references"]) == everything[normalize_question(row["context"][0])]


def test_an_unknown_split_is_named(tmp_path, capsys):
    corpus = tmp_path / "a.tsv"
    corpus.write_text("".join(f"q{i}\tr{i}\n" for i in range(9)), encoding="utf-8")
    result = build_dialogues(str(corpus), cache_dir=str(tmp_path / "cache"), test_fraction=0)
    save_result(result, tmp_path / "saved")
    assert main(["references", str(tmp_path / "saved"), "--output", str(tmp_path / "r")]) == 2
    assert "no split 'test'" in capsys.readouterr().err

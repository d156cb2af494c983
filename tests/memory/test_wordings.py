# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Questions that ask the same in other words are near to one another."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from data_builders.formats.small_talk import small_talk_rows
from tests.memory.small_memory import dialogues
from tfchat_hf.memory import Memory, wordings
from tfchat_hf.memory.__main__ import main
from tfchat_hf.memory.index import QuestionIndex
from tfchat_hf.memory.wordings import WordingEncoder, train_wordings, wording_encoder

AGE = ["你几岁了", "今年多大", "你多大年纪", "几岁呀你"]
PLACE = ["你住哪儿", "家在什么地方", "你家在哪儿", "住什么地方呀"]
FOOD = ["晚饭吃什么", "今晚吃点啥", "晚上吃啥好", "晚饭吃点什么"]
SPLITS = ("validation", "test")
GROUPS = [[AGE, PLACE, FOOD]]


def test_held_out_wordings_find_their_intent_more_often_than_by_letters() -> None:
    encoder, by_wording, by_letters = wording_encoder(), [], []
    for language in wordings.LANGUAGES:
        rows = [row for row in small_talk_rows(language, "train") if "question" in row]
        questions = [row["question"] for row in rows]
        vectors, index = encoder.encode(questions), QuestionIndex.build(questions)
        for row in chain(*(small_talk_rows(language, side) for side in SPLITS)):
            if row.get("known") and "question" in row:
                [asked] = encoder.encode([row["question"]])
                for right, scores in (
                    (by_wording, vectors @ asked),
                    (by_letters, index.scores(row["question"])),
                ):
                    nearest = rows[int(scores.argmax())]
                    right.append(nearest["intent"] == row["intent"])
    assert len(by_wording) > 200
    assert np.mean(by_wording) > np.mean(by_letters) + 0.02  # 0.25 and 0.21


def test_what_shares_no_letter_is_near_where_it_was_learned_to_ask_the_same() -> None:
    first, learned = (train_wordings(GROUPS, steps=steps) for steps in (0, 400))
    others = ["今年多大", "家在什么地方"]
    before, after = (np.diff(one.similarities("你住哪儿", others))[0] for one in (first, learned))
    assert abs(before) < 0.3 < 0.5 < after


def test_training_is_the_same_with_the_same_seed() -> None:
    one, again, other = (train_wordings(GROUPS, steps=20, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.vectors, again.vectors)
    assert not np.array_equal(one.vectors, other.vectors)


def test_eight_bits_a_number_are_enough(tmp_path: Path) -> None:
    encoder = train_wordings(GROUPS, steps=50)
    encoder.save(tmp_path / "wordings.safetensors")
    read = WordingEncoder.load(tmp_path / "wordings.safetensors")
    texts = [*AGE, *PLACE, *FOOD]
    assert np.array_equal(read.parts, encoder.parts)
    np.testing.assert_allclose(read.encode(texts), encoder.encode(texts), atol=0.02)


@pytest.mark.parametrize("asked", ["你几岁了", "What's your name?", "T恤多少钱"])
def test_a_question_is_as_near_to_itself_as_can_be(asked: str) -> None:
    encoder = wording_encoder()
    assert encoder.similarities(asked, [asked, f"{asked}!"]) == pytest.approx([1, 1], abs=1e-5)
    norm = np.linalg.norm(encoder.encode([asked, "", asked]), axis=1)
    assert norm == pytest.approx([1, 0, 1], abs=1e-5)


def test_of_what_is_not_known_nothing_is_said() -> None:
    encoder = train_wordings(GROUPS, steps=1)
    assert encoder.similarities("xyzzy", ["你几岁了", "xyzzy"]) == [None, None]
    assert encoder.similarities("你几岁了", ["xyzzy"]) == [None]
    assert encoder.similarities("你几岁了", []) == []


def test_letters_stand_in_for_wordings_that_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory.from_dataset(
        dialogues(("xyzzy plugh", "Nothing happens."), ("你几岁了", "刚满三岁。"))
    )
    little = train_wordings(GROUPS, steps=1)
    monkeypatch.setattr("tfchat_hf.memory.memory.wording_encoder", lambda: little)
    [found] = memory.look_up(["xyzzy"])
    assert 0 < found.similarity == found.wording_similarity
    [found] = memory.look_up(["你几岁了"])
    assert found.wording_similarity == pytest.approx(1)


def test_the_command_writes_what_it_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = wordings.wordings_of_small_talk("en")[:5]
    monkeypatch.setattr(wordings, "wordings_of_small_talk", lambda language: few)
    assert main(["learn", "--output", str(tmp_path / "wordings.safetensors")]) == 0
    encoder = WordingEncoder.load(tmp_path / "wordings.safetensors")
    assert f"{len(encoder.parts):,} parts of questions in {tmp_path}" in capsys.readouterr().out
    assert encoder.similarities(few[0][0], few[0][1:2])[0] > 0.8

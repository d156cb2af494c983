# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The benchmarks of tokenizers count the right boundaries and name their causes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tfchat_hf.text.vocabulary.dictionary_words import train_words
from tfchat_hf.text.vocabulary.word_cutter import load_word_cutter

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import agreement  # noqa: E402
import real_text  # noqa: E402
import tokenizing  # noqa: E402
import tokenizing_contenders  # noqa: E402
from agreement import Sample, Score  # noqa: E402

TEXTS = ["我们今天学习中文", "他们明天学习 Python 吗？", "I don't know, my friend."] * 4


@pytest.fixture(scope="module")
def cutter():
    return load_word_cutter()


@pytest.fixture(scope="module")
def tokenizer(cutter):
    words = Counter(word for text in TEXTS for word in cutter.cut(text))
    return train_words(words, 400, cutter)


def sample_of(*cut_texts: list[str]) -> Sample:
    return Sample(
        ["".join(words) for words in cut_texts], list(map(agreement.inner_cuts, cut_texts))
    )


def test_f1_counts_boundaries_of_both_sides() -> None:
    score = Score()
    score.add({1, 2, 4}, {2, 4, 5, 6})
    assert score.f1() == pytest.approx(2 * 2 / (3 + 4))
    assert Score().f1() == 1


def test_neighbours_that_became_bytes_are_parted(tokenizer) -> None:
    text = "我们𠮷𠮷学习"
    encoding = tokenizer.encode(text, add_special_tokens=False)
    assert agreement.cuts_of(encoding, len(text)) == {2, 3, 4}


def test_only_the_two_conventions_are_set_aside() -> None:
    text = "ab 中  d'e"
    assert [place for place in range(1, len(text)) if agreement.is_convention(text, place)] == [
        1,  # inside ab
        3,  # between a blank and what follows it
        6,  # the last of two blanks and d; not between the two
    ]


def test_equal_cuts_give_one_and_no_cause(tokenizer, cutter) -> None:
    sample = sample_of(["我们", "今天", "学习", "中文"])
    assert [score.f1() for score in agreement.compare(sample, tokenizer)] == [1, 1, 1]
    assert not agreement.count_causes(sample, tokenizer, cutter)


@pytest.mark.parametrize(
    ("words", "cause", "count"),
    [
        (["我们", "abc"], "inside a run of ASCII letters and digits", 2),
        (["我们", " ", "Python"], "between one blank and what follows", 1),
        (["今天我们"], "jieba's word is not in the vocabulary", 1),
        (["我们𠮷𠮷"], "characters that became bytes", 2),
    ],
)
def test_each_difference_has_its_cause(tokenizer, cutter, words, cause, count) -> None:
    found = agreement.count_causes(sample_of(words), tokenizer, cutter)
    assert found == {cause: count}
    assert cause in agreement.CAUSES


def test_held_out_texts_are_in_no_training_text() -> None:
    groups = {"one": [f"a{i}" for i in range(50)], "two": [f"a{i}" for i in range(25, 90)]}
    drawn = real_text.split(groups, 10, seed=3)
    held_out = {text for texts in drawn.held_out.values() for text in texts}
    assert [len(texts) for texts in drawn.held_out.values()] == [10, 10]
    assert held_out.isdisjoint(drawn.training)
    assert held_out.union(*drawn.by_group.values()) == {f"a{i}" for i in range(90)}
    assert len(set(drawn.training)) == len(drawn.training)
    assert drawn == real_text.split(groups, 10, seed=3)


def test_mixed_texts_hold_han_and_latin_letters() -> None:
    texts = ["中文", "English", "T恤", "中123"]
    assert [text for text in texts if real_text.is_mixed(text)] == ["T恤"]


def test_slices_have_their_size_and_share_no_text() -> None:
    slices = list(tokenizing.slices_of([f"{i:03}" for i in range(100)], 30, 4))
    assert [len(texts) for texts in slices] == [10] * 4
    assert len({text for texts in slices for text in texts}) == 40


@pytest.mark.slow
def test_a_contender_answers_with_its_time(tmp_path: Path) -> None:
    file = tmp_path / "slices.json"
    file.write_text(json.dumps([TEXTS]), "utf-8")
    done = subprocess.run(
        [sys.executable, tokenizing_contenders.__file__, "jieba.cut", str(tmp_path), str(file)],
        input="0\n",
        capture_output=True,
        text=True,
        check=True,
    )
    ready, seconds = done.stdout.splitlines()
    assert ready == "ready"
    assert float(seconds) > 0


def test_missing_corpora_are_named_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--data"):
        real_text.read_groups(tmp_path / "nowhere", None)

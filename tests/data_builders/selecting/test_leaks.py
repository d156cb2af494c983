# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""No question, nor a near copy of it, on two sides: against a search of every pair."""

from __future__ import annotations

import random
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import combinations, islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_builders import build_dialogues
from data_builders.dialogue import RawDialogue
from data_builders.selecting.copies import LEAKS, apart
from data_builders.selecting.leaks import TEST, TRAIN, VALIDATION, Pairs, leaking_pairs
from data_builders.selecting.selection import LEAK
from data_builders.selecting.splits import SPLITS, normalize_question, split_of
from tests.data_builders.memory_corpus import KEEP_ALL, are_near, build, questions_of, raw

FRACTIONS = {"validation_fraction": 0.3, "test_fraction": 0.3}
LEAK_FREE_ALONE = {
    **FRACTIONS,
    "cleaning": {"join_segmented": "never", "punctuation": False},
    "selection": {**KEEP_ALL, "leak_free": True},
}


# --- the rule -------------------------------------------------------------------------------


def gone(sides: list[int], keys: list[int], near: dict[int, list[int]] | None = None, alive=None):
    alive = np.array([True] * len(keys) if alive is None else alive)
    pairs = Pairs(np.array(keys, dtype=np.uint64), np.array(sides, dtype=np.uint8), alive)
    found = {side: np.array(keys, dtype=np.uint64) for side, keys in (near or {}).items()}
    return leaking_pairs(pairs, found).tolist()


def test_held_out_questions_that_training_asks_go():
    assert gone([TRAIN, TEST, VALIDATION, TEST], [1, 1, 1, 2]) == [False, True, True, False]


def test_validation_gives_way_to_test_but_not_the_other_way():
    assert gone([VALIDATION, TEST], [1, 1]) == [True, False]
    assert gone([TEST, VALIDATION, VALIDATION], [1, 1, 2]) == [False, True, False]


def test_near_copies_count_like_copies():
    sides = [TRAIN, TEST, VALIDATION, TEST, VALIDATION]
    near = {TRAIN: [2], TEST: [5]}
    assert gone(sides, [1, 2, 3, 4, 5], near) == [False, True, False, False, True]


def test_a_near_copy_of_test_goes_from_validation_alone():
    assert gone([TEST, TEST, VALIDATION], [1, 2, 2], {TEST: [2]}) == [False, False, True]


def test_what_test_has_lost_still_takes_from_validation():
    # Else it would depend on the training data what validation may ask of the test side.
    assert gone([TRAIN, TEST, VALIDATION], [1, 1, 2], {TEST: [2]}) == [False, True, True]


def test_what_is_not_alive_takes_nothing():
    alive = [False, True, True]
    assert gone([TRAIN, TEST, TEST], [1, 1, 2], alive=alive) == [False, False, False]
    assert gone([TRAIN, TEST], [1, 1], alive=[True, False]) == [False, False]


# --- small corpora --------------------------------------------------------------------------

LETTERS = "abcdefg天气真好"


def changed(text: str, generator: random.Random) -> str:
    place = generator.randrange(len(text))
    kind = generator.choice(("take", "put", "change"))
    middle = "" if kind == "take" else generator.choice(LETTERS)
    return text[:place] + middle + text[place + (kind != "put") :]


def spelled_otherwise(text: str, generator: random.Random) -> str:
    place = generator.randrange(1, len(text))
    return generator.choice((text.upper(), f"{text[:place]} {text[place:]}?", f"“{text}”"))


@st.composite
def corpora_with_copies(draw: st.DrawFn) -> list[RawDialogue]:
    """Draw dialogues whose questions are copies and near copies of a few others."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    lengths = draw(st.lists(st.sampled_from([4, 5, 7, 8, 12, 63, 64, 130]), min_size=3, max_size=6))
    family = ["".join(generator.choices(LETTERS, k=length)) for length in lengths]
    family += [changed(text, generator) for text in family for _ in range(2)]
    family += [spelled_otherwise(text, generator) for text in family]
    dialogues = []
    for number in range(draw(st.integers(2, 25))):
        turns = []
        for place in range(generator.randrange(1, 4)):
            turns += [generator.choice(family), f"reply {number} {place} to that"]
        roles = ("user", "assistant") * (len(turns) // 2)
        dialogues.append(raw(*turns, roles=roles if generator.random() < 0.5 else ()))
    return dialogues


def leaks(rows: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, str]]:
    """Yield the near copies on two sides, by looking at every pair of questions."""
    asked = {split: set().union(*map(questions_of, found)) for split, found in rows.items()}
    for one, other in combinations(asked, 2):
        for pair in product(asked[one], asked[other]):
            if are_near(*pair):
                yield pair


@given(corpora_with_copies())
@settings(max_examples=30)
def test_no_question_and_no_near_copy_is_on_two_sides(dialogues):
    assert not list(leaks(build(dialogues, **FRACTIONS).rows))


def pairs_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    turns, roles = row["turns"], row["roles"]
    places = [i for i in range(1, len(turns)) if not roles or roles[i] == "assistant"]
    return [(turns[i - 1], turns[i]) for i in places]


@given(corpora_with_copies())
@settings(max_examples=10)
def test_nothing_is_lost_but_what_another_side_asks_nearly(dialogues):
    built = build(dialogues, **LEAK_FREE_ALONE)
    sides: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}
    for dialogue in dialogues:
        side = split_of(dialogue.turns[0], *FRACTIONS.values())
        sides[side] += pairs_of({"turns": dialogue.turns, "roles": dialogue.roles})
    left = {split: [p for row in rows for p in pairs_of(row)] for split, rows in built.rows.items()}
    asked = {question for question, _ in sides["train"]}
    for split in ("test", "validation"):
        own = {question for question, _ in sides[split]}
        for question, reply in set(sides[split]) - set(left[split]):
            spelt = [q for q in own if normalize_question(q) == normalize_question(question)]
            nearest = min(apart(one, other) for one in spelt for other in asked)
            assert nearest <= LEAKS, (question, reply)
        asked |= own
    lost = sum(map(len, sides.values())) - sum(map(len, left.values()))
    assert built.report.pairs_dropped.get(LEAK, 0) == lost


@given(corpora_with_copies())
@settings(max_examples=15)
def test_training_loses_nothing(dialogues):
    without = build(dialogues, **FRACTIONS, selection={"leak_free": False}).rows
    assert build(dialogues, **FRACTIONS).rows["train"] == without["train"]


def test_a_template_that_differs_in_numbers_keeps_its_held_out_rows():
    dialogues = [
        raw(f"How many stairs has tower number {n} of the castle?", f"Tower {n} has {7 * n + 3}.")
        for n in range(200)
    ]
    built = build(dialogues, validation_fraction=0.1, test_fraction=0.1)
    assert built.report.kept == 200 and min(map(len, built.rows.values())) > 10


def test_few_held_out_questions_are_said_with_reason_and_way_out():
    way = "which way from the mill by the brook leads past the chapel up to the market of this town"
    words = way.split()
    asked = [" ".join([*words[:i], "safely", *words[i:]]) for i in range(0, len(words), 2)]
    dialogues = [raw(question, f"by gate {n}") for n, question in enumerate(asked)]
    report = build(dialogues, validation_fraction=0.4).report
    assert report.dropped[LEAK] and not report.held_out["validation"]
    said = list(report.lines())[-1]
    assert "the validation split is empty" in said and "leak_free" in said
    assert {row["rule"] for row in report.dropped_samples} == {LEAK}
    report = build(dialogues, validation_fraction=0.4, selection={"leak_free": False}).report
    assert 0 < report.held_out["validation"] < 10
    assert any("too few to measure by (50 are the least)" in line for line in report.lines())


def test_the_search_for_leaks_does_find_them():
    # So that the tests above cannot pass by looking at nothing.
    generator = random.Random(0)
    questions = ["".join(generator.choices(LETTERS, k=30)) for _ in range(130)]
    questions += [changed(text, generator) for text in questions]
    dialogues = [raw(text, f"reply {n}") for n, text in enumerate(questions)]
    rows = build(dialogues, **FRACTIONS, selection={"leak_free": False}).rows
    assert len(list(islice(leaks(rows), 20))) == 20
    built = build(dialogues, **FRACTIONS)
    assert not list(leaks(built.rows)) and built.report.dropped[LEAK] > 20


@pytest.mark.parametrize("held_out", [0.0, 0.3])
def test_questions_out_of_bounds_are_compared_exactly(held_out):
    # Shorter than five characters, and empty after folding: only equal ones are copies.
    texts = ["喂", "喂？", "喂喂", "?", "!", "？？", "好吗", "好嘛"]
    rows = build(
        [raw(text, f"so {n}") for n, text in enumerate(texts * 3)],
        validation_fraction=held_out,
        test_fraction=held_out,
    ).rows
    assert sum(map(len, rows.values())) == 3 * len(texts)
    assert not list(leaks(rows))


def test_a_near_copy_takes_out_every_time_it_was_asked():
    places = "mountain library orchard lighthouse bakery theatre harbour".split()
    asked = [f"which way is it to the {place}" for place in places]
    couples = [(text, text.replace("which", "whiich")) for text in asked]
    wanted = ["train", "validation"]
    ask = next(
        dict(zip(wanted, couple, strict=True))
        for couple in couples
        if [split_of(text, 0.4, 0.0) for text in couple] == wanted
    )
    dialogues = [raw(ask["train"], f"this way {n}") for n in range(3000)]
    dialogues += [raw(ask["validation"], f"that way {n}") for n in range(3000)]
    uncapped = {"maximum_question_count": 0}
    built = build(dialogues, validation_fraction=0.4, selection=uncapped)
    assert {side: len(rows) for side, rows in built.rows.items()} == {
        "train": 3000,
        "validation": 0,
        "test": 0,
    }
    assert built.report.dropped == {LEAK: 3000}


def test_a_long_dialogue_costs_no_square_of_its_turns(tmp_path):
    # Each of 1,500 questions is looked at; reading the whole dialogue for each of them would make
    # 1,500 x 3,000 texts, about 300 MB.
    turns = [text for n in range(1500) for text in (f"was ist los {n} hier", f"nichts {n} davon")]
    tracemalloc.start()
    built = build([raw(*turns), raw("was ist los 7 hier", "egal")], **FRACTIONS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(map(len, built.rows.values())) >= 1
    assert peak < 30e6


# --- real corpora ---------------------------------------------------------------------------


def leak_share(rows: dict[str, list[dict[str, Any]]], sample: int) -> tuple[int, float]:
    """Count questions on two sides, and measure the share of near copies another way.

    Returns:
        How many questions stand on two sides, and the share of a sample of held-out questions
        of at least five characters that are like a question of training (difflib, 0.9).
    """
    asked = {split: set().union(*map(questions_of, found)) for split, found in rows.items()}
    asked = {split: set(map(normalize_question, found)) for split, found in asked.items()}
    exact = sum(len(asked[one] & asked[other]) for one, other in combinations(asked, 2))
    by_bigram = defaultdict(set)
    for question in asked["train"]:
        for bigram in bigrams(question):
            by_bigram[bigram].add(question)
    held_out = sorted(q for q in asked["validation"] | asked["test"] if len(q) >= 5)
    chosen = random.Random(0).sample(held_out, min(sample, len(held_out)))
    found = [q for q in chosen if any(alike(q, c) for c in candidates(q, by_bigram))]
    return exact, len(found) / len(chosen)


def bigrams(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


def candidates(question: str, by_bigram: dict[str, set[str]]) -> set[str]:
    """Give what shares a bigram with a question and is about as long."""
    shared = set().union(*(by_bigram.get(bigram, set()) for bigram in bigrams(question)))
    # A ratio of 0.9 needs 0.9 * (m + n) / 2 common characters, at most min(m, n).
    return {c for c in shared if 0.81 < len(c) / len(question) < 1.23}


def alike(one: str, other: str) -> bool:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return (
        matcher.real_quick_ratio() >= 0.9
        and matcher.quick_ratio() >= 0.9
        and matcher.ratio() >= 0.9
    )


def build_files(paths: list[Path], folder: Path) -> dict[str, list[dict[str, Any]]]:
    result = build_dialogues(
        [str(path) for path in paths],
        cache_dir=str(folder),
        validation_fraction=0.03,
        test_fraction=0.03,
    )
    assert result.report.kept == sum(map(len, result.dataset.values()))
    return {split: rows.to_list() for split, rows in result.dataset.items()}


def check(rows: dict[str, list[dict[str, Any]]], sample: int) -> None:
    exact, near = leak_share(rows, sample)
    assert min(len(rows["validation"]), len(rows["test"])) > 100
    assert exact == 0
    assert near < 0.01


@pytest.mark.slow
def test_some_chinese_corpora_together_have_no_leak(shared_data, tmp_path):
    names = ["format_samples", "cdial_gpt_toy/toy_data.json", "cdial_gpt_toy/toy_valid.txt"]
    paths = [shared_data / "zh_chitchat" / name for name in names]
    check(build_files(paths, tmp_path), 100)


@pytest.mark.slow
def test_all_chinese_chitchat_together_has_no_leak(shared_data, tmp_path):
    check(build_files([shared_data / "zh_chitchat"], tmp_path), 300)

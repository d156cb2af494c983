# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What goes into the dataset: no row uncounted, no row moved, whatever the settings."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import data_builders.building.staging as staging
from data_builders import build_dialogues
from data_builders.dialogue import RawDialogue
from data_builders.selecting.entropy import SIDES
from data_builders.selecting.pair_texts import LONG_QUESTION, LONG_REPLY, NO_QUESTION
from data_builders.selecting.selection import (
    ENTROPY,
    LEAK,
    NEAR,
    NO_PAIR,
    QUESTION_CAP,
    REPLY_CAP,
    WEIGHT,
    pieces,
)
from data_builders.selecting.shards import Dialogue
from data_builders.selecting.splits import normalize_question, reply_places, split_of
from tests.data_builders.memory_corpus import KEEP_ALL, build, raw

U, A, S = "user", "assistant", "system"

# A small world, so that dialogues repeat, leak and answer each other in all ways.
PHRASES = [
    "hi",
    "how are you",
    "How are you?!",
    "how are you now",
    "how old are you",
    "how old are they",
    "fine",
    "Fine.",
    "今天天气怎么样",
    "今天天气怎么样呢",
    "很好",
    "我们明天一起去公园散步好不好",
    "我们明天一起去公园散步行不行",
    "a rather long question about trains, timetables and tickets to the seaside?",
    "a rather long question about trains, timetables or tickets to the seaside?",
    "no",
]


@st.composite
def random_dialogues(draw: st.DrawFn) -> RawDialogue:
    """Draw a dialogue of two sources, with or without roles."""
    turns = tuple(draw(st.lists(st.sampled_from(PHRASES), min_size=2, max_size=5)))
    roles: tuple[str, ...] = ()
    if draw(st.booleans()):
        begin = draw(st.integers(0, 1))
        roles = tuple((U, A)[(begin + n) % 2] for n in range(len(turns)))
        if draw(st.booleans()):
            roles = (S, *roles[1:])
    origin = draw(st.integers(0, 1))
    return raw(*turns, roles=roles, origin=origin, source=f"source {origin}")


@st.composite
def random_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw settings of a build."""
    return {
        "weights": (1.0, draw(st.sampled_from([0.3, 1.0, 2.0, 2.5]))),
        "seed": draw(st.sampled_from([None, 7])),
        "validation_fraction": draw(st.sampled_from([0.0, 0.2, 0.4])),
        "test_fraction": draw(st.sampled_from([0.0, 0.3])),
        "languages": draw(st.sampled_from([(), ("zh",), ("en", "mixed")])),
        "asking": draw(st.sampled_from([(), (1,), (0, 1)])),
        "cleaning": {"minimum_chars": draw(st.integers(1, 3))},
        "selection": {
            "exact_duplicates": draw(st.booleans()),
            "near_duplicates": draw(st.booleans()),
            "maximum_question_chars": draw(st.sampled_from([0, 20])),
            "maximum_reply_chars": draw(st.sampled_from([0, 12])),
            "maximum_reply_count": draw(st.integers(0, 3)),
            "maximum_question_count": draw(st.integers(0, 3)),
            "maximum_share": draw(st.sampled_from([0.0, 0.2])),
            "entropy_filter": draw(st.sampled_from(SIDES)),
            "entropy_threshold": draw(st.sampled_from([0.5, 1.5])),
            "leak_free": draw(st.booleans()),
        },
    }


corpora = st.lists(random_dialogues(), min_size=1, max_size=25)


# --- every row is in one count --------------------------------------------------------------


@given(corpora, random_settings())
@settings(max_examples=25)
def test_every_row_read_is_in_exactly_one_count(dialogues, values):
    rows, report = built = build(dialogues, **values)
    assert report.rows_read == len(dialogues) == sum(origin.read for origin in report.origins)
    written = {split: len(found) for split, found in rows.items() if found}
    assert report.splits == written
    assert report.languages == Counter(row["lang"] for row in built.all_rows())
    kept = sum(origin.kept for origin in report.origins)
    assert kept == report.kept - report.extra_rows
    lost = report.duplicates + report.filtered + sum(report.dropped.values())
    assert kept + lost == len(dialogues)


@given(corpora, random_settings())
@settings(max_examples=25)
def test_rows_are_well_formed_and_said_by_somebody(dialogues, values):
    built = build(dialogues, **values)
    said = {turn for dialogue in dialogues for turn in dialogue.turns}
    wanted = values["languages"] or ("zh", "en", "mixed", "other")
    for row in built.all_rows():
        assert set(row["turns"]) <= said and len(row["turns"]) >= 2
        assert len(row["roles"]) in (0, len(row["turns"]))
        assert reply_places(row["turns"], row["roles"])
        assert row["lang"] in wanted
        assert min(map(len, row["turns"])) >= values["cleaning"]["minimum_chars"]


@given(corpora, random_settings())
@settings(max_examples=25)
def test_ids_are_unique(dialogues, values):
    # Kept duplicates are equal on purpose, and so are their names.
    values["selection"]["exact_duplicates"] = True
    ids = [row["id"] for row in build(dialogues, **values).all_rows()]
    assert len(set(ids)) == len(ids)


def test_equal_pieces_of_two_dialogues_have_names_of_their_own():
    dialogues = [raw("hi", "fine"), raw("hi", "fine", "no", "so"), raw("hi", "fine", "no", "what")]
    # What follows "no" is open, and goes.
    selection = {"entropy_filter": "source", "entropy_threshold": 0.9, "exact_duplicates": False}
    rows = build(dialogues, validation_fraction=0.0, selection=selection).rows["train"]
    assert [row["turns"] for row in rows] == [["hi", "fine"], *[["hi", "fine", "no"]] * 2]
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == 3 and {len(identity) for identity in ids} == {16}


def test_each_rule_counts_what_it_drops():
    dialogues = [
        raw("hi", "hello"),
        raw("hi", "hello"),
        raw("HI!", "Hello."),
        raw("你好", "很好"),
        raw("what is it", "hello", roles=(A, U)),
    ]
    report = build(dialogues, languages=("en",), validation_fraction=0.0).report
    assert (report.kept, report.duplicates, report.filtered) == (1, 1, 1)
    assert report.dropped == {NEAR: 1, NO_PAIR: 1}


def test_steps_can_be_switched_off():
    dialogues = [raw("hi", "hello"), raw("hi", "hello"), raw("HI!", "Hello.")]

    def kept(**selection: Any) -> int:
        return build(dialogues, validation_fraction=0.0, selection=selection).report.kept

    assert kept() == 1
    assert kept(near_duplicates=False) == 2
    # What is exactly the same is nearly the same too.
    assert kept(exact_duplicates=False) == 1
    assert kept(exact_duplicates=False, near_duplicates=False) == 3


# --- single pairs ---------------------------------------------------------------------------


def cut(kept: list[bool], turns: str = "abcd", roles: tuple[str, ...] = ()) -> list[str]:
    dialogue = Dialogue(tuple(turns), roles, "en", "s")
    found = list(pieces(dialogue, reply_places(dialogue.turns, roles), kept))
    initials = {U: "u", A: "a", S: "s"}
    return [
        "".join(piece.turns) + "".join(initials[role] for role in piece.roles) for piece in found
    ]


@pytest.mark.parametrize(
    "kept, expected",
    [
        ([True, True, True], ["abcd"]),
        ([True, False, True], ["ab", "cd"]),
        ([False, True, True], ["bcd"]),
        ([True, True, False], ["abc"]),
        ([False, False, True], ["cd"]),
        ([True, False, False], ["ab"]),
        ([False, False, False], []),
    ],
)
def test_a_lost_pair_cuts_the_dialogue_there(kept, expected):
    assert cut(kept) == expected


@pytest.mark.parametrize(
    "turns, roles, kept, expected",
    [
        ("abcd", (U, A, U, A), [True, True], ["abcduaua"]),
        ("abcd", (U, A, U, A), [False, True], ["bcdaua"]),
        ("abcd", (U, A, U, A), [True, False], ["abua"]),
        ("sabcd", (S, U, A, U, A), [True, True], ["sabcdsuaua"]),
        # The prompt holds for what is left.
        ("sabcd", (S, U, A, U, A), [False, True], ["sbcdsaua"]),
        ("sabcd", (S, U, A, U, A), [True, False], ["sabsua"]),
        ("sabcdef", (S, U, A, U, A, U, A), [True, False, True], ["sabsua", "sdefsaua"]),
        ("sabcd", (S, U, A, U, A), [False, False], []),
        # A question without a reply goes with the reply before it only if another follows.
        ("abcde", (U, A, U, U, A), [True, False], ["abua"]),
        ("abcde", (U, A, A, U, A), [False, True, True], ["bcdeaaua"]),
    ],
)
def test_cutting_with_roles_keeps_the_prompt(turns, roles, kept, expected):
    assert cut(kept, turns, roles) == expected


@given(
    st.lists(st.sampled_from([U, A]), min_size=1, max_size=9),
    st.sampled_from(["none", "roles", "system"]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=300)
def test_pieces_teach_the_kept_pairs_and_no_others(speakers, kind, generator):
    roles = {"none": (), "roles": tuple(speakers), "system": (S, *speakers)}[kind]
    turns = tuple(f"t{n}" for n in range(len(roles) or len(speakers)))
    places = reply_places(turns, roles)
    kept = [generator.random() < 0.6 for _ in places]
    found = list(pieces(Dialogue(turns, roles, "en", "s"), places, kept))
    taught = [
        (piece.turns[place - 1], piece.turns[place])
        for piece in found
        for place in reply_places(piece.turns, piece.roles)
    ]
    wanted = [place for place, keep in zip(places, kept, strict=True) if keep]
    assert taught == [(turns[place - 1], turns[place]) for place in wanted]
    for piece in found:
        assert len(piece.roles) == (len(piece.turns) if roles else 0)
        assert kind != "system" or piece.roles[0] == S


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_reply_occurs_as_often_as_the_cap_says(limit):
    dialogues = [raw(f"question number {n}", ("Yes!", "yes", "YES")[n % 3]) for n in range(9)]
    dialogues += [raw("and now", "no", "and then", "yes", "so", "so be it")]
    selection = {"maximum_reply_count": limit}
    built = build(dialogues, validation_fraction=0.0, test_fraction=0.0, selection=selection)
    report, rows = built.report, built.rows["train"]
    replies = Counter(normalize_question(turn) for row in rows for turn in row["turns"][1:])
    assert replies["yes"] == limit and replies["no"] == 1 == replies["sobeit"]
    assert report.pairs_dropped == {REPLY_CAP: 10 - limit}
    assert report.dropped == {REPLY_CAP: 9 - limit}
    # The first ones stay; the dialogue that loses one in the middle is cut in two.
    assert [row["turns"][0] for row in rows[:limit]] == [
        f"question number {n}" for n in range(limit)
    ]
    assert [row["turns"] for row in rows[limit:]] == [
        ["and now", "no", "and then"],
        ["yes", "so", "so be it"],
    ]
    assert report.extra_rows == 1


@pytest.mark.parametrize("limit", [1, 3])
def test_a_question_is_asked_as_often_as_the_cap_says(limit):
    dialogues = [raw(("What?", "what", "WHAT!")[n % 3], f"reply number {n}") for n in range(7)]
    selection = {**KEEP_ALL, "maximum_question_count": limit}
    report, rows = (
        (built := build(dialogues, validation_fraction=0.0, selection=selection)).report,
        built.rows["train"],
    )
    assert [row["turns"][1] for row in rows] == [f"reply number {n}" for n in range(limit)]
    assert report.dropped == report.pairs_dropped == {QUESTION_CAP: 7 - limit}


def test_a_question_after_other_talk_is_another_question():
    dialogues = [raw("and?", "yes"), raw("I sing", "and?", "more"), raw("I dance", "and?", "less")]
    selection = {**KEEP_ALL, "maximum_question_count": 1}
    assert build(dialogues, validation_fraction=0.0, selection=selection).report.kept == 3


@pytest.mark.parametrize(("share", "kept"), [(0.0, 2), (0.1, 4), (1.0, 20)])
def test_the_caps_grow_with_the_corpus(share, kept):
    dialogues = [raw(f"question number {n}", "yes") for n in range(20)]
    dialogues += [raw(f"other number {n}", f"reply number {n}") for n in range(20)]
    selection = {**KEEP_ALL, "maximum_reply_count": 2, "maximum_share": share}
    rows = build(dialogues, validation_fraction=0.0, selection=selection).rows["train"]
    assert sum(row["turns"][1] == "yes" for row in rows) == kept


def test_long_pairs_are_left_out_and_the_dialogue_is_cut_there():
    dialogues = [
        raw("hi", "hello", "tell me all of it", "no", "why", "it is a very long story"),
        raw("a question that goes on and on", "yes"),
    ]
    selection = {**KEEP_ALL, "maximum_question_chars": 20, "maximum_reply_chars": 17}
    built = build(dialogues, validation_fraction=0.0, selection=selection)
    assert [row["turns"] for row in built.rows["train"]] == [
        ["hi", "hello", "tell me all of it", "no", "why"]
    ]
    assert built.report.pairs_dropped == {LONG_REPLY: 1, LONG_QUESTION: 1}
    assert built.report.dropped == {LONG_QUESTION: 1}


def test_only_questions_with_their_answers_are_cut_out_of_one_source():
    film = ["我们走吧。", "你去哪儿？", "回家。", "外面下雨了。", "真的吗？", "真的。"]
    dialogues = [
        raw(*film, source="film", origin=1),
        raw("再说一遍", "你去哪儿？", "回家！", source="film", origin=1),
        raw("早上好", "早", source="chat"),
    ]
    built = build(dialogues, validation_fraction=0.0, asking=(1,), weights=(1.0, 1.0))
    assert [row["turns"] for row in built.rows["train"]] == [
        ["你去哪儿？", "回家。"],
        ["真的吗？", "真的。"],
        ["早上好", "早"],
    ]
    # The second dialogue has its question and answer already, once it is cut out.
    assert built.report.pairs_dropped == {NO_QUESTION: 4, NEAR: 1}


def test_what_is_in_another_language_takes_no_place_under_the_cap():
    dialogues = [raw("你好，今天怎么样", "ok"), raw("how are you", "ok"), raw("and now", "ok")]
    selection = {**KEEP_ALL, "maximum_reply_count": 1}
    built = build(dialogues, validation_fraction=0.0, languages=("en",), selection=selection)
    assert [row["turns"][0] for row in built.rows["train"]] == ["how are you"]
    assert built.report.pairs_dropped == {REPLY_CAP: 1}


def test_the_entropy_filter_takes_its_side():
    any_reply = [raw("what now", f"reply {n}") for n in range(4)]
    any_question = [raw(f"question {n}", "i see") for n in range(4)]
    good = [raw("how late is it", "nearly nine"), raw("who is there", "only me")]

    def left(sides: str) -> list[tuple[str, ...]]:
        selection = {**KEEP_ALL, "entropy_filter": sides, "entropy_threshold": 1.0}
        built = build(any_reply + any_question + good, validation_fraction=0.0, selection=selection)
        lost = built.report.pairs_dropped.get(ENTROPY, 0)
        assert lost + built.report.kept == 10
        return [tuple(row["turns"]) for row in built.all_rows()]

    assert left("none") == [d.turns for d in any_reply + any_question + good]
    assert left("source") == [d.turns for d in any_question + good]
    assert left("target") == [d.turns for d in any_reply + good]
    assert left("both") == [d.turns for d in good]


# --- weights --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many():
    return [
        raw(f"question {n}", f"reply {n}", origin=n % 2, source=f"source {n % 2}")
        for n in range(800)
    ]


def weighted(dialogues: list[RawDialogue], weight: float, **values: Any) -> Any:
    # These questions differ in digits alone, which makes no near copies.
    return build(dialogues, weights=(1.0, weight), test_fraction=0.2, **values)


def test_half_a_weight_takes_half_and_the_same_half_each_time(many):
    whole, half = weighted(many, 1.0), weighted(many, 0.5)
    of_second = [row["id"] for row in whole.rows["train"] if row["source"] == "source 1"]
    taken = {row["id"] for row in half.rows["train"] if row["source"] == "source 1"}
    assert taken < set(of_second) and 0.4 < len(taken) / len(of_second) < 0.6
    assert half.report.dropped == {WEIGHT: len(of_second) - len(taken)}
    shuffled = list(many)
    random.Random(2).shuffle(shuffled)
    again = weighted(shuffled, 0.5)
    assert {row["id"] for row in again.rows["train"] if row["source"] == "source 1"} == taken
    other = weighted(many, 0.5, seed=3)
    assert {row["id"] for row in other.rows["train"] if row["source"] == "source 1"} != taken
    # The other source is as it was.
    assert [row for row in half.rows["train"] if row["source"] == "source 0"] == [
        row for row in whole.rows["train"] if row["source"] == "source 0"
    ]


def test_a_smaller_weight_takes_a_part_of_what_a_larger_one_takes(many):
    ids = [
        {row["id"] for row in weighted(many, weight).rows["train"]} for weight in (0.2, 0.5, 0.9)
    ]
    assert ids[0] < ids[1] < ids[2]


@pytest.mark.parametrize("weight, low, high", [(2.0, 2.0, 2.0), (2.5, 2.4, 2.6), (100.0, 100, 100)])
def test_more_weight_writes_train_rows_more_often(many, weight, low, high):
    some = many[:200]
    whole, more = weighted(some, 1.0), weighted(some, weight)
    count = Counter(row["source"] for row in whole.rows["train"])
    counts = Counter(row["source"] for row in more.rows["train"])
    assert counts["source 0"] == count["source 0"]
    assert low - 0.15 <= counts["source 1"] / count["source 1"] <= high + 0.15
    if weight in (2.0, 100.0):
        assert counts["source 1"] == weight * count["source 1"]
    ids = [row["id"] for row in more.all_rows()]
    assert len(set(ids)) == len(ids)
    assert {i.partition("-")[0] for i in ids} == {row["id"] for row in whole.all_rows()}
    assert more.report.extra_rows == len(ids) - len(some) == more.report.kept - len(some)


@pytest.mark.parametrize("weight", [0.3, 3.0])
def test_held_out_rows_are_not_weighted(many, weight):
    whole, other = weighted(many, 1.0), weighted(many, weight)
    for split in ("validation", "test"):
        assert len(whole.rows[split]) > 10 and other.rows[split] == whole.rows[split]


# --- sides ----------------------------------------------------------------------------------


@st.composite
def growing_corpora(draw: st.DrawFn) -> tuple[list[RawDialogue], list[RawDialogue]]:
    """Draw a corpus, and more data; every second turn is said once in all of it."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=30))
    questions = iter(
        draw(st.lists(st.sampled_from(PHRASES), min_size=sum(sizes), max_size=sum(sizes)))
    )
    dialogues = []
    for number, size in enumerate(sizes):
        turns = [
            turn for n in range(size) for turn in (next(questions), f"answer {number}.{n} is it")
        ]
        dialogues.append(raw(*turns))
    where = draw(st.integers(1, len(dialogues) - 1))
    return dialogues[:where], dialogues[where:]


@given(growing_corpora(), st.booleans(), st.sampled_from([0, 2]))
def test_data_added_later_moves_no_row_to_another_side(corpus, in_front, limit):
    values = {
        "validation_fraction": 0.3,
        "test_fraction": 0.3,
        "selection": {"maximum_reply_count": limit, "near_duplicates": False},
    }
    first, more = corpus
    side = {row["id"]: split for split, rows in build(first, **values).rows.items() for row in rows}
    after = build(more + first if in_front else first + more, **values).rows
    for split, rows in after.items():
        for row in rows:
            assert side.get(row["id"], split) == split


@given(corpora)
@settings(max_examples=30)
def test_a_dialogue_is_on_the_side_of_its_first_question(dialogues):
    values = {"validation_fraction": 0.3, "test_fraction": 0.3, "weights": (1.0, 1.0)}
    for split, rows in build(dialogues, **values, selection=KEEP_ALL).rows.items():
        for row in rows:
            places = reply_places(row["turns"], row["roles"])
            assert split_of(row["turns"][places[0] - 1], 0.3, 0.3) == split


def test_all_replies_to_one_question_stay_together():
    dialogues = [
        raw(f"why is number {n} so odd", f"{reply} is why {n}", origin=n % 2)
        for reply in ("this", "that", "nothing", "the sky", "它")
        for n in range(60)
    ]
    values = {"validation_fraction": 0.3, "test_fraction": 0.3, "weights": (1.0, 1.0)}
    rows = build(dialogues, **values).rows
    splits, replies = defaultdict(set), Counter()
    for split, found in rows.items():
        for row in found:
            splits[row["turns"][0]].add(split)
            replies[row["turns"][0]] += 1
    assert len(splits) == 60 and all(len(found) == 1 for found in splits.values())
    assert set(replies.values()) == {5}
    assert min(map(len, rows.values())) >= 5 * 5


def test_a_question_split_over_two_lengths_of_dialogue_stays_on_one_side():
    # The held-out dialogue asks in its middle what another one begins with in training.
    sides = {split_of(f"question {n}", 0.4, 0.0): f"question {n}" for n in range(20)}
    dialogues = [
        raw(sides["validation"], "first", sides["train"], "second", "third thing", "fourth"),
        raw(sides["train"], "elsewhere"),
    ]
    built = build(dialogues, validation_fraction=0.4)
    assert [row["turns"] for row in built.rows["validation"]] == [
        [sides["validation"], "first", sides["train"]],
        ["second", "third thing", "fourth"],
    ]
    assert [row["turns"] for row in built.rows["train"]] == [[sides["train"], "elsewhere"]]
    assert built.report.pairs_dropped == {LEAK: 1}


# --- how it is computed changes nothing -----------------------------------------------------


@pytest.fixture(scope="module")
def mixed():
    """500 dialogues of the small world, with some noise so that not all are duplicates."""
    generator = random.Random(4)
    dialogues = []
    for number in range(500):
        turns = [generator.choice(PHRASES) for _ in range(generator.randrange(2, 6))]
        turns = [
            f"{turn} {generator.randrange(300)}" if generator.random() < 0.7 else turn
            for turn in turns
        ]
        origin = number % 2
        dialogues.append(raw(*turns, origin=origin, source=f"source {origin}"))
    # And some that are.
    return dialogues + dialogues[10:60:7]


VALUES = {
    "weights": (1.0, 1.5),
    "validation_fraction": 0.2,
    "test_fraction": 0.2,
    "selection": {"maximum_reply_count": 9, "entropy_filter": "both", "entropy_threshold": 4.0},
}


@pytest.fixture(scope="module")
def expected(mixed):
    built = build(mixed, **VALUES)
    assert set(built.report.pairs_dropped) == {ENTROPY, REPLY_CAP, LEAK}
    assert built.report.duplicates and built.report.dropped[NEAR]
    assert all(len(rows) > 15 for rows in built.rows.values())
    return built


@pytest.mark.parametrize(
    "setting, size, workers", [("SHARD_DIALOGUES", 60, 2), ("SHARD_CHARACTERS", 2500, 1)]
)
def test_sizes_of_shards_and_workers_change_nothing(
    monkeypatch, mixed, expected, setting, size, workers
):
    monkeypatch.setattr(staging, setting, size)
    built = build(mixed, workers=workers, **VALUES)
    assert built.rows == expected.rows
    assert built.report.to_dict() == expected.report.to_dict()


@given(corpora, random_settings(), st.integers(1, 5))
@settings(max_examples=8)
def test_tiny_shards_change_nothing(dialogues, values, size):
    one = build(dialogues, **values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "SHARD_DIALOGUES", size)
        other = build(dialogues, **values)
    assert (one.rows, one.report.to_dict()) == (other.rows, other.report.to_dict())


def test_a_file_gives_the_same_dataset_however_it_is_computed(monkeypatch, tmp_path):
    path = tmp_path / "talk.jsonl"
    rows = [{"dialogue": [f"question {n % 70}", f"answer {n}", f"more of {n}"]} for n in range(200)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def built(workers: int) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        cache = str(tmp_path / f"cache {workers}")
        result = build_dialogues(str(path), cache_dir=cache, workers=workers, test_fraction=0.2)
        return {s: r.to_list() for s, r in result.dataset.items()}, result.report.to_dict()

    one = built(1)
    monkeypatch.setattr(staging, "SHARD_DIALOGUES", 17)
    assert built(2) == one and sum(map(len, one[0].values())) == 200

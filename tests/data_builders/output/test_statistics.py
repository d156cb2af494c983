# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the statistics promise: the numbers of a plain count in Python, in bounded memory."""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

import datasets
import pytest

import data_builders.output.counting as counting
from data_builders.building.builder import DIALOGUE_FEATURES
from data_builders.errors import UserError
from data_builders.output.pictures import CAPTIONS, draw_pictures, drawn_label
from data_builders.output.statistics import (
    LENGTH_EDGES,
    MAX_REPLY,
    MAX_SOURCES,
    OTHER_SOURCES,
    TURN_EDGES,
    DatasetStatistics,
    Histogram,
    describe,
)
from data_builders.selecting.splits import reply_places


def row(*turns: str, roles: tuple[str, ...] = (), lang: str = "en", source: str = "a") -> dict:
    return {"id": "0", "turns": turns, "roles": roles, "lang": lang, "source": source}


def split(rows: list[dict]) -> datasets.Dataset:
    columns = {name: [row[name] for row in rows] for name in DIALOGUE_FEATURES}
    return datasets.Dataset.from_dict(columns, features=DIALOGUE_FEATURES)


def described(rows: list[dict]):
    return describe(datasets.DatasetDict(train=split(rows))).splits["train"]


def random_rows(seed: int, number: int) -> list[dict]:
    rng = random.Random(seed)
    words = [f"word {i}" for i in range(40)] + ["你好", "再见", "", "ok", "x" * 150, "é", "🙂"]
    rows = []
    for _ in range(number):
        turns = rng.choices(words, k=rng.choice([1, 2, 2, 2, 3, 4, 7]))
        kind = rng.random()
        roles = rng.choices(["system", "user", "assistant"], k=len(turns)) if kind < 0.4 else ()
        lang = rng.choice(["zh", "en"])
        rows.append(row(*turns, roles=tuple(roles), lang=lang, source=f"s{rng.randrange(5)}"))
    return rows


def naive_pairs(rows: list[dict]) -> list[tuple[str, str]]:
    return [
        (row["turns"][place - 1], row["turns"][place])
        for row in rows
        for place in reply_places(row["turns"], row["roles"])
    ]


def naive_bins(values: list[int], edges: tuple[int, ...]) -> tuple[int, ...]:
    found = Counter(max(edge for edge in edges if edge <= value) for value in values)
    return tuple(found[edge] for edge in edges)


# --- numbers --------------------------------------------------------------------------------


def test_numbers_of_a_tiny_dataset():
    found = described(
        [
            row("hi", "hello"),
            row("hi", "hey", source="b"),
            row("你好", "hello", "再见", lang="zh"),
            row("be nice", "hi", "hello", roles=("system", "user", "assistant")),
        ]
    )
    assert (found.dialogues, found.pairs) == (4, 5)
    # hi, 你好, and "hello" before 再见
    assert (found.distinct_questions, found.distinct_replies) == (3, 3)
    assert found.multi_reply_questions == 1
    assert found.characters == 7 + 5 + 9 + 14
    assert found.coarse == 0
    assert found.languages == {"en": 3, "zh": 1}
    assert found.sources == {"a": 3, "b": 1}
    assert found.top_replies[0] == ("hello", 3, 3 / 5)
    assert [reply.text for reply in found.top_replies[1:]] == ["hey", "再见"]
    assert found.top_reply_share == 3 / 5
    assert found.turns.bars() == [("2", 2), ("3", 2)]
    assert found.question_lengths.bars() == [("2", 4), ("3-4", 0), ("5-6", 1)]
    assert found.reply_lengths.bars() == [("2", 1), ("3-4", 1), ("5-6", 3)]
    assert found.reply_lengths.mean == (5 + 3 + 5 + 2 + 5) / 5


def test_dialogues_with_coarse_words_are_counted_once_and_no_part_of_a_word_is_one():
    rows = [
        row("What a SHIT day", "shit happens, fuck it"),
        row("你好", "你个shit", "好"),
        row("你是傻b吗", "不是"),
        row("shitake, a peacock", "Scunthorpe"),
        row("他妈妈明日你来", "体操你喜欢吗？我操心"),
    ]
    assert described(rows).coarse == 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("batch_rows", [7, 8192])
@pytest.mark.parametrize("pairs_per_pass", [50, 10**6])
def test_numbers_are_those_of_a_naive_count(monkeypatch, seed, batch_rows, pairs_per_pass):
    monkeypatch.setattr(counting, "_ROWS_PER_BATCH", batch_rows)
    monkeypatch.setattr(counting, "PAIRS_PER_PASS", pairs_per_pass)
    rows = random_rows(seed, 300)
    found, pairs = described(rows), naive_pairs(rows)
    replies = Counter(reply for _, reply in pairs)
    references = defaultdict(set)
    for question, reply in pairs:
        references[question].add(reply)
    assert (found.dialogues, found.pairs) == (300, len(pairs))
    assert found.distinct_questions == len(references)
    assert found.distinct_replies == len(replies)
    assert found.multi_reply_questions == sum(len(found) > 1 for found in references.values())
    assert found.characters == sum(len(turn) for row in rows for turn in row["turns"])
    assert found.languages == Counter(row["lang"] for row in rows)
    assert found.sources == Counter(row["source"] for row in rows)
    lengths = [[len(pair[side]) for pair in pairs] for side in (0, 1)]
    assert found.question_lengths.counts == naive_bins(lengths[0], LENGTH_EDGES)
    assert found.reply_lengths.counts == naive_bins(lengths[1], LENGTH_EDGES)
    assert found.reply_lengths.total == sum(lengths[1])
    assert found.turns.counts == naive_bins([len(row["turns"]) for row in rows], TURN_EDGES)
    counts = sorted(replies.values(), reverse=True)[:20]
    assert [reply.count for reply in found.top_replies] == counts
    assert all(replies[reply.text] == reply.count for reply in found.top_replies)
    assert all(reply.share == reply.count / len(pairs) for reply in found.top_replies)


def test_rows_taken_out_of_order_count_the_same():
    rows = random_rows(9, 200)
    chosen = random.Random(0).sample(range(200), 120)
    # `select` leaves the file as it is and puts a list of row numbers before it.
    selected = split(rows).select(chosen)
    assert selected._indices is not None
    found = describe(datasets.DatasetDict(train=selected)).splits["train"]
    assert found == described([rows[place] for place in chosen])


def test_splits_saved_in_several_files_count_the_same(tmp_path):
    rows = random_rows(10, 200)
    datasets.DatasetDict(train=split(rows)).save_to_disk(tmp_path, num_shards={"train": 3})
    assert describe(datasets.load_from_disk(tmp_path)).splits["train"] == described(rows)


def test_the_order_of_rows_does_not_matter():
    # 60 replies are equally frequent: which 20 are listed must not depend on the order.
    rows = [row(f"q{i}", f"r{i}") for i in range(60)]
    assert described(rows) == described(rows[::-1])


def test_a_dataset_without_rows_is_all_zeros():
    found = described([])
    assert (found.dialogues, found.pairs, found.distinct_replies) == (0, 0, 0)
    assert found.top_replies == () and found.top_reply_share == 0
    assert found.turns.bars() == [] and found.turns.mean == 0


def test_dialogues_without_a_reply_have_no_pairs():
    found = described([row("alone"), row("a", "b", roles=("user", "user"))])
    assert (found.dialogues, found.pairs, found.multi_reply_questions) == (2, 0, 0)


def test_missing_values_are_counted_as_nothing():
    table = {"id": [None], "turns": [None], "roles": [None], "lang": [None], "source": [None]}
    rows = datasets.Dataset.from_dict(table, features=DIALOGUE_FEATURES)
    found = describe(datasets.DatasetDict(train=rows)).splits["train"]
    assert (found.dialogues, found.pairs, found.languages) == (1, 0, {"(none)": 1})


def test_a_very_long_reply_is_cut_but_counted_whole():
    found = described([row("q", "a" * 5000), row("q", "a" * 5001)])
    assert found.distinct_replies == 2
    assert {len(reply.text) for reply in found.top_replies} == {MAX_REPLY}


def test_many_sources_end_in_one_entry():
    rows = [row("q", "r", source=f"file {i:04}") for i in range(MAX_SOURCES + 7)]
    found = described([*rows, row("q", "r", source="most")] * 2)
    assert list(found.sources)[0] == "file 0000"
    assert found.sources[OTHER_SOURCES] == 16
    assert sum(found.sources.values()) == found.dialogues


def test_splits_add_up():
    rows = random_rows(3, 80)
    found = describe(datasets.DatasetDict(train=split(rows[:60]), validation=split(rows[60:])))
    whole = described(rows)
    assert (found.dialogues, found.pairs) == (whole.dialogues, whole.pairs)
    assert found.counts("languages") == whole.languages
    assert found.counts("sources") == whole.sources
    for name in ("question_lengths", "reply_lengths", "turns"):
        assert found.histogram(name) == getattr(whole, name)


def test_the_last_bin_is_open():
    assert Histogram((0, 1, 5), (0, 0, 3), 30).bars() == [("5+", 3)]


# --- pictures -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def statistics() -> DatasetStatistics:
    rows = [
        row(*r["turns"], lang=r["lang"], source=f"语料/闲聊{i % 20}.txt")
        for i, r in enumerate(random_rows(4, 90))
    ]
    return describe(datasets.DatasetDict(train=split(rows)))


def test_pictures_are_small_white_png_files(tmp_path, statistics):
    image = pytest.importorskip("matplotlib.image")
    paths = draw_pictures(statistics, tmp_path / "pictures")
    assert [path.name for path in paths] == list(CAPTIONS)
    for path in paths:
        assert path.stat().st_size < 60_000
        pixels = image.imread(path)
        assert pixels[0, 0].tolist() == [1, 1, 1, 1]
        assert pixels.min() < 0.5


def test_pictures_are_the_same_every_time(tmp_path, statistics):
    pytest.importorskip("matplotlib")
    twice = [draw_pictures(statistics, tmp_path / name) for name in "ab"]
    assert [[path.read_bytes() for path in paths] for paths in twice][0] == [
        path.read_bytes() for path in twice[1]
    ]


def test_drawing_needs_no_font_for_chinese(tmp_path, statistics, recwarn):
    pytest.importorskip("matplotlib")
    draw_pictures(statistics, tmp_path)
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_drawing_leaves_pyplot_alone(tmp_path, statistics, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert draw_pictures(statistics, tmp_path)


@pytest.mark.parametrize(
    ("rows", "drawn"),
    [
        ([], []),
        ([row("hi", "ho"), row("ha", "he")], []),
        ([row("hi", "hello"), row("ha", "hey there")], ["lengths.png"]),
        ([row("hi", "ho"), row("ha", "he", lang="zh")], ["languages.png"]),
    ],
)
def test_no_pictures_of_nothing_and_of_a_single_bar(tmp_path, rows, drawn):
    pytest.importorskip("matplotlib")
    paths = draw_pictures(describe(datasets.DatasetDict(train=split(rows))), tmp_path)
    assert [path.name for path in paths] == drawn


def test_missing_matplotlib_says_what_to_install(tmp_path, statistics, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r'pip install "tfchat-hf\[plots\]"'):
        draw_pictures(statistics, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("label", "drawn"),
    [
        ("chatterbot/english/ai", "chatterbot/english/ai"),
        ("语料/闲聊.txt", "source 3"),
        ("语料/train_part.txt", "~/train_part.txt"),
        ("", "source 3"),
        ("/home/somebody/chat.txt", "chat.txt"),
        ("C:\\Users\\somebody\\chat.txt", "chat.txt"),
    ],
)
def test_labels_in_pictures_are_ascii(label, drawn):
    assert drawn_label(label, 3) == drawn


def test_long_labels_keep_their_end():
    label = drawn_label("folder/" * 9 + "part_7.json", 1)
    assert len(label) == 32 and label.endswith("part_7.json")


# --- real files -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_real_corpus_counts_as_its_lines_do(shared_data: Path):
    text = (shared_data / "zh_chitchat/chicken_and_gossip.txt").read_text("utf-8", "replace")
    columns = [line.split("\t") for line in text.split("\n")]
    rows = [row(*turns) for turns in columns if len(turns) == 2]
    found, replies = described(rows), Counter(turns[1] for turns in columns if len(turns) == 2)
    assert found.pairs == len(rows) > 20_000
    assert found.distinct_replies == len(replies)
    best = [reply.count for reply in found.top_replies]
    assert best == [count for _, count in replies.most_common(20)]

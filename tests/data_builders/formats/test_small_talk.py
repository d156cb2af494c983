# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The corpus that comes with the package keeps what its card promises, row by row."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from data_builders import build_dialogues
from data_builders.errors import UserError
from data_builders.formats.small_talk import FOLDER, SmallTalkConfig, SmallTalkCorpus
from data_builders.formats.small_talk import small_talk_rows as rows_of
from data_builders.report import BuildReport
from data_builders.selecting.splits import SPLITS, normalize_question

LANGUAGES = ("zh", "en")
# Characters of a Chinese reply, words of an English one; a sum may be answered with a number.
LENGTHS = {"zh": (4, 40), "en": (3, 30)}
PAIRS, DIALOGUES = {"zh": 5000, "en": 3000}, {"zh": 800, "en": 500}
HAN = re.compile("[\u4e00-\u9fff]")


def pairs_of(row: dict) -> list[tuple[str, str]]:
    turns = row.get("dialogue") or [row["question"], row["reply"]]
    return list(zip(turns[::2], turns[1::2], strict=True))


def size(language: str, text: str) -> int:
    return len(re.findall(r"\S", text)) if language == "zh" else len(text.split())


def phrases(language: str, text: str) -> set[str]:
    if language == "zh":
        bare = re.sub(r"\W", "", text)
        return {bare[i : i + 5] for i in range(len(bare) - 4)}
    words = re.findall(r"[\w']+", text.lower())
    return {" ".join(words[i : i + 4]) for i in range(len(words) - 3)}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict]]:
    """All rows of a language, training first."""
    return {
        language: [{**row, "split": s} for s in SPLITS for row in rows_of(language, s)]
        for language in LANGUAGES
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory):
    cache = str(tmp_path_factory.mktemp("cache"))
    return build_dialogues("small_talk", test_fraction=0.05, cache_dir=cache)


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_as_much_as_the_card_says(rows, language):
    train = [row for row in rows[language] if row["split"] == "train"]
    dialogues = [row["dialogue"] for row in train if "dialogue" in row]
    assert sum(len(pairs_of(row)) for row in train) >= PAIRS[language]
    assert len(dialogues) >= DIALOGUES[language]
    assert {len(turns) for turns in dialogues} <= {4, 6, 8}
    ways = Counter((r["topic"], r["intent"]) for r in train if "question" in r)
    assert sum(count >= 4 for count in ways.values()) >= 600
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.jsonl")) < 3e6


@pytest.mark.parametrize("language", LANGUAGES)
def test_replies_have_the_length_and_the_language_that_they_should(rows, language):
    low, high = LENGTHS[language]
    for row in rows[language]:
        for _, reply in pairs_of(row):
            assert low <= size(language, reply) <= high or re.search(r"\d", reply), reply
            assert bool(HAN.search(reply)) == (language == "zh"), reply


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_reply_and_no_phrase_is_worn_out(rows, language):
    replies = [reply for row in rows[language] for _, reply in pairs_of(row)]
    worn = Counter(phrase for reply in replies for phrase in phrases(language, reply))
    assert Counter(replies).most_common(1)[0][1] <= 5
    # A number to call is no empty phrase.
    named = [p for p, count in worn.items() if count > 15]
    assert not [p for p in named if not re.search(r"\d|emergency number", p)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_question_is_asked_once_and_the_ways_to_ask_have_replies_of_their_own(rows, language):
    asked = Counter(row["question"].lower() for row in rows[language] if "question" in row)
    assert asked.most_common(1)[0][1] == 1
    replies = defaultdict(list)
    for row in rows[language]:
        if "question" in row and row["split"] == "train":
            replies[row["topic"], row["intent"]].append(row["reply"])
    for intent, given in replies.items():
        assert len(set(given)) >= len(given) - 1, intent


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("split", SPLITS[1:])
def test_held_out_rows_say_whether_their_intent_is_trained(rows, language, split):
    trained = {(r["topic"], r["intent"]) for r in rows[language] if r["split"] == "train"}
    held = [row for row in rows[language] if row["split"] == split]
    for row in held:
        assert row["known"] == ((row["topic"], row["intent"]) in trained), row
    known = [row["known"] for row in held if "question" in row]
    assert known.count(True) >= 100 and known.count(False) >= 60
    assert len(held) - len(known) >= 30


def test_no_question_is_both_trained_and_held_out(built, rows):
    report = built.report
    assert not (report.rejected or report.dropped or report.pairs_dropped or report.duplicates)
    assert report.kept == sum(len(some) for some in rows.values())
    for split in SPLITS:
        expected = sum(row["split"] == split for some in rows.values() for row in some)
        assert built.dataset[split].num_rows == expected


def test_rows_have_roles_and_say_where_they_are_from(built):
    row = built.dataset["test"][0]
    assert row["roles"] == ["user", "assistant"] * (len(row["turns"]) // 2)
    assert re.fullmatch(r"small_talk/(zh|en)/[a-z]+", row["source"])
    assert row["source"].split("/")[1] == row["lang"]


def test_one_language_can_be_chosen_and_another_is_refused(tmp_path):
    report = BuildReport()
    rows = list(SmallTalkCorpus.read_sources(SmallTalkConfig(languages=("en",)), report))
    assert {row.lang for row in rows} == {"en"} and not report.rejects
    with pytest.raises(UserError, match="`languages` of small_talk must be of zh, en .got 'fr'"):
        SmallTalkConfig(languages=("fr",))


def test_nothing_is_in_the_other_corpus_that_can_be_installed(rows, tmp_path):
    pytest.importorskip("chatterbot_corpus")
    theirs = build_dialogues("chatterbot", cache_dir=str(tmp_path)).dataset
    known = {
        tuple(normalize_question(turn) for turn in row["turns"][i : i + 2])
        for split in theirs.values()
        for row in split
        for i in range(len(row["turns"]) - 1)
    }
    for some in rows.values():
        for row in some:
            for pair in pairs_of(row):
                assert tuple(normalize_question(turn) for turn in pair) not in known

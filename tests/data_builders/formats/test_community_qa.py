# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of community QA promises: the best question there is, and its answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats.community_qa import (
    CommunityQAConfig,
    CommunityQACorpus,
    parse_answer,
    question_of,
)
from data_builders.report import BuildReport, RowError
from tests.data_builders.formats.json_rows import (
    as_lines,
    beginning,
    deep,
    one_file,
    sample,
    texts,
)

TITLE, LONG, ANSWER = "屋顶有苔藓？", "老屋顶上的青苔怎么去掉？", "用软刷子刷。"
BAIKE = {"qid": "q1", "category": "家居", "title": TITLE, "desc": LONG, "answer": ANSWER}
WEBTEXT = {
    "qid": 2,
    "title": TITLE,
    "desc": LONG,
    "topic": "家居",
    "star": 3,
    "content": ANSWER,
    "answer_id": 7,
    "answerer_tags": "瓦工",
}
ASK = {"title": TITLE, "ask": LONG, "answer": ANSWER}


@pytest.mark.parametrize("row", [BAIKE, WEBTEXT, ASK])
def test_each_schema_gives_question_and_answer(read, row):
    dialogues, report = read(CommunityQACorpus, as_lines(row, row), name="a.jsonl")
    assert [(d.turns, d.line) for d in dialogues] == [((LONG, ANSWER), 1), ((LONG, ANSWER), 2)]
    assert not report.rejected and dialogues[0].roles == ()


@pytest.mark.parametrize(
    ("title", "description", "expected"),
    [
        # best, title, desc, both
        (
            "Moss?",
            "How do I get it off?",
            (
                "How do I get it off?",
                "Moss?",
                "How do I get it off?",
                "Moss?\nHow do I get it off?",
            ),
        ),
        ("Moss?", "", ("Moss?", "Moss?", "", "Moss?")),
        ("", "How?", ("How?", "", "How?", "How?")),
        ("有苔藓？", "如题", ("有苔藓？", "有苔藓？", "", "有苔藓？")),
        ("有苔藓？", "无。", ("有苔藓？", "有苔藓？", "", "有苔藓？")),
        ("Moss on it?", "moss on it", ("Moss on it?", "Moss on it?", "moss on it", "Moss on it?")),
        (
            "Old roof, moss?",
            "moss",
            ("Old roof, moss?", "Old roof, moss?", "moss", "Old roof, moss?"),
        ),
        (
            "Moss?",
            "Moss? On a roof!",
            ("Moss? On a roof!", "Moss?", "Moss? On a roof!", "Moss? On a roof!"),
        ),
    ],
)
def test_the_setting_chooses_between_title_and_description(title, description, expected):
    found = tuple(question_of(title, description, c) for c in ("best", "title", "desc", "both"))
    assert found == expected


@given(texts.map(str.strip), texts.map(str.strip), st.sampled_from(["best", "both"]))
def test_there_is_a_question_wherever_there_is_a_title(title, description, choice):
    question = question_of(title, description, choice)
    assert question in (title, description, f"{title}\n{description}")


def test_answers_with_few_stars_are_left_out_and_counted(read):
    rows = [{**WEBTEXT, "star": star} for star in (0, 2, 3, "5", None, "many", float("inf"))]
    dialogues, report = read(CommunityQACorpus, as_lines(*rows, BAIKE), minimum_star=3)
    # Without stars there is nothing to judge by.
    assert [d.line for d in dialogues] == [3, 4, 5, 8]
    assert report.notes == {"answers with fewer stars than `minimum_star`": 4}
    assert not report.rejected


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"title": "x"}, "missing field"),
        ({"answer": "x"}, "missing field"),
        ({"title": None, "answer": "x"}, "missing field"),
        ({"title": " ", "desc": "", "answer": "x"}, "empty text"),
        ({"title": "x", "answer": ""}, "empty text"),
        ({"title": "x", "answer": ["y"]}, "not a string"),
        ({"title": 3, "answer": "y"}, "not a string"),
        ({"title": "x", "answer": deep()}, "not a string"),
        ({"title": "x", "answer": "\ud800"}, "not valid Unicode"),
    ],
)
def test_a_row_that_breaks_a_rule_is_rejected(row, rule):
    with pytest.raises(RowError) as error:
        parse_answer(row)
    assert error.value.rule == rule


def test_a_row_without_the_part_asked_for_is_rejected(read):
    rows = [BAIKE, {**BAIKE, "desc": ""}]
    dialogues, report = read(CommunityQACorpus, as_lines(*rows), question="desc")
    assert len(dialogues) == 1 and report.rejected == {"empty text": 1}
    assert ANSWER in report.rejects[0].text


@pytest.mark.parametrize(
    "settings", [{"question": "all"}, {"minimum_star": -1}, {"minimum_star": "3"}]
)
def test_an_impossible_setting_is_refused(settings):
    with pytest.raises(UserError, match="must be"):
        CommunityQAConfig(**settings)


@one_file
@given(st.lists(st.tuples(texts, texts), min_size=2, max_size=5))
def test_rows_are_read_back_as_written(read, pairs):
    rows = [{"qid": 1, "title": title, "desc": "", "answer": answer} for title, answer in pairs]
    found, report = read(CommunityQACorpus, as_lines(*rows))
    assert not report.rejected
    assert [d.turns for d in found] == [(a.strip(), b.strip()) for a, b in pairs]


def test_it_is_recognised_by_its_fields():
    for row in (BAIKE, WEBTEXT, ASK):
        assert CommunityQACorpus.resembles(sample([row], "lines")).score >= 0.9
    news = {"news_id": "1", "title": "a", "content": "b", "desc": "c"}
    for other in (news, {"question": "a", "answer": "b"}, ["a"], {}):
        assert CommunityQACorpus.resembles(sample([other])) is None
    assert CommunityQACorpus.resembles(sample([])) is None


@pytest.mark.parametrize(
    ("name", "count"),
    [("toyhom_rekeyed_desc_answer.jsonl.gz", 7_644), ("baike_webtext_readme_examples.jsonl", 2)],
)
def test_the_real_files_are_read_whole(shared_data, name, count):
    path = shared_data / "zh_community_qa" / name
    report = BuildReport()
    config = CommunityQAConfig(files=(str(path),))
    assert sum(1 for _ in CommunityQACorpus.read_sources(config, report)) == count
    assert not report.rejected
    assert CommunityQACorpus.resembles(beginning(path)).score >= 0.9

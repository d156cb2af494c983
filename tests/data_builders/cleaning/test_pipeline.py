# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The cleaner: which steps run, what is dropped and counted, and that cleaning settles."""

from __future__ import annotations

import json
import pickle
import random
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders import build_dialogues
from data_builders.cleaning.block_list import BlockList
from data_builders.cleaning.pipeline import Cleaner, CleaningSettings, looks_segmented
from data_builders.errors import UserError
from data_builders.report import RULES
from tests.data_builders.cleaning.test_steps import TEXTS

OPTIONS = (
    *("mojibake", "control_characters", "normal_forms", "markup", "urls", "kaomoji", "subtitles"),
    *("english_tokens", "stray_marks", "punctuation"),
)
NOTHING = CleaningSettings(
    join_segmented="never",
    mojibake=False,
    control_characters=False,
    normal_forms=False,
    punctuation=False,
)


def test_clean_dialogues_come_back_as_they_were() -> None:
    cleaner = Cleaner(CleaningSettings())
    turns = ("你好，在吗？", "Yes, I'm here. 😀")
    assert cleaner.clean(turns).turns == turns
    assert not any(cleaner.changed.values())


def test_changes_are_counted_once_a_turn_and_step() -> None:
    cleaner = Cleaner(CleaningSettings())
    cleaned = cleaner.clean(("Ａ\u200bＢ  Ｃ", "好", "x\x00y"))
    assert cleaned.turns == ("AB C", "好", "xy")
    changed = {name: count for name, count in cleaner.changed.items() if count}
    assert changed == {"normal_forms": 1, "control_characters": 2}


@pytest.mark.parametrize(
    ("setting", "segmented", "joined"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("always", False, True),
        ("never", True, False),
    ],
)
def test_segmented_chinese_is_joined_where_asked(
    setting: str, segmented: bool, joined: bool
) -> None:
    cleaner = Cleaner(CleaningSettings(join_segmented=setting))
    cleaned = cleaner.clean(("我 们 走 吧",), segmented=segmented)
    assert cleaned.turns == ("我们走吧" if joined else "我 们 走 吧",)


@pytest.mark.parametrize(
    ("option", "text", "cleaned"),
    [
        ("mojibake", "ä½\xa0å¥½", "你好"),
        ("control_characters", "你\u200b好", "你好"),
        ("normal_forms", "Ａ好", "A好"),
        ("markup", "<b>好</b>", "好"),
        ("urls", "看 http://a.example/b", "看"),
        ("kaomoji", "好^_^", "好"),
        ("subtitles", r"{\an8}好", "好"),
        ("english_tokens", "I do n't .", "I don't."),
        ("stray_marks", "你笑了嗎`-", "你笑了嗎"),
        ("punctuation", "在吗?", "在吗？"),
    ],
)
def test_each_step_can_be_switched_on_and_off(option: str, text: str, cleaned: str) -> None:
    assert Cleaner(replace(NOTHING, **{option: True})).clean((text,)).turns == (cleaned,)
    assert Cleaner(NOTHING).clean((text,)).turns == (text,)


@pytest.mark.parametrize(
    ("settings", "turns", "rule", "found"),
    [
        ({}, ("好", "你\ufffd好"), "damaged characters", "你\ufffd好"),
        ({}, ("好", "\u200b "), "empty after cleaning", "\u200b "),
        ({"markup": True}, ("好", "<br>"), "empty after cleaning", "<br>"),
        ({"minimum_chars": 2}, ("好的", "好"), "too short", "好"),
        ({"maximum_chars": 3}, ("好的", "好的好的"), "too long", "好的好的"),
        ({"maximum_turns": 2}, ("一", "二", "三"), "too many turns", "3"),
        ({"minimum_letters": 1}, ("？", "……"), "too few letters", "……"),
        ({"minimum_letters": 3}, ("how many", "42"), "too few letters", "42"),
        ({}, ("在吗", "[deleted]"), "placeholder turn", "[deleted]"),
        ({}, ("=A1+B1", "好"), "placeholder turn", "=A1+B1"),
        ({"maximum_chars": 3, "markup": True}, ("好", "<b>好" * 9), "too long", "<b>好" * 9),
        ({"drop_placeholders": True}, ("我是%name%", "好"), "placeholder", "%name%"),
        ({"drop_placeholders": True}, ("好", "Hello XXX"), "placeholder", "XXX"),
    ],
)
def test_dialogues_are_dropped_by_a_rule_that_the_report_knows(
    settings: dict[str, object], turns: tuple[str, ...], rule: str, found: str
) -> None:
    assert Cleaner(CleaningSettings(**settings)).clean(turns) == (None, rule, found)
    assert rule in RULES


@pytest.mark.parametrize(
    ("turns", "roles", "pieces"),
    [
        ("a b c d", "", ["a b c d"]),
        ("a b NULL d e", "", ["a b", "d e"]),
        ("a b NULL d", "", ["a b"]),
        ("NULL b c", "", ["b c"]),
        ("a NULL c", "", []),
        ("p a b NULL d e", "sus" + "usa", ["p d e"]),
        ("p a b NULL d e f", "suauaua", ["p a b", "p e f"]),
        ("NULL a b", "sua", ["a b"]),
        ("a b NULL b", "uaua", ["a b"]),
    ],
)
def test_a_turn_that_cannot_be_used_cuts_a_dialogue(
    turns: str, roles: str, pieces: list[str]
) -> None:
    names = [{"s": "system", "u": "user", "a": "assistant"}[role] for role in roles]
    cleaned = Cleaner(CleaningSettings()).clean(turns.split())
    found = list(cleaned.pieces(names))
    assert [" ".join(turns) for turns, _ in found] == pieces
    assert all(len(said) == (len(turns) if roles else 0) for turns, said in found)
    assert cleaned.rule == ("placeholder turn" if "NULL" in turns else "")


def test_no_step_sees_a_turn_far_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaner = Cleaner(CleaningSettings(maximum_chars=10, markup=True))
    seen: list[str] = []
    monkeypatch.setattr(cleaner, "_settle", lambda text, joined: seen.append(text) or text)
    assert cleaner.clean(("一" * 81, "好")).rule == "too long"
    assert seen == ["好"]
    assert Cleaner(CleaningSettings(maximum_chars=10, markup=True)).clean(
        ("<b>一</b>" * 10, "好")
    ).turns == ("一" * 10, "好")


def test_rows_cut_in_two_are_one_row_read_and_said(tmp_path: Path) -> None:
    row = {"dialogue": ["一", "二", "NULL", "四", "五"]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row), encoding="utf-8")
    report = build_dialogues(tmp_path / "a.jsonl", cache_dir=str(tmp_path / "cache")).report
    assert (report.rows_read, report.kept) == (1, 2)
    assert report.notes == {"dialogues cut at a turn (placeholder turn)": 1}


def test_each_row_is_read_kept_rejected_or_dropped(tmp_path: Path) -> None:
    two = [["Is it late?", "No.", "NULL", "Are you in?", f"Yes, {i}."] for i in range(20)]
    rows: list[dict[str, object]] = [
        *({"dialogue": [*turns[:2], {"bad": 1}, *turns[3:]]} for turns in two),
        {"question": "How?", "reply": "Well.", "deleted": True},
        {"question": "Who?", "reply": ""},
        {
            "question_en": "How old?",
            "answer_en": "Ten.",
            "question_zh": "几岁？",
            "answer_zh": "十",
        },
    ]
    place = tmp_path / "a.jsonl"
    place.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    report = build_dialogues(place, cache_dir=str(tmp_path / "cache")).report
    assert report.rows_read == 23 == len(rows)
    lost = report.duplicates + sum(report.dropped.values()) + sum(report.rejected.values())
    assert report.rows_read == report.kept + lost - report.pieces
    assert report.dropped["bad by its label"] == 1


def test_words_for_placeholders_are_put_before_what_is_left_is_looked_for() -> None:
    words = {"%name%": "我", "XXX": "你"}
    cleaner = Cleaner(CleaningSettings(placeholders=words, drop_placeholders=True))
    assert cleaner.clean(("%name%和XXX穿XXXL", "好")).turns == ("我和你穿XXXL", "好")
    assert cleaner.clean(("％name％好", "好")).turns == ("我好", "好")
    assert cleaner.clean(("%name%", "%other%")).rule == "placeholder"
    assert cleaner.changed["placeholders"] == 3


def test_a_question_may_have_no_letter() -> None:
    cleaner = Cleaner(CleaningSettings(minimum_letters=1))
    assert cleaner.clean(("？？", "怎么了")).turns == ("？？", "怎么了")


def test_bounds_of_zero_bind_nothing() -> None:
    cleaner = Cleaner(CleaningSettings(maximum_chars=0, maximum_turns=0))
    assert cleaner.clean(("好" * 5000,) * 300).turns is not None


@given(
    texts=st.lists(TEXTS, min_size=1, max_size=3),
    names=st.sets(st.sampled_from(OPTIONS)),
    join=st.sampled_from(["always", "never"]),
)
def test_cleaning_twice_is_cleaning_once_for_every_combination_of_steps(
    texts: list[str], names: set[str], join: str
) -> None:
    settings = replace(NOTHING, join_segmented=join, **dict.fromkeys(names, True))
    once = Cleaner(settings).clean(texts)
    if once.turns is not None:
        again = Cleaner(settings)
        assert again.clean(once.turns).turns == once.turns
        assert not any(again.changed.values())


@given(texts=st.lists(TEXTS, min_size=1, max_size=2))
def test_simplified_text_settles_too(texts: list[str]) -> None:
    pytest.importorskip("opencc")
    cleaner = Cleaner(CleaningSettings(to_simplified=True, markup=True, kaomoji=True))
    once = cleaner.clean(texts)
    assert once.turns is None or cleaner.clean(once.turns).turns == once.turns


@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
def test_the_quick_look_misses_nothing_that_the_steps_would_change(texts: list[str]) -> None:
    settings = CleaningSettings(maximum_chars=0)
    quick, thorough = Cleaner(settings), Cleaner(settings)
    thorough._is_clean = lambda text: False
    assert quick.clean(texts) == thorough.clean(texts)


@given(texts=st.lists(st.text("你好ab1?!,.:()？，。（） ", max_size=9), min_size=1, max_size=2))
def test_the_quick_look_misses_no_mark(texts: list[str]) -> None:
    quick, thorough = Cleaner(CleaningSettings()), Cleaner(CleaningSettings())
    thorough._is_clean = lambda text: False
    assert quick.clean(texts) == thorough.clean(texts)


def test_every_single_character_is_seen_by_the_quick_look() -> None:
    quick, thorough = Cleaner(CleaningSettings()), Cleaner(CleaningSettings())
    thorough._is_clean = lambda text: False
    for code in (*range(0xD800), *range(0xE000, 0x11000), *range(0xE0000, 0xE0200)):
        text = f"a{chr(code)}b"
        assert quick.clean((text,)) == thorough.clean((text,)), hex(code)


def test_settings_are_hashable_and_go_through_json_and_pickle() -> None:
    words = {"XXX": "你", "%name%": "我"}
    settings = CleaningSettings(markup=True, block_list="terms.txt", placeholders=words)
    assert CleaningSettings(**json.loads(json.dumps(asdict(settings)))) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings
    swapped = replace(settings, placeholders=dict(reversed(words.items())))
    assert len({settings, replace(settings), swapped}) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"join_segmented": "sometimes"}, "join_segmented"),
        ({"markup": "yes"}, "markup"),
        ({"minimum_chars": -1}, "minimum_chars"),
        ({"maximum_chars": 2.5}, "maximum_chars"),
        ({"maximum_turns": True}, "maximum_turns"),
        ({"minimum_chars": 10, "maximum_chars": 5}, "maximum_chars"),
        ({"block_list": "not/there.txt"}, "not/there.txt"),
        ({"placeholders": ["XXX"]}, "by what they stand for"),
        ({"placeholders": {"XXX": ""}}, "drop_placeholders"),
        ({"placeholders": {"XX": "某XX"}}, "would be replaced again"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named):
        Cleaner(CleaningSettings(**settings))


def test_missing_opencc_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(UserError, match=r'pip install "tfchat-hf\[opencc\]"'):
        Cleaner(CleaningSettings(to_simplified=True))


@pytest.fixture()
def terms(tmp_path: Path) -> Path:
    path = tmp_path / "terms.txt"
    path.write_text(
        "# a list\n\n坏词\ncat  # the animal\nice cream\nC#\n$$!\n臺北\nＡbc\n♨\n",
        encoding="utf-8-sig",
    )
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("这是个坏词吗", "坏词"),
        ("坏 词", ""),
        ("A CAT sat", "cat"),
        ("我的Cat呢", "cat"),
        ("concatenate cats", ""),
        ("an Ice   Cream shop", "ice cream"),
        ("nice cream", ""),
        ("I write C# code", "c#"),
        ("Abc!", "abc"),
        ("gimme $$!", "$$!"),
        ("去泡♨", "♨"),
        ("好的", ""),
    ],
)
def test_block_list_finds_words_whole_and_chinese_anywhere(
    terms: Path, text: str, found: str
) -> None:
    cleaned = Cleaner(CleaningSettings(block_list=str(terms))).clean(("好", text))
    assert (cleaned.rule, cleaned.found) == (("block list", found) if found else ("", ""))


def test_terms_are_simplified_like_the_turns(terms: Path) -> None:
    pytest.importorskip("opencc")
    cleaner = Cleaner(CleaningSettings(block_list=str(terms), to_simplified=True))
    assert cleaner.clean(("臺北好玩",)).found == cleaner.clean(("台北好玩",)).found == "台北"


@pytest.mark.parametrize(("content", "named"), [(b"# none\n", "no term"), (b"\xff", "UTF-8")])
def test_block_list_that_says_nothing_is_refused(
    tmp_path: Path, content: bytes, named: str
) -> None:
    path = tmp_path / "terms.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=named):
        Cleaner(CleaningSettings(block_list=str(path)))


@given(
    terms=st.lists(st.text("天地人ab#. ", min_size=1, max_size=4), min_size=1, max_size=6),
    text=st.text("天地人ab#. ", max_size=12),
)
def test_block_list_agrees_with_a_search_term_by_term(terms: list[str], text: str) -> None:
    found = BlockList(terms).find(text)
    cleaned = [" ".join(term.split()) for term in terms if term.strip()]
    anywhere = [term for term in cleaned if any(c in term for c in "天地人")]
    whole = [term for term in cleaned if term.isalpha() and term.isascii()]
    words = "".join(c if c in "ab" else " " for c in text).split()
    if any(term in text for term in anywhere) or any(term in words for term in whole):
        assert found
    assert not found or found in cleaned


def lines_run(function: Callable[..., object], *given: object) -> int:
    """Count the lines of Python that a call goes through: its cost, on any machine."""
    count, before = 0, sys.gettrace()

    def trace(frame: object, event: str, value: object) -> Callable[..., object]:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        function(*given)
    finally:
        sys.settrace(before)
    return count


def test_the_cost_of_five_thousand_terms_grows_with_the_text_only() -> None:
    draw = random.Random(0)
    common = [chr(0x4E00 + code) for code in range(500)]
    terms = ["".join(draw.choices(common, k=4)) for _ in range(5000)]
    texts = ["".join(draw.choices(common, k=20)) for _ in range(200)]
    find = BlockList(terms).find
    costs = [lines_run(find, text) for text in texts]
    assert max(costs) < 20 + 5 * 20 < len(terms)


@pytest.mark.parametrize(
    ("name", "segmented"),
    [
        ("ptt/PTT_charactors/src-train.txt", True),
        ("cdial_gpt_toy/toy_train.txt", True),
        ("format_samples/stc_weibo_train_post", True),
        ("format_samples/douban.txt", True),
        ("ptt/Gossiping-QA-Dataset_10000.txt", False),
        ("kenhenry_zh/train.enc", False),
        ("format_samples/tieba.dialogues", False),
    ],
)
def test_real_files_are_told_apart_and_joined(
    shared_data: Path, name: str, segmented: bool
) -> None:
    text = (shared_data / "zh_chitchat" / name).read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if line.strip()][:300]
    assert looks_segmented(lines) is segmented
    cleaner = Cleaner(CleaningSettings(maximum_chars=0))
    joined = [cleaner.clean((line,), segmented).turns[0] for line in lines]
    assert not looks_segmented(joined)
    letters = [[c for c in part if c.isalpha()] for part in ("".join(lines), "".join(joined))]
    assert letters[0] == letters[1]

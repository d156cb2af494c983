# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The ChatterBot corpus, as its package holds it."""

from __future__ import annotations

import sys

import datasets
import pytest
import yaml

import data_builders.formats.chatterbot as chatterbot_module
from data_builders import DIALOGUE_FEATURES, ChatterbotCorpus, build_dialogues
from data_builders.errors import UserError
from data_builders.report import RowError
from data_builders.selecting.splits import normalize_question


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def chatterbot(shared_cache):
    return build_dialogues("chatterbot", cache_dir=shared_cache)


# No cleaning at all.
AS_IS = {
    "join_segmented": "never",
    "mojibake": False,
    "control_characters": False,
    "normal_forms": False,
    "punctuation": False,
    "maximum_chars": 0,
}


def all_rows(result) -> list[dict]:
    return [row for split in result.dataset.values() for row in split]


def test_chatterbot_counts_agree_with_the_yaml(chatterbot, shared_cache):
    distinct, entries, broken = set(), 0, 0
    for folder in ("chinese", "english"):
        for path in (chatterbot_module.corpus_folder() / folder).glob("*.yml"):
            if path.stem == "coding":
                continue
            for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["conversations"]:
                if not isinstance(entry, list):
                    entries, broken = entries + 1, broken + 1
                    continue
                turns = tuple(str(turn).strip() for turn in entry)
                # One question with several replies in these two, one conversation elsewhere.
                lists = [turns]
                if (folder, path.stem) in {("english", "emotion"), ("english", "computers")}:
                    lists = [(turns[0], reply) for reply in turns[1:]]
                entries += len(lists)
                distinct.update(lists)
    every = {"near_duplicates": False, "leak_free": False, "maximum_question_count": 0}
    result = build_dialogues("chatterbot", cache_dir=shared_cache, selection=every, cleaning=AS_IS)
    report = result.report
    assert sum(report.rejected.values()) == broken
    assert report.duplicates == entries - len(distinct) - broken > 1000
    # What begins a longer one is learned there.
    distinct -= {turns[:n] for turns in distinct for n in range(2, len(turns))}
    assert (report.rows_read, report.kept) == (entries, len(distinct))
    assert {tuple(row["turns"]) for row in all_rows(result)} == distinct
    assert chatterbot.report.rows_read == entries
    assert chatterbot.report.kept > 0.985 * len(distinct)


def test_chatterbot_rows_follow_the_schema(chatterbot):
    assert chatterbot.dataset["train"].features == DIALOGUE_FEATURES
    rows = all_rows(chatterbot)
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(len(row["id"]) == 16 and int(row["id"], 16) >= 0 for row in rows)
    assert all(row["roles"] == [] and len(row["turns"]) >= 2 for row in rows)
    assert {row["source"] for row in rows} >= {"chatterbot/english/ai", "chatterbot/chinese/ai"}
    assert {row["lang"] for row in rows} == {"zh", "en"}


def test_chatterbot_no_question_on_both_sides(chatterbot):
    sides = [
        {normalize_question(turns[0]) for turns in split["turns"]}
        for split in chatterbot.dataset.values()
    ]
    assert sides[1] and not sides[0] & sides[1]


def test_chatterbot_leaves_coding_out_unless_told(chatterbot, shared_cache):
    assert "chatterbot/english/coding" not in {row["source"] for row in all_rows(chatterbot)}
    full = build_dialogues(
        "chatterbot", languages=("en",), exclude_categories=(), cache_dir=shared_cache
    )
    assert "chatterbot/english/coding" in {row["source"] for row in all_rows(full)}


def test_chatterbot_as_a_plain_datasets_builder(shared_cache):
    builder = ChatterbotCorpus(languages=("zh",), cache_dir=shared_cache)
    assert isinstance(builder, datasets.GeneratorBasedBuilder)
    builder.download_and_prepare()
    assert set(builder.as_dataset()["train"]["lang"]) == {"zh"}


def test_chatterbot_traditional_characters_count_as_chinese(shared_cache):
    result = build_dialogues("chatterbot", languages=("zh-Hant",), cache_dir=shared_cache)
    assert {row["lang"] for row in all_rows(result)} == {"zh"}
    assert all("/traditionalchinese/" in row["source"] for row in all_rows(result))


@pytest.mark.parametrize(
    "settings, message",
    [({"languages": ("fr",)}, "fr"), ({"exclude_categories": ("codng",)}, "codng")],
)
def test_chatterbot_wrong_settings_name_the_value(settings, message):
    with pytest.raises(UserError, match=message):
        ChatterbotCorpus(**settings)


def test_chatterbot_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "chatterbot_corpus", None)
    with pytest.raises(UserError, match="pip install chatterbot-corpus"):
        ChatterbotCorpus()


def test_chatterbot_values_that_are_not_text():
    assert chatterbot_module.turns_of(["When?", 1969]) == ("When?", "1969")
    for entry in (["Yes?", True], ["How much?", 1.10], [{"a": "b"}, "c"], ["q", None]):
        with pytest.raises(RowError, match="not a string"):
            chatterbot_module.turns_of(entry)


def test_chatterbot_rejects_name_file_and_entry(monkeypatch, tmp_path):
    for folder in chatterbot_module.FOLDERS.values():
        (tmp_path / folder).mkdir()
    text = "conversations:\n- - hi\n  - hello\n- - sure?\n  - yes\n- [alone]\n- - a\n  - b\n  - 3\n"
    (tmp_path / "english" / "tiny.yml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(chatterbot_module, "corpus_folder", lambda: tmp_path)
    settings = {"languages": ("en",), "cache_dir": str(tmp_path / "cache")}
    result = build_dialogues("chatterbot", validation_fraction=0.0, **settings)
    found = [(r.file, r.line, r.rule) for r in result.report.rejects]
    assert found == [
        ("english/tiny.yml", 2, "not a string"),
        ("english/tiny.yml", 3, "fewer than two turns"),
    ]
    assert result.dataset["train"]["turns"][:] == [["hi", "hello"], ["a", "b", "3"]]
    with pytest.raises(UserError, match=r"english/tiny\.yml:2: not a string .*True"):
        build_dialogues("chatterbot", strict=True, **settings)

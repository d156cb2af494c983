# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The pictures of measured tables show the numbers of their page, in the page's language."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import table_pictures  # noqa: E402

DRAWINGS = {
    "decoding": table_pictures.draw_decoding,
    "tokenizers": table_pictures.draw_tokenizers,
}
CASES = [(name, language) for name in DRAWINGS for language in table_pictures.SUFFIXES]


@pytest.mark.parametrize(("name", "language"), CASES)
def test_a_picture_is_the_one_that_its_table_gives(name: str, language: str) -> None:
    suffix = table_pictures.SUFFIXES[language]
    drawn = DRAWINGS[name](language)
    file = table_pictures.DOCS / f"{name}{suffix}.svg"
    assert drawn == file.read_text(encoding="utf-8"), "run python benchmarks/table_pictures.py"
    page = (table_pictures.DOCS / f"{name}{suffix}.md").read_text(encoding="utf-8")
    assert f"]({file.name})" in page
    assert ElementTree.fromstring(drawn).get("lang") == {"en": "en", "zh": "zh-CN"}[language]


def test_points_stand_where_the_table_says() -> None:
    rows = table_pictures.table("decoding.md", "distinct-2")
    assert {row[""] for row in rows} >= {*table_pictures.PRESETS, "people"}
    panel = table_pictures.Panel(100, 50, 200, 80, (0, 1), (0, 2))
    assert panel.at(0, 0) == (100, 130) and panel.at(1, 2) == (300, 50)
    assert panel.at(0.5, 1.5) == (200, 70)
    assert table_pictures.number("6.370 (6.355 to 6.387)") == 6.37
    assert table_pictures.number("16,000") == 16000


def test_another_number_in_the_table_is_another_picture(tmp_path, monkeypatch) -> None:
    page = (table_pictures.DOCS / "tokenizers.md").read_text(encoding="utf-8")
    before = table_pictures.draw_tokenizers("en")
    (tmp_path / "tokenizers.md").write_text(page.replace("| 2.034 |", "| 2.064 |"), "utf-8")
    monkeypatch.setattr(table_pictures, "DOCS", tmp_path)
    assert table_pictures.draw_tokenizers("en") != before


def test_both_languages_have_the_same_texts() -> None:
    english, chinese = table_pictures.TEXTS.values()
    assert english.keys() == chinese.keys()

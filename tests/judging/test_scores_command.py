# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`python -m tfchat_hf.judging scores`, on sheets small enough to add up by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_builders.writing import write_whole
from tfchat_hf.judging.__main__ import main
from tfchat_hf.judging.sheet import Key, make_key

READINGS = Path(__file__).parents[2] / "benchmarks" / "readings"
QUESTIONS = [["你好"], ["吃了吗"], ["在忙什么"], ["几点了"]]
REPLIES = {
    "model": ["你好", "我也是", "在看书", "不知道"],
    "look-up": ["你好", "吃过了", "在看书", "八点"],
    "other": ["hello", "no", "yes", "eight"],
}
ANN = {"你好": 2, "我也是": 0, "在看书": 2, "不知道": 1, "吃过了": 2, "八点": 0}
BO = {**ANN, "我也是": 1, "在看书": 1}


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    key = make_key(QUESTIONS, REPLIES, seed=1)
    key.write(tmp_path / "key.json")
    for name, marks in {"ann": ANN, "bo": BO}.items():
        save_marks(tmp_path / f"sheet-{name}.tsv", key, marks)
    return tmp_path


def save_marks(path: Path, key: Key, marks: dict[str, int]) -> None:
    lines = ["mark\tnumber\tturns\treply"]
    lines += ["\t".join([str(marks.get(row.reply, 0)), *row.cells]) for row in key.rows]
    write_whole(path, "\n".join(lines))


def scores(*words: object, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["scores", *map(str, words)]) == 0
    return capsys.readouterr().out


def refused(*words: object, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["scores", *map(str, words)]) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.startswith("error: ")
    return said.err


def test_one_judges_table(folder: Path, capsys) -> None:
    lines = scores(folder / "sheet-ann.tsv", capsys=capsys).splitlines()
    # Three of four, by Wilson: 0.3006 to 0.9544.
    assert "| zh | 4, one turn | model | 75% (30% to 95%) | 50% | 100% |" in lines
    assert "| zh | 4, one turn | look-up | 75% (30% to 95%) | 75% | 100% |" in lines
    assert "| zh | 4, one turn | other | 0% (0% to 49%) | 0% | 0% |" in lines
    # Against the first: one won, one lost; and three lost.
    assert any(line.startswith("| zh | 4, one turn | look-up | +0 (") for line in lines)
    assert [line.split(" | ")[-2:] for line in lines[-2:]] == [
        ["1, 1", "1.000 |"],
        ["0, 3", "0.250 |"],
    ]


def test_two_judges_count_by_their_mean_and_are_compared(folder: Path, capsys) -> None:
    sheets = [folder / "sheet-ann.tsv", folder / "sheet-bo.tsv"]
    text = scores(*sheets, capsys=capsys)
    assert "| ann: acceptable, good | bo: acceptable, good |" in text
    row = "| zh | 4, one turn | model | 88% (40% to 99%) | 38% | 100% | 75%, 50% | 100%, 25% |"
    assert row in text
    assert "by the mean of their marks" in text
    # Of ten replies one is acceptable to Bo alone; the mark differs in two. By chance: Ann finds
    # four acceptable and Bo five, so 0.4 0.5 + 0.6 0.5 = 0.5, and (0.9 - 0.5) / 0.5 = 0.8.
    assert "ann and bo, 10 replies: acceptable or not alike in 90% (kappa 0.80)" in text
    assert "the same of three marks in 80%" in text


def test_json_has_what_the_tables_have(folder: Path, capsys) -> None:
    sheets = [folder / "sheet-ann.tsv", folder / "sheet-bo.tsv"]
    found = json.loads(scores(*sheets, "--json", "--against", "other", capsys=capsys))
    assert (found["judges"], found["against"]) == (["ann", "bo"], "other")
    (group,) = found["groups"]
    assert (group["language"], group["kind"]) == ("zh", "one turn")
    model = group["systems"]["model"]
    assert model["acceptable"] == 0.875 and model["by_judge"] == [[0.75, 0.5], [1.0, 0.25]]
    assert model["difference"]["value"] == 0.875 and model["difference"]["better"] == 4
    assert "difference" not in group["systems"]["other"]
    assert found["agreement"][0]["judges"] == ["ann", "bo"]
    assert found["agreement"][0]["acceptable_kappa"] == pytest.approx(0.8)


def test_the_system_to_compare_with_can_be_chosen(folder: Path, capsys) -> None:
    text = scores(folder / "sheet-ann.tsv", "--against", "other", capsys=capsys)
    assert "acceptable, less other: points (95 %)" in text and "| 3, 0 | 0.250 |" in text
    wrong = refused(folder / "sheet-ann.tsv", "--against", "nobody", capsys=capsys)
    assert "must be a system of the sheet: model, look-up, other (got nobody)" in wrong


def test_judges_with_files_of_one_name_are_told_apart_by_their_folders(
    folder: Path, capsys
) -> None:
    twin = folder / "bo" / "sheet-ann.tsv"
    twin.parent.mkdir()
    twin.write_bytes((folder / "sheet-bo.tsv").read_bytes())
    found = json.loads(scores(folder / "sheet-ann.tsv", twin, "--json", capsys=capsys))
    assert found["judges"] == [str(folder / "sheet-ann.tsv"), str(twin)]
    wrong = refused(twin, twin, "--key", folder / "key.json", capsys=capsys)
    assert "must be given once" in wrong


def test_what_is_wrong_is_one_sentence_with_its_line(folder: Path, capsys) -> None:
    sheet = folder / "sheet-ann.tsv"
    sheet.write_text(sheet.read_text(encoding="utf-8").replace("\n0\t", "\n\t"), encoding="utf-8")
    assert "the mark must be 0, 1 or 2 (got ''" in refused(sheet, capsys=capsys)
    lost = refused(sheet, "--key", folder / "no.json", capsys=capsys)
    assert lost == f"error: {folder / 'no.json'} is not there.\n"


@pytest.mark.parametrize(
    ("language", "acceptable"), [("zh", [29, 83, 3, 0, 35, 0]), ("en", [39, 82, 18, 0, 15, 5])]
)
def test_the_readings_of_the_small_talk_add_up_to_what_its_chapter_says(
    language: str, acceptable: list[int], capsys
) -> None:
    sheet = READINGS / f"small_talk_{language}.tsv"
    key = READINGS / f"small_talk_{language}.json"
    found = json.loads(scores(sheet, "--key", key, "--json", capsys=capsys))
    shares = [row["acceptable"] for group in found["groups"] for row in group["systems"].values()]
    assert [round(100 * share) for share in shares] == acceptable
    assert {group["language"] for group in found["groups"]} == {language}

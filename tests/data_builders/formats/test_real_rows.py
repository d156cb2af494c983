# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Real corpora of rows, where they lie beside the checkout: read whole, and told apart."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from data_builders.formats.registry import FILE_FAMILIES, guess_format
from data_builders.report import BuildReport
from tests.data_builders.formats.json_rows import beginning

# What each file is guessed to be, how many dialogues it has, and how many rows break which rule.
FILES = {
    "zh_instruction/carbonz0/zh-data-part-00.json.gz": ("instruction", 10_015, {"empty text": 6}),
    "zh_instruction/carbonz0/zh-data-part-01.json.gz": ("instruction", 10_439, {"empty text": 5}),
    "zh_instruction/open-chinese/alpaca-chinese-52k.json.gz": (
        "instruction",
        2 * 52_002 - 155,
        {"empty text": 155},  # 99 are empty, the others are <nooutput>, N/A and the like
    ),
    "en_instruction/alpaca_data.json.gz": ("instruction", 51_917, {"empty text": 85}),
    "zh_community_qa/toyhom_rekeyed_desc_answer.jsonl.gz": ("community_qa", 7_644, {}),
    "zh_community_qa/baike_webtext_readme_examples.jsonl": ("community_qa", 2, {}),
    "zh_chitchat/format_samples/LCCC.json": ("lccc", 342, {}),
    "zh_chitchat/cdial_gpt_toy/toy_data.json": ("lccc", 1_400, {}),
    "zh_multiturn/c3-d-train.json.gz": ("c3", 4_885, {}),
    "zh_multiturn/crosswoz_val.json.gz": ("crosswoz", 500, {}),
    # Three hold nothing but messages of the client.
    "zh_multiturn/smilechat_first2000.tar.gz": ("messages", 1_997, {"no reply": 3}),
    "en_dialogue/chitchat_dataset.json.gz": ("chitchat", 4_017, {"fewer than two turns": 3_151}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_corpus_is_read_whole(shared_data: Path, name: str) -> None:
    format, dialogues, rejected = FILES[name]
    family, report = FILE_FAMILIES[format], BuildReport()
    config = family.BUILDER_CONFIG_CLASS(files=(str(shared_data / name),))
    assert sum(1 for _ in family.read_sources(config, report)) == dialogues
    assert report.rejected == rejected


def test_each_is_guessed_and_text_is_none_of_them(shared_data: Path) -> None:
    found = {}
    for path in sorted(p for p in shared_data.rglob("*") if p.is_file() and p.suffix != ".md"):
        guess = guess_format(beginning(path))
        if guess and (guess.format in {known for known, *_ in FILES.values()} | {"json", "pairs"}):
            found[path.relative_to(shared_data).as_posix()] = guess.format
    assert found == {name: format for name, (format, *_) in FILES.items()}


@pytest.mark.slow
def test_the_clinic_is_the_same_in_csv_and_json(shared_data: Path) -> None:
    folder, report = shared_data / "zh_community_qa", BuildReport()
    csv = FILE_FAMILIES["csv"]
    table = str(folder / "toyhom_internal_medicine_sample.csv.gz")
    found = list(csv.read_sources(csv.BUILDER_CONFIG_CLASS(files=(table,)), report))
    assert len(found) + sum(report.rejected.values()) == 7644
    rows = FILE_FAMILIES["community_qa"]
    same = str(folder / "toyhom_rekeyed_desc_answer.jsonl.gz")
    again = rows.read_sources(rows.BUILDER_CONFIG_CLASS(files=(same,)), BuildReport())
    assert [one.turns for one in found] == [one.turns for one in again]
    with gzip.open(same) as lines:
        answers = [json.loads(line)["answer"].strip() for line in lines]
    assert [one.turns[1] for one in found] == answers

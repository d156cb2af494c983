# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which rows a ladder has, and what is refused as one."""

from __future__ import annotations

import pytest

from tests.tiny import tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.compare.rows import plan_rows, read_setting
from tfchat_hf.fast.decoding import preset_names
from tfchat_hf.text.errors import UserError


@pytest.fixture(scope="module")
def model() -> TFChatForConditionalGeneration:
    return tiny_model()


def names(model: TFChatForConditionalGeneration, *args: object) -> list[str]:
    return [row.name for row in plan_rows(model, *args)[0]]


def test_every_preset_is_a_row_and_greedy_is_the_first(model) -> None:
    rows, notes = plan_rows(model, has_reverse_model=True)
    assert [row.name for row in rows] == preset_names(model) and not notes
    assert rows[0].name == "greedy" and not rows[0].sampled
    assert all(row.is_preset for row in rows)


def test_what_needs_a_reverse_model_is_left_out_with_a_note(model) -> None:
    rows, notes = plan_rows(model)
    needing = {r.name for r in plan_rows(model, has_reverse_model=True)[0] if r.needs_reverse_model}
    assert needing and not needing & {row.name for row in rows}
    assert {note.split()[0] for note in notes} == needing
    assert all("--reverse-model" in note for note in notes)


def test_greedy_is_there_even_if_it_is_not_named(model) -> None:
    assert names(model, ["creative"]) == ["greedy", "creative"]
    assert names(model, ["creative", "greedy", "creative"]) == ["greedy", "creative"]


def test_a_setting_stands_on_greedy_search_and_turns_sampling_on(model) -> None:
    row = read_setting(model, "my.own: temperature = 0.7, top_p=9e-1,no_repeat_ngram_size=3")
    config = row.config
    assert (config.temperature, config.top_p, config.no_repeat_ngram_size) == (0.7, 0.9, 3)
    assert row.name == "my.own" and row.sampled and not row.is_preset
    assert not read_setting(model, "b: num_beams=4").sampled
    assert not read_setting(model, "b: top_k=4,do_sample=false").sampled


def test_a_setting_can_stand_on_another_preset(model) -> None:
    row = read_setting(model, "mine: preset=creative,top_k=7")
    expected = {**plan_rows(model, ["creative"])[0][1].settings(), "top_k": 7}
    assert row.settings() == expected
    assert model.preset("creative").top_k != 7


def test_settings_of_this_project_are_known_and_shown(model) -> None:
    row = read_setting(model, "mine: num_candidates=4,copy_penalty=2,max_phrase_repeats=1")
    found = row.settings()
    assert (found["num_candidates"], found["copy_penalty"]) == (4, 2)
    assert "presets" not in found and "transformers_version" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("temperature=0.7", "a colon and settings.*Write --setting"),
        ("名: top_k=3", "ASCII"),
        ("../x: top_k=3", "ASCII"),
        ("x: top_k", r"written key=value \(got 'top_k'\)"),
        ("x: top_k=[", "`top_k` has a value that cannot be read"),
        ("x: temp=1", "unknown setting `temp`. Did you mean `temperature`"),
        ("x: qqqq=1", "no such setting"),
        ("x: num_return_sequences=3", "same for all rows"),
        ("x: preset=nope", "`preset` must be one of greedy"),
        ("greedy: top_k=3", "name of another row"),
        ("human: top_k=3", "name of another row"),
        ("x: rerank_by=reverse,num_candidates=2", "--reverse-model"),
    ],
)
def test_what_cannot_be_a_row_is_refused(model, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan_rows(model, None, [text])


def test_two_settings_need_two_names(model) -> None:
    with pytest.raises(UserError, match="another row"):
        plan_rows(model, None, ["x: top_k=3", "x: top_k=4"])


def test_a_preset_that_is_not_there_is_refused(model) -> None:
    with pytest.raises(UserError, match="among greedy.*got 'nope'"):
        plan_rows(model, ["nope"])

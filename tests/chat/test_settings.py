# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What may be set in a conversation: ranges, presets, lengths and where a value comes from."""

from __future__ import annotations

import pytest

from data_builders.errors import UserError
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.chat.session import ChatSession
from tfchat_hf.chat.settings import SETTINGS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temperature", "0"), ("temperature", "1e-320"), ("temperature", "nan"),
        ("temperature", "hot"), ("top_p", "1.5"),
        ("top_k", "-1"), ("top_k", "2.5"), ("num_beams", "0"), ("do_sample", "perhaps"),
        ("max_new_tokens", "32"), ("seed", "-1"), ("repetition_penalty", "inf"),
        ("max_phrase_repeats", "1.5"), ("anti_lm_weight", "3"), ("num_candidates", "0"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_with_the_range(session, name, text):
    with pytest.raises(UserError, match=f"`{name}` must be .*got"):
        session.settings.set(name, text)
    assert session.settings.chosen == {}


def test_temperature_0_names_what_is_meant_by_it(session):
    with pytest.raises(UserError, match="--preset greedy.*do_sample false"):
        session.settings.set("temperature", "0")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("num_candidates", "4"), ("num_beams", "3")),
        (("num_beams", "4"), ("num_candidates", "4")),
        (("preset", "beam"), ("num_candidates", "2")),
        (("num_candidates", "4"), ("do_sample", "default")),
        (("num_candidates", "4"), ("do_sample", "false")),
        (("preset", "candidates"), ("num_beams", "3")),
    ],
)
def test_candidates_that_no_search_gives_are_refused_when_they_are_set(session, first, second):
    session.settings.set(*first)
    chosen = dict(session.settings.chosen)
    with pytest.raises(UserError, match="`num_candidates`.*Set "):
        session.settings.set(*second)
    assert session.settings.chosen == chosen


def test_an_unknown_setting_names_the_known_ones(session):
    with pytest.raises(UserError, match="temperature.*seed"):
        session.settings.set("temprature", "1")


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_settings_turn_sampling_on(session, name):
    session.settings.set(name, "1")
    assert session.settings.generation_config().do_sample is True


def test_settings_go_back_to_the_models_own_and_never_change_it(session):
    before = session.model.generation_config.to_dict()
    session.settings.set("num_beams", "4")
    assert session.settings.generation_config().num_beams == 4
    session.settings.set("num_beams", "default")
    assert session.settings.generation_config().num_beams != 4
    assert session.model.generation_config.to_dict() == before


def test_a_preset_is_the_start_and_what_is_set_later_goes_on_top(session):
    session.settings.set("preset", "creative")
    preset = session.model.preset("creative")
    assert session.settings.generation_config().top_p == preset.top_p != 0.5
    session.settings.set("top_p", "0.5")
    config = session.settings.generation_config()
    assert (config.top_p, config.copy_penalty) == (0.5, preset.copy_penalty)
    session.settings.set("top_p", "default")
    assert session.settings.value("top_p") == preset.top_p


def test_choosing_a_preset_drops_what_was_set_before_but_not_length_and_seed(session):
    for name, value in (("top_k", "5"), ("seed", "3"), ("max_new_tokens", "7")):
        session.settings.set(name, value)
    session.settings.set("preset", "greedy")
    config = session.settings.generation_config()
    assert (config.do_sample, config.max_new_tokens, session.settings.seed) == (False, 7, 3)
    session.settings.set("preset", "default")
    assert session.settings.value("top_k") == session.model.generation_config.top_k
    assert session.settings.value("preset") is None


def test_an_unknown_preset_names_the_known_ones(session):
    with pytest.raises(UserError, match="got 'wild'.*greedy, precise.*creative"):
        session.settings.set("preset", "wild")
    assert session.settings.chosen == {}


@pytest.mark.parametrize("name", ["greedy", "precise", "creative", "balanced", "beam"])
def test_every_preset_answers_at_once_and_in_batches(session, name):
    session.settings.set("preset", name)
    session.settings.set("seed", "1")
    alone = session.reply("你好")
    assert session.reply_to_many([["你好"]]) == [alone]


def test_presets_are_listed_with_what_they_are_for(session):
    session.settings.set("preset", "creative")
    rows = session.settings.describe_presets()
    names = [*session.model.preset_names(), "candidates", "mutual"]
    assert [word[2:] for word, _ in rows] == names
    assert all(3 < len(about.split()) and len(about) < 80 for _, about in rows)
    assert [word for word, _ in rows if word[0] == "*"] == ["* creative"]


def test_presets_of_the_models_own_are_described_by_what_they_change(session):
    session.model.generation_config.presets = {"mine": {"do_sample": True, "top_p": 0.3}}
    try:
        (_, mine), _, (name, mutual) = session.settings.describe_presets()
        assert name == "  mutual" and "--reverse-model" in mutual
        assert "do_sample true" in mine and "top_p 0.3" in mine
    finally:
        del session.model.generation_config.presets


def test_a_reply_chosen_among_candidates_comes_whole(session):
    session.settings.set("num_candidates", "4")
    config = session.settings.generation_config()
    assert (config.do_sample, config.rerank_by) == (True, "unconditional")
    assert len(list(session.stream("你好"))) <= 1
    session.settings.set("num_candidates", "1")
    session.settings.set("do_sample", "false")
    assert len(list(session.stream("你好"))) > 1


def test_the_preset_of_candidates_answers_whole_and_in_batches(session):
    for setting, value in (("preset", "candidates"), ("seed", "1")):
        session.settings.set(setting, value)
    assert session.settings.comes_whole and session.settings.rows_per_reply == 32
    pieces = list(session.stream("你好"))
    assert len(pieces) <= 1
    session.reset()
    assert session.reply_to_many([["你好"]]) == ["".join(pieces)]
    assert len(session.reply_to_many([["你好"], ["再见", "good night", "what is AI"]])) == 2


def test_a_preset_that_needs_a_reverse_model_says_so(session):
    session.settings.set("preset", "mutual")
    with pytest.raises(ValueError, match="--reverse-model FOLDER"):
        session.reply("你好")


def test_a_reverse_model_chooses_where_the_preset_asks_for_it(model, tokenizer, session):
    reverse = TFChatForConditionalGeneration(model.config.__class__.from_dict(
        {**model.config.to_dict(), "swap_sides": True}
    )).eval()  # fmt: skip
    with_reverse = ChatSession(model, tokenizer, reverse_model=reverse)
    assert with_reverse.reply("你好") == session.reply("你好")
    for one in (with_reverse, session):
        one.settings.set("preset", "mutual")
    assert "".join(with_reverse.stream("你好"))


def test_a_reverse_model_that_nobody_asks_is_refused(session):
    with pytest.raises(UserError, match="--preset mutual"):
        session.check_reverse_model()
    session.settings.set("preset", "mutual")
    session.check_reverse_model()


def test_every_setting_is_shown_with_its_range(session):
    rows = {name: session.settings.describe(name) for name in SETTINGS}
    assert all(words.split()[0] == name for name, (words, _) in rows.items())
    assert max(len(words) + len(allowed) for words, allowed in rows.values()) < 78
    assert "1 to 31" in rows["max_new_tokens"][1]
    assert SETTINGS["top_p"].about == session.settings.about("top_p")


@pytest.mark.parametrize("field", ["max_new_tokens", "max_length"])
def test_the_models_own_length_is_kept_but_never_beyond_its_positions(session, field):
    for own, tokens in ((10, 10 if field == "max_new_tokens" else 9), (1000, 31)):
        setattr(session.settings.base, field, own)
        try:
            assert session.settings.value("max_new_tokens") == tokens
            session.reply("你好")
        finally:
            setattr(session.settings.base, field, None)

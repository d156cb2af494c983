# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which rows a comparison has; their replies: those of generate(), counted, kept, found again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from data_builders.errors import UserError
from tests.tiny import tiny_model
from tests.two_processes import make_model, make_questions, make_tokenizer
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.compare.decode import Decoder, Replies, ReplyStore, Row, plan_rows, read_setting
from tfchat_hf.fast.decoding import preset_names
from tfchat_hf.measuring.evaluation import generate_replies


@pytest.fixture(scope="module")
def model() -> TFChatForConditionalGeneration:
    return tiny_model()


def names(model: TFChatForConditionalGeneration, *args: object) -> list[str]:
    return [row.name for row in plan_rows(model, *args)[0]]


def test_every_preset_is_a_row_and_greedy_is_the_first(model) -> None:
    rows, left_out = plan_rows(model, has_reverse_model=True)
    assert [row.name for row in rows] == preset_names(model) and not left_out
    assert rows[0].name == "greedy" and not rows[0].sampled
    assert all(row.is_preset for row in rows)


def test_what_needs_a_reverse_model_is_left_out_with_a_note(model) -> None:
    rows, left_out = plan_rows(model)
    needing = {r.name for r in plan_rows(model, has_reverse_model=True)[0] if r.needs_reverse_model}
    assert needing and not needing & {row.name for row in rows}
    assert {*left_out} == needing


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


# ------------------------------------------------------------------------------------ their replies


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    tokenizer = make_tokenizer()
    return Decoder(make_model(tokenizer), tokenizer, make_questions(tokenizer), batch_size=4)


def row(decoder: Decoder, settings: str) -> Row:
    return read_setting(decoder.model, f"mine: {settings}")


def answer(decoder: Decoder, settings: str, seed: int = 0) -> Replies:
    return decoder.answer(row(decoder, settings), seed, lambda done: None)


def test_greedy_replies_are_those_of_an_evaluation(decoder: Decoder) -> None:
    expected = generate_replies(decoder.model, decoder.tokenizer, decoder.questions, 4)
    assert answer(decoder, "do_sample=false").texts == expected and len(set(expected)) > 1


def test_replies_are_in_the_order_of_their_questions_whatever_the_batches(decoder) -> None:
    alone = Decoder(decoder.model, decoder.tokenizer, decoder.questions, batch_size=1)
    assert answer(alone, "num_beams=2").texts == answer(decoder, "num_beams=2").texts


def test_a_seed_gives_the_same_replies_each_time_and_another_one_others(decoder) -> None:
    settings = "temperature=3.0,top_k=0"
    state = torch.random.get_rng_state()
    first = answer(decoder, settings)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert answer(decoder, settings).texts == first.texts
    assert answer(decoder, settings, seed=1).texts != first.texts


def test_tokens_are_counted_up_to_the_end_of_each_reply(decoder: Decoder) -> None:
    found = answer(decoder, "do_sample=false")
    ids = [decoder.tokenizer(text)["input_ids"] for text in found.texts]
    limit = decoder.model.generation_config.max_new_tokens
    # the end of a reply is a token too; one that was cut short has none
    assert found.tokens == sum(min(len(one), limit) for one in ids)
    assert found.seconds > 0


def test_progress_counts_the_questions(decoder: Decoder) -> None:
    done: list[int] = []
    decoder.answer(row(decoder, "do_sample=false"), 0, done.append)
    assert sum(done) == len(decoder.questions) and max(done) == 4


def test_what_generate_refuses_is_refused_by_the_first_question(decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="temperature"):
        decoder.try_out(row(decoder, "temperature=-1"))


REPLIES = Replies(["one", "two\u2028lines\n", "莉莉"], tokens=12, seconds=0.5)


def test_kept_replies_are_found_again(decoder: Decoder, tmp_path: Path) -> None:
    one = row(decoder, "top_k=3")
    ReplyStore(tmp_path, {"model": "a"}).write(one, 0, REPLIES)
    store = ReplyStore(tmp_path, {"model": "a"})
    assert store.read(one, 0, 3) == REPLIES
    assert [path.name.split("-")[0] for path in tmp_path.iterdir()] == ["mine"]


def test_other_settings_seeds_and_models_have_other_replies(decoder, tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, {"model": "a"})
    one = row(decoder, "top_k=3")
    store.write(one, 0, REPLIES)
    assert store.read(one, 1, 3) is None
    assert store.read(row(decoder, "top_k=4"), 0, 3) is None
    assert ReplyStore(tmp_path, {"model": "b"}).read(one, 0, 3) is None


@pytest.mark.parametrize("damage", ["", "{", "[]\n", '{"tokens": 1}\n'])
def test_a_damaged_file_counts_as_none(decoder, tmp_path: Path, damage: str) -> None:
    store, one = ReplyStore(tmp_path, {}), row(decoder, "top_k=3")
    store.write(one, 0, REPLIES)
    store.path(one, 0).write_text(damage)
    assert store.read(one, 0, 3) is None


def test_a_file_with_too_few_replies_counts_as_none(decoder, tmp_path: Path) -> None:
    store, one = ReplyStore(tmp_path, {}), row(decoder, "top_k=3")
    store.write(one, 0, REPLIES)
    assert store.read(one, 0, 4) is None

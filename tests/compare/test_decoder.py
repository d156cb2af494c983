# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Replies of rows: the same as generate() gives, counted, kept and found again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.two_processes import make_model, make_questions, make_tokenizer
from tfchat_hf.compare.decoder import Decoder, Replies
from tfchat_hf.compare.reply_store import ReplyStore
from tfchat_hf.compare.rows import Row, read_setting
from tfchat_hf.measuring.evaluation import generate_replies


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

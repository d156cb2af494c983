# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""ChatSession: replies as they are made, what is remembered, lengths, seeds and batches."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
import torch

from data_builders.errors import UserError
from tests.chat.small_chat import SENTENCES, sampled, watch_fast_decoding
from tfchat_hf.chat.session import ChatSession, clean_reply
from tfchat_hf.chat.streaming import BatchTextStreamer
from tfchat_hf.fast import FastDecoder


def test_streamed_pieces_join_to_what_generate_makes(session):
    pieces = list(session.stream("你好"))
    ids = torch.tensor([session.encode(["你好"])[0]])
    whole = session.model.generate(ids, max_new_tokens=31)
    assert len(pieces) > 1, "the reply came in one piece: it was not streamed"
    assert "".join(pieces) == clean_reply(
        session.tokenizer.decode(whole[0], skip_special_tokens=True)
    )


def test_a_person_sees_the_network_itself_at_work_once_a_token(session, monkeypatch):
    session.settings.set("preset", "greedy")
    decoded, seen = watch_fast_decoding(monkeypatch), []
    hook = session.model.register_forward_hook(lambda model, given, output: seen.append(output))
    try:
        reply = session.reply("你好")
    finally:
        hook.remove()
    assert not decoded
    ids = session.tokenizer(reply)["input_ids"]
    assert len(seen) == len(ids) or len(seen) == session.settings.max_reply
    assert all(output.logits.shape == (1, 1, len(session.tokenizer)) for output in seen)
    session.reply_to_many([["你好"], ["再见"]])
    assert decoded == [None], "many questions at once are decoded the fast way"


@pytest.mark.parametrize("preset", ["greedy", "precise", "balanced", "creative", "beam"])
def test_fast_replies_are_the_plain_ones(model, tokenizer, session, monkeypatch, preset):
    fast = ChatSession(model, tokenizer)
    fast.fast = FastDecoder()
    for one in (fast, session):
        one.settings.set("preset", preset)
        one.settings.set("seed", "4")
    plain = [list(session.stream(message)) for message in SENTENCES[:3]]
    decoded = watch_fast_decoding(monkeypatch)
    assert [list(fast.stream(message)) for message in SENTENCES[:3]] == plain
    assert decoded == ([] if preset == "beam" else [None] * 3)
    assert fast.history == session.history


def test_half_a_character_from_python_is_one_sentence_and_the_talk_goes_on(session):
    for ask in (session.reply, lambda text: session.reply_to_many([["你好"], [text]])):
        with pytest.raises(UserError, match="half of a surrogate pair at character 1"):
            ask("a\ud800")
    assert session.history == []
    with pytest.raises(UserError, match="must be a list of texts"):
        session.reply_to_many(["你好"])
    assert session.reply("你好") and session.history[0] == "你好"


def test_a_stream_never_holds_half_a_character(session):
    made = ""
    for seed in range(8):  # a random model over bytes makes many broken sequences
        sampled(session, seed).reset()
        made += "".join(session.stream("你好"))
    assert made and "\ufffd" not in made


def test_the_bytes_of_a_character_are_held_back_until_it_is_whole(session):
    ids = session.tokenizer("好🦆吗", add_special_tokens=False)["input_ids"]
    assert len(ids) > 3, "the duck must be spelled in several tokens for this test"
    pieces: list[str] = []
    streamer = BatchTextStreamer(
        session.tokenizer, lambda row, piece: pieces.append(piece), trim=True
    )
    for token in [1, *ids, 2, 0]:
        streamer.put(torch.tensor([token]))
    assert pieces == ["好", "🦆吗"]


def test_clean_reply_only_ever_grows():
    text = "  好 a\n b "
    shown = [clean_reply(text[:end]) for end in range(len(text) + 1)]
    assert all(b.startswith(a) for a, b in zip(shown, shown[1:], strict=False))
    assert shown[-1] == "好 a\n b"


def test_memory_is_the_newest_turns_the_model_was_trained_for(session, notices):
    session.history[:] = ["一", "二", "你好", "再见"]
    seen = []
    generate = session._generate_in_thread
    session._generate_in_thread = lambda ids: seen.append(ids) or generate(ids)
    session.reply("明天")
    assert session.tokenizer.decode(seen[0]) == "你好<sep>再见<sep>明天</s>"
    assert notices == [], "turns beyond the trained number are dropped without a word"
    assert session.history[4] == "明天" and len(session.history) == 6


def test_turns_that_do_not_fit_are_dropped_and_told(session, notices):
    session.history[:] = ["你" * 20, "好" * 10]
    session.reply("再见")
    assert len(notices) == 1 and "1 oldest turn was left out" in notices[0]


def test_a_message_that_is_too_long_is_cut_and_told(session, notices):
    session.reply("好" * 100)
    assert len(notices) == 1 and "first 69 tokens were cut" in notices[0]
    assert len(session.encode(["好" * 100])[0]) == 32


def test_an_empty_reply_keeps_the_question_and_is_not_read_itself(session):
    session._generate_in_thread = lambda ids: iter(())
    assert session.reply("你好") == ""
    assert session.history == ["你好", ""]
    seen = []
    session._generate_in_thread = lambda ids: seen.append(ids) or iter(["好"])
    session.reply("再见")
    assert session.tokenizer.decode(seen[0]) == "你好<sep>再见</s>"
    assert session.history == ["你好", "", "再见", "好"]


def test_reset_forgets(session):
    session.reply("你好")
    assert len(session.history) == 2
    session.reset()
    assert session.history == []


@pytest.mark.parametrize("fast", [None, FastDecoder()], ids=["network", "fast"])
def test_closing_a_stream_stops_the_model_and_keeps_what_was_said(session, monkeypatch, fast):
    session.fast = fast
    steps = []
    put = BatchTextStreamer.put

    def slowly(streamer, value):
        steps.append(1)
        # Even where the reader hardly gets to run, it closes the stream within so many seconds.
        time.sleep(0 if len(steps) < 5 else 1)
        put(streamer, value)

    monkeypatch.setattr(BatchTextStreamer, "put", slowly)
    before = threading.active_count()
    with closing(session.stream("你好")) as pieces:
        first = next(pieces)
    assert threading.active_count() == before
    assert session.history == ["你好", first]
    assert 0 < len(steps) < 20, "the model went on to the end of its reply"


def test_an_error_while_generating_reaches_the_caller(session, monkeypatch):
    def fail(**kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(session.model, "generate", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        session.reply("你好")
    assert session.history == []


def test_beam_search_comes_whole(session):
    session.settings.set("num_beams", "3")
    assert len(list(session.stream("你好"))) <= 1


def test_a_seed_repeats_the_reply(session):
    sampled(session, 5)
    first = session.reply("你好")
    session.reset()
    assert session.reply("你好") == first
    session.reset()
    assert sampled(session, 6).reply("你好") != first


def test_batches_have_seeds_of_their_own(session):
    sampled(session)
    assert session.reply_to_many([["你好"]], 0) == session.reply_to_many([["你好"]], 0)
    assert session.reply_to_many([["你好"]], 0) != session.reply_to_many([["你好"]], 1)


def test_a_batch_answers_as_one_by_one(session):
    contexts = [["你好"], ["今天天气怎么样", "good night", "再见"], ["what is AI"]]
    alone = [session.reply_to_many([context])[0] for context in contexts]
    assert session.reply_to_many(contexts) == alone
    assert session.reply_to_many([["你好"]]) == [session.reply("你好")]

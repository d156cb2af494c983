# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Many callers, one model: the same replies as alone, and nobody's trouble is another's."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from types import SimpleNamespace

import pytest
import torch

from tests.tiny import tiny_model
from tfchat_hf.serve import request
from tfchat_hf.serve.batch_run import BatchRun
from tfchat_hf.serve.batching_queue import BatchingQueue, QueueClosedError, QueueFullError
from tfchat_hf.serve.request import TokenScore
from tfchat_hf.serve.running_batch import RunningBatch
from tfchat_hf.text.tokenizer_training import train_tokenizer

# Seconds after which a wait is given up: no more than a guard against hanging for ever.
PATIENCE = 300
TOKENIZER = train_tokenizer(["你好，今天天气很好吗", "hello there, how are you"], "char", 300)


@pytest.fixture(scope="module")
def model():
    model = tiny_model(seed=5, vocab_size=len(TOKENIZER))
    model.generation_config.max_new_tokens = 20
    # An untrained model never ends by itself: a few tokens that it likes are made end tokens.
    made = [model.generate(torch.tensor([question]))[0, 1:].tolist() for question in QUESTIONS]
    model.generation_config.eos_token_id = [2, made[0][3], made[1][9], made[2][1]]
    return model


_DRAW = random.Random(0)
QUESTIONS = [
    [_DRAW.randrange(5, len(TOKENIZER)) for _ in range(_DRAW.randrange(2, 30))] for _ in range(40)
]


def alone(model, question: list[int], **settings: object) -> list[int]:
    """Return the reply to one question by `generate()`, cut behind its end token."""
    ids = model.generate(torch.tensor([question]), **settings)[0, 1:].tolist()
    ends = [place for place, token in enumerate(ids) if token in set(_ends(model))]
    return ids[: ends[0] + 1] if ends else ids


def _ends(model) -> list[int]:
    return model.generation_config.eos_token_id


def config_of(model, **settings: object):
    """Return the model's configuration with changes."""
    config = type(model.generation_config).from_dict(model.generation_config.to_dict())
    for name, value in settings.items():
        setattr(config, name, value)
    return config


class Gate:
    """Holds a batch before a step until the test lets it go on.

    Attributes:
        steps: How many steps have begun.
    """

    def __init__(self, first: int) -> None:
        """Hold at this step, counted from 1."""
        self.steps, self._hold = 0, first
        self._changed = threading.Condition()

    def pass_through(self) -> None:
        with self._changed:
            self.steps += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.steps < self._hold, PATIENCE)

    def reach(self) -> None:
        """Wait until the batch is held."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.steps >= self._hold, PATIENCE)

    def hold(self, steps: int) -> None:
        """Let the batch go on, to hold it again after so many steps more."""
        with self._changed:
            self._hold = self.steps + steps
            self._changed.notify_all()

    def open(self) -> None:
        self.hold(10**9)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Hold each batch at its first step, or wherever `gate.hold` has said before it begins."""
    gate = Gate(1)
    for kind, name in ((BatchRun, "stopped"), (RunningBatch, "step")):
        monkeypatch.setattr(kind, name, _held(gate, getattr(kind, name)))
    return gate


def _held(gate: Gate, step: Callable) -> Callable:
    def held(*given: object) -> object:
        gate.pass_through()
        return step(*given)

    return held


def gathering(model, size: int, *given: object) -> BatchingQueue:
    """Return a queue that waits until a batch of so many has come together."""
    return BatchingQueue(model, *given, max_batch_size=size, max_wait_ms=PATIENCE * 1000)


def test_greedy_replies_of_a_batch_are_those_of_one_at_a_time(model, gate):
    with gathering(model, 16) as batching:
        futures = [batching.submit(question) for question in QUESTIONS]
        gate.open()  # what came while the first batch was made is the next
        replies = [future.result(PATIENCE).sequence for future in futures]
    assert replies == [alone(model, question) for question in QUESTIONS]
    assert len({len(reply) for reply in replies}) > 3, "all replies have one length"
    assert batching.batch_sizes[16] and max(batching.batch_sizes) == 16


def test_replies_say_why_they_ended(model):
    with BatchingQueue(model) as batching:
        done = [future.result(PATIENCE) for future in map(batching.submit, QUESTIONS)]
    reasons = {reply.finish_reason for reply in done}
    assert reasons == {"stop", "length"}
    for reply in done:
        is_whole = reply.sequence[-1] in _ends(model)
        assert reply.finish_reason == ("stop" if is_whole else "length")


def test_requests_of_other_settings_share_a_batch(model):
    settings = [{"max_new_tokens": 3}, {"repetition_penalty": 2.0}, {"do_sample": True}] * 2
    with gathering(model, 6) as batching:
        asked = zip(QUESTIONS, settings, strict=False)
        futures = [batching.submit(ids, config_of(model, **one)) for ids, one in asked]
        replies = [future.result(PATIENCE).sequence for future in futures]
    assert batching.batch_sizes[6] and set(batching.batch_sizes) <= set(range(1, 7))
    for place in (0, 1, 3, 4):
        assert replies[place] == alone(model, QUESTIONS[place], **settings[place])


@pytest.mark.parametrize("settings", [{"num_beams": 3}, {"num_beams": 2, "length_penalty": 0.5}])
def test_beams_share_batches_too_and_come_whole(model, settings):
    pieces: list[str] = []
    with gathering(model, 3, TOKENIZER) as batching:
        config = config_of(model, **settings)
        say = [lambda text, new: pieces.append(text), None, None]
        asked = zip(QUESTIONS, say, strict=False)
        futures = [batching.submit(ids, config, on_text=function) for ids, function in asked]
        replies = [future.result(PATIENCE).sequence for future in futures]
    assert replies == [alone(model, ids, **settings) for ids in QUESTIONS[:3]]
    assert batching.batch_sizes == {3: 1}
    assert "".join(pieces) == text_of(cut_end(model, replies[0]))


def text_of(ids: list[int]) -> str:
    """Return the text of a reply as a person sees it."""
    return TOKENIZER.decode(ids, skip_special_tokens=True).replace("\ufffd", "").strip()


def test_a_seed_gives_the_same_reply_in_company_as_alone(model):
    config = config_of(model, do_sample=True, temperature=1.5)
    with BatchingQueue(model, max_wait_ms=100) as batching:
        lonely = batching.submit(QUESTIONS[0], config, seed=7).result(PATIENCE).sequence
        crowd = [batching.submit(ids, config) for ids in QUESTIONS[:5]]
        again = batching.submit(QUESTIONS[0], config, seed=7)
        other = batching.submit(QUESTIONS[0], config, seed=8)
        assert again.result(PATIENCE).sequence == lonely != other.result(PATIENCE).sequence
        assert all(future.result(PATIENCE) for future in crowd)


def test_a_seed_does_not_make_the_draws_of_others_predictable(model):
    config = config_of(model, do_sample=True, temperature=1.5)
    after = []
    with BatchingQueue(model) as batching:
        for _ in range(2):
            batching.submit(QUESTIONS[0], config, seed=7).result(PATIENCE)
            after.append(batching.submit(QUESTIONS[0], config).result(PATIENCE).sequence)
    assert after[0] != after[1]


def cut_end(model, ids: list[int]) -> list[int]:
    """Drop the end token, which the tests' model also has among ordinary tokens."""
    return ids[:-1] if ids[-1] in _ends(model) else ids


def test_text_comes_while_the_reply_is_made(model, gate):
    pieces: list[str] = []
    first = threading.Event()
    config = config_of(model, eos_token_id=2)

    def take(piece: str, tokens: list) -> None:
        pieces.append(piece)
        if not first.is_set():
            gate.hold(1)
            first.set()

    gate.open()
    with BatchingQueue(model, TOKENIZER) as batching:
        future = batching.submit(QUESTIONS[1], config, on_text=take)
        assert first.wait(PATIENCE) and not future.done() and len(pieces) == 1
        gate.open()
        future.result(PATIENCE)
    assert "".join(pieces) == text_of(future.result().sequence)


@pytest.mark.parametrize(
    "settings", [{}, {"do_sample": True, "temperature": 3.0}, {"num_beams": 2}]
)
def test_tokens_come_with_the_scores_of_the_network_itself(model, settings):
    told: list[TokenScore] = []
    config = config_of(model, repetition_penalty=1.5, **settings)
    with BatchingQueue(model, TOKENIZER) as batching:
        future = batching.submit(
            QUESTIONS[0], config, on_text=lambda text, new: told.extend(new), top_logprobs=3
        )
        plain = batching.submit(QUESTIONS[1]).result(PATIENCE).scores
        reply = future.result(PATIENCE)
    ids = reply.sequence
    logits = model(torch.tensor([QUESTIONS[0]]), decoder_input_ids=torch.tensor([[1, *ids[:-1]]]))
    expected = logits.logits[0].detach().log_softmax(-1)
    assert told == reply.scores and [token.id for token in told] == ids
    assert all(token.logprob is None and token.top == () for token in plain)
    for token, row in zip(told, expected, strict=True):
        assert token.logprob == pytest.approx(float(row[token.id]), abs=1e-4)
        assert [number for number, _ in token.top] == row.topk(3).indices.tolist()
        assert [value for _, value in token.top] == pytest.approx(row.topk(3).values.tolist())


def test_a_short_reply_does_not_wait_for_the_longest_of_its_batch(model, gate):
    lengths = {len(alone(model, question)): question for question in QUESTIONS}
    gate.hold(min(lengths) + 1)
    with gathering(model, 2) as batching:
        long = batching.submit(lengths[max(lengths)])
        short = batching.submit(lengths[min(lengths)])
        short.result(PATIENCE)
        assert not long.done()
        gate.open()
    assert batching.batch_sizes[2] == min(lengths) and long.done()


def test_cancelling_ends_a_reply_and_leaves_the_others_alone(model, gate):
    config = config_of(model, eos_token_id=2)
    gate.hold(4)
    with gathering(model, 2) as batching:
        going, gone = (batching.submit(ids, config) for ids in QUESTIONS[:2])
        gate.reach()
        assert gone.cancel() is False
        gate.hold(2)
        reply = gone.result(PATIENCE)
        assert not going.done()
        assert reply.finish_reason == "cancelled" and len(reply.sequence) == 3
        gate.open()
        assert going.result(PATIENCE).finish_reason == "length"


def test_a_batch_that_nobody_wants_any_more_stops(model, gate):
    with BatchingQueue(model) as batching:
        future = batching.submit(QUESTIONS[0], config_of(model, eos_token_id=2))
        gate.reach()
        future.cancel()
        gate.open()
        future.result(PATIENCE)
        batching.close()
        assert gate.steps < 4


def test_a_request_that_waits_can_be_cancelled(model, gate):
    with BatchingQueue(model, max_batch_size=1, max_wait_ms=0) as batching:
        running = batching.submit(QUESTIONS[0])
        waiting = batching.submit(QUESTIONS[1])
        gate.reach()
        assert waiting.cancel() is True
        gate.open()
        assert running.result(PATIENCE).sequence == alone(model, QUESTIONS[0])
        with pytest.raises(CancelledError):
            waiting.result(PATIENCE)
    assert batching.batch_sizes == {1: len(alone(model, QUESTIONS[0]))}


def test_a_deadline_ends_a_reply_with_what_there_is(model, gate, monkeypatch):
    begun = time.monotonic()
    gate.hold(4)
    with BatchingQueue(model) as batching:
        config = config_of(model, eos_token_id=2)
        future = batching.submit(QUESTIONS[0], config, deadline=begun + 3600)
        gate.reach()
        monkeypatch.setattr(request, "time", SimpleNamespace(monotonic=lambda: begun + 3601))
        gate.open()
        reply = future.result(PATIENCE)
    assert reply.finish_reason == "deadline" and len(reply.sequence) == 3


def test_a_deadline_that_passes_before_the_batch_is_an_error(model):
    with BatchingQueue(model) as batching:
        late = batching.submit(QUESTIONS[0], deadline=time.monotonic() - 1)
        with pytest.raises(TimeoutError, match="deadline passed"):
            late.result(PATIENCE)


def test_a_caller_whose_function_fails_loses_its_own_reply_only(model):
    def gone(piece: str, tokens: list) -> None:
        raise BrokenPipeError("the reader has left")

    with gathering(model, 2, TOKENIZER) as batching:
        config = config_of(model, eos_token_id=2)
        broken = batching.submit(QUESTIONS[1], config, on_text=gone)
        sound = batching.submit(QUESTIONS[0], config)
        with pytest.raises(BrokenPipeError):
            broken.result(PATIENCE)
        assert sound.result(PATIENCE).finish_reason == "length"
    assert batching.batch_sizes == {2: 1, 1: 19}


def test_an_error_in_generate_reaches_the_callers_of_its_batch_only(model):
    wrong = config_of(model, num_beams=2, max_new_tokens=10_000)
    with BatchingQueue(model, max_wait_ms=100) as batching:
        bad = [batching.submit(ids, wrong) for ids in QUESTIONS[:2]]
        good = batching.submit(QUESTIONS[2])
        for future in bad:
            with pytest.raises(ValueError, match="max_new_tokens"):
                future.result(PATIENCE)
        assert good.result(PATIENCE).sequence == alone(model, QUESTIONS[2])


@pytest.mark.parametrize(
    ("ids", "said"), [([], "1 to 64"), ([5] * 65, "got 65"), ([5, 10_000], "10000"), ([-1], "-1")]
)
def test_what_the_model_cannot_read_is_refused_at_once(model, ids, said):
    with BatchingQueue(model) as batching, pytest.raises(ValueError, match=said):
        batching.submit(ids)


def test_text_without_a_tokenizer_is_refused(model):
    with BatchingQueue(model) as batching, pytest.raises(ValueError, match="needs a tokenizer"):
        batching.submit([5], on_text=print)


@pytest.mark.parametrize("limits", [{"max_batch_size": 0}, {"max_waiting": 0}, {"max_wait_ms": -1}])
def test_limits_that_serve_nobody_are_refused(model, limits):
    with pytest.raises(ValueError, match=next(iter(limits))):
        BatchingQueue(model, **limits)


def test_too_many_waiting_requests_are_refused_until_there_is_room(model, gate):
    with BatchingQueue(model, max_batch_size=1, max_waiting=2) as batching:
        running = batching.submit(QUESTIONS[0])
        gate.reach()
        waiting = [batching.submit(ids) for ids in QUESTIONS[1:3]]
        with pytest.raises(QueueFullError, match="2 requests wait"):
            batching.submit(QUESTIONS[3])
        waiting[1].cancel()
        gate.open()
        running.result(PATIENCE)
        waiting[0].result(PATIENCE)
        assert batching.submit(QUESTIONS[3]).result(PATIENCE).sequence


def test_closing_answers_what_waits(model):
    batching = BatchingQueue(model, max_batch_size=2, max_wait_ms=0)
    futures = [batching.submit(ids) for ids in QUESTIONS[:7]]
    batching.close()
    assert all(future.done() for future in futures)
    assert [f.result().sequence for f in futures] == [alone(model, q) for q in QUESTIONS[:7]]
    with pytest.raises(QueueClosedError):
        batching.submit(QUESTIONS[0])
    batching.close()


def test_closing_without_draining_stops_what_runs_and_cancels_what_waits(model, gate):
    config = config_of(model, eos_token_id=2)
    batching = BatchingQueue(model, max_batch_size=1)
    running, waiting = (batching.submit(ids, config) for ids in QUESTIONS[:2])
    gate.reach()
    with pytest.raises(TimeoutError):
        batching.close(drain=False, timeout=0)
    gate.open()
    batching.close()
    assert gate.steps < 4
    assert running.result(0).finish_reason == "cancelled"
    with pytest.raises(CancelledError):
        waiting.result(0)


def test_closing_within_a_limit_says_when_it_took_longer(model, gate):
    batching = BatchingQueue(model)
    future = batching.submit(QUESTIONS[0], config_of(model, eos_token_id=2))
    with pytest.raises(TimeoutError):
        batching.close(timeout=0.1)
    gate.open()
    future.result(PATIENCE)
    batching.close()


def test_no_request_is_lost_however_they_come(model):
    answered: list[bool] = []

    def ask(number: int) -> None:
        draw = random.Random(number)
        for _ in range(12):
            question = draw.choice(QUESTIONS)
            config = config_of(model, max_new_tokens=draw.choice([1, 2, 5]))
            future = batching.submit(question, config)
            if draw.random() < 0.2:
                future.cancel()
                continue
            expected = alone(model, question, max_new_tokens=config.max_new_tokens)
            answered.append(future.result(PATIENCE).sequence == expected)
            time.sleep(draw.choice([0, 0, 0.002]))

    with BatchingQueue(model, max_batch_size=4, max_wait_ms=1) as batching:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert all(answered) and len(answered) > 60


def test_ctrl_c_while_waiting_for_a_reply_leaves_the_queue_working(model):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with BatchingQueue(model) as batching:
            for _ in range(25):
                timer = threading.Timer(
                    random.random() * 0.02, signal.raise_signal, args=(signal.SIGINT,)
                )
                try:
                    timer.start()  # waits a moment itself, and may be what is interrupted
                    while timer.is_alive():
                        future = batching.submit(QUESTIONS[0], config_of(model, max_new_tokens=2))
                        future.result(PATIENCE), future.done(), future.cancel()
                    timer.join()
                    time.sleep(0.01)
                except KeyboardInterrupt:
                    timer.join()
            assert batching.submit(QUESTIONS[0]).result(PATIENCE).sequence
    finally:
        signal.signal(signal.SIGINT, before)


def test_several_replies_to_one_request_are_refused(model):
    config = config_of(model, do_sample=True, num_return_sequences=3)
    with BatchingQueue(model) as batching, pytest.raises(ValueError, match="once for each reply"):
        batching.submit(QUESTIONS[0], config)


@pytest.mark.parametrize("wrong", [{"deadline": "soon"}, {"seed": "x"}, {"top_logprobs": -1}])
def test_a_wrong_argument_is_the_error_of_its_caller_alone(model, wrong):
    with BatchingQueue(model) as batching:
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}` must be"):
            batching.submit(QUESTIONS[0], **wrong)
        assert batching.submit(QUESTIONS[0]).result(PATIENCE).sequence

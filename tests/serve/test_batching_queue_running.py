# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The running batch: what joins it gets the reply it would get alone, and harms nobody in it."""

from __future__ import annotations

import random
import time

import pytest
import torch
from transformers import LogitsProcessor, LogitsProcessorList

from tests.serve.test_batching_queue import (
    PATIENCE,
    QUESTIONS,
    TOKENIZER,
    alone,
    config_of,
    gate,  # noqa: F401
    gathering,
    model,  # noqa: F401
    text_of,
)
from tfchat_hf.fast import FastDecoder
from tfchat_hf.fast.open_stepper import OpenStepper
from tfchat_hf.serve import batching_queue
from tfchat_hf.serve.batching_queue import BatchingQueue

# Processors that look at the last tokens of a reply, at all of them, at its length, at the
# question, at the model; some that are not known to treat each row for itself; and beams.
MIXED = [
    {},
    {"max_new_tokens": 1},
    {"repetition_penalty": 1.3},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 1, "max_new_tokens": 9},
    {"max_phrase_repeats": 1},
    {"max_phrase_repeats": 2, "max_character_run": 2, "dry_multiplier": 0.8},
    {"dry_multiplier": 2.0, "dry_allowed_length": 1, "copy_penalty": 2.0, "copy_allowed_length": 1},
    {"presence_penalty": 1.0, "frequency_penalty": 0.5},
    {"anti_lm_weight": 0.4, "anti_lm_tokens": 3},
    {"anti_lm_weight": 0.8, "copy_penalty": 1.0, "dry_multiplier": 1.0},
    {"min_new_tokens": 12},
    {"min_length": 9, "suppress_tokens": [5, 6, 7]},
    {"encoder_repetition_penalty": 1.5},
    {"bad_words_ids": [[20], [30, 31]]},
    {"forced_eos_token_id": 2, "max_new_tokens": 7},
    {"num_beams": 2},
]


@pytest.fixture
def fussy(model, monkeypatch):  # noqa: F811
    """The model, with processors that care about bytes and runs of characters."""
    monkeypatch.setattr(model.config, "first_byte_token_id", 40)
    runs = [[token, token % 3, 1 + token % 4] for token in range(90, 130)]
    monkeypatch.setattr(model.config, "character_runs", runs)
    monkeypatch.setattr(model.config, "doubled_tokens", list(range(60, 120)))
    return model


@pytest.mark.parametrize(("size", "requests"), [(1, 20), (3, 30), (8, 30)])
def test_any_mix_of_requests_gets_the_replies_of_each_alone(fussy, size, requests):
    draw, asked = random.Random(size), []
    # Each at least once.
    mix = draw.sample(MIXED, len(MIXED)) + draw.choices(MIXED, k=requests - len(MIXED))
    start = fussy.config.decoder_start_token_id
    with BatchingQueue(fussy, TOKENIZER, max_batch_size=size) as batching:
        for settings in mix:
            # What rows are filled up with, in a question: it cannot be filled up then.
            question = [*draw.choice(QUESTIONS), *draw.choice([[], [], [], [start]])]
            told: list = []
            on_text = draw.choice([None, lambda text, new, told=told: told.extend(new)])
            future = batching.submit(question, config_of(fussy, **settings), on_text=on_text)
            if draw.random() < 0.15:
                future.cancel()
            else:
                asked.append((question, settings, future, told if on_text else None))
            time.sleep(draw.choice([0, 0, 0, 0.005]))
        for question, settings, future, told in asked:
            reply = future.result(PATIENCE).sequence
            assert reply == alone(fussy, question, **settings), (question, settings)
            assert told is None or [token.id for token in told] == reply


def test_draws_with_a_seed_are_the_same_beside_other_requests(fussy):
    config = config_of(fussy, do_sample=True, temperature=2.0)
    with gathering(fussy, 4) as batching:
        crowd = [batching.submit(ids, config, seed=3) for ids in QUESTIONS[:3]]
        again = batching.submit(QUESTIONS[0], config, seed=3).result(PATIENCE)
        first = crowd[0].result(PATIENCE)
    assert again.sequence == first.sequence


class Failing(LogitsProcessor):
    """Fails at the third token."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if input_ids.shape[1] < 3:
            return scores
        if self.error is not None:
            raise self.error
        return scores * torch.nan


@pytest.mark.parametrize("error", [RuntimeError("bad row"), SystemExit("bad row"), None])
@pytest.mark.parametrize("draws", [False, True])
def test_a_processor_that_fails_is_the_error_of_its_request_alone(fussy, error, draws):
    config = config_of(fussy, eos_token_id=2, do_sample=draws)
    with gathering(fussy, 3) as batching:
        sound = [batching.submit(ids) for ids in QUESTIONS[:2]]
        bad = batching.submit(
            QUESTIONS[2], config, logits_processor=LogitsProcessorList([Failing(error)])
        )
        with pytest.raises(RuntimeError, match="bad row" if error else "are no numbers"):
            bad.result(PATIENCE)
        for question, future in zip(QUESTIONS, sound, strict=False):
            assert future.result(PATIENCE).sequence == alone(fussy, question)


@pytest.mark.parametrize("error", [RuntimeError("bad row"), KeyboardInterrupt("bad row")])
def test_a_step_that_fails_for_one_row_goes_on_for_the_others(fussy, monkeypatch, error):
    step = OpenStepper.step

    def failing(self, tokens, rows=slice(None)):
        logits = step(self, tokens, rows)
        begin, end, _ = rows.indices(len(self.lengths))
        read = (self._mask[begin:end] == 0).sum((1, 2, 3)).tolist()
        if any(map(lambda n, made: n == 31 and made > 2, read, self.lengths[rows])):
            raise error
        return logits

    monkeypatch.setattr(OpenStepper, "step", failing)
    heard: list[str] = []
    config = config_of(fussy, eos_token_id=2)
    with gathering(fussy, 3, TOKENIZER) as batching:
        sound = batching.submit(QUESTIONS[0], config, on_text=lambda text, new: heard.append(text))
        bad = batching.submit([7] * 31, config)
        batching.submit(QUESTIONS[1])
        with pytest.raises(RuntimeError, match="bad row"):
            bad.result(PATIENCE)
        expected = fussy.generate(torch.tensor(QUESTIONS[:1]), config)[0, 1:].tolist()
        assert sound.result(PATIENCE).sequence == expected
    assert "".join(heard) == text_of(expected)


def test_a_question_that_becomes_no_numbers_leaves_none_behind(fussy, monkeypatch):
    encoder = fussy.get_encoder()

    def spoil(module, given, kwargs, output):
        bad = (kwargs["input_ids"] == 7).all(-1)
        output.last_hidden_state[bad] = torch.nan
        return output

    hook = encoder.register_forward_hook(spoil, with_kwargs=True)
    try:
        with gathering(fussy, 2) as batching:
            bad = [batching.submit([7] * 20) for _ in range(2)]
            sound = [batching.submit(ids) for ids in QUESTIONS[:4]]
            for future in bad:
                with pytest.raises(RuntimeError, match="are no numbers"):
                    future.result(PATIENCE)
            replies = [future.result(PATIENCE).sequence for future in sound]
    finally:
        hook.remove()
    assert replies == [alone(fussy, ids) for ids in QUESTIONS[:4]]


@pytest.mark.parametrize("error", [BrokenPipeError("gone"), SystemExit("gone")])
def test_a_listener_that_fails_frees_its_place_and_no_other(fussy, error):
    def gone(text: str, tokens: list) -> None:
        raise error

    with gathering(fussy, 2, TOKENIZER) as batching:
        broken = batching.submit(QUESTIONS[1], config_of(fussy, eos_token_id=2), on_text=gone)
        sound = batching.submit(QUESTIONS[0])
        with pytest.raises((BrokenPipeError, RuntimeError), match="gone"):
            broken.result(PATIENCE)
        assert sound.result(PATIENCE).sequence == alone(fussy, QUESTIONS[0])


def test_a_cancelled_reply_gives_its_place_to_the_next_at_once(fussy, gate):  # noqa: F811
    endless = config_of(fussy, eos_token_id=2, max_new_tokens=40)
    gate.hold(4)
    with gathering(fussy, 2) as batching:
        going, gone = (batching.submit(ids, endless) for ids in QUESTIONS[:2])
        gate.reach()
        waiting = batching.submit(QUESTIONS[2], config_of(fussy, eos_token_id=2, max_new_tokens=2))
        gone.cancel()
        gate.hold(4)
        assert len(waiting.result(PATIENCE).sequence) == 2
        assert not going.done()
        gate.open()


def test_beams_and_the_running_batch_get_turns(fussy, monkeypatch):
    # Whatever takes its turn takes a second: so after each batch of beams comes one step.
    monkeypatch.setattr(batching_queue, "_seconds_of", lambda act, *given: act(*given) or 1.0)
    endless = config_of(fussy, eos_token_id=2)  # 20 tokens
    ended: list[str] = []

    def note(name: str):
        return lambda future: ended.append(name)

    with gathering(fussy, 41) as batching:
        for number in range(40):  # of other settings each: no two share a batch
            beams = config_of(fussy, num_beams=2, length_penalty=1 + number / 100, max_new_tokens=2)
            batching.submit(QUESTIONS[1], beams).add_done_callback(note("beams"))
        batching.submit(QUESTIONS[0], endless).add_done_callback(note("row"))
    assert ended.index("row") == 20 and len(ended) == 41


def test_stop_strings_end_a_reply_in_the_running_batch(fussy):
    endless = config_of(fussy, eos_token_id=2)
    stop = text_of(fussy.generate(torch.tensor(QUESTIONS[:1]), endless)[0, 5:6].tolist())
    assert stop
    with gathering(fussy, 3, TOKENIZER) as batching:
        config = config_of(fussy, eos_token_id=2, stop_strings=[stop])
        futures = [batching.submit(ids, config) for ids in QUESTIONS[:2]]
        futures.append(batching.submit(QUESTIONS[2]))
        replies = [future.result(PATIENCE) for future in futures]
    assert batching.batch_sizes[3]
    for question, reply in zip(QUESTIONS, replies[:2], strict=False):
        made = fussy.generate(torch.tensor([question]), config, tokenizer=TOKENIZER)
        assert reply.sequence == made[0, 1:].tolist()
    assert replies[0].finish_reason == "stop" and stop in text_of(replies[0].sequence)


def test_a_network_whose_steps_differ_is_asked_in_batches_of_its_own(fussy, monkeypatch, caplog):
    advance = OpenStepper.advance
    monkeypatch.setattr(OpenStepper, "advance", lambda self: (advance(self), advance(self)))
    with gathering(fussy, 3) as batching:
        replies = [future.result(PATIENCE) for future in list(map(batching.submit, QUESTIONS[:3]))]
    assert batching.batch_sizes == {3: 1}
    assert [r.sequence for r in replies] == [alone(fussy, ids) for ids in QUESTIONS[:3]]
    assert "other scores than the network" in caplog.text


def test_weights_that_change_between_replies_are_used(fussy):
    decoder = FastDecoder()
    assert decoder.open_stepper(fussy, 2) is not None
    probed = decoder.open_probed
    assert decoder.open_stepper(fussy, 2) is not None and decoder.open_probed is probed
    bias = fussy.lm_head.bias.data
    before = bias.clone()
    try:
        with BatchingQueue(fussy) as batching:
            batching.submit(QUESTIONS[0]).result(PATIENCE)
            bias.copy_(-before.roll(1))
            changed = batching.submit(QUESTIONS[0]).result(PATIENCE).sequence
            assert changed == alone(fussy, QUESTIONS[0])
    finally:
        bias.copy_(before)

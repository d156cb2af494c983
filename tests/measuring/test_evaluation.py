# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Exact loss, replies and baselines on a tiny model, in one process and in two."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from torch.nn import functional

from tests.rendezvous import rendezvous
from tests.two_processes import BATCH_SIZE, make_batches, make_model, make_questions, make_tokenizer
from tfchat_hf.fast import cross_entropy
from tfchat_hf.measuring import evaluation
from tfchat_hf.measuring.evaluation import exact_loss, generate_replies
from tfchat_hf.measuring.selection import ReplyAssessor


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    return make_model(tokenizer)


@pytest.fixture(scope="module")
def questions(tokenizer):
    return make_questions(tokenizer)


def one_at_a_time(model, batches):
    """The definition: each reply alone, without padding."""
    total, tokens = 0.0, 0
    for batch in batches:
        for ids, mask, labels in zip(*(batch[key] for key in batch), strict=True):
            ids, labels = ids[mask.bool()][None], labels[labels != -100][None]
            with torch.no_grad():
                logits = model(input_ids=ids, labels=labels).logits
            total += functional.cross_entropy(logits[0], labels[0], reduction="sum").item()
            tokens += labels.numel()
    return total / tokens, tokens


def test_loss_is_the_plain_mean_over_all_tokens(model, tokenizer):
    batches = make_batches(tokenizer, Accelerator(cpu=True))
    loss, tokens = one_at_a_time(model, batches)
    found = exact_loss(model, batches, Accelerator(cpu=True), characters=100)
    assert found["tokens"] == tokens
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)
    assert found["bits_per_character"] == pytest.approx(loss * tokens / math.log(2) / 100, rel=1e-5)


def test_logits_made_in_parts_give_the_same_loss(model, tokenizer, monkeypatch):
    batches = make_batches(tokenizer, Accelerator(cpu=True))
    whole = exact_loss(model, batches, Accelerator(cpu=True))
    monkeypatch.setattr(cross_entropy, "LOGITS_AT_ONCE", 3 * model.config.vocab_size)
    assert exact_loss(model, batches, Accelerator(cpu=True)) == pytest.approx(whole, rel=1e-6)


def test_bits_per_character_need_the_characters(model, tokenizer):
    batches = make_batches(tokenizer, Accelerator(cpu=True))
    assert "bits_per_character" not in exact_loss(model, batches, Accelerator(cpu=True))


def test_loss_leaves_the_batches_and_the_mode_alone(model, tokenizer):
    batches = list(make_batches(tokenizer, Accelerator(cpu=True)))
    model.train()
    exact_loss(model, batches, Accelerator(cpu=True))
    assert model.training and "labels" in batches[0]
    model.eval()


def test_loss_of_nothing():
    assert exact_loss(torch.nn.Module(), [], Accelerator(cpu=True))["tokens"] == 0


def test_replies_keep_the_order_of_their_questions(model, tokenizer, questions):
    together = generate_replies(model, tokenizer, questions, 4)
    alone = [generate_replies(model, tokenizer, [question], 1)[0] for question in questions]
    assert together == alone and len(set(together)) > 1


def test_sampled_replies_are_the_same_each_time_and_touch_no_random_state(tokenizer, questions):
    model = make_model(tokenizer)
    model.generation_config.do_sample = True
    state = torch.random.get_rng_state()
    first = generate_replies(model, tokenizer, questions, 4)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    assert generate_replies(model, tokenizer, questions, 4) == first
    model.generation_config.do_sample = False
    assert generate_replies(model, tokenizer, questions, 4) != first


@pytest.mark.parametrize("processes", [2, 3, 20])
def test_the_shares_of_processes_make_up_the_whole(
    model, tokenizer, questions, processes, monkeypatch
):
    shares = []
    monkeypatch.setattr(evaluation, "gather_object", lambda own: shares.append(own) or own)
    for rank in range(processes):
        state = SimpleNamespace(process_index=rank, num_processes=processes)
        monkeypatch.setattr(evaluation, "PartialState", lambda state=state: state)
        generate_replies(model, tokenizer, questions, BATCH_SIZE, split=True)
    gathered = sorted(answer for share in shares for answer in share)
    assert [number for number, _ in gathered] == list(range(len(questions)))
    alone = generate_replies(model, tokenizer, questions, BATCH_SIZE)
    assert [text for _, text in gathered] == alone


@pytest.mark.slow  # two starts of Python with torch
def test_two_processes_find_what_one_finds(model, tokenizer, questions):
    with rendezvous(2) as environments:
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.two_processes"],
                env={**os.environ, **told, "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for told in environments
        ]
        outputs = [process.communicate() for process in started]
    found = [json.loads(out) if out else pytest.fail(error) for out, error in outputs]
    assert found[0] == found[1] and found[0]["processes"] == 2

    accelerator = Accelerator(cpu=True)
    expected = exact_loss(model, make_batches(tokenizer, accelerator), accelerator, 100)
    assessed, replies = ReplyAssessor(questions, tokenizer, BATCH_SIZE)(model)
    assert found[0]["loss"]["tokens"] == expected["tokens"]
    assert found[0]["loss"] == pytest.approx(expected, rel=1e-6)
    assert found[0]["replies"] == replies
    assert found[0]["assessed"] == pytest.approx(assessed, rel=1e-6)

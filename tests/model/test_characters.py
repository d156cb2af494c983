# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""No reply ends, or is interrupted, in the middle of a character."""

from __future__ import annotations

import random

import pytest
import torch

from tests.tiny import questions, tiny_model
from tfchat_hf.fast import FastDecoder
from tfchat_hf.model.generation_tfchat import WholeCharactersLogitsProcessor

FIRST = 133
VOCAB = FIRST + 128 + 20


def bytes_of(tokens: list[int]) -> bytes:
    """Spell byte tokens as bytes and any other token as an x."""
    return bytes(t - FIRST + 0x80 if FIRST <= t < FIRST + 128 else ord("x") for t in tokens)


def test_whatever_is_drawn_is_utf8_at_every_length() -> None:
    draw = random.Random(0)
    for longest in range(2, 14):
        for _ in range(60):
            processor, reply = WholeCharactersLogitsProcessor(FIRST, longest), [1]
            while len(reply) < longest:
                # Bytes are all that this model wants to say.
                scores = processor(torch.tensor([reply]), torch.zeros(1, VOCAB))[0]
                allowed = (scores > -torch.inf).nonzero()[:, 0].tolist()
                assert allowed
                liked = [token for token in allowed if FIRST <= token < FIRST + 128]
                reply.append(draw.choice(liked or allowed))
            bytes_of(reply[1:]).decode("utf-8")


@pytest.mark.parametrize("character", ["é", "ß", "語", "\uffff", "😀", "\U0010ffff", "\u0800"])
def test_every_character_can_still_be_spelled(character) -> None:
    spelled = [byte - 0x80 + FIRST for byte in character.encode()]
    processor, reply = WholeCharactersLogitsProcessor(FIRST, 50), [1, 7]
    for token in [*spelled, *spelled, 9]:
        scores = processor(torch.tensor([reply]), torch.zeros(1, VOCAB))[0]
        assert scores[token] == 0
        reply.append(token)


def test_half_a_character_forbids_the_end_and_everything_else() -> None:
    processor = WholeCharactersLogitsProcessor(FIRST, 50)
    for spelled in ("語".encode()[:1], "語".encode()[:2], "😀".encode()[:3]):
        ids = torch.tensor([[1, 9, *(byte - 0x80 + FIRST for byte in spelled)]])
        allowed = (processor(ids, torch.zeros(1, VOCAB))[0] == 0).nonzero()[:, 0]
        assert ((allowed >= FIRST) & (allowed < FIRST + 0x40)).all() and len(allowed) >= 32


@pytest.mark.parametrize("way", [{}, {"do_sample": True}, {"num_beams": 2}], ids=str)
def test_generate_keeps_to_it(way) -> None:
    model = tiny_model(vocab_size=VOCAB, first_byte_token_id=FIRST)
    with torch.no_grad():
        model.lm_head.bias[FIRST : FIRST + 128] += 6.0  # bytes, and hardly anything else
    inputs = questions(6)
    for longest in range(1, 9):
        torch.manual_seed(longest)
        for row in model.generate(**inputs, max_new_tokens=longest, **way)[:, 1:].tolist():
            said = row[: row.index(2)] if 2 in row else row
            bytes_of(said).decode("utf-8")


def test_the_fast_loop_gives_the_same_bytes_as_transformers() -> None:
    model = tiny_model(vocab_size=VOCAB, first_byte_token_id=FIRST)
    with torch.no_grad():
        model.lm_head.bias[FIRST : FIRST + 128] += 1.5
    inputs = {**questions(6), "max_new_tokens": 30}
    made = model.generate(**inputs)
    assert torch.equal(model.generate(**inputs, custom_generate=FastDecoder()), made)
    assert ((made >= FIRST) & (made < FIRST + 128)).any()

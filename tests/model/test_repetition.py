# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Loops and echoes: each kind is made by a model that would go on for ever, and ends."""

from __future__ import annotations

import functools
import random

import pytest
import torch

from tests.tiny import questions, tiny_model
from tfchat_hf.fast import FastDecoder
from tfchat_hf.model.generation_tfchat import (
    OWN_SETTINGS,
    CharacterRunLogitsProcessor,
    CopyPenaltyLogitsProcessor,
    DryLogitsProcessor,
    PhraseRepeatLogitsProcessor,
    SaidTokensLogitsProcessor,
    suffix_matches,
)
from tfchat_hf.text.tokenization import character_runs
from tfchat_hf.text.tokenizer_training import train_tokenizer

VOCAB = 40
OWN_DEFAULTS = {name: setting.default for name, setting in OWN_SETTINGS.items()}


def banned(processor, reply: list[int]) -> set[int]:
    ids = torch.tensor([[1, *reply]])
    scores = processor(ids, torch.zeros(1, VOCAB))
    return set((scores[0] == -torch.inf).nonzero()[:, 0].tolist())


def longest_run_of_a_phrase(tokens: list[int]) -> int:
    """Count by hand how often any phrase stands in a row, at most."""
    most = 1
    for period in range(1, len(tokens) // 2 + 1):
        for start in range(len(tokens) - period):
            phrase, times = tokens[start : start + period], 1
            while tokens[start + times * period : start + (times + 1) * period] == phrase:
                times += 1
            most = max(most, times)
    return most


@pytest.mark.parametrize(
    ("reply", "forbidden"),
    [
        ([7, 7], {7}),  # 莉莉 -> not a third
        ([7], set()),
        ([5, 6, 5, 6, 5], {6}),  # a phrase of two
        ([5, 6, 5, 6, 9], set()),
        ([3, 7, 8, 9, 7, 8, 9, 7, 8], {9}),  # a list of three items
        ([5, 6, 5, 6, 5, 6, 6], {6}),
    ],
)
def test_no_phrase_stands_more_than_twice_in_a_row(reply, forbidden) -> None:
    assert banned(PhraseRepeatLogitsProcessor(2), reply) == forbidden


def test_one_repeat_allows_no_immediate_repetition_at_all() -> None:
    processor = PhraseRepeatLogitsProcessor(1)
    assert banned(processor, [7]) == {7}
    assert banned(processor, [5, 6, 5]) == {5, 6}


@pytest.mark.parametrize(
    ("reply", "forbidden"),
    [
        ([5], {5}),
        ([7], set()),
        ([7, 7], {7}),
        ([5, 7], set()),
        ([5, 6, 5, 6, 5], {5, 6}),
        ([], set()),
    ],
)
def test_a_token_that_people_never_double_stands_alone(reply, forbidden) -> None:
    assert banned(PhraseRepeatLogitsProcessor(2, doubled=[7]), reply) == forbidden


def test_the_bytes_of_a_character_may_be_equal() -> None:
    doubled = {"doubled_tokens": [7], "first_byte_token_id": 5, "vocab_size": 5 + 128 + 20}
    model = tiny_model(**doubled)
    made = model._own_processors({**OWN_DEFAULTS, "max_phrase_repeats": 2}, None, 20)
    (rule,) = (one for one in made if isinstance(one, PhraseRepeatLogitsProcessor))
    scores = rule(torch.tensor([[1, 9], [1, 140], [1, 7]]), torch.zeros(3, 153))
    assert (scores == -torch.inf).nonzero().tolist() == [[1, 140]]


def test_no_row_of_a_batch_loses_all_that_is_left() -> None:
    scores = torch.full((1, VOCAB), -torch.inf)
    scores[0, 5] = 0.0  # what another rule has left
    kept = PhraseRepeatLogitsProcessor(2, doubled=[])(torch.tensor([[1, 5]]), scores)
    assert torch.equal(kept, scores)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_is_forbidden_is_what_counting_by_hand_finds(times) -> None:
    draw, processor = random.Random(times), PhraseRepeatLogitsProcessor(times)
    for _ in range(150):
        reply = [draw.randint(5, 7)]
        while len(reply) < 14:
            allowed = sorted(
                {5, 6, 7} - {t for t in (5, 6, 7) if longest_run_of_a_phrase([*reply, t]) > times}
            )
            assert {5, 6, 7} - banned(processor, reply) == set(allowed)
            if not allowed:
                break
            reply.append(draw.choice(allowed))


class Cycle:
    """Pushes the model round a cycle of tokens, as a trained model's own logits do."""

    def __init__(self, cycle: list[int], push: float = 8.0) -> None:
        self.after = dict(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        self.first = cycle[0]
        self.push = push

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.clone()
        for row, token in enumerate(input_ids[:, -1].tolist()):
            scores[row, self.after.get(token, self.first)] += self.push
        return scores


LOOPS = {
    "one character": [9],
    "a phrase": [9, 10, 11, 12],
    "a list": [9, 20, 10, 20, 11, 20],  # A, B, C, A, B, C ...
}


WAYS = {"greedy": {}, "draws": {"do_sample": True}, "beams": {"num_beams": 3}}


def looping(name: str, way: str, **settings: object) -> list[list[int]]:
    """Return replies of a model that would go on for ever."""
    model, inputs = tiny_model(), questions(2)
    torch.manual_seed(0)
    given = {**inputs, "max_new_tokens": 24, "eos_token_id": 2, **WAYS[way], **settings}
    # The caller's processors act before this project's, so what is forbidden stays forbidden.
    return model.generate(**given, logits_processor=[Cycle(LOOPS[name])])[:, 1:].tolist()


loose = functools.cache(looping)


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize(
    "settings",
    [{"max_phrase_repeats": 2}, {"dry_multiplier": 0.8, "max_phrase_repeats": 2}],
    ids=str,
)
@pytest.mark.parametrize("way", WAYS)
def test_a_model_that_loops_for_ever_is_stopped(name, settings, way) -> None:
    assert longest_run_of_a_phrase(loose(name, way)[0]) > 2
    for row in looping(name, way, **settings):
        assert longest_run_of_a_phrase(row[: row.index(2)] if 2 in row else row) <= 2


def test_dry_costs_what_its_formula_says() -> None:
    processor = DryLogitsProcessor(0.8, base=1.75, allowed_length=2)
    # The last three tokens 5 6 7 stand at the beginning too; 9 followed there.
    ids = torch.tensor([[1, 5, 6, 7, 9, 3, 5, 6, 7]])
    scores = processor(ids, torch.zeros(1, VOCAB))
    assert scores[0, 9].item() == pytest.approx(-0.8 * 1.75)
    assert (scores != 0).sum() == 1


def test_dry_leaves_single_repeated_tokens_alone() -> None:
    ids = torch.tensor([[1, 5, 6, 5, 7, 5]])
    assert not DryLogitsProcessor(0.8)(ids, torch.zeros(1, VOCAB)).any()


def test_dry_breaks_a_loop_that_the_model_wants_badly() -> None:
    model, inputs = tiny_model(), questions(1)
    given = {**inputs, "max_new_tokens": 40, "logits_processor": [Cycle(LOOPS["a phrase"])]}
    loose = longest_run_of_a_phrase(model.generate(**given)[0, 1:].tolist())
    tight = longest_run_of_a_phrase(model.generate(**given, dry_multiplier=0.8)[0, 1:].tolist())
    assert loose >= 9 and tight <= 4


def test_what_was_said_costs_as_openai_defines_it() -> None:
    ids = torch.tensor([[1, 5, 6, 5], [1, 7, 7, 7]])
    scores = SaidTokensLogitsProcessor(0.5, 0.25)(ids, torch.zeros(2, VOCAB))
    expected = torch.zeros(2, VOCAB)
    expected[0, [5, 6]] = -0.5 - 0.25 * torch.tensor([2.0, 1.0])
    expected[1, 7] = -0.5 - 0.25 * 3
    assert torch.equal(scores, expected)  # the start token was not said
    filled = torch.tensor([[1, 1, 1, 5, 6, 5]])  # as the server shows rows of different lengths
    assert torch.equal(
        SaidTokensLogitsProcessor(0.5, 0.25)(filled, torch.zeros(1, VOCAB))[0], expected[0]
    )


@pytest.mark.parametrize(
    "way",
    [{}, {"custom_generate": FastDecoder()}, {"num_beams": 3}],
    ids=["plain", "fast", "beams"],
)
def test_a_penalty_changes_the_reply_wherever_it_is_made(way) -> None:
    model, given = tiny_model(), {**questions(2), "max_new_tokens": 12}

    def most(**settings: float) -> int:
        rows = model.generate(**given, **way, **settings)[:, 1:].tolist()
        return max(row.count(token) for row in rows for token in set(row) - {0})

    assert most(frequency_penalty=2.0) < most() <= most(frequency_penalty=-2.0)


def test_copying_costs_from_the_third_token_on_and_more_with_each() -> None:
    question = torch.tensor([[5, 6, 7, 8, 9, 2]])
    processor = CopyPenaltyLogitsProcessor(question, penalty=1.5, allowed_length=2)

    def cost(reply: list[int], token: int) -> float:
        return -processor(torch.tensor([[1, *reply]]), torch.zeros(1, VOCAB))[0, token].item()

    assert cost([5], 6) == 0  # the second copied token is free
    assert cost([5, 6], 7) == 1.5
    assert cost([5, 6, 7], 8) == 3.0
    assert cost([5, 6, 7], 30) == 0
    assert cost([30, 6, 7], 8) == 1.5
    assert cost([5, 6, 7, 8, 9], 2) == 6.0  # ending on an echo


def test_padding_and_separators_are_no_text_to_copy() -> None:
    question = torch.tensor([[5, 4, 0, 0]])
    processor = CopyPenaltyLogitsProcessor(question, 2.0, 1, ignored=(0, 4))
    assert not processor(torch.tensor([[1, 5]]), torch.zeros(1, VOCAB)).any()


def test_copying_is_judged_by_each_rows_own_question() -> None:
    questions = torch.tensor([[5, 6, 7, 2], [8, 9, 10, 2]])
    processor = CopyPenaltyLogitsProcessor(questions, 1.0, 2)
    ids = torch.tensor([[1, 5, 6], [1, 5, 6], [1, 5, 6], [1, 8, 9]])  # two beams each
    scores = processor(ids, torch.zeros(4, VOCAB))
    assert scores[0, 7] == -1 and scores[1, 7] == -1
    assert not scores[2].any() and scores[3, 10] == -1


def test_a_model_that_copies_its_question_is_turned_away() -> None:
    model = tiny_model()
    question = torch.tensor([[11, 12, 13, 14, 15, 16, 2]])
    echo = Cycle([11, 12, 13, 14, 15, 16])
    given = {"inputs": question, "max_new_tokens": 6, "logits_processor": [echo]}
    assert model.generate(**given)[0, 1:].tolist() == [11, 12, 13, 14, 15, 16]
    turned = model.generate(**given, copy_penalty=10.0)[0, 1:].tolist()
    assert turned[:2] == [11, 12] and turned[2] != 13


def test_suffix_matches_equal_a_loop_written_out() -> None:
    draw = random.Random(1)
    for _ in range(200):
        text = [draw.randint(5, 7) for _ in range(draw.randint(1, 12))]
        reply = [draw.randint(5, 7) for _ in range(draw.randint(1, 12))]
        found = suffix_matches(torch.tensor([text]), torch.tensor([reply]))[0].tolist()
        for place in range(len(text)):
            most = 0
            while (
                most < min(place + 1, len(reply))
                and text[place - most] == reply[len(reply) - 1 - most]
            ):
                most += 1
            assert found[place] == min(most, 16)


RUNS = [[7, "哈", 1], [8, "哈", 2], [9, "哈", 3], [10, "啊", 1], [11, "啊", 2], [12, ".", 6]]


@pytest.mark.parametrize(
    ("reply", "forbidden"),
    [
        ([5], {12}),  # six at once are too many
        ([8], {9, 12}),
        ([9], {8, 9, 12}),
        ([8, 8], {7, 8, 9, 12}),
        ([9, 10], {12}),  # another character
        ([9, 5, 8], {9, 12}),
        ([7, 7, 7], {8, 9, 12}),
    ],
)
def test_one_character_stands_four_times_in_a_row_at_most_however_it_is_cut(
    reply, forbidden
) -> None:
    assert banned(CharacterRunLogitsProcessor(RUNS, 4), reply) == forbidden


def test_a_laughing_model_is_stopped_by_characters_where_tokens_differ() -> None:
    model, inputs = tiny_model(character_runs=RUNS), questions(2)
    given = {**inputs, "max_new_tokens": 30, "logits_processor": [Cycle([9, 8])]}

    def longest_laugh(**settings: int) -> int:
        most = run = 0
        for token in model.generate(**given, **settings)[0, 1:].tolist():
            run = run + {7: 1, 8: 2, 9: 3}[token] if token in (7, 8, 9) else 0
            most = max(most, run)
        return most

    assert longest_laugh(max_phrase_repeats=2) > 8
    assert 3 <= longest_laugh(max_character_run=4) <= 4


def test_the_runs_of_a_vocabulary_are_its_tokens_of_one_character() -> None:
    texts = ["哈哈哈 哈哈 哈", "哈哈哈", "哈哈", "10000000", "你好"] * 40
    tokenizer = train_tokenizer(texts, "subword-unigram", 400)
    found = character_runs(tokenizer)
    assert {(character, times) for _, character, times in found} >= {("哈", 1), ("哈", 2)}
    for number, character, times in found:
        assert tokenizer.decode([number]) == character * times
    assert not any(character.isdigit() for _, character, _ in found)

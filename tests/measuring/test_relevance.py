# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whether a model listens: what is drawn, each score by hand, and models that are known."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from datasets import Dataset

from tests.tiny import VOCAB_SIZE, speaking_model, tiny_model
from tests.tiny import batch as tiny_batch
from tfchat_hf.examples.tokenized import EXAMPLE_FEATURES, ids_key, key_of
from tfchat_hf.measuring.relevance import (
    RankingTask,
    TaskScore,
    measure_relevance,
    ranking_tasks,
    relevance_by_source,
    relevance_figures,
    score_tasks,
)


def examples(pairs: list[tuple[list[int], list[int], str, str]]) -> Dataset:
    """Return pairs of ids with source and language as `prepare_data` gives them."""
    rows = [
        {
            "context": [str(question)],
            "reply": str(reply),
            "lang": lang,
            "source": source,
            "copy": 1,
            "input_ids": question,
            "labels": reply,
            "dropped_turns": 0,
            "truncated_tokens": 0,
            "context_key": ids_key(question),
            "reply_key": key_of(str(reply).encode()),
        }
        for question, reply, source, lang in pairs
    ]
    columns = {name: [row[name] for row in rows] for name in EXAMPLE_FEATURES}
    return Dataset.from_dict(columns, features=EXAMPLE_FEATURES)


def many(count: int, source: str = "forum", lang: str = "zh") -> list:
    """Return pairs whose reply i has 2 + i % 7 tokens and is like no other."""
    return [([10, i, 2], [20 + i] * (1 + i % 7) + [2], source, lang) for i in range(count)]


def test_wrong_questions_are_those_of_the_same_group():
    pairs = [([50, i, 2], [60 + i, 2], "a", "zh") for i in range(6)]
    pairs += [([51, i, 2], [70 + i, 2], "a", "en") for i in range(6)]
    pairs += [([52, i, 2], [80 + i, 2], "b", "en") for i in range(6)]
    tasks = ranking_tasks(examples(pairs), limit=0, seed=3)
    for task in tasks:
        assert task.wrong_question[0] == task.question[0]
        assert task.wrong_question != task.question
        assert {reply[0] // 10 for reply in task.candidates} == {task.candidates[0][0] // 10}
    assert len({task.wrong_question for task in tasks}) == len(tasks)


def test_a_question_alone_in_its_source_has_no_wrong_one_and_is_counted():
    tasks = ranking_tasks(examples([*many(4), ([9, 2], [9, 2], "alone", "zh")]), limit=0)
    assert [task.wrong_question is None for task in tasks] == [False] * 4 + [True]
    assert tasks[-1].candidates == ((9, 2),)
    found = relevance_figures([TaskScore("a", 2, 1.0, None, 1, 1, 1)])
    assert found["without_wrong_question"] == found["relevance_questions"] == 1
    assert "question_gain" not in found


def test_the_other_replies_are_the_nearest_in_length_and_none_is_right():
    pairs = many(70)
    # The same question has a second reply, and another question the same reply.
    pairs += [([10, 0, 2], [5, 2], "forum", "zh"), ([11, 2], pairs[0][1], "forum", "zh")]
    task = ranking_tasks(examples(pairs), limit=0, seed=1)[0]
    assert len(task.candidates) == len(set(task.candidates)) == 20
    assert task.candidates[0] == (20, 2)
    # Ten of 70 have a length of 2 tokens, ten have 3: nine others of the first, ten of the second.
    assert Counter(map(len, task.candidates[1:])) == {2: 9, 3: 10}
    assert (5, 2) not in task.candidates


def test_equal_seeds_draw_equal_tasks_and_others_draw_others():
    data = examples(many(80))
    assert ranking_tasks(data, 30, seed=4) == ranking_tasks(data, 30, seed=4)
    first, second = ranking_tasks(data, 0, seed=4), ranking_tasks(data, 0, seed=5)
    assert [task.question for task in first] == [task.question for task in second]
    assert first != second


def test_candidates_are_fewer_where_a_source_has_fewer():
    tasks = ranking_tasks(examples(many(3) + many(30, "films", "en")), limit=0)
    assert [len(task.candidates) for task in tasks[:4]] == [3, 3, 3, 20]


def test_figures_are_sums_over_tokens_and_ranks_over_questions():
    scores = [
        TaskScore("a", 2, 3.0, 5.0, 20, 1, 2),
        TaskScore("a", 8, 10.0, 11.0, 20, 4, 1),
        TaskScore("b", 5, 7.0, None, 11, 2, 1),
    ]
    found = relevance_figures(scores)
    # (5 - 3 + 11 - 10) nats over 10 tokens; the mean of the two means would be 0.5625.
    assert found["question_gain"] == pytest.approx(0.3)
    assert found["hits_at_1"] == pytest.approx(1 / 3)
    assert found["mrr"] == pytest.approx((1 + 1 / 4 + 1 / 2) / 3)
    assert found["hits_at_1_pmi"] == pytest.approx(2 / 3)
    assert found["mrr_pmi"] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert found["candidates"] == 17
    assert relevance_by_source(scores)["b"]["mrr"] == 0.5


@torch.no_grad()
def by_hand(model, question: tuple[int, ...], reply: tuple[int, ...]) -> float:
    """Return log p(reply | question), one token after the other."""
    total, said = 0.0, [1]
    for token in reply:
        logits = model(
            input_ids=torch.tensor([question]), decoder_input_ids=torch.tensor([said])
        ).logits[0, -1]
        total += float(logits.log_softmax(-1)[token])
        said.append(token)
    return total


def test_scores_are_those_of_each_reply_alone_whatever_stands_beside_it():
    model = tiny_model(seed=2)
    replies = [(30, 31, 2), (40, 2), (50, 51, 52, 53, 2), (60, 61, 2)]
    tasks = [
        RankingTask((7, 8, 9, 2), (11, 2), tuple(replies), "a"),
        RankingTask((11, 2), (7, 8, 9, 2), tuple(replies[2:]), "a"),
        RankingTask((12, 13, 2), None, tuple(replies[:1]), "b"),
    ]
    for task, found in zip(tasks, score_tasks(model, tasks), strict=True):
        asked = [by_hand(model, task.question, reply) for reply in task.candidates]
        less = [
            score - by_hand(model, (2,), reply)
            for score, reply in zip(asked, task.candidates, strict=True)
        ]
        assert found.nats == pytest.approx(-asked[0], abs=1e-4)
        if task.wrong_question is not None:
            after_wrong = by_hand(model, task.wrong_question, task.candidates[0])
            assert found.nats_after_wrong == pytest.approx(-after_wrong, abs=1e-4)
        for scores, rank in ((asked, found.rank), (less, found.rank_pmi)):
            each = [s / len(reply) for s, reply in zip(scores, task.candidates, strict=True)]
            assert rank == sorted(each, reverse=True).index(each[0]) + 1


def learnt_tasks(model) -> list[RankingTask]:
    """Return the four pairs that `speaking_model` knows by heart, each against the other three."""
    known = tiny_batch(4, 7, 13)
    rows = zip(known["input_ids"], known["attention_mask"], strict=True)
    questions = [tuple(ids[mask.bool()].tolist()) for ids, mask in rows]
    replies = [tuple(row) for row in known["decoder_input_ids"].roll(-1, dims=1).tolist()]
    return [
        RankingTask(
            questions[i],
            questions[(i + 1) % 4],
            (replies[i], *(reply for j, reply in enumerate(replies) if j != i)),
        )
        for i in range(4)
    ]


def test_a_model_that_knows_its_replies_by_heart_finds_them_all():
    model = speaking_model()
    found = measure_relevance(model, learnt_tasks(model))
    assert found["hits_at_1"] == found["mrr"] == 1.0
    # It never read an empty message; chance among four is 0.52.
    assert found["mrr_pmi"] > 0.7
    # Taught until the right question leaves next to nothing; 97 tokens at random are 4.57 nats.
    assert 1.0 < found["question_gain"]


def test_a_model_that_does_not_listen_gains_nothing_and_ranks_last():
    model = speaking_model()
    for layer in model.model.decoder.layers:
        torch.nn.init.zeros_(layer.encoder_attn.out_proj.weight)
        torch.nn.init.zeros_(layer.encoder_attn.out_proj.bias)
    found = measure_relevance(model, learnt_tasks(model))
    assert found["question_gain"] == pytest.approx(0, abs=1e-5)
    # With and without the question a reply is equally likely, and ties go to the others; what
    # the sums differ by in their last digit may decide some of them.
    assert found["mrr_pmi"] < 0.8


def test_training_mode_is_left_as_it_was_and_dropout_is_off():
    model = speaking_model().train()
    tasks = learnt_tasks(model)
    assert measure_relevance(model, tasks) == measure_relevance(model, tasks)
    assert model.training


def test_a_model_that_gives_all_tokens_alike_is_at_chance_of_no_gain():
    model = tiny_model()
    torch.nn.init.zeros_(model.lm_head.weight)
    task = RankingTask((7, 2), (8, 2), ((30, 31, 2), (40, 41, 2)))
    score = score_tasks(model, [task])[0]
    assert score.nats == pytest.approx(3 * math.log(VOCAB_SIZE), rel=1e-5)
    assert (score.rank, score.rank_pmi) == (2, 2)


def test_nothing_to_ask_has_no_figures():
    assert ranking_tasks(examples([])) == []
    assert measure_relevance(tiny_model(), []) == {
        "relevance_questions": 0,
        "without_wrong_question": 0,
    }

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Remembered replies in the order in which a reader would take them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.memory.small_memory import dialogues, small_memory
from tests.tiny import tiny_model
from tfchat_hf.memory import Memory, Remembered
from tfchat_hf.memory.index import QuestionIndex
from tfchat_hf.memory.ranking import RERANKED, ModelScorer, foreign_history, rank, rerank
from tfchat_hf.text.tokenizer_training import train_tokenizer


def found(reply: str, similarity: float, history: tuple[str, ...] = ()) -> Remembered:
    """Return one remembered pair."""
    return Remembered(f"Q {reply}", reply, history, "here", similarity, 0.5, place=0)


def nothing_carried(asked: str, remembered: str, reply: str) -> float:
    return 0.0


def test_the_score_is_the_logistic_function_of_the_documented_weights() -> None:
    carried = {"A": 0.5}.get
    best = rank(["q"], [found("A", 0.8)], lambda asked, question, reply: carried(reply))[0]
    total = -3.45 + 2.83 * 0.8 + 4.32 * 0.5 - 0.38 * 0.5
    assert best.score == pytest.approx(1 / (1 + math.exp(-total)))
    assert not best.by_model


def test_a_reply_within_a_talk_that_was_never_had_comes_later() -> None:
    pairs = [found("inside", 0.6, ("something else",)), found("first", 0.5)]
    assert [one.reply for one in rank(["q"], pairs, nothing_carried)] == ["first", "inside"]


def test_the_same_talk_before_speaks_for_a_reply() -> None:
    assert foreign_history([], []) == 0
    assert foreign_history([], ["how are you"]) == 1
    assert foreign_history(["How are you?"], ["how are you"]) == -1


def test_what_the_data_has_more_often_is_trusted_more_but_not_without_end() -> None:
    pairs = [found("once", 0.5), replace(found("four times", 0.5), times=4)]
    pairs.append(replace(found("a hundred times", 0.5), times=100))
    best = {one.reply: one.score for one in rank(["q"], pairs, nothing_carried)}
    odds = {reply: math.log(score / (1 - score)) for reply, score in best.items()}
    assert odds["four times"] - odds["once"] == pytest.approx(0.7 * math.log(4))
    assert best["a hundred times"] == best["four times"]


def test_each_reply_stands_once_and_few_are_left() -> None:
    pairs = [found(f"r{n % 12}", 1 - n / 100) for n in range(40)]
    replies = [one.reply for one in rank(["q"], pairs, nothing_carried)]
    assert replies == [f"r{n}" for n in range(RERANKED)]


def test_what_the_model_prefers_comes_first_among_equals() -> None:
    pairs = [found("A", 0.5), found("B", 0.5), found("C", 0.5)]
    figures = {"A": (0.1, -5.0), "B": (0.9, -1.0), "C": (0.2, -4.0)}
    order = rerank(
        ["q"], pairs, nothing_carried, lambda turns, asked: [figures[r] for _, r in asked]
    )
    assert [one.reply for one in order] == ["B", "C", "A"]
    assert all(one.by_model for one in order)


def test_a_dish_that_only_the_neighbour_spoke_of_is_carried() -> None:
    index = QuestionIndex.build(["红烧肉怎么做", "你好吗", "米饭怎么煮"])
    with_dish = index.carried("米饭怎么做", "红烧肉怎么做", "红烧肉要小火慢炖。")
    without = index.carried("米饭怎么做", "红烧肉怎么做", "小火慢慢来。")
    asked_for = index.carried("红烧肉怎么做", "红烧肉怎么做", "红烧肉要小火慢炖。")
    assert with_dish > 0 == without == asked_for


def test_a_reply_to_something_else_goes_behind_one_that_carries_nothing() -> None:
    memory = Memory.from_dataset(
        dialogues(
            ("红烧肉怎么做好吃", "红烧肉要小火慢炖。"), ("面条怎么做好吃", "水宽一点，少煮一会儿。")
        )
    )
    assert memory.look_up(["土豆怎么做好吃"])[0].reply == "水宽一点，少煮一会儿。"


def test_the_figures_are_those_of_the_network_asked_pair_by_pair() -> None:
    texts = ["你好", "你好呀", "你会下棋吗", "会一点，总是输。", "早"]
    tokenizer = train_tokenizer(texts * 4, scheme="char", vocab_size=400)
    model = tiny_model(vocab_size=len(tokenizer)).eval()
    pairs = [("你好", "你好呀"), ("你好", "</s>早"), ("你会下棋吗", "会一点，总是输。" * 9)]
    figures = ModelScorer(model, tokenizer)(["你会下棋吗"], pairs)
    assert tokenizer.backend_tokenizer.truncation is None  # or another thread's text is cut
    room, end = model.config.max_position_embeddings - 1, tokenizer.eos_token_id
    for (question, reply), of_pair in zip(pairs, figures, strict=True):
        asked = tokenizer("你会下棋吗", return_tensors="pt")
        ids = tokenizer(reply, add_special_tokens=False, split_special_tokens=True).input_ids
        labels = torch.tensor([[*ids[:room], end]])
        with torch.no_grad():
            logits = model(**asked, labels=labels).logits.log_softmax(-1)
            encoder = model.get_encoder()
            means = [
                encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state.mean(1)
                for text in ("你会下棋吗", question)
            ]
        nats = logits.gather(-1, labels[..., None]).mean().item()
        assert of_pair.likelihood == pytest.approx(nats, abs=1e-4)
        similarity = torch.nn.functional.cosine_similarity(*means).item()
        assert of_pair.encoder_similarity == pytest.approx(similarity, abs=1e-4)


def test_a_model_is_asked_where_there_is_one() -> None:
    asked = []
    memory = small_memory()
    memory.look_up(
        ["你会下棋吗"], scorer=lambda turns, pairs: asked.append(turns) or [(0, 0)] * len(pairs)
    )
    assert asked == [["你会下棋吗"]]

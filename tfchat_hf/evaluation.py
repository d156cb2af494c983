# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a trained model really says: exact loss, generated replies and plain baselines."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .metrics import describe_replies


@dataclass
class Question:
    """One distinct context with every reply that the corpus gives to it."""

    context: list[str]
    input_ids: list[int]
    references: list[str]


def collect_questions(
    examples: Dataset,
    corpus: Sequence[Dataset],
    tokenizer: PreTrainedTokenizerBase,
    limit: int = 0,
    seed: int = 0,
) -> list[Question]:
    """Lists the distinct contexts of a split, as the model reads them.

    Args:
        examples: the split that asks.
        corpus: all splits whose replies count as right answers.
        tokenizer: decodes the references exactly as replies are decoded.
        limit: at most this many, drawn at random but always the same; 0 means all.
        seed: of that draw.
    """
    wanted: dict[tuple[int, ...], Question] = {}
    for row in examples.select_columns(["context", "input_ids"]):
        wanted.setdefault(tuple(row["input_ids"]), Question(row["context"], row["input_ids"], []))
    if limit and limit < len(wanted):
        keys = random.Random(seed).sample(list(wanted), limit)
        wanted = {key: wanted[key] for key in keys}
    for split in corpus:
        for row in split.select_columns(["input_ids", "labels"]):
            question = wanted.get(tuple(row["input_ids"]))
            if question is not None:
                text = decode_reply(tokenizer, row["labels"])
                if text not in question.references:
                    question.references.append(text)
    return list(wanted.values())


def decode_reply(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """Turns ids into the text that a user sees."""
    return tokenizer.decode(ids, skip_special_tokens=True).strip()


@torch.no_grad()
def generate_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    batch_size: int,
) -> list[str]:
    """Answers questions with the model's default generation config.

    Returns:
        One reply a question, in the order of the questions.
    """
    was_training = model.training
    model.eval()
    replies = [""] * len(questions)
    by_length = sorted(range(len(questions)), key=lambda i: len(questions[i].input_ids))
    for start in range(0, len(by_length), batch_size):
        chosen = by_length[start : start + batch_size]
        batch = tokenizer.pad(
            {"input_ids": [questions[i].input_ids for i in chosen]}, return_tensors="pt"
        ).to(model.device)
        output = model.generate(**batch)
        for i, ids in zip(chosen, output.tolist(), strict=True):
            replies[i] = decode_reply(tokenizer, ids)
    model.train(was_training)
    return replies


@torch.no_grad()
def exact_loss(model: torch.nn.Module, batches: DataLoader, accelerator: Any) -> dict[str, float]:
    """Measures the plain cross-entropy a reply token, without label smoothing.

    The mean runs over tokens of the whole set; a mean of batch means would weigh short replies
    too much. Works on every process of a distributed run.

    Returns:
        `loss` in nats a token, `perplexity`, and the `tokens` counted.
    """
    was_training = model.training
    model.eval()
    total, tokens = 0.0, 0
    for batch in batches:
        labels = batch["labels"]
        logits = model(**batch).logits.float()
        # (batch, target_len)
        losses = functional.cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=-100, reduction="none"
        )
        pair = torch.stack([losses.sum(1).double(), (labels != -100).sum(1).double()], dim=1)
        sums = accelerator.gather_for_metrics(pair).sum(0)
        total += sums[0].item()
        tokens += int(sums[1].item())
    model.train(was_training)
    loss = total / max(tokens, 1)
    # exp(700) is close to the largest float: a diverged model must not end the run.
    return {"loss": loss, "perplexity": math.exp(min(loss, 700.0)), "tokens": tokens}


def baseline_rows(
    questions: Sequence[Question], train_replies: Sequence[str], seed: int
) -> dict[str, dict[str, float | int]]:
    """Scores what needs no model, so that the model's numbers mean something.

    Args:
        questions: the validation questions.
        train_replies: every reply of the training split.
        seed: of the random replies.
    """
    references = [question.references for question in questions]
    rng = random.Random(seed)
    common = Counter(train_replies).most_common(1)[0][0]
    rows = {
        "human": [known[0] for known in references],
        "random_training_reply": [rng.choice(train_replies) for _ in questions],
        "most_frequent_reply": [common for _ in questions],
    }
    return {name: describe_replies(replies, references) for name, replies in rows.items()}

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a model is like: its exact loss and its replies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..examples.questions import Question, decode_reply
from ..fast import FastDecoder
from ..fast.cross_entropy import reply_nats
from .metrics import bits_per_character, perplexity


def generate_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    batch_size: int,
) -> list[str]:
    """Answers questions with the model's default generation config, in this process.

    Returns:
        One reply a question, in the order of the questions.
    """
    batches = list(enumerate(_length_batches(questions, batch_size)))
    return _in_order(_answers(model, tokenizer, questions, batches))


def generate_replies_together(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    batch_size: int,
) -> list[str]:
    """Answers questions in all processes of a distributed run, each its share of the batches.

    The batches are those of `generate_replies`, and so are the replies. Every process must call
    this, and gets all replies.
    """
    state = PartialState()
    batches = list(enumerate(_length_batches(questions, batch_size)))
    share = batches[state.process_index :: state.num_processes]
    return _in_order(gather_object(_answers(model, tokenizer, questions, share)))


def _length_batches(questions: Sequence[Question], batch_size: int) -> list[list[int]]:
    """Puts the numbers of questions of like length together."""
    by_length = sorted(range(len(questions)), key=lambda i: len(questions[i].input_ids))
    return [by_length[i : i + batch_size] for i in range(0, len(by_length), batch_size)]


@torch.no_grad()
def _answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    batches: Sequence[tuple[int, list[int]]],
) -> list[tuple[int, str]]:
    """Answers numbered batches of questions; gives the number of each question and its reply."""
    was_training = model.training
    model.eval()
    options = FastDecoder().options(model.generation_config)
    answers: list[tuple[int, str]] = []
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        for number, chosen in batches:
            # Sampled replies too depend on the batch alone, not on who answers it or when.
            torch.manual_seed(number)
            batch = tokenizer.pad(
                {"input_ids": [questions[i].input_ids for i in chosen]}, return_tensors="pt"
            ).to(model.device)
            # transformers turns the cache off for training; without it this is several times slower
            output = model.generate(**batch, use_cache=True, **options)
            texts = [decode_reply(tokenizer, ids) for ids in output.tolist()]
            answers += zip(chosen, texts, strict=True)
    model.train(was_training)
    return answers


def _in_order(answers: Sequence[tuple[int, str]]) -> list[str]:
    """Sorts replies by the number of their question."""
    return [text for _, text in sorted(answers)]


@torch.no_grad()
def exact_loss(
    model: torch.nn.Module,
    batches: DataLoader,
    accelerator: Accelerator,
    characters: int | None = None,
) -> dict[str, float]:
    """Measures the plain cross-entropy a reply token, without label smoothing.

    The mean runs over tokens of the whole set; a mean of batch means would weigh short replies
    too much. Every process of a distributed run must call this, and gets the same numbers.

    Args:
        model: a `TFChatForConditionalGeneration`, wrapped or not.
        batches: `input_ids`, `attention_mask` and `labels`, -100 where a reply has ended.
        accelerator: gathers from the processes.
        characters: of all replies, for bits per character.

    Returns:
        `loss` in nats a token, `perplexity`, the `tokens` counted and, if `characters` is given,
        `bits_per_character`.
    """
    was_training = model.training
    model.eval()
    # One row a reply, (batch, 2): nats and tokens. They stay on the device until the end.
    rows = [
        accelerator.gather_for_metrics(model(**batch, reply_loss=reply_nats).loss)
        for batch in batches
    ]
    model.train(was_training)
    sums = torch.cat(rows).double().sum(0).tolist() if rows else [0.0, 0.0]
    tokens = int(sums[1])
    loss = sums[0] / max(tokens, 1)
    found = {"loss": loss, "perplexity": perplexity(loss), "tokens": tokens}
    if characters is not None:
        found["bits_per_character"] = bits_per_character(loss, tokens, characters)
    return found

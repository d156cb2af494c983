# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a model is like: its exact loss and its replies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..examples.questions import Question, decode_reply
from ..fast.cross_entropy import reply_nats
from ..fast.replies import batches_by_length, reply_to_questions
from .metrics import bits_per_character, perplexity


def generate_replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: Sequence[Question],
    batch_size: int,
    split: bool = False,
) -> list[str]:
    """Answer questions with the model's default generation config.

    Args:
        model: The network itself, not what wraps it for several processes.
        tokenizer: Of the model.
        questions: What to answer.
        batch_size: Questions at a time.
        split: Whether each process of a distributed run answers its share of the batches. Every
            process must call this, and gets all replies, the same as one process alone.

    Returns:
        One reply a question, in the order of the questions.
    """
    asked = [question.input_ids for question in questions]
    batches = list(enumerate(batches_by_length(asked, batch_size)))
    if split:
        state = PartialState()
        batches = batches[state.process_index :: state.num_processes]
    was_training = model.training
    model.eval()
    answers = [
        (place, decode_reply(tokenizer, ids))
        for batch in reply_to_questions(model, tokenizer, asked, batches)
        for place, ids in zip(batch.places, batch.ids, strict=True)
    ]
    model.train(was_training)
    return [text for _, text in sorted(gather_object(answers) if split else answers)]


@torch.no_grad()
def exact_loss(
    model: torch.nn.Module,
    batches: Iterable[Mapping[str, torch.Tensor]],
    accelerator: Accelerator,
    characters: int | None = None,
) -> dict[str, float]:
    """Measure the plain cross-entropy a reply token, without label smoothing.

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

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Several candidates and a second opinion on them: MMI re-ranking (Li et al., 2016).

A dull reply is likely whatever was asked. What makes a reply apt is that it says something about
the question: that the question could be guessed from it (MMI-bidi, a model trained with the sides
swapped), or that it is likelier after this question than after none (MMI-antiLM).
"""

from dataclasses import dataclass

import torch
from transformers import GenerationConfig, PreTrainedModel
from transformers.utils import ModelOutput

from .anti_lm_tfchat import empty_message_states

# 8 million numbers are 32 MB in float32.
LOGITS_AT_ONCE = 8_000_000


@dataclass
class TFChatRerankedOutput(ModelOutput):
    """What `generate(num_candidates=..., return_dict_in_generate=True)` returns.

    Args:
        sequences: `(batch * num_return_sequences, length)`, the best candidates, best first.
        sequences_scores: `(batch * num_return_sequences,)`, by which they were ordered.
        candidates: `(batch, num_candidates, length)`, all of them.
        candidate_scores: `(batch, num_candidates)`; minus infinity for the repetition of another.
        forward_scores: `(batch, num_candidates)`, log p(reply | question).
        second_scores: `(batch, num_candidates)`, log p(question | reply) or log p(reply).
    """

    sequences: torch.LongTensor | None = None
    sequences_scores: torch.FloatTensor | None = None
    candidates: torch.LongTensor | None = None
    candidate_scores: torch.FloatTensor | None = None
    forward_scores: torch.FloatTensor | None = None
    second_scores: torch.FloatTensor | None = None


@torch.no_grad()
def rerank(
    model: PreTrainedModel,
    candidates: torch.LongTensor,
    question: torch.LongTensor,
    attention_mask: torch.Tensor,
    config: GenerationConfig,
    reverse_model: PreTrainedModel | None = None,
) -> TFChatRerankedOutput:
    """Score candidates twice and order them.

    With `rerank_by` "unconditional" the score is log p(T|S) - weight * log p(T), over
    |T| ** length_penalty; with "reverse" (1 - weight) * log p(T|S) / |T| ** length_penalty +
    weight * log p(S|T) / |S| ** length_penalty. S is the newest turn, T the reply, both with their
    end token. The division is beam search's: without it the shortest reply would win.

    Args:
        model: The chat model.
        candidates: `(batch * num_candidates, length)`, as `generate()` gives them.
        question: `(batch, source)`.
        attention_mask: `(batch, source)`.
        config: `num_candidates`, `num_return_sequences`, `rerank_by`, `rerank_weight`,
            `length_penalty`.
        reverse_model: For "reverse".
    """
    count = config.num_candidates
    replies, lengths = as_labels(candidates[:, 1:], config)
    states = model.get_encoder()(input_ids=question, attention_mask=attention_mask)
    states = states.last_hidden_state.repeat_interleave(count, 0)
    forward = reply_scores(model, states, replies, attention_mask.repeat_interleave(count, 0))
    shorter = lengths**config.length_penalty
    if config.rerank_by == "reverse":
        second, size = reverse_scores(reverse_model, replies, question, attention_mask)
        weight = config.rerank_weight
        scores = (1 - weight) * forward / shorter + weight * second / size**config.length_penalty
    else:
        nothing = empty_message_states(model).expand(len(replies), -1, -1)
        second = reply_scores(model, nothing, replies)
        scores = (forward - config.rerank_weight * second) / shorter
    return _ordered(candidates, replies, (scores, forward, second), config)


def as_labels(
    replies: torch.LongTensor, config: GenerationConfig
) -> tuple[torch.LongTensor, torch.Tensor]:
    """Mark what follows the end of each reply as no part of it.

    Args:
        replies: `(rows, length)` without the start token.
        config: Knows the end tokens.

    Returns:
        Labels `(rows, length)`, -100 behind the end token, and lengths `(rows,)` in float32.
    """
    eos = config.eos_token_id
    ends = torch.tensor([eos] if isinstance(eos, int) else eos, device=replies.device)
    ended = torch.isin(replies, ends).long().cumsum(1)
    behind = (ended - torch.isin(replies, ends).long()) > 0
    pad = config.pad_token_id
    if pad is not None and not (ends == pad).any():
        # A reply that a stopping criterion ended has padding behind it, and no end token.
        behind |= replies.ne(pad).flip(1).cumsum(1).flip(1) == 0
    labels = replies.masked_fill(behind, -100)
    return labels, (labels != -100).sum(1).clamp(min=1).float()


def reply_scores(
    model: PreTrainedModel,
    states: torch.Tensor,
    labels: torch.LongTensor,
    attention_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return log p(reply) of each row in nats, `(rows,)`.

    Args:
        model: A TFChat model.
        states: Of its encoder, `(rows, source, d_model)`.
        labels: `(rows, length)`, -100 for what does not count.
        attention_mask: `(rows, source)`.
    """
    return model(
        encoder_outputs=(states,),
        attention_mask=attention_mask,
        labels=labels,
        use_cache=False,
        reply_loss=_log_probabilities,
    ).loss


def _log_probabilities(
    states: torch.Tensor, output_layer: torch.nn.Linear, labels: torch.Tensor
) -> torch.Tensor:
    """Add up each reply; the model calls it as its `reply_loss`.

    Logits are made only where there is a token, and some at a time: of all candidates they would
    be the largest tensor of all.

    Args:
        states: Of the decoder, `(rows, length, d_model)`.
        output_layer: From d_model to the vocabulary.
        labels: `(rows, length)`, -100 behind the end of a reply.

    Returns:
        `(rows,)` in nats.
    """
    real = labels != -100
    step = max(1, LOGITS_AT_ONCE // output_layer.out_features)
    parts = zip(states[real].split(step), labels[real].split(step), strict=True)
    nats = [
        torch.nn.functional.cross_entropy(output_layer(part).float(), wanted, reduction="none")
        for part, wanted in parts
    ]
    by_place = torch.zeros(labels.shape, device=labels.device)  # (rows, length)
    by_place[real] = torch.cat(nats)
    return -by_place.sum(1)


def reverse_scores(
    reverse_model: PreTrainedModel,
    replies: torch.LongTensor,
    question: torch.LongTensor,
    attention_mask: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log p(question | reply) in nats and the tokens of the question, both `(rows,)`.

    Args:
        reverse_model: Trained with `swap_sides`.
        replies: Labels `(batch * candidates, length)`.
        question: `(batch, source)`; its newest turn is what the reply has to bring back.
        attention_mask: `(batch, source)`.
    """
    config = reverse_model.config
    wanted = newest_turn(question, attention_mask, config.sep_token_id)
    count = len(replies) // len(question)
    # A reply that was cut off at its longest has no end token: the encoder always read one.
    reads = torch.nn.functional.pad(replies, (0, 1), value=-100)
    last = (replies != -100).sum(1) - 1
    eos = config.eos_token_id if isinstance(config.eos_token_id, int) else config.eos_token_id[0]
    ended = replies.gather(1, last.clamp(min=0)[:, None])[:, 0] == eos
    rows = torch.arange(len(replies), device=replies.device)[~ended]
    reads[rows, last[~ended] + 1] = eos
    mask = (reads != -100).long()
    ids = reads.masked_fill(reads == -100, config.pad_token_id)
    states = reverse_model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    wanted = wanted.repeat_interleave(count, 0)
    return reply_scores(reverse_model, states, wanted, mask), (wanted != -100).sum(1).clamp(
        min=1
    ).float()


def newest_turn(
    question: torch.LongTensor, attention_mask: torch.Tensor, sep_token_id: int | None
) -> torch.LongTensor:
    """Return the last turn of each context as labels, -100 elsewhere, `(batch, source)`.

    The tokens move to the left, so that a decoder can be asked for them.
    """
    real = attention_mask.bool()
    if sep_token_id is not None:
        later_seps = (question == sep_token_id).flip(1).cumsum(1).flip(1)
        real &= later_seps == 0
    order = torch.argsort((~real).long(), dim=1, stable=True)
    return question.masked_fill(~real, -100).gather(1, order)


def _ordered(
    candidates: torch.LongTensor,
    labels: torch.LongTensor,
    scores: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    config: GenerationConfig,
) -> TFChatRerankedOutput:
    """Take the best of each question, none of them twice while there are others."""
    count, wanted = config.num_candidates, config.num_return_sequences or 1
    total, forward, second = (part.view(-1, count) for part in scores)
    grouped = labels.view(-1, count, labels.shape[1])
    same = (grouped[:, :, None] == grouped[:, None]).all(-1)  # (batch, count, count)
    again = same.tril(-1).any(-1)
    total = total.masked_fill(again, -torch.inf)
    best, places = total.topk(wanted, dim=1)
    all_of_them = candidates.view(-1, count, candidates.shape[1])
    chosen = all_of_them.gather(1, places[..., None].expand(-1, -1, candidates.shape[1]))
    return TFChatRerankedOutput(
        sequences=chosen.flatten(0, 1),
        sequences_scores=best.flatten(),
        candidates=all_of_them,
        candidate_scores=total,
        forward_scores=forward,
        second_scores=second,
    )


__all__ = ["TFChatRerankedOutput"]

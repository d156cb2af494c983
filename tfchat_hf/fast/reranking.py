# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Several candidates and a second opinion on them: MMI re-ranking (Li et al., 2016).

A dull reply is likely whatever was asked. What makes a reply apt is that it says something about
the question: that the question could be guessed from it (MMI-bidi, a model trained with the sides
swapped), or that it is likelier after this question than after none (MMI-antiLM).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteriaList,
)
from transformers.utils import ModelOutput

from data_builders.command_line import must_be_one_of
from data_builders.errors import UserError

from ..model.generation_tfchat import empty_message_states
from . import FastDecoder
from .cross_entropy import reply_nats
from .loops import Candidates, DecoderStepper, decode_candidates

RERANK_BY = ("reverse", "unconditional")
# What they are where nothing is re-ranked.
RERANK_SETTINGS: dict[str, Any] = {"num_candidates": 1, "rerank_by": None, "rerank_weight": 0.5}


@dataclass
class TFChatRerankedOutput(ModelOutput):
    """What `generate(custom_generate=Reranking(...), return_dict_in_generate=True)` returns.

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


class Reranking:
    """Make several replies and take the best: `generate(..., custom_generate=Reranking(...))`.

    With `rerank_by` "unconditional" the score is log p(T|S) - weight * log p(T), over
    |T| ** length_penalty; with "reverse" (1 - weight) * log p(T|S) / |T| ** length_penalty +
    weight * log p(S|T) / |S| ** length_penalty. S is the newest turn, T the reply, both with their
    end token. The division is beam search's: without it the shortest reply would win.

    Args:
        num_candidates: Replies to make.
        rerank_by: The second opinion, one of `RERANK_BY`.
        rerank_weight: Its weight.
        reverse_model: For "reverse": a model of this class with the same tokenizer, trained with
            `swap_sides`.
        fast: Decodes the candidates; by default a `FastDecoder` of its own.

    Raises:
        UserError: if these do not go together; names them, and what to do.

    Example:
        >>> mutual = Reranking(num_candidates=16, reverse_model=reverse)
        >>> model.generate(**batch, do_sample=True, custom_generate=mutual,
        ...                question_ids=batch["input_ids"])
    """

    def __init__(
        self,
        num_candidates: int = 16,
        rerank_by: str = "reverse",
        rerank_weight: float = 0.5,
        reverse_model: PreTrainedModel | None = None,
        fast: FastDecoder | None = None,
    ) -> None:
        """Keep the settings."""
        if rerank_by not in RERANK_BY:
            raise UserError(must_be_one_of("rerank_by", RERANK_BY, rerank_by))
        if not isinstance(num_candidates, int) or not 1 <= num_candidates <= 512:
            raise UserError(
                "`num_candidates` must be a whole number between 1 and 512 (got "
                "{num_candidates!r}).",
                num_candidates=num_candidates,
            )
        if not 0 <= rerank_weight <= 2:
            raise UserError(
                "`rerank_weight` must lie between 0 and 2 (got {rerank_weight}).",
                rerank_weight=rerank_weight,
            )
        if (reverse_model is None) == (rerank_by == "reverse"):
            raise UserError(
                '`rerank_by="reverse"` needs `reverse_model`, and only it does: train one with '
                "`swap_sides: true` and the tokenizer of this model (`tokenizer: RUN`), and hand "
                'it over; or set `rerank_by="unconditional"`, which needs none.'
            )
        self.num_candidates = num_candidates
        self.rerank_by = rerank_by
        self.rerank_weight = rerank_weight
        self.reverse_model = reverse_model
        self.fast = fast or FastDecoder()

    @torch.no_grad()
    def __call__(
        self,
        model: PreTrainedModel,
        input_ids: torch.LongTensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        question_ids: torch.LongTensor | None = None,
        **model_kwargs: Any,
    ) -> torch.LongTensor | TFChatRerankedOutput:
        """Decode what `generate()` has prepared, `num_candidates` times, and order the replies.

        Start tokens are `(batch * num_return_sequences, 1)`, and so are the rows of what is
        returned. "reverse" has to guess `question_ids`, `(batch, source)`.
        """
        self._check(model, input_ids, generation_config, question_ids)
        returned = generation_config.num_return_sequences or 1
        states = model_kwargs["encoder_outputs"].last_hidden_state[::returned]
        mask = model_kwargs.get("attention_mask")
        mask = None if mask is None else mask[::returned]
        start = input_ids[::returned].repeat_interleave(self.num_candidates, 0)
        stepper = self._stepper(model, start, generation_config, states)
        nothing = empty_message_states(model) if self.rerank_by == "unconditional" else None
        prepared = (logits_processor, stopping_criteria, generation_config)
        made = decode_candidates(stepper, states, mask, nothing, start, *prepared)
        output = self.order(made, generation_config, question_ids, mask)
        return output if generation_config.return_dict_in_generate else output.sequences

    def _stepper(
        self,
        model: PreTrainedModel,
        start: torch.LongTensor,
        config: GenerationConfig,
        states: torch.Tensor,
    ) -> DecoderStepper:
        """Return what decodes the candidates, `(batch * num_candidates, 1)` start tokens."""
        making = copy.copy(config)
        making.return_dict_in_generate = False
        making.num_candidates = 1
        return self.fast.make_stepper(model, start, making, states)

    def order(
        self,
        made: Candidates,
        config: GenerationConfig,
        question_ids: torch.LongTensor | None = None,
        mask: torch.Tensor | None = None,
    ) -> TFChatRerankedOutput:
        """Score candidates, and take the best of each question, none twice while there are others.

        Args:
            made: `num_candidates` of each question.
            config: `num_return_sequences`, `length_penalty` and the end tokens.
            question_ids: `(batch, source)`, for "reverse".
            mask: `(batch, source)`, or None.
        """
        count = self.num_candidates
        labels, lengths = as_labels(made.ids[:, 1:], config)
        grouped = labels.view(-1, count, labels.shape[1])
        same = (grouped[:, :, None] == grouped[:, None]).all(-1)  # (batch, count, count)
        first = same.long().argmax(-1)  # of those like this one
        shorter = lengths**config.length_penalty
        if made.alone is None:
            second, by_length = self._reverse_scores(labels, first, config, question_ids, mask)
            weight = self.rerank_weight
            scores = (1 - weight) * made.asked / shorter + weight * by_length
        else:
            second = made.alone
            scores = (made.asked - self.rerank_weight * second) / shorter
        again = first != torch.arange(count, device=first.device)
        total = scores.view(-1, count).masked_fill(again, -torch.inf)
        best, places = total.topk(config.num_return_sequences or 1, dim=1)
        candidates = made.ids.view(-1, count, made.ids.shape[1])
        chosen = candidates.gather(1, places[..., None].expand(-1, -1, candidates.shape[2]))
        return TFChatRerankedOutput(
            sequences=chosen.flatten(0, 1),
            sequences_scores=best.flatten(),
            candidates=candidates,
            candidate_scores=total,
            forward_scores=made.asked.view(-1, count),
            second_scores=second.view(-1, count),
        )

    def _reverse_scores(
        self,
        labels: torch.LongTensor,
        first: torch.LongTensor,
        config: GenerationConfig,
        question_ids: torch.LongTensor,
        mask: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ask the reverse model, once for candidates that are alike.

        Args:
            labels: The candidates, `(batch * num_candidates, length)`.
            first: `(batch, num_candidates)`, the first candidate that is like each.
            config: `length_penalty`.
            question_ids: `(batch, source)`.
            mask: `(batch, source)`, or None.

        Returns:
            log p(question | reply) of each candidate, and the same over the question's length.
        """
        mask = torch.ones_like(question_ids) if mask is None else mask
        count = self.num_candidates
        rows = torch.arange(len(labels), device=labels.device)
        first = (first + rows.view(-1, count)[:, :1]).flatten()
        different, which = first.unique(return_inverse=True)
        asked = different // count
        replies = labels[different]
        found, size = reverse_scores(self.reverse_model, replies, question_ids[asked], mask[asked])
        return found[which], (found / size**config.length_penalty)[which]

    def _check(
        self,
        model: PreTrainedModel,
        input_ids: torch.LongTensor,
        config: GenerationConfig,
        question_ids: torch.LongTensor | None,
    ) -> None:
        """Refuse settings that do not go together."""
        count, returned = self.num_candidates, config.num_return_sequences or 1
        start = model.config.decoder_start_token_id
        if (input_ids[:, 0] != start).any():
            raise UserError(
                "Replies are scored from the token that the model was trained to start with, "
                "{start}, and `decoder_start_token_id` is {found}. Leave it out.",
                start=start,
                found=int(input_ids[0, 0]),
            )
        if not config.do_sample and count > 1:
            raise UserError(
                "`num_candidates={count}` needs different candidates, and `do_sample=False` "
                "finds one. Set `do_sample=True`.",
                count=count,
            )
        if returned > count:
            raise UserError(
                "`num_return_sequences={returned}` is more than `num_candidates={count}`. "
                "Raise `num_candidates`, or ask for fewer.",
                returned=returned,
                count=count,
            )
        if config.eos_token_id is None:
            raise UserError(
                "`num_candidates={count}` scores replies up to their end, and `eos_token_id` "
                "is None. Set it, or make one reply.",
                count=count,
            )
        if self.rerank_by == "reverse":
            if question_ids is None:
                raise UserError(
                    '`rerank_by="reverse"` reads the question again: give `generate()` '
                    "`question_ids=` too, the same ids as `input_ids`."
                )
            check_reverse_model(model, self.reverse_model)


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
    found = model(
        encoder_outputs=(states,),
        attention_mask=attention_mask,
        labels=labels,
        use_cache=False,
        reply_loss=reply_nats,
    )
    return -found.loss[:, 0]


def reverse_scores(
    reverse_model: PreTrainedModel,
    replies: torch.LongTensor,
    question: torch.LongTensor,
    attention_mask: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return log p(question | reply) in nats and the tokens of the question, both `(rows,)`.

    Args:
        reverse_model: Trained with `swap_sides`.
        replies: Labels `(rows, length)`.
        question: `(rows, source)`; its newest turn is what the reply has to bring back.
        attention_mask: `(rows, source)`.
    """
    config = reverse_model.config
    labels = newest_turn(question, attention_mask, config.sep_token_id)
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
    size = (labels != -100).sum(1).clamp(min=1).float()
    return reply_scores(reverse_model, states, labels, mask), size


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


def check_reverse_model(model: PreTrainedModel, reverse_model: PreTrainedModel) -> None:
    """Check that a reverse model is one, and of this model.

    Raises:
        UserError: says what it lacks.
    """
    if not getattr(reverse_model.config, "swap_sides", False):
        raise UserError(
            "`reverse_model` must be trained with `swap_sides: true`; its config.json says it "
            "answers questions like this model. Train one, or give the right folder."
        )
    if reverse_model.config.vocab_size != model.config.vocab_size:
        raise UserError(
            "`reverse_model` has a vocabulary of {other} tokens and this model one "
            "of {own}: they must share one tokenizer. Train the reverse model "
            "with `tokenizer: RUN` of this model.",
            other=reverse_model.config.vocab_size,
            own=model.config.vocab_size,
        )
    if reverse_model.device != model.device:
        raise UserError(
            "`reverse_model` is on {other} and this model on {own}. Move one of them with `.to()`.",
            other=reverse_model.device,
            own=model.device,
        )


__all__ = ["RERANK_BY", "RERANK_SETTINGS", "Reranking", "TFChatRerankedOutput"]

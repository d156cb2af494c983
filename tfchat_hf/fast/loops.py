# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The loops of decoding: one reply to each question, or many and how likely each of them is.

Rows whose reply has ended leave the batch, so that a batch costs what its replies need and not
what its longest one needs. A stepper decodes one token a row; an engine may bring one of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch.nn import functional
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteriaList,
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from data_builders.translation import _

from ..model import generation_tfchat as own

# A batch is made smaller once so many of its rows are done: copying the rest costs a step or so.
SHRINK_BELOW = 0.75
# They treat each row for itself, whichever others there are.
_ROW_BY_ROW: set[type] = {
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    own.AntiLanguageModelLogitsProcessor,
    own.CharacterRunLogitsProcessor,
    own.DryLogitsProcessor,
    own.PhraseRepeatLogitsProcessor,
    own.SaidTokensLogitsProcessor,
    own.WholeCharactersLogitsProcessor,
}


class DecoderStepper(Protocol):
    """What the loops need of a decoder.

    Attributes:
        can_branch: Whether `select` may name a row more than once.
    """

    can_branch: bool

    def start(
        self,
        encoder_hidden_states: torch.Tensor,
        encoder_attention_mask: torch.Tensor | None,
        max_steps: int,
    ) -> None:
        """Read the questions `(rows, source, d_model)` and make room for the replies."""

    def step(self, tokens: torch.LongTensor, position: int) -> torch.Tensor:
        """Map the newest token of each row `(rows,)` to float32 logits `(rows, vocab_size)`."""

    def select(self, rows: torch.LongTensor) -> None:
        """Go on with these rows only."""


def decode(
    stepper: DecoderStepper,
    input_ids: torch.LongTensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    config: GenerationConfig,
    streamer: Any = None,
) -> torch.LongTensor:
    """Decode a batch, greedily or by drawing.

    Args:
        stepper: Started already.
        input_ids: `(rows, 1)`, the start token.
        logits_processor: As transformers prepared them.
        stopping_criteria: As transformers prepared them.
        config: `do_sample` and `pad_token_id`.
        streamer: Given the tokens of each step.

    Returns:
        `(rows, length)`, padded behind the end token.
    """
    ids, rows = input_ids, len(input_ids)
    active = torch.arange(rows, device=ids.device)  # numbers of the rows in the stepper
    done = torch.zeros(rows, dtype=torch.bool, device=ids.device)
    while True:
        logits = stepper.step(ids[active, -1], ids.shape[1] - 1)
        if len(active) < rows:
            # Processors and the drawing see the whole batch, as transformers' loop shows it to
            # them: so the same random numbers fall to the same rows.
            logits = logits.new_zeros(rows, logits.shape[1]).index_copy(0, active, logits)
        scores = logits_processor(ids, logits)
        if config.do_sample:
            tokens = torch.multinomial(scores.softmax(-1), num_samples=1).squeeze(1)
        else:
            tokens = scores.argmax(-1)
        tokens = torch.where(done, config.pad_token_id or 0, tokens)
        ids = torch.cat((ids, tokens[:, None]), dim=1)
        if streamer is not None:
            streamer.put(tokens.cpu())
        done = done | stopping_criteria(ids, None)
        left = (~done[active]).nonzero()[:, 0]
        if len(left) == 0:
            break
        if len(left) <= SHRINK_BELOW * len(active):
            stepper.select(left)
            active = active[left]
    if streamer is not None:
        streamer.end()
    return ids


class Candidates(NamedTuple):
    """Replies, and their log-probabilities in nats up to their end, by the network's own logits.

    Attributes:
        ids: `(questions * count, length)`, the start token first, padded behind the end.
        asked: `(questions * count,)`, log p(reply | question).
        alone: `(questions * count,)`, log p(reply | empty message), if that was asked for.
    """

    ids: torch.LongTensor
    asked: torch.Tensor
    alone: torch.Tensor | None


class Beginnings:
    """The rows of a stepper, one for each different beginning of a reply.

    Args:
        stepper: Not started yet.
        sources: `(sources, source_len, d_model)`, what replies are made to.
        mask: `(sources, source_len)`, or None.
        of: `(readers,)`, the source of each reply that is followed.
        start: The start token.
        max_steps: The most steps to come.
    """

    def __init__(
        self,
        stepper: DecoderStepper,
        sources: torch.Tensor,
        mask: torch.Tensor | None,
        of: torch.LongTensor,
        start: int,
        max_steps: int,
    ) -> None:
        """Begin with one row a source, or a reply where the stepper cannot share."""
        self.stepper = stepper
        self.place = of  # the row of each reader
        if not stepper.can_branch:
            sources, mask = sources[of], None if mask is None else mask[of]
            self.place = torch.arange(len(of), device=of.device)
        self.tokens = of.new_full((len(sources),), start)
        self.position = 0
        stepper.start(sources, mask, max_steps)

    def step(self) -> torch.Tensor:
        """Decode a token a row; return logits `(rows, vocab_size)`."""
        logits = self.stepper.step(self.tokens, self.position)
        self.position += 1
        return logits

    def advance(self, tokens: torch.LongTensor, left: torch.BoolTensor, vocab_size: int) -> None:
        """Let the readers that are `left` go on with their `tokens`, both `(readers,)`."""
        pairs = (self.place * vocab_size + tokens)[left]  # a row and a token in one number
        place = torch.arange(len(pairs), device=pairs.device)
        if self.stepper.can_branch:
            pairs, place = pairs.unique(return_inverse=True)  # sorted: by row, then by token
        parents, tokens = pairs // vocab_size, pairs % vocab_size
        if len(parents.unique()) == len(parents) > SHRINK_BELOW * len(self.tokens):
            # Rows that nobody reads any more go on unheeded: to leave them out costs more.
            self.tokens = self.tokens.index_copy(0, parents, tokens)
            place = parents[place]
        else:
            self.stepper.select(parents)
            self.tokens = tokens
        self.place = torch.zeros_like(self.place).masked_scatter(left, place)


def decode_candidates(
    stepper: DecoderStepper,
    states: torch.Tensor,
    mask: torch.Tensor | None,
    nothing: torch.Tensor | None,
    input_ids: torch.LongTensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    config: GenerationConfig,
) -> Candidates:
    """Make several replies to each question, and say how likely they are.

    Replies that have begun alike share a row of the decoder until they part: the first step is made
    once a question, and replies that stay the same are decoded once. How likely a token was is read
    off the logits it was drawn from, so that no second pass is needed; how likely it is after an
    empty message, off one more row for each beginning, which all questions of the batch share.

    Args:
        stepper: Not started yet.
        states: Of the questions, `(questions, source, d_model)`.
        mask: `(questions, source)`, or None.
        nothing: Of the empty message, `(1, 1, d_model)`; None where replies alone do not matter.
        input_ids: `(questions * count, 1)`, the start token.
        logits_processor: As transformers prepared them.
        stopping_criteria: As transformers prepared them.
        config: `do_sample` and `pad_token_id`.
    """
    ids, rows = input_ids, len(input_ids)
    of = torch.arange(len(states), device=ids.device).repeat_interleave(rows // len(states))
    if nothing is not None:
        states, mask = _with_nothing(states, mask, nothing)
        of = torch.cat((of, torch.full_like(of, len(states) - 1)))
    steps = stopping_criteria.max_length - 1
    begun = Beginnings(stepper, states, mask, of, int(ids[0, 0]), steps)
    sides = len(of) // rows  # each reply is read once, or twice
    log_p = states.new_zeros(len(of), dtype=torch.float32)
    left = torch.ones(rows, dtype=torch.bool, device=ids.device)
    # Others see the whole batch, as transformers' loop shows it to them.
    only_left = all(map(is_row_by_row, logits_processor))
    while True:
        logits = begun.step()
        shown = (left if only_left else torch.ones_like(left)).nonzero()[:, 0]
        scores = logits_processor(ids[shown], logits.index_select(0, begun.place[shown]))
        numbers = torch.rand(rows, 1)[shown.cpu()]  # the same ones, however many are shown
        drawn = draw(scores, numbers) if config.do_sample else scores.argmax(-1)
        tokens = torch.zeros_like(ids[:, 0]).index_copy(0, shown, drawn)
        tokens = torch.where(left, tokens, config.pad_token_id or 0)
        said, reading = tokens.repeat(sides), left.repeat(sides)
        found = logits[begun.place, said] - logits.logsumexp(-1)[begun.place]
        log_p += torch.where(reading, found, 0.0)
        ids = torch.cat((ids, tokens[:, None]), dim=1)
        left = left & ~stopping_criteria(ids, None)
        if not left.any():
            break
        begun.advance(said, left.repeat(sides), logits.shape[1])
    return Candidates(ids, log_p[:rows], log_p[rows:] if nothing is not None else None)


def is_row_by_row(processor: LogitsProcessor) -> bool:
    """Tell whether rows that have ended need not be shown to a processor."""
    if type(processor) is own.CopyPenaltyLogitsProcessor:  # it counts the rows of each question
        return len(processor.question) == 1
    return type(processor) in _ROW_BY_ROW


def draw(scores: torch.Tensor, numbers: torch.Tensor) -> torch.LongTensor:
    """Draw a token of each row `(rows, vocab_size)`.

    On a CPU the place of one random number in the running sum of probabilities: `torch.multinomial`
    takes one number a token of the vocabulary, which for 32 rows of 8,000 costs 5 ms, and this 0.5.

    Args:
        scores: Logits, minus infinity for what is barred.
        numbers: From 0 to below 1, `(rows, 1)`.
    """
    probabilities = scores.softmax(-1)
    if probabilities.device.type != "cpu":  # a sum in parallel may fall here and there
        return torch.multinomial(probabilities, num_samples=1).squeeze(1)
    reached = probabilities.cumsum(-1)
    total = reached[:, -1:]
    if not (total > 0).all():
        raise RuntimeError(_("Nothing can be drawn: the settings bar every token of a reply."))
    # Below the total, else rounding might choose the last token, which may be a barred one.
    highest = total.nextafter(torch.zeros_like(total))
    at = torch.minimum(numbers * total, highest)
    return torch.searchsorted(reached, at, right=True).squeeze(1)


def _with_nothing(
    states: torch.Tensor, mask: torch.Tensor | None, nothing: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Add the empty message `(1, 1, d_model)` to the questions' states and mask, as a last row."""
    longer = functional.pad(nothing, (0, 0, 0, states.shape[1] - 1))
    mask = states.new_ones(states.shape[:2], dtype=torch.long) if mask is None else mask
    first = torch.zeros_like(mask[:1])
    first[0, 0] = 1
    return torch.cat((states, longer.to(states.dtype))), torch.cat((mask, first))

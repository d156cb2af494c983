# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The settings of a request as `generate()` prepares them, for rows of different lengths.

A logits processor looks at a rectangle: replies of one length. Rows of equal settings are shown to
it together all the same, filled up on the left with the start token, where that changes nothing: to
the processors below a reply is its last tokens, or the set of all. Where a length does matter, rows
for which it means the same are shown together. What is not known here is asked about each row
alone, as it would be asked if that request had come alone.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    EosTokenCriteria,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MaxLengthCriteria,
    MinLengthLogitsProcessor,
    MinNewTokensLengthLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    StopStringCriteria,
)
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from ..chat.streaming import PieceTable
from ..fast.loops import is_row_by_row
from ..model import generation_tfchat as own
from .request import Request

# How long a reply may be shown to a processor, whatever its length is: so it means the same to it.
# What is not named here does not mind how long replies are filled up.
_SHOWN: dict[type, Callable[[Any, Row], int]] = {
    own.WholeCharactersLogitsProcessor: lambda one, row: (
        one.max_length - min(row.limit - len(row.ids), 4)
    ),
    own.AntiLanguageModelLogitsProcessor: lambda one, row: min(len(row.ids), one.tokens + 1),
    # Nothing to repeat yet: start tokens before the first would be.
    own.PhraseRepeatLogitsProcessor: lambda one, row: len(row.ids) == 1,
    NoRepeatNGramLogitsProcessor: lambda one, row: len(row.ids) == 1,
    MinLengthLogitsProcessor: lambda one, row: min(len(row.ids), one.min_length),
    MinNewTokensLengthLogitsProcessor: lambda one, row: min(
        len(row.ids), one.prompt_length_to_skip + one.min_new_tokens
    ),
}
# What the rows count themselves.
_COUNTED = (EosTokenCriteria, MaxLengthCriteria)


@dataclass(eq=False)
class Row:
    """A reply that is being made, as rules see it.

    Attributes:
        question: Its tokens.
        ids: The reply so far, the start token first.
        limit: Most tokens of it, the start token counted.
        rules: Its settings.
        generator: Where its random numbers come from; None for torch's own.
    """

    question: list[int]
    ids: list[int]
    limit: int
    rules: Rules
    generator: torch.Generator | None = None

    def stands_alone(self) -> bool:
        """Tell whether to fill this row up would say something."""
        start = self.ids[0]
        return not self.rules.is_shared or start in self.question or self.ids.count(start) > 1


@dataclass(eq=False)
class Rules:
    """How to choose tokens, and when to end.

    Attributes:
        start: The token that a reply begins with.
        ends: End tokens.
        draws: Whether tokens are drawn.
        processors: In the order in which they act.
        criteria: What else may end a reply.
        anti_lm: The processor that reads each reply a second time, after an empty message.
        is_shared: Whether the processors do the same for any question, and each row for itself.
        is_lasting: Whether they will do for other requests too.
    """

    start: int
    ends: set[int]
    draws: bool
    processors: list[LogitsProcessor]
    criteria: list[StoppingCriteria]
    anti_lm: Any = field(init=False, default=None)
    is_shared: bool = field(init=False)
    is_lasting: bool = field(init=False)
    _shown: tuple[list[Row], list[LogitsProcessor]] = field(default=([], []), repr=False)

    def __post_init__(self) -> None:
        """Look at the processors once."""
        self.is_shared = all(map(is_row_by_row, self.processors))
        for place, one in enumerate(self.processors):
            if type(one) is own.AntiLanguageModelLogitsProcessor:
                self.anti_lm = self.processors[place] = copy.copy(one)
                self.anti_lm.model = Remembered(one.model)
        timeless = all(type(one) is StopStringCriteria for one in self.criteria)
        self.is_lasting = self.is_shared and timeless

    def apply(self, rows: Sequence[Row], scores: torch.Tensor) -> torch.Tensor:
        """Return what the processors make of `(rows, vocab_size)` scores."""
        if not self.processors:
            return scores
        apart = [place for place, row in enumerate(rows) if row.stands_alone()]
        if apart:
            scores = scores.clone()
            for place in apart:
                one = slice(place, place + 1)
                scores[one] = self._apply(rows[one], scores[one])
            rest = [place for place in range(len(rows)) if place not in apart]
            if rest:
                scores[rest] = self._apply([rows[place] for place in rest], scores[rest])
            return scores
        return self._apply(rows, scores)

    def _apply(self, rows: Sequence[Row], scores: torch.Tensor) -> torch.Tensor:
        """Show rows that may be filled up to the processors, or a single one."""
        longest = max(len(row.ids) for row in rows)
        tensors: dict[int, torch.Tensor] = {}
        for processor in self._for_questions(rows):
            shown = _SHOWN.get(type(processor))
            by_width: dict[int, list[int]] = defaultdict(list)
            for place, row in enumerate(rows):
                by_width[(shown and int(shown(processor, row))) or longest].append(place)
            made = torch.empty_like(scores) if len(by_width) > 1 else scores
            for width, places in by_width.items():
                if width not in tensors:
                    tensors[width] = self._ids(rows, width).to(scores.device)
                if len(by_width) == 1:
                    made = processor(tensors[width], scores)
                else:
                    made[places] = processor(tensors[width][places], scores[places])
            scores = made
        return scores

    def _ids(self, rows: Sequence[Row], width: int) -> torch.LongTensor:
        """Return replies as `(rows, width)`: their last tokens, filled up on the left."""
        filled = [[self.start] * (width - len(row.ids)) + row.ids[-width:] for row in rows]
        return torch.tensor(filled)

    def _for_questions(self, rows: Sequence[Row]) -> list[LogitsProcessor]:
        """Return the processors, those that look at questions made for these."""
        if not self.is_shared:
            return self.processors
        if self._shown[0] != list(rows):
            self._shown = list(rows), [_of(rows, one) for one in self.processors]
        return self._shown[1]


class Remembered:
    """Stands for the network where a processor asks how a reply goes on after an empty message.

    Attributes:
        known: What it would say, `(vocab_size,)`, by the reply so far.

    Args:
        model: Asked about what is not known.
    """

    def __init__(self, model: Any) -> None:
        """Know nothing."""
        self.model = model
        self.known: dict[tuple[int, ...], torch.Tensor] = {}

    def __call__(self, decoder_input_ids: torch.LongTensor, **others: Any) -> Seq2SeqLMOutput:
        """Give the logits of replies `(rows, length)`, at their last place."""
        try:
            found = [self.known[tuple(ids)] for ids in decoder_input_ids.tolist()]
        except KeyError:
            return self.model(decoder_input_ids=decoder_input_ids, **others)
        return Seq2SeqLMOutput(logits=torch.stack(found)[:, None])


def _of(rows: Sequence[Row], processor: LogitsProcessor) -> LogitsProcessor:
    """Return a processor that knows the questions of these rows, if it knows any."""
    if type(processor) is not own.CopyPenaltyLogitsProcessor:
        return processor
    questions = [torch.tensor(row.question) for row in rows]
    padded = pad_sequence(questions, batch_first=True, padding_value=-1)
    given = (processor.penalty, processor.allowed_length, processor.ignored)
    return type(processor)(padded.to(processor.question.device), *given)


def prepared_rules(
    model: Any, request: Request, table: PieceTable | None, limit: int | None = None
) -> Rules:
    """Have `generate()` prepare a request, and take over before it decodes.

    Args:
        model: Its `generate()`.
        request: Its settings.
        table: Of the tokenizer, if there is one.
        limit: Most new tokens in the place of those of the request.
    """
    found: dict[str, Any] = {}

    def take(
        model: Any,
        input_ids: torch.LongTensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        **others: Any,
    ) -> torch.LongTensor:
        found.update(processors=logits_processor, criteria=stopping_criteria)
        found.update(config=generation_config, start=int(input_ids[0, -1]))
        return input_ids

    ids = torch.tensor([request.input_ids], device=model.device)
    config = copy.copy(request.config)
    stop_strings, config.stop_strings = config.stop_strings, None  # need the tokenizer, see below
    if limit is not None:
        config.max_new_tokens, config.max_length = limit, None
    model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        # Not to be read: the questions that join are read together.
        encoder_outputs=BaseModelOutput(ids.new_zeros(*ids.shape, 1, dtype=model.dtype)),
        generation_config=config,
        custom_generate=take,
        logits_processor=request.options.get("logits_processor"),
    )
    criteria = [one for one in found["criteria"] if type(one) not in _COUNTED]
    if stop_strings:
        criteria.append(StopStringCriteria(table and table.tokenizer, stop_strings))
    ends = found["config"].eos_token_id
    return Rules(
        start=found["start"],
        ends=set(ends if isinstance(ends, list) else [ends]),
        draws=bool(found["config"].do_sample),
        processors=list(found["processors"]),
        criteria=criteria,
    )

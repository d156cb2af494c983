# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One batch that never closes: requests join it at any step, and leave it at their own end.

What fails hurts the replies alone that it fails for. Until its tokens are handed out a step has
changed nothing, so one that fails is made again for each row by itself, and no text is repeated.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from data_builders.translation import _

from ..chat.streaming import PieceTable
from ..fast import FastDecoder
from ..fast.loops import draw
from ..fast.open_stepper import OpenStepper
from .batch_run import token_scores
from .request import Answer, Request, TokenScore
from .rules import Row, Rules, prepared_rules

# So many different settings are kept ready.
_MOST_RULES = 64


@dataclass(eq=False, kw_only=True)
class _Reply(Row):
    """A row, and where its tokens go.

    Attributes:
        answer: The reply to its request.
        is_second: Whether it is the same reply after an empty message, read beside the first.
    """

    answer: Answer
    is_second: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        unread = self.is_second and len(self.ids) > self.rules.anti_lm.tokens
        return unread or self.answer.done


class RunningBatch:
    """Makes a token of every reply at each step, whatever their lengths and settings.

    Attributes:
        rows: The rows of the network, most of them replies that are being made.

    Args:
        model: Of torch.
        fast: Decodes.
        table: Of the tokenizer, if there is one.
        most: The most replies at a time.
    """

    def __init__(self, model: Any, fast: FastDecoder, table: PieceTable | None, most: int) -> None:
        """Begin without replies."""
        self.model, self.fast, self.table, self.most = model, fast, table, most
        self.rows: list[_Reply] = []
        self._stepper: OpenStepper
        self._rules: dict[str, Rules] = {}

    def __len__(self) -> int:
        """Count the replies that are being made."""
        return sum(not row.is_second for row in self.rows)

    def is_open(self) -> bool:
        """Tell whether requests can join; an empty batch begins anew, weights may have changed."""
        if self.rows:
            return True
        try:
            stepper = self.fast.open_stepper(self.model, 2 * self.most)
        except BaseException:  # whoever asks will get it in a batch of their own
            return False
        if stepper is not None:
            self._stepper = stepper
        return stepper is not None

    @torch.no_grad()
    def join(self, requests: Sequence[Request]) -> None:
        """Take requests whose futures are running; there is a place for each."""
        joining: list[_Reply] = []
        for request in requests:
            try:
                joining.append(self._new_row(request))
            except BaseException as error:  # settings that nobody can decode with
                Answer(request, set(), None, None).fail(error)
        self._read(joining)

    @torch.no_grad()
    def step(self, is_abandoned: bool) -> None:
        """Make the next token of every reply, and hand it out."""
        for row in self.rows:
            with _blaming(row.answer):
                reason = "cancelled" if is_abandoned else row.answer.request.reason_to_stop()
                if reason is not None:
                    row.answer.end(reason)
        self._let_go()
        if not self.rows:
            return
        rows, logits = self._without_second(self._logits())
        tokens = self._choose(rows, logits)
        self._stepper.advance()
        for row, token in zip(rows, _scored(rows, logits, tokens), strict=True):
            with _blaming(row.answer):
                self._add(row, token)
        self._let_go()

    def fail(self, error: BaseException) -> None:
        """Give up all replies."""
        for row in self.rows:
            row.answer.fail(error)
        self.rows = []

    def _new_row(self, request: Request) -> _Reply:
        """Return the row of a request, with random numbers of its own."""
        limit = self.model._longest_reply(copy.copy(request.config), None)
        rules = self._rules_of(request)
        answer = Answer(request, rules.ends, None, self.table)
        row = _Reply(request.input_ids, [rules.start], limit, rules, answer=answer)
        if request.seed is not None:
            row.generator = torch.Generator().manual_seed(hash((request.seed, 0)))
        return row

    def _rules_of(self, request: Request) -> Rules:
        """Return the rules of a request; but for the length those of others, if they will do."""
        rules = self._rules.get(request.settings)
        if rules is not None and not request.options:
            return rules
        if not request.options:
            longest = self.model.config.max_position_embeddings
            rules = prepared_rules(self.model, request, self.table, longest)
            if rules.is_lasting:
                self._rules[request.settings] = rules
                if len(self._rules) > _MOST_RULES:
                    self._rules.pop(next(iter(self._rules)))
                return rules
        return prepared_rules(self.model, request, self.table)

    def _read(self, joining: list[_Reply]) -> None:
        """Encode questions together, and where that fails one by one; their rows join."""
        if not joining:
            return
        questions = [torch.tensor(row.question) for row in joining]
        device = self.model.device
        try:
            pad = self.model.config.pad_token_id or 0
            ids = pad_sequence(questions, batch_first=True, padding_value=pad).to(device)
            masks = [torch.ones_like(question) for question in questions]
            mask = pad_sequence(masks, batch_first=True).to(device)
            encoded = self.model.get_encoder()(input_ids=ids, attention_mask=mask)
            self._stepper.join(encoded.last_hidden_state, mask)
        except BaseException as error:
            if len(joining) == 1:
                joining[0].answer.fail(error)
                return
            for row in joining:
                self._read([row])
            return
        self.rows += joining
        for row in (row for row in joining if row.rules.anti_lm):
            with _blaming(row.answer):
                self._stepper.join(row.rules.anti_lm.nothing, torch.ones(1, 1, device=device))
                self.rows.append(replace(row, is_second=True))

    def _logits(self) -> torch.Tensor:
        """Decode a step, `(rows, vocab_size)`; where that fails row by row."""
        tokens = torch.tensor([row.ids[-1] for row in self.rows], device=self.model.device)
        try:
            return self._stepper.step(tokens)
        except BaseException:
            made = []
            for place, row in enumerate(self.rows):
                one = slice(place, place + 1)
                made.append(torch.zeros(1, self.model.config.vocab_size, device=tokens.device))
                with _blaming(row.answer):
                    made[place] = self._stepper.step(tokens[one], one)
            return torch.cat(made)

    def _without_second(self, logits: torch.Tensor) -> tuple[list[_Reply], torch.Tensor]:
        """Keep what was said after empty messages for the processors; return the other rows."""
        second = [place for place, row in enumerate(self.rows) if row.is_second]
        for row in self.rows:
            if row.rules.anti_lm:
                row.rules.anti_lm.model.known.clear()
        for place in second:
            row = self.rows[place]
            row.rules.anti_lm.model.known[tuple(row.ids)] = logits[place]
        if not second:
            return list(self.rows), logits
        first = [place for place, row in enumerate(self.rows) if not row.is_second]
        return [self.rows[place] for place in first], logits[first]

    def _choose(self, rows: Sequence[_Reply], logits: torch.Tensor) -> torch.LongTensor:
        """Return the next token of each row, `(rows,)`; of one that has failed, any."""
        by_rules: dict[Rules, list[int]] = defaultdict(list)
        for place, row in enumerate(rows):
            by_rules[row.rules].append(place)
        scores = logits.clone()
        for rules, places in by_rules.items():
            if rules.processors:
                scores[places] = self._processed([rows[at] for at in places], logits[places])
        best, tokens = scores.max(-1)
        drawn = [place for place, row in enumerate(rows) if row.rules.draws]
        for place in (~best.isfinite()).nonzero()[:, 0].tolist():
            if place in drawn or best[place].isnan():
                error = _("The scores of the next token are no numbers, or bar every token.")
                rows[place].answer.fail(RuntimeError(error))
                scores[place] = 0.0
        if drawn:
            numbers = torch.rand(len(drawn), 1)
            for at, place in enumerate(drawn):
                if (generator := rows[place].generator) is not None:
                    numbers[at] = torch.rand(1, generator=generator)
            tokens[drawn] = draw(scores[drawn].cpu(), numbers).to(tokens.device)
        return tokens

    def _processed(self, rows: Sequence[_Reply], scores: torch.Tensor) -> torch.Tensor:
        """Apply rules to rows that share them; where that fails to each by itself."""
        try:
            return rows[0].rules.apply(rows, scores).view_as(scores)
        except BaseException as error:
            if len(rows) == 1:
                rows[0].answer.fail(error)
                return scores
            each = zip(rows, scores.split(1), strict=True)
            return torch.cat([self._processed([row], one) for row, one in each])

    def _add(self, row: _Reply, token: TokenScore) -> None:
        """Hand out a token, and end the reply if it is the last one."""
        row.ids.append(token.id)
        row.answer.add(token)
        if row.is_over:
            return
        if len(row.ids) >= row.limit:
            row.answer.end("length")
        elif row.rules.criteria:
            ids = torch.tensor([row.ids], device=self.model.device)
            if any(bool(one(ids, None).all()) for one in row.rules.criteria):
                row.answer.end("stop")

    def _let_go(self) -> None:
        """Free the places of replies that are over; the last row takes such a place."""
        for place in reversed(range(len(self.rows))):
            if self.rows[place].is_over:
                self._stepper.leave(place)
                self.rows[place] = self.rows[-1]
                self.rows.pop()


def _scored(
    rows: Sequence[_Reply], logits: torch.Tensor, tokens: torch.LongTensor
) -> list[TokenScore]:
    """Put the network's scores beside the tokens of those who asked for them."""
    scored = list(map(TokenScore, tokens.tolist()))
    by_top: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.answer.request.top_logprobs is not None:
            by_top[row.answer.request.top_logprobs].append(place)
    for top, places in by_top.items():
        made = token_scores(logits[places], tokens[places], top)
        for place, token in zip(places, made, strict=True):
            scored[place] = token
    return scored


@contextmanager
def _blaming(answer: Answer) -> Iterator[None]:
    """Give an error to the one whose reply it is."""
    try:
        yield
    except BaseException as error:
        answer.fail(error)

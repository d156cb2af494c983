# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One batch of requests: one call of `generate()`, and each reply given out when it has ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers.generation import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from ..chat.streaming import PieceTable
from ..engines.ctranslate2_model import CTranslate2Model
from ..fast import FastDecoder
from ..fast.decoding import generate_options
from ..fast.replies import seeded
from .request import Answer, Request, TokenScore


class BatchRun(BaseStreamer):
    """Answers requests of equal settings; takes the tokens of each step as a streamer.

    Args:
        model: Its `generate()` is called once.
        requests: At least one; their futures are running.
        table: Of the tokenizer, if there is one.
        abandon: Set when nobody wants any reply any more.
        fast: Decodes the batch; None for transformers' own loop.
    """

    def __init__(
        self,
        model: Any,
        requests: Sequence[Request],
        table: PieceTable | None,
        abandon: threading.Event,
        fast: FastDecoder | None = None,
    ) -> None:
        """Make room for the replies."""
        self.model, self.requests, self.table = model, requests, table
        self.abandon, self.fast = abandon, fast
        self.pad = self._setting("pad_token_id") or 0
        ends = self._setting("eos_token_id")
        ends = set(ends if isinstance(ends, list) else [ends])
        self.answers = [Answer(one, ends, self.pad, table) for one in requests]
        self.has_begun = False
        # Beams and candidates change their mind about tokens, and scores are read off afterwards:
        # such replies come whole.
        self.is_scored = requests[0].top_logprobs is not None
        self.is_streamed = not self.is_scored and all(
            (self._setting(name) or 1) == 1 for name in ("num_beams", "num_candidates")
        )

    def run(self) -> None:
        """Generate and hand out; an error goes to the one request that it comes from."""
        try:
            with seeded(self.requests[0].seed, self.model.device):
                output = self.model.generate(**self._arguments())
            if not self.is_streamed:
                self._put_whole(output)
            for answer in self.answers:  # what is left is as long as allowed
                if not answer.done:
                    answer.end(answer.request.reason_to_stop() or "length")
        except BaseException as error:  # handed over: the callers' threads raise it
            self._alone(error)

    def _alone(self, error: BaseException) -> None:
        """Answer each request of a batch that has failed by itself: most are not to blame."""
        for answer in self.answers:
            if answer.done:
                continue
            if len(self.requests) == 1 or not answer.begin_again():
                answer.fail(error)
                continue
            run = BatchRun(self.model, [answer.request], self.table, self.abandon, self.fast)
            run.answers = [answer]
            run.run()

    def put(self, value: torch.Tensor) -> None:
        """Take a token of every reply, `(batch,)`; start tokens first."""
        if self.has_begun:
            for answer, token in zip(self.answers, value.tolist(), strict=True):
                answer.add(TokenScore(token))
        self.has_begun = True

    def _put_whole(self, replies: torch.Tensor) -> None:
        """Take whole replies, `(batch, length)`."""
        for answer, ids in zip(self.answers, replies, strict=True):
            tokens = (
                self._scored(answer.request, ids)
                if self.is_scored
                else map(TokenScore, ids[1:].tolist())
            )
            for token in tokens:
                answer.add(token)

    @torch.no_grad()
    def _scored(self, request: Request, ids: torch.Tensor) -> list[TokenScore]:
        """Ask the network how likely the tokens of a reply are, `(length,)`, start token first."""
        question = torch.tensor([request.input_ids], device=ids.device)
        if not request.top_logprobs and hasattr(self.model, "log_probabilities"):
            found = self.model.log_probabilities(question, torch.ones_like(question), ids[None])[0]
            return list(map(TokenScore, ids[1:].tolist(), found.tolist()))
        logits = self.model(input_ids=question, decoder_input_ids=ids[None, :-1]).logits[0]
        return token_scores(logits, ids[1:], request.top_logprobs or 0)

    def take(self, row: int, token: int) -> bool:
        """Take the next token of one reply; tell whether nobody wants more of it."""
        answer = self.answers[row]
        try:
            self.stopped()
            answer.add(TokenScore(token))
        except BaseException as error:  # it would end the replies of others
            answer.fail(error)
        return answer.done

    def end(self) -> None:
        """Leave the replies to `run`, which knows why they ended."""

    def stopped(self) -> list[bool]:
        """Say for each request whether its reply must not go on; give out what there is of it."""
        for answer in self.answers:
            reason = "cancelled" if self.abandon.is_set() else answer.request.reason_to_stop()
            if reason is not None and not answer.done:
                answer.end(reason)
        return [answer.done for answer in self.answers]

    def _setting(self, name: str) -> Any:
        """Return a setting as `generate()` will see it."""
        value = getattr(self.requests[0].config, name, None)
        return getattr(self.model.generation_config, name, None) if value is None else value

    def _arguments(self) -> dict[str, Any]:
        """Return the padded questions `(batch, source)`, and how to answer them."""
        first, device = self.requests[0], self.model.device
        length = max(len(one.input_ids) for one in self.requests)
        ids = torch.full((len(self.requests), length), self.pad)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(self.requests):
            ids[row, : len(one.input_ids)] = torch.tensor(one.input_ids)
            mask[row, : len(one.input_ids)] = 1
        ids, options = ids.to(device), dict(first.options)
        reverse_model = options.pop("reverse_model", None)
        mask = mask.to(device)
        if isinstance(self.model, CTranslate2Model):
            given = {"on_token": self.take} if self.is_streamed else {}
            return {"input_ids": ids, "attention_mask": mask, **given, **options,
                    "generation_config": first.config}  # fmt: skip
        streamer = self if self.is_streamed else None
        if self._setting("stop_strings") and self.table is not None:
            options.setdefault("tokenizer", self.table.tokenizer)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "stopping_criteria": StoppingCriteriaList([_StopRows(self)]),
            **generate_options(first.config, ids, self.fast, reverse_model, streamer),
            **options,
        }


def token_scores(logits: torch.Tensor, tokens: torch.Tensor, top: int) -> list[TokenScore]:
    """Say how likely tokens `(count,)` were by logits `(count, vocab_size)`, and the likeliest."""
    found = logits.float().log_softmax(-1)
    own = found.gather(1, tokens[:, None])[:, 0].tolist()
    values, best = (side.tolist() for side in found.topk(top))
    rivals = (tuple(zip(*pair, strict=True)) for pair in zip(best, values, strict=True))
    return list(map(TokenScore, tokens.tolist(), own, rivals))


class _StopRows(StoppingCriteria):
    """Ends the rows that nobody waits for any more."""

    def __init__(self, run: BatchRun) -> None:
        self.run = run

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.Tensor | None, **kwargs: object
    ) -> torch.BoolTensor:
        """Return the answer for each row, `(rows,)`; beams and candidates lie side by side."""
        stopped = torch.tensor(self.run.stopped(), device=input_ids.device)
        return stopped.repeat_interleave(input_ids.shape[0] // len(stopped))

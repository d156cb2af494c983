# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One batch of requests: one call of `generate()`, and each reply given out when it has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.generation import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from ..chat.streaming import PieceTable
from ..fast import FastDecoder
from ..fast.decoding import generate_options
from .answers import Answer, Request


class BatchRun:
    """Answers requests of equal settings.

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
        self.model = model
        self.requests = requests
        self.table = table
        self.abandon = abandon
        self.fast = fast
        self.copies = self._setting("num_return_sequences") or 1
        self.pad = self._setting("pad_token_id") or 0
        ends = self._setting("eos_token_id")
        ends = set(ends if isinstance(ends, list) else [ends])
        self.answers = [Answer(one, self.copies, ends, self.pad, table) for one in requests]
        # Beams and candidates change their mind about tokens; such replies come whole.
        self.is_streamed = all(
            (self._setting(name) or 1) == 1 for name in ("num_beams", "num_candidates")
        )

    def run(self) -> None:
        """Generate and hand out; an error goes to the requests that have no reply yet."""
        try:
            with _own_random_numbers(self.requests[0].seed, self.model.device):
                inputs = self._inputs()
                how = self._arguments(inputs["input_ids"])
                output = self.model.generate(**inputs, **how)
            self._finish(output.tolist())
        except Exception as error:  # handed over: the callers' threads raise it
            for answer in self.answers:
                answer.fail(error)

    def take(self, tokens: Sequence[int]) -> None:
        """Take the next token of every reply, `batch * num_return_sequences` of them."""
        for row, token in enumerate(tokens):
            self.answers[row // self.copies].add(row % self.copies, token)

    def stopped(self) -> list[bool]:
        """Say for each request whether its reply must not go on; give out what there is of it."""
        for answer in self.answers:
            reason = "cancelled" if self.abandon.is_set() else answer.request.reason_to_stop()
            if reason is not None and not answer.done:
                answer.end_all(reason)
        return [answer.done for answer in self.answers]

    def _setting(self, name: str) -> Any:
        """Return a setting as `generate()` will see it."""
        value = getattr(self.requests[0].config, name, None)
        return getattr(self.model.generation_config, name, None) if value is None else value

    def _inputs(self) -> dict[str, torch.Tensor]:
        """Pad the questions, `(batch, source)`."""
        length = max(len(one.input_ids) for one in self.requests)
        ids = torch.full((len(self.requests), length), self.pad)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(self.requests):
            ids[row, : len(one.input_ids)] = torch.tensor(one.input_ids)
            mask[row, : len(one.input_ids)] = 1
        device = self.model.device
        return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}

    def _arguments(self, question_ids: torch.LongTensor) -> dict[str, Any]:
        """Return everything else for `generate()`."""
        options = dict(self.requests[0].options)
        config, reverse_model = self.requests[0].config, options.pop("reverse_model", None)
        streamer = _RowStreamer(self) if self.is_streamed else None
        arguments = {
            "stopping_criteria": StoppingCriteriaList([_StopRows(self)]),
            **generate_options(config, question_ids, self.fast, reverse_model, streamer),
            **options,
        }
        if self._setting("stop_strings") and self.table is not None:
            arguments["tokenizer"] = self.table.tokenizer
        return arguments

    def _finish(self, output: Sequence[Sequence[int]]) -> None:
        """End what is left: replies that came whole, or are as long as allowed."""
        if not self.is_streamed:
            for row, ids in enumerate(output):
                for token in ids[1:]:
                    self.answers[row // self.copies].add(row % self.copies, token)
        for answer in self.answers:
            if not answer.done:
                answer.end_all(answer.request.reason_to_stop() or "length")


@contextmanager
def _own_random_numbers(seed: int | None, device: torch.device) -> Iterator[None]:
    """Draw from a seed within the block, and go on afterwards as if nothing had been drawn."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class _RowStreamer(BaseStreamer):
    """Hands the tokens of each step to a run."""

    def __init__(self, run: BatchRun) -> None:
        self.run = run
        self.has_begun = False

    def put(self, value: torch.Tensor) -> None:
        """Take `(rows,)` tokens; the first bring the start token."""
        if self.has_begun:
            self.run.take(value.tolist())
        self.has_begun = True

    def end(self) -> None:
        """The run ends its replies itself."""


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

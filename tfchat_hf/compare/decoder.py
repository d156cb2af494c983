# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The same questions answered under any settings, with a clock beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..examples.questions import Question, decode_reply
from ..fast import FastDecoder
from ..fast.decoding import generate_options
from .rows import Row

# Batches of different seeds must not draw alike.
_SEED_STEP = 1_000_003


@dataclass
class Replies:
    """What a row answered with one seed.

    Attributes:
        texts: one reply a question.
        tokens: of all of them, the one that ends each among them.
        seconds: that `generate()` took: of CPU time, or of the clock on a GPU.
    """

    texts: list[str]
    tokens: int
    seconds: float


class Decoder:
    """Answers the same questions under any settings.

    Args:
        model: in evaluation mode.
        tokenizer: of the model.
        questions: what to answer.
        batch_size: how many at a time.
        reverse_model: ranks candidates for rows that want it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        questions: Sequence[Question],
        batch_size: int,
        reverse_model: PreTrainedModel | None = None,
    ) -> None:
        """Sorts the questions into batches of like length."""
        self.model = model
        self.tokenizer = tokenizer
        self.questions = questions
        self.reverse_model = reverse_model
        self.fast = FastDecoder()
        order = sorted(range(len(questions)), key=lambda i: len(questions[i].input_ids))
        self.batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]

    def try_out(self, row: Row) -> None:
        """Answers one question, so that settings that cannot be are refused at once."""
        self._generate(row, self.batches[0][:1])

    def answer(self, row: Row, seed: int, progress: Callable[[int], None]) -> Replies:
        """Answers all questions.

        Args:
            row: the settings.
            seed: equal ones give equal replies.
            progress: told after each batch how many questions it had.
        """
        texts: dict[int, str] = {}
        tokens, seconds = 0, 0.0
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            self._generate(row, self.batches[0])  # what is made once is not of the row's speed
            for number, chosen in enumerate(self.batches):
                torch.manual_seed(_SEED_STEP * seed + number)
                begun = self._now()
                output = self._generate(row, chosen)
                seconds += self._now() - begun
                ids = output.tolist()
                tokens += sum(map(self._length, ids))
                texts |= {
                    place: decode_reply(self.tokenizer, reply)
                    for place, reply in zip(chosen, ids, strict=True)
                }
                progress(len(chosen))
        return Replies([texts[place] for place in sorted(texts)], tokens, seconds)

    @torch.no_grad()
    def _generate(self, row: Row, chosen: Sequence[int]) -> torch.Tensor:
        """Decodes some questions; gives `(batch, reply_len)`, the start token first."""
        batch = self.tokenizer.pad(
            {"input_ids": [self.questions[i].input_ids for i in chosen]}, return_tensors="pt"
        ).to(self.model.device)
        how = generate_options(row.config, batch["input_ids"], self.fast, self.reverse_model)
        return self.model.generate(**batch, use_cache=True, **how)

    def _length(self, ids: Sequence[int]) -> int:
        """Counts the tokens of a reply: without the start token, up to the one that ends it."""
        eos, made = self.tokenizer.eos_token_id, list(ids[1:])
        return made.index(eos) + 1 if eos in made else len(made)

    def _now(self) -> float:
        """Reads the clock that counts: of the CPU alone, others may be at work beside."""
        if self.model.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self.model.device)
        return time.perf_counter()

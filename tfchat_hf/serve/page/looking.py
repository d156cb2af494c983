# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A look into a reply, by a second copy of the model: the queue's is never touched.

One look at a time, the reply shortened to what can be shown: a token looks only at those before
it, so the beginning of a reply is what it was.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from transformers import GenerationConfig

from data_builders.errors import UserError
from data_builders.translation import _

from ...chat.session import clean_reply
from ...look.choices import processors_of, weigh
from ...look.explainer import Explanation, load_jieba
from ...look.journey import Request, Traveller, explained, weighed
from ...look.page import packed_weights, page_of, step_content
from ...look.recording import record
from ...model.generation_tfchat import keeping_own_settings
from ..batching_queue import QueueFullError
from ..service import Question

# What is kept for the whole picture, who may wait for a look, and the weights that one answer has.
_MOST_PICTURES, _MOST_WAITING, _MOST_WEIGHTS = 32, 8, 1_000_000


@dataclass(frozen=True)
class Reply:
    """A reply to be looked into.

    Attributes:
        question: What it answers, as the model read it.
        token_ids: Its ids, without the start token.
        config: How it was decoded.
        preset: The name of that, if it has one.
    """

    question: Question
    token_ids: Sequence[int]
    config: GenerationConfig
    preset: str | None = None


class Looker:
    """Looks into replies of one model.

    Args:
        name: Its folder, or its id on the Hub.
        open_paths: Where the addresses of the pictures go that can be had.
    """

    def __init__(self, name: str, open_paths: set[str]) -> None:
        """Load nothing yet: few people look."""
        self.name, self.open_paths = name, open_paths
        self._traveller: Traveller | None = None
        self._one_at_a_time = threading.Lock()
        self._places = threading.BoundedSemaphore(_MOST_WAITING)
        self._pictures: OrderedDict[str, Reply] = OrderedDict()

    @contextmanager
    def _turn(self) -> Iterator[Traveller]:
        """Wait for those before, and lend the model.

        Raises:
            QueueFullError: Too many wait.
        """
        if not self._places.acquire(blocking=False):
            raise QueueFullError(_("Too many look inside at once. Try again in a moment."))
        try:
            with self._one_at_a_time:
                if self._traveller is None:
                    self._traveller = Traveller(self.name)
                yield self._traveller
        finally:
            self._places.release()

    def look(self, reply: Reply) -> dict[str, Any]:
        """Say for each token of a reply where it looked, and what stood to choose.

        Raises:
            UserError: Conversation, tokens or settings are none of this model.
            QueueFullError: Too many wait.
        """
        with self._turn() as traveller:
            return self._look(traveller, reply) | {"picture": self._keep(reply)}

    def _look(self, traveller: Traveller, reply: Reply) -> dict[str, Any]:
        model, spell, question = traveller.model, traveller.spell, reply.question
        config, ids = keeping_own_settings(reply.config), _checked(reply.token_ids, traveller)
        maps = model.config.decoder_layers * model.config.decoder_attention_heads
        looked = ids[: max(1, _MOST_WEIGHTS // (maps * len(question.ids)))]
        recording = record(model, question.ids, looked)
        processors = processors_of(model, question.ids, config)
        steps = weigh(recording, looked, processors, config, model.device)
        left_out = {"turns": question.left_out, "tokens": question.cut}
        return {
            "question": {"tokens": spell(question.ids), "left_out": left_out},
            "reply": {"tokens": spell(ids), "pieces": _pieces(traveller, ids)},
            "layers": [packed_weights(layer) for layer in recording.decoder.cross_attention],
            "steps": [step_content(step, spell) for step in steps],
            "processors": [type(one).__name__ for one in processors],
            "vocabulary": model.config.vocab_size,
        }

    def _keep(self, reply: Reply) -> str:
        """Remember a reply for its picture, and return the address, which nobody guesses."""
        path = f"/page/picture/{secrets.token_urlsafe(16)}"
        self._pictures[path] = reply
        self.open_paths.add(path)
        while len(self._pictures) > _MOST_PICTURES:
            self.open_paths.discard(self._pictures.popitem(last=False)[0])
        return path[1:]

    def picture(self, path: str, language: str) -> str | None:
        """Return the page that shows a whole reply; None where it is not kept (any more).

        Raises:
            QueueFullError: Too many wait.
        """
        with self._turn() as traveller:
            if (reply := self._pictures.get(path)) is None:
                return None
            config, question = keeping_own_settings(reply.config), reply.question
            config.max_new_tokens, config.max_length = traveller.longest, None
            cut = max(0, len(question.ids) - traveller.longest)
            journey = weighed(
                traveller,
                Request(question.turns[-1], preset=reply.preset),
                _explanation(traveller, question),
                cut + question.cut,
                question.ids[cut:],
                _checked(reply.token_ids, traveller)[: traveller.longest],
                config,
            )
        return page_of([journey], None, language)


def _explanation(traveller: Traveller, question: Question) -> Explanation | None:
    """Explain the tokens of a question, where it is all that was read and is shown whole."""
    text = question.turns[-1]
    if traveller.read_question(text) != (question.ids, 0):
        return None
    return explained(traveller.tokenizer, text, load_jieba())


def _checked(ids: Sequence[int], traveller: Traveller) -> list[int]:
    """Return the ids of a reply as far as the decoder has positions.

    Raises:
        UserError: There is none, or the model has no such token.
    """
    most = traveller.model.config.vocab_size
    if not ids or not all(0 <= one < most for one in ids):
        raise UserError(
            "`token_ids` must be those of a reply, each from 0 to {most}.", most=most - 1
        )
    return list(ids[: traveller.model.config.max_position_embeddings])


def _pieces(traveller: Traveller, ids: Sequence[int]) -> list[str]:
    """Say which text each token adds; one that is a part of a character adds none."""
    texts = [clean_reply(traveller.say(ids[:end])) for end in range(len(ids) + 1)]
    return [after[len(before) :] for before, after in zip(texts, texts[1:], strict=False)]

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One sentence through one model: everything that is shown of it, on a terminal or on a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedTokenizerBase

from data_builders.errors import UserError

from ..engines.model_folder import load_for_chat
from ..model.generation_tfchat import keeping_own_settings
from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..text.dialogue import encode_context, encode_reply
from .choices import Branch, Step, processors_of, reply_to, roads_not_taken, weigh
from .explainer import CutWords, Explainer, Explanation
from .recording import Recording, longest, record
from .report import visible


@dataclass(frozen=True)
class Request:
    """What is asked of each model.

    Attributes:
        text: The question.
        reply: A reply to be weighed instead of one that the model makes; None for its own.
        preset: One of the model's; None for its own settings.
        seed: Of what is drawn at random.
    """

    text: str
    reply: str | None = None
    preset: str | None = None
    seed: int = 0


class Traveller:
    """A model that sentences go through, and its tokenizer.

    Args:
        name: Its folder, or its id on the Hub.
    """

    def __init__(self, name: str) -> None:
        """Load it, onto the CPU: one sentence is soon through."""
        self.model: TFChatForConditionalGeneration
        self.tokenizer: PreTrainedTokenizerBase
        self.model, self.tokenizer = load_for_chat(name, "cpu")
        path = Path(name)
        is_checkpoint = path.name.startswith("checkpoint-")
        self.name = "/".join(path.parts[-2:]) if is_checkpoint else path.name
        self.longest = longest(self.model)

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Write tokens so that blanks and control characters can be seen."""
        return [visible(token) for token in self.tokenizer.convert_ids_to_tokens(list(ids))]

    def say(self, ids: Sequence[int]) -> str:
        """Join tokens to the text that they spell."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True)

    def settings(self, preset: str | None) -> GenerationConfig:
        """Return how replies are made, as long as there is room to show them."""
        try:
            config = self.model.preset(preset) if preset else self.model.generation_config
        except ValueError as error:
            raise UserError(str(error)) from error
        config = keeping_own_settings(config)
        asked = config.max_new_tokens or self.longest
        config.max_new_tokens, config.max_length = min(asked, self.longest), None
        return config

    def read_question(self, text: str) -> tuple[list[int], int]:
        """Return the ids that the encoder reads, and how many of the first ones were cut off."""
        encoded = encode_context(self.tokenizer, [text], self.longest)
        return list(encoded.input_ids), encoded.truncated_tokens

    def read_reply(self, text: str) -> list[int]:
        """Return the ids of a given reply, `</s>` included, as far as there is room."""
        return encode_reply(self.tokenizer, text)[: self.longest]


@dataclass(frozen=True)
class Journey:
    """What happened to one question in one model.

    Attributes:
        traveller: The model.
        request: What was asked.
        explanation: Of the question's tokens; None where the tokenizer is of another kind, or
            a part of the question had no room.
        cut: How many tokens of the question had no room.
        reply: Ids without the start token.
        recording: Of the network.
        steps: The choice of each token of the reply.
        branches: What was not said.
        processors: The names of all that may change scores under these settings.
    """

    traveller: Traveller
    request: Request
    explanation: Explanation | None
    cut: int
    reply: list[int]
    recording: Recording
    steps: list[Step]
    branches: list[Branch]
    processors: list[str]

    @property
    def reply_text(self) -> str:
        """The reply as a text."""
        return self.traveller.say(self.reply)

    @property
    def goes_on(self) -> bool:
        """Whether the reply had no room to end."""
        return self.reply[-1] != self.traveller.tokenizer.eos_token_id

    def facts(self) -> dict[str, Any]:
        """Name what shapes the network."""
        config = self.traveller.model.config
        return {
            "parameters": self.traveller.model.num_parameters(),
            "layers": [config.encoder_layers, config.decoder_layers],
            "width": config.d_model,
            "neurons": [config.encoder_ffn_dim, config.decoder_ffn_dim],
            "vocabulary": config.vocab_size,
            "norm": "before" if config.normalize_before else "after",
            "positions": config.position_embedding_type,
        }


def follow(traveller: Traveller, request: Request, cut_words: CutWords | None) -> Journey:
    """Send a question through a model.

    Args:
        traveller: The model.
        request: The question, and how to answer it.
        cut_words: jieba, or None.
    """
    config = traveller.settings(request.preset)
    question, cut = traveller.read_question(request.text)
    torch.manual_seed(request.seed)
    if request.reply is None:
        reply = reply_to(traveller.model, question, config)
    else:
        reply = traveller.read_reply(request.reply)
    explanation = None if cut else explained(traveller.tokenizer, request.text, cut_words)
    return weighed(traveller, request, explanation, cut, question, reply, config)


def weighed(
    traveller: Traveller,
    request: Request,
    explanation: Explanation | None,
    cut: int,
    question: list[int],
    reply: list[int],
    config: GenerationConfig,
) -> Journey:
    """Look at a reply that is there already.

    Args:
        traveller: The model.
        request: What was asked of it.
        explanation: Of the question's tokens.
        cut: How many tokens of the question had no room.
        question: Its ids, `</s>` included.
        reply: Its ids, without the start token.
        config: The settings it was made with.
    """
    model = traveller.model
    recording = record(model, question, reply)
    processors = processors_of(model, question, config)
    steps = list(weigh(recording, reply, processors, config, model.device))
    return Journey(
        traveller,
        request,
        explanation,
        cut,
        reply,
        recording,
        steps,
        roads_not_taken(model, question, reply, steps, config),
        [type(one).__name__ for one in processors],
    )


def explained(
    tokenizer: PreTrainedTokenizerBase, text: str, cut_words: CutWords | None
) -> Explanation | None:
    """Explain the tokens where that can be done."""
    try:
        explainer = Explainer(tokenizer, cut_words)
    except UserError:
        return None
    return explainer.explain(text)

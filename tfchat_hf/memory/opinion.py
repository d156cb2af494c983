# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the network makes of remembered replies: it has read the whole corpus they are from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel

from ..fast.reranking import reply_scores
from ..text.dialogue import encode_context

# A reply is judged by its beginning: what is longer is cut for the judgement alone.
_MOST_REPLY_TOKENS = 64


class Opinion(NamedTuple):
    """How one remembered pair looks to the network.

    Attributes:
        kinship: Cosine of the remembered question and the one asked, each the mean of its states
            in the encoder.
        likelihood: Nats a token, log p(remembered reply | conversation), the end token included.
    """

    kinship: float
    likelihood: float


class ModelOpinion:
    """Asks a model about remembered pairs; one pass through encoder and decoder for all of them.

    Args:
        model: A TFChat model in torch, with this package's code.
        tokenizer: Its tokenizer.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: Any) -> None:
        """Keep the two."""
        self.model = model
        self.tokenizer = tokenizer
        self.room = min(model.config.max_position_embeddings, tokenizer.model_max_length)

    @torch.inference_mode()
    def __call__(self, turns: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[Opinion]:
        """Judge pairs.

        Args:
            turns: The conversation, the turn to answer last.
            pairs: Remembered questions with their replies.

        Returns:
            One opinion a pair.
        """
        context = list(turns)[-max(1, self.model.config.max_context_turns) :]
        asked = [context, [turns[-1]], *([question] for question, _ in pairs)]
        states, mask = self._encode(asked)
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)  # (texts, d_model)
        kinship = torch.nn.functional.cosine_similarity(means[2:], means[1:2])
        labels = self._labels([reply for _, reply in pairs])
        heard = states[:1].expand(len(pairs), -1, -1)  # (pairs, source_len, d_model)
        nats = reply_scores(self.model, heard, labels, mask[:1].expand(len(pairs), -1))
        likelihood = nats / (labels != -100).sum(1)
        return [Opinion(*both) for both in zip(kinship.tolist(), likelihood.tolist(), strict=True)]

    def _encode(self, contexts: Sequence[Sequence[str]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the encoder; states (texts, source_len, d_model) and mask (texts, source_len)."""
        ids = [list(encode_context(self.tokenizer, one, self.room).input_ids) for one in contexts]
        batch = self.tokenizer.pad({"input_ids": ids}, return_tensors="pt").to(self.model.device)
        states = self.model.get_encoder()(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).last_hidden_state
        return states.float(), batch["attention_mask"]

    def _labels(self, replies: Sequence[str]) -> torch.Tensor:
        """Tokenize replies; labels (replies, length), -100 behind the end token."""
        room = min(_MOST_REPLY_TOKENS, self.room) - 1
        found = self.tokenizer(
            list(replies), add_special_tokens=False, truncation=True, max_length=room
        )["input_ids"]
        rows = [torch.tensor([*ids, self.tokenizer.eos_token_id]) for ids in found]
        labels = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100)
        return labels.to(self.model.device)

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""An answer out of the memory, or in the model's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..text.dialogue import encode_context
from .ranking import Remembered

Origin = Literal["memory", "model"]


@dataclass(frozen=True)
class MemoryAnswer:
    """A reply and where it comes from.

    Attributes:
        reply: What to say.
        source: "memory" where the corpus has it, "model" where the network wrote it.
        remembered: What the memory found, best first.
    """

    reply: str
    source: Origin
    remembered: list[Remembered] = field(default_factory=list)


def generated_reply(model: Any, tokenizer: Any, turns: Sequence[str], **generation: Any) -> str:
    """Let the model write a reply.

    Args:
        model: A TFChat model, with this package's code or its own.
        tokenizer: Its tokenizer.
        turns: The conversation, the turn to answer last.
        generation: For `model.generate`.
    """
    import torch

    newest = list(turns)[-max(1, model.config.max_context_turns) :]
    room = min(model.config.max_position_embeddings, tokenizer.model_max_length)
    ids = encode_context(tokenizer, newest, room).input_ids
    source = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        output = model.generate(
            input_ids=source, attention_mask=torch.ones_like(source), **generation
        )
    return tokenizer.decode(output[0], skip_special_tokens=True).replace("\ufffd", "").strip()

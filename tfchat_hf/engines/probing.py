# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Asks a fresh export and the network the same question: an export that differs is refused."""

from __future__ import annotations

from pathlib import Path

import torch

from ..model.modeling_tfchat import TFChatForConditionalGeneration
from ..text.errors import UserError

# In nats. Other orders of summation differ by 1e-5; another formula by whole nats.
_TOLERANCE = 0.01
_ROWS, _SOURCE, _TARGET = 4, 7, 6


def check_export(model: TFChatForConditionalGeneration, folder: Path, engine: str) -> None:
    """Refuse an export whose probabilities are not those of `model.forward`.

    Args:
        model: In float32.
        folder: The exported folder, with all that it needs.
        engine: One of `ENGINES`.

    Raises:
        UserError: says how far they are apart and which engine would do.
    """
    inputs, reply = _probe(model)
    with torch.no_grad():
        logits = model(**inputs, decoder_input_ids=reply[:, :-1]).logits
    expected = _chosen(logits, reply)
    if engine == "onnx":
        made = _chosen(_onnx_logits(model, folder, inputs, reply[:, :-1]), reply)
    else:
        made = _ctranslate2_scores(model, folder, inputs, reply)
    apart = float((made - expected).abs().max())
    if not apart <= _TOLERANCE:  # also where one of them is no number
        other = (
            "`--engine onnx`, which follows all but attention, or "
            if engine == "ctranslate2"
            else ""
        )
        raise UserError(
            f"The {engine} export computes something else than the network's code: "
            f"log-probabilities up to {apart:.2g} apart (allowed: {_TOLERANCE}), so it is not "
            f"kept. Use {other}`--engine torch`."
        )


def _probe(model: TFChatForConditionalGeneration) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Draw questions with padding on either side, and replies of several tokens."""
    config = model.config
    generator = torch.Generator().manual_seed(0)
    longest = config.max_position_embeddings
    source, target = min(_SOURCE, longest), min(_TARGET, longest)
    ids = torch.randint(config.vocab_size, (_ROWS, source), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(_ROWS):
        cut = min(row, source - 1)
        mask[row, : cut // 2] = 0
        mask[row, source - (cut - cut // 2) :] = 0
    reply = torch.randint(config.vocab_size, (_ROWS, target + 1), generator=generator)
    reply[:, 0] = config.decoder_start_token_id
    return {"input_ids": ids, "attention_mask": mask}, reply


def _chosen(logits: torch.Tensor, reply: torch.Tensor) -> torch.Tensor:
    """Give the log-probability of each token of the replies, `(rows, target)`."""
    return logits.log_softmax(-1).gather(2, reply[:, 1:, None])[:, :, 0]


def _onnx_logits(
    model: TFChatForConditionalGeneration,
    folder: Path,
    inputs: dict[str, torch.Tensor],
    reply: torch.Tensor,
) -> torch.Tensor:
    from .onnx_model import OnnxModel
    from .onnx_sessions import OnnxSessions

    engine = OnnxModel(model.config, OnnxSessions(folder, 1), model.generation_config)
    return engine(**inputs, decoder_input_ids=reply).logits


def _ctranslate2_scores(
    model: TFChatForConditionalGeneration,
    folder: Path,
    inputs: dict[str, torch.Tensor],
    reply: torch.Tensor,
) -> torch.Tensor:
    from .ctranslate2_model import CTranslate2Model

    engine = CTranslate2Model(model.config, folder, model.generation_config, threads=1)
    masks = inputs["attention_mask"].bool()
    rows = [row[kept].tolist() for row, kept in zip(inputs["input_ids"], masks, strict=True)]
    return engine.log_probabilities(rows, reply[:, 1:].tolist())

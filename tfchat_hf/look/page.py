# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A journey as one page that needs nothing else: no network, no other file.

Numbers that are many travel as base64: weights of attention in 65,535ths, vectors and activations
in 127ths of the largest.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool1d

from data_builders.writing import write_whole

from ..judging.sheet import embedded_json
from .choices import Candidate, Step
from .comparison import Comparison
from .journey import Journey
from .recording import Norm, Side
from .report import visible

_HERE = Path(__file__).parent
# Dimensions and neurons that a strip shows one by one; more are thinned out.
_STRIP = 256
_STRONGEST = 5


@cache
def texts() -> dict[str, dict[str, Any]]:
    """Read what pages and terminals say, in both languages."""
    return json.loads((_HERE / "texts.json").read_text(encoding="utf-8"))


def write_page(
    path: Path, journeys: Sequence[Journey], comparison: Comparison | None, language: str
) -> None:
    """Write the page of `page_of` to a file, which is replaced."""
    write_whole(path, page_of(journeys, comparison, language))


def page_of(journeys: Sequence[Journey], comparison: Comparison | None, language: str) -> str:
    """Return the page of one journey, or of two side by side.

    Args:
        journeys: One or two, of the same question.
        comparison: Of the two.
        language: ``en`` or ``zh``, what the page begins with.
    """
    content = {
        "language": language,
        "texts": texts(),
        "journeys": [content_of(journey) for journey in journeys],
        "comparison": None if comparison is None else comparison.content(),
    }
    page = (_HERE / "page.html").read_text(encoding="utf-8")
    for name in ("page.css", "figures.js", "page.js"):
        page = page.replace(f"__{name}__", (_HERE / name).read_text(encoding="utf-8"))
    return page.replace("__CONTENT__", embedded_json(content))


def content_of(journey: Journey) -> dict[str, Any]:
    """Give all that the page shows of one journey, as plain data."""
    traveller, recording = journey.traveller, journey.recording
    spell = traveller.spell
    return {
        "name": traveller.name,
        "facts": journey.facts(),
        "preset": journey.request.preset,
        "given": journey.request.reply is not None,
        "text": journey.request.text,
        "cut": journey.cut,
        "goesOn": journey.goes_on,
        "explanation": _explanation(journey),
        "reply": {"text": journey.reply_text, "tokens": spell(journey.reply)},
        "encoder": _side(recording.encoder, spell(recording.encoder.ids)),
        "decoder": _side(recording.decoder, spell(recording.decoder.ids)),
        "processors": journey.processors,
        "steps": [step_content(step, spell) for step in journey.steps],
        "branches": [
            {"step": one.step, "tokens": spell(one.ids), "probabilities": one.probabilities}
            for one in journey.branches
        ],
    }


def step_content(step: Step, spell: Callable[[Sequence[int]], list[str]]) -> dict[str, Any]:
    """Give the choice of one token, with the spelling of all that took part in it."""
    return {
        "taken": step.taken.id,
        "rank": step.rank,
        "candidates": [_candidate(one, spell) for one in step.candidates],
        "changes": [
            {
                "processor": change.processor,
                "barred": change.barred,
                "moved": [[spell([one])[0], *pair] for one, *pair in change.moved],
            }
            for change in step.changes
        ],
    }


def _candidate(one: Candidate, spell: Any) -> dict[str, Any]:
    """Write a candidate with its spelling."""
    return {
        "id": one.id,
        "token": spell([one.id])[0],
        "logit": one.logit,
        "said": one.probability,
        "decided": one.decided,
    }


def _explanation(journey: Journey) -> dict[str, Any] | None:
    """Give the cut of the question in characters; None where it is not known."""
    found = journey.explanation
    if found is None:
        return None
    return {
        "tokens": [[visible(one.token), one.id, one.begin, one.end] for one in found.tokens],
        "words": found.jieba,
        "decisions": [
            [*one.chosen.pieces, "|", *one.rivals[0].pieces, one.chosen.total - one.rivals[0].total]
            for one in found.decisions
            if one.rivals
        ],
    }


def _side(side: Side, tokens: list[str]) -> dict[str, Any]:
    """Pack what one stack did."""
    return {
        "ids": side.ids,
        "tokens": tokens,
        "vectors": [_vectors(one) for one in (side.embeddings, side.positions, side.sums)],
        "attention": [packed_weights(layer) for layer in side.self_attention],
        "cross": [packed_weights(layer) for layer in side.cross_attention],
        "neurons": [_neurons(layer) for layer in side.activations],
        "norms": [_norm(one) for one in side.norms],
    }


def _norm(norm: Norm) -> dict[str, Any]:
    """Give the lengths before and after a LayerNorm."""
    return {
        "name": norm.name,
        "before": [round(value, 3) for value in norm.before.tolist()],
        "after": [round(value, 3) for value in norm.after.tolist()],
    }


def packed_weights(layer: Tensor) -> dict[str, Any]:
    """Pack `(heads, query, key)` weights in 65,535ths."""
    packed = (layer * 65535).round().to(torch.int32).numpy().astype("<u2")
    return {"shape": list(layer.shape), "data": _base64(packed.tobytes())}


def _vectors(vectors: Tensor | None) -> dict[str, Any] | None:
    """Pack `(tokens, d_model)` vectors, every second or third dimension where there are many."""
    if vectors is None:
        return None
    every = -(-vectors.shape[1] // _STRIP)
    norms = [round(value, 3) for value in vectors.norm(dim=-1).tolist()]
    return {"every": every, "norms": norms, **_strip(vectors[:, ::every])}


def _neurons(inner: Tensor) -> dict[str, Any]:
    """Pack `(tokens, ffn_dim)` activations: a strip of the largest of some neurons, and the top."""
    strip = inner
    if inner.shape[1] > _STRIP:
        strip = adaptive_max_pool1d(inner[None], _STRIP)[0]
    top = inner.topk(min(_STRONGEST, inner.shape[1]), dim=-1)
    pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return {
        "count": inner.shape[1],
        "share": (inner > 0).float().mean(-1).tolist(),
        "strongest": [
            [[neuron, round(value, 3)] for neuron, value in zip(*row, strict=True)] for row in pairs
        ],
        **_strip(strip),
    }


def _strip(rows: Tensor) -> dict[str, Any]:
    """Pack rows of numbers in 127ths of the largest."""
    most = float(rows.abs().max()) or 1.0
    packed = (rows / most * 127).round().to(torch.int8).contiguous().numpy()
    return {"shape": list(rows.shape), "most": most, "data": _base64(packed.tobytes())}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Floating-point operations of the matrix products of one training step, and what the chip can do.

Backward costs twice the forward pass.
"""

from __future__ import annotations

import time

from .job import Shape
from .workload import Encoded


def _row(shape: Shape, source: int, reply: int, causal: float, logits: float) -> float:
    """Counts one row of a batch.

    Args:
        shape: The network.
        source: Positions of the encoder.
        reply: Positions of the decoder.
        causal: Share of the square of self-attention in the decoder that is computed.
        logits: Positions that get logits.
    """
    d, f = shape.d_model, shape.ffn
    encoder = source * (8 * d * d + 4 * d * f + 4 * source * d)
    cross_keys = source * 4 * d * d
    decoder = reply * (12 * d * d + 4 * d * f + 4 * reply * d * causal + 4 * source * d)
    layers = shape.layers * (encoder + cross_keys + decoder)
    return 3.0 * (layers + logits * 2 * d * shape.vocabulary)


def needed(shape: Shape, pairs: list[Encoded]) -> float:
    """Counts what the real tokens of these pairs need."""
    return sum(
        _row(shape, len(p.source), len(p.reply), (1 + 1 / len(p.reply)) / 2, len(p.reply))
        for p in pairs
    )


def executed(shape: Shape, rows: int, source: int, reply: int, logits: int | None = None) -> float:
    """Counts what a padded batch executes.

    Args:
        shape: The network.
        rows: Rows of the batch.
        source: Its padded source length.
        reply: Its padded reply length.
        logits: Positions of the whole batch that get logits; None for all.
    """
    positions = rows * reply if logits is None else logits
    return rows * _row(shape, source, reply, 1.0, positions / rows)


def product_rates(device: str, seconds: float = 0.5) -> dict[str, float]:
    """Measures the best rate of a product of two matrices, in FLOP/s, for fp32 and bf16."""
    import torch

    size = 2048 if device == "cpu" else 8192
    rates = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.randn(size, size, device=device).to(dtype)
        best, began = float("inf"), time.perf_counter()
        a @ a
        while best == float("inf") or time.perf_counter() - began < seconds:
            best = min(best, _product_seconds(a))
        rates[name] = 2 * size**3 / best
    return rates


def _product_seconds(a: object) -> float:
    import torch

    on_device = a.device.type == "cuda"
    clock = time.process_time if torch.get_num_threads() == 1 and not on_device else None
    clock = clock or time.perf_counter
    if on_device:
        torch.cuda.synchronize()
    started = clock()
    a @ a
    if on_device:
        torch.cuda.synchronize()
    return clock() - started

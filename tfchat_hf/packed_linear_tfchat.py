# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Linear layers laid out for decoding: a few rows at a time through the same weights.

At one token a step a product is bound by reading the weights. Measured on one core of a CPU with
AVX-512, all products of a decoder step at d_model 512 and 6,000 tokens, for 1 and 32 rows:
`torch.nn.functional.linear` 2.6 and 9.5 ms, packed by oneDNN 1.3 and 3.9 ms, int8 0.26 and 1.3 ms.
"""

import warnings
from collections.abc import Callable

import torch
from torch.nn import functional

# Packed for so many rows, a weight is also the fastest for one (measured from 1 to 64).
_ROWS = 32
Linear = Callable[[torch.Tensor], torch.Tensor]


def pack(weight: torch.Tensor, bias: torch.Tensor, dtype: str | None, relu: bool = False) -> Linear:
    """Return a function that maps `(rows, in)` to `(rows, out)`.

    Args:
        weight: `(out, in)`.
        bias: `(out,)`.
        dtype: "int8" for 8 bits, None for the weight's own type.
        relu: Cut negative results off.
    """
    weight, bias = weight.detach(), bias.detach()
    if dtype == "int8":
        return _int8(weight, bias, relu)
    if weight.device.type == "cpu" and weight.dtype == torch.float32:
        packed = _onednn(weight, bias, relu)
        if packed is not None:
            return packed
    if relu:
        return lambda states: functional.linear(states, weight, bias).relu_()
    return lambda states: functional.linear(states, weight, bias)


def _onednn(weight: torch.Tensor, bias: torch.Tensor, relu: bool) -> Linear | None:
    """Pack with the operators that torch's own compiler uses; None where they do not work."""
    if not torch.backends.mkldnn.is_available() or not torch.backends.mkldnn.enabled:
        return None
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
        product = _bare(torch.ops.mkldnn._linear_pointwise.default)
        fused = "relu" if relu else "none"
        probe = torch.linspace(-1, 1, weight.shape[1]).expand(2, -1).contiguous()
        # They are no public interface: better slow than wrong.
        expected = functional.linear(probe, weight, bias)
        expected = expected.relu() if relu else expected
        found = product(probe, packed, bias, fused, [], "")
        if not torch.allclose(found, expected, rtol=1e-3, atol=1e-4, equal_nan=True):
            return None
    except (RuntimeError, AttributeError, NotImplementedError, TypeError):
        return None
    return lambda states: product(states, packed, bias, fused, [], "")


def _int8(weight: torch.Tensor, bias: torch.Tensor, relu: bool) -> Linear:
    """Round each row of the weight to 8 bits; states are rounded at each call, all by one scale."""
    scale = weight.float().abs().amax(1).clamp(min=1e-8) / 127
    with warnings.catch_warnings():
        # The type is announced to go some day; the operators below have no other one yet.
        warnings.filterwarnings("ignore", message=".*quantize_per_channel.*")
        warnings.filterwarnings("ignore", message=".*quantized.*deprecated.*")
        rounded = torch.quantize_per_channel(
            weight.float(),
            scale.double(),
            torch.zeros(len(scale), dtype=torch.long),
            0,
            torch.qint8,
        )
    packed = torch.ops.quantized.linear_prepack(rounded, bias.float())
    # Without VNNI two products of 8 bits may overflow the 16 they are summed in.
    narrow = not torch.cpu._is_vnni_supported()
    kinds = torch.ops.quantized
    product = _bare(kinds.linear_relu_dynamic.default if relu else kinds.linear_dynamic.default)
    return lambda states: product(states, packed, narrow)


def _bare(operator: Callable) -> Callable:
    """Return the operator without what its Python call does for tracing."""
    return getattr(operator, "_op", operator)


def check_int8() -> str | None:
    """Say why products in 8 bits cannot be had here; None where they can."""
    if torch.backends.quantized.engine == "none":
        return "this build of torch has no int8 products"
    return None


__all__ = ["pack"]

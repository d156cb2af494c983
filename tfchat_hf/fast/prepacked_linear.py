# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Linear layers laid out for decoding: a few rows at a time through the same weights, on a CPU.

At one token a step a product is bound by reading the weights. Measured on one core of a CPU with
AVX-512, all products of a decoder step at d_model 512 and 6,000 tokens, for 1 and 32 rows:
`torch.nn.functional.linear` 2.6 and 9.5 ms, prepacked by oneDNN 1.3 and 3.9 ms, int8 0.26 and
1.3 ms.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from data_builders.translation import _

# Prepacked for so many rows, a weight is also the fastest for one (measured from 1 to 64).
_ROWS = 32
# To call them costs 0.015 ms more than torch's own product: for a weight of 256 by 256 numbers all
# that they spare, and for a smaller one more (measured for 1 to 64 rows).
_FEWEST_NUMBERS = 1 << 17
# What a prepacked layer stands for; somebody may have put another function in its place since.
_FORWARD = nn.Linear.forward
Product = Callable[[torch.Tensor], torch.Tensor]


class PrepackedLinear(nn.Module):
    """Stands for a linear layer; `is_current` says whether its weights are still those.

    Args:
        linear: On the CPU, in float32.
        weight_dtype: "int8" for 8 bits, or None.
    """

    def __init__(self, linear: nn.Linear, weight_dtype: str | None) -> None:
        """Prepack the weights as they are now."""
        super().__init__()
        self.linear = [linear]  # in a list: no part of this module, which is thrown away
        weight, bias = linear.weight.detach(), _bias(linear)
        make = _int8 if weight_dtype == "int8" else _onednn
        self.product = make(weight, bias)
        self.prepacked_from = _marks(linear)

    def __getattr__(self, name: str) -> Any:
        """Return what the layer has: a module around it may ask for `weight`, as PEFT's do."""
        return getattr(self.__dict__["linear"][0], name)

    def is_current(self) -> bool:
        """Compare one number for each row of the weight, in which every weight has a part.

        torch counts changes, but neither those made through `.data` nor its fused optimizers'.
        """
        return all(map(torch.equal, self.prepacked_from, _marks(self.linear[0])))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map `(..., in_features)` to `(..., out_features)`."""
        if torch.is_autocast_enabled("cpu") or states.dtype != torch.float32:
            return self.linear[0](states)
        return self.product(states)


def can_be_prepacked(module: nn.Module) -> bool:
    """Tell whether a module is a plain linear layer that a `PrepackedLinear` can stand for."""
    return (
        type(module) is nn.Linear
        and nn.Linear.forward is _FORWARD
        and "forward" not in vars(module)
        and not nn.modules.module._has_any_global_hook()
        and not module._forward_hooks
        and not module._forward_pre_hooks
        and type(module.weight.data) is torch.Tensor
        and module.weight.device.type == "cpu"
        and module.weight.dtype == torch.float32
    )


def why_no_int8(device: torch.device, dtype: torch.dtype) -> str | None:
    """Say why products in 8 bits cannot be had; None where they can."""
    if torch.backends.quantized.engine == "none":
        return _("this build of torch has no int8 products")
    if device.type != "cpu":
        return _("the model is on {device}", device=device.type)
    if dtype == torch.float32:
        return None
    return _("the weights are {dtype} instead of float32", dtype=dtype)


def _bias(linear: nn.Linear) -> torch.Tensor:
    """Return the bias `(out_features,)`, zeros where there is none."""
    missing = linear.bias is None
    return linear.weight.new_zeros(linear.out_features) if missing else linear.bias.detach()


def _marks(linear: nn.Linear) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what tells one state of the weights from another: two times `(out_features,)`."""
    weight = linear.weight.detach()
    ramp = torch.linspace(0.5, 1.5, weight.shape[1])
    with torch.autocast("cpu", enabled=False):  # in 16 bits small changes would be lost
        return weight @ ramp, _bias(linear).clone()


def _onednn(weight: torch.Tensor, bias: torch.Tensor) -> Product:
    """Prepack a weight `(out_features, in_features)` as torch's compiler does, where that works."""
    plain = lambda states: functional.linear(states, weight, bias)  # noqa: E731
    if weight.numel() < _FEWEST_NUMBERS:
        return plain
    try:
        prepacked = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
        product = torch.ops.mkldnn._linear_pointwise.default
        probe = torch.linspace(-1, 1, weight.shape[1]).expand(2, -1).contiguous()
        # They are no public interface: better slow than wrong.
        found = product(probe, prepacked, bias, "none", [], "")
        if not torch.allclose(found, plain(probe), rtol=1e-3, atol=1e-4, equal_nan=True):
            return plain
    except (RuntimeError, AttributeError, NotImplementedError, TypeError):
        return plain
    return lambda states: product(states, prepacked, bias, "none", [], "")


def _int8(weight: torch.Tensor, bias: torch.Tensor) -> Product:
    """Round each row of a weight `(out_features, in_features)` to 8 bits.

    States are rounded at each call, all by one scale.
    """
    scale = weight.abs().amax(1).clamp(min=1e-8) / 127
    zeros = torch.zeros(len(scale), dtype=torch.long)
    with warnings.catch_warnings():
        # The type is announced to go some day; the operators below have no other one yet.
        warnings.filterwarnings("ignore", message=".*quantize_per_channel.*")
        warnings.filterwarnings("ignore", message=".*quantized.*deprecated.*")
        rounded = torch.quantize_per_channel(weight, scale.double(), zeros, 0, torch.qint8)
    prepacked = torch.ops.quantized.linear_prepack(rounded, bias)
    # Without VNNI two products of 8 bits may overflow the 16 they are summed in.
    narrow = not torch.cpu._is_vnni_supported()
    product = torch.ops.quantized.linear_dynamic.default
    return lambda states: product(states, prepacked, narrow)

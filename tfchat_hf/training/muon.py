# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Muon for the matrices of the layers, AdamW for everything else, as one optimizer.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon) takes the momentum of a
matrix and keeps of it only the directions: all its singular values become about 1, so that a rare
association moves as far as a frequent one. A small corpus that is learned by heart consists of
rare associations.

`torch.optim.Muon` takes matrices only, one after the other and always in bfloat16, which a CPU
without bfloat16 instructions has to emulate. Here equal shapes go together, in the type that the
device multiplies fast, and the rest of the network is in the same optimizer, so that checkpoints,
schedules and accelerate see one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# Five steps of x -> a x + b (x x') x + c (x x')^2 x bring singular values between 0.001 and 1 to
# between 0.7 and 1.2 (Jordan's coefficients).
_STEPS, _A, _B, _C = 5, 3.4445, -4.7750, 2.0315
_MOMENTUM = 0.95


class MuonWithAdamW(torch.optim.AdamW):
    """AdamW whose groups with `muon: True` learn by Muon instead."""

    param_groups: list[dict[str, Any]]

    def __init__(
        self,
        parameters: Iterable[dict[str, Any]],
        iteration_dtype: torch.dtype = torch.float32,
        **adamw: Any,
    ) -> None:
        """Keep the parameters.

        Args:
            parameters: Groups; those with `muon: True` and a `lr` hold matrices only.
            iteration_dtype: In which the iterations multiply; momentum and weights keep theirs.
            **adamw: As for `torch.optim.AdamW`.
        """
        super().__init__([{"muon": False, **group} for group in parameters], **adamw)
        self.iteration_dtype = iteration_dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Do one update of all groups."""
        groups = self.param_groups
        try:
            self.param_groups = [group for group in groups if not group["muon"]]
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group["muon"]:
                self._orthogonal_step(group)
        return loss

    def _orthogonal_step(self, group: dict[str, Any]) -> None:
        shapes: dict[torch.Size, list[Tensor]] = {}
        for matrix in group["params"]:
            if matrix.grad is not None:
                shapes.setdefault(matrix.shape, []).append(matrix)
        for (rows, columns), matrices in shapes.items():
            gradients = [matrix.grad for matrix in matrices]
            momenta = [self._momentum(matrix) for matrix in matrices]
            torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
            # Nesterov: the momentum as it will be if the gradient stays.
            ahead = torch.stack(torch._foreach_lerp(gradients, momenta, _MOMENTUM))
            steps = orthogonalized(ahead, self.iteration_dtype)
            if group["weight_decay"]:
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
            # Of a tall matrix each output has few inputs: Jordan's correction.
            size = group["lr"] * max(1.0, rows / columns) ** 0.5
            torch._foreach_add_(matrices, list(steps.to(matrices[0].dtype)), alpha=-size)

    def _momentum(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            # AdamW looks for a "step" in whatever state it loads.
            state["step"] = torch.zeros(())
            state["momentum_buffer"] = torch.zeros_like(matrix)
        return state["momentum_buffer"]


def muon_with_adamw(
    model: torch.nn.Module,
    muon_learning_rate: float,
    iteration_dtype: torch.dtype,
    weight_decay: float,
    **adamw: Any,
) -> MuonWithAdamW:
    """Share the parameters of a network between the two.

    Args:
        model: The network.
        muon_learning_rate: Of the matrices of its layers.
        iteration_dtype: In which Muon multiplies.
        weight_decay: Of these matrices; embeddings, biases and norms are not decayed.
        **adamw: Learning rate, betas and eps of the rest.

    Returns:
        The optimizer. AdamW's group is the first: its learning rate is the one that is logged.
    """
    learning = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    matrices = [p for n, p in learning if p.ndim == 2 and ".layers." in n]
    chosen = set(map(id, matrices))
    rest = [p for _, p in learning if id(p) not in chosen]
    groups = [
        {"params": rest, "weight_decay": 0.0},
        {
            "params": matrices,
            "lr": muon_learning_rate,
            "weight_decay": weight_decay,
            "muon": True,
        },
    ]
    return MuonWithAdamW(groups, iteration_dtype, **adamw)


def orthogonalized(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """Bring all singular values of each matrix close to 1, by Newton-Schulz iterations.

    Args:
        matrices: (number, rows, columns).
        dtype: In which to multiply.

    Returns:
        (number, rows, columns) of that type; a matrix of zeros stays one.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    # The iteration needs singular values up to 1; the Frobenius norm is at least the largest.
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.mT if tall else x

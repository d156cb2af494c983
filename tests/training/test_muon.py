# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Muon beside AdamW: against singular values, torch's own Muon and torch's own AdamW."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.tiny import tiny_model
from tests.training.small_training import small_model, small_trainer
from tfchat_hf.settings import arguments
from tfchat_hf.training.muon import MuonWithAdamW, muon_with_adamw, orthogonalized

SHAPES = [(24, 24), (48, 16), (16, 48)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_directions_stay_and_the_singular_values_become_about_one(shape):
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(2, *shape), full_matrices=False)
    matrix = u @ torch.diag(torch.linspace(0.1, 5, min(shape))) @ v
    values = torch.linalg.svdvals(orthogonalized(matrix, torch.float32))
    assert 0.6 < values.min() and values.max() < 1.3
    # What a singular vector is turned into: itself, up to its new length.
    turned = u.mT @ orthogonalized(matrix, torch.float32) @ v.mT
    off = turned - torch.diag_embed(torch.diagonal(turned, dim1=1, dim2=2))
    assert off.abs().max() < 1e-3


@pytest.mark.parametrize("shape", SHAPES)
def test_updates_are_those_of_torchs_muon(shape):
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.zeros(shape)) for _ in range(2))
    group = {"params": [ours], "lr": 0.02, "muon": True, "weight_decay": 0.1}
    mine = MuonWithAdamW([group], torch.bfloat16)
    reference = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.95)
    for _ in range(4):
        ours.grad = torch.randn(shape)
        theirs.grad = ours.grad.clone()
        mine.step()
        reference.step()
    # torch iterates in bfloat16, in another order of rounding.
    assert (ours - theirs).norm() < 0.02 * theirs.norm()


def test_what_is_no_matrix_of_a_layer_learns_by_adamw():
    torch.manual_seed(0)
    model, twin = tiny_model(), tiny_model()
    twin.load_state_dict(model.state_dict())
    settings = {"lr": 1e-2, "betas": (0.9, 0.98), "eps": 1e-8}
    optimizer = muon_with_adamw(model, 0.02, torch.float32, 0.0, **settings)
    reference = torch.optim.AdamW(twin.parameters(), weight_decay=0.0, **settings)
    ids = torch.randint(5, 30, (2, 6))
    for network, one in ((model, optimizer), (twin, reference)):
        network.eval()
        network(input_ids=ids, labels=ids).loss.backward()
        one.step()
    same = {
        name
        for (name, a), (_, b) in zip(model.named_parameters(), twin.named_parameters(), strict=True)
        if torch.equal(a, b)
    }
    layers = {n for n, p in model.named_parameters() if ".layers." in n and p.ndim == 2}
    assert layers and same == {name for name, _ in model.named_parameters()} - layers


def test_what_was_saved_goes_on_as_if_nothing_had_been(tmp_path):
    def one_step(model, optimizer, seed):
        ids = torch.randint(5, 30, (2, 6), generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()

    def made(model):
        return muon_with_adamw(model.eval(), 0.02, torch.float32, 0.0, lr=1e-3)

    torch.manual_seed(0)
    model = tiny_model()
    optimizer = made(model)
    one_step(model, optimizer, 1)
    torch.save([model.state_dict(), optimizer.state_dict()], tmp_path / "state.pt")
    one_step(model, optimizer, 2)
    again = tiny_model()
    weights, state = torch.load(tmp_path / "state.pt", weights_only=True)
    again.load_state_dict(weights)
    resumed = made(again)
    resumed.load_state_dict(state)
    one_step(again, resumed, 2)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)
    )


class Products(TorchDispatchMode):
    """Notes the types of all batched products: in an optimizer's step only Muon has any."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        if function.overloadpacket in (torch.ops.aten.bmm, torch.ops.aten.baddbmm):
            self.dtypes.add(made.dtype)
        return made


@pytest.mark.parametrize(
    ("bf16", "in_hardware", "dtype"),
    [
        (None, False, torch.float32),
        (None, True, torch.bfloat16),
        (False, True, torch.float32),
        (True, False, torch.float32),  # asked for, but emulated it crawls
    ],
)
def test_iterations_multiply_in_the_type_that_the_cpu_is_fast_in(
    tmp_path, monkeypatch, bf16, in_hardware, dtype
):
    monkeypatch.setattr(arguments, "_cpu_multiplies_bf16", lambda: in_hardware)
    trainer = small_trainer(tmp_path, small_model(), bf16=bf16, muon_learning_rate=0.02)
    optimizer = trainer.create_optimizer()
    for parameter in trainer.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    with Products() as seen:
        optimizer.step()
    assert seen.dtypes == {dtype}
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One process of a sharded update, started by torchrun; writes what it finds as JSON.

torchrun --nproc_per_node 2 -m tests.sharded_step result.json
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn import functional

from tfchat_hf import TFChatForConditionalGeneration

from .tiny import batch, tiny_config

LAYERS = ("TFChatEncoderLayer", "TFChatDecoderLayer")
LEARNING_RATE = 0.5


def build() -> TFChatForConditionalGeneration:
    """Makes the same tied model in every process."""
    torch.manual_seed(0)
    quiet = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}
    config = tiny_config(init_std=0.2, tie_word_embeddings=True, **quiet)
    return TFChatForConditionalGeneration(config).train()


def shard(model: TFChatForConditionalGeneration) -> int:
    """Shards as configs/accelerate/fsdp.yaml says: each layer, then what is left.

    Returns:
        The number of layers that were wrapped.
    """
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    layers = [module for module in model.modules() if type(module).__name__ in LAYERS]
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return sum(isinstance(layer, FSDPModule) for layer in layers)


def step(model: TFChatForConditionalGeneration, rows: slice) -> float:
    """Makes one plain gradient step on some rows of a batch of four.

    Returns:
        The summed loss of the rows.
    """
    inputs = {name: value[rows] for name, value in batch(4, 7, 9).items()}
    labels = inputs["decoder_input_ids"].roll(-1, dims=1)
    logits = model(**inputs).logits.flatten(0, 1)
    loss = functional.cross_entropy(logits, labels.flatten(), reduction="sum")
    # fully_shard gives the mean of the processes' gradients.
    (loss / 36 * (4 / len(labels))).backward()
    torch.optim.SGD(model.parameters(), lr=LEARNING_RATE).step()
    return loss.item()


def full(tensor: torch.Tensor) -> torch.Tensor:
    """Collects a parameter from all processes."""
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach()


def compare_sharded_with_whole(result: Path) -> None:
    """Writes as JSON how far a sharded update is from a whole one."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    whole, sharded = build(), build()
    found = {"layers": shard(sharded)}
    table = sharded.get_input_embeddings().weight
    found["tied"] = sharded.get_output_embeddings().weight is table
    found["local_rows"] = table.to_local().shape[0]
    whole_loss = step(whole, slice(None))
    losses = torch.tensor(step(sharded, slice(2 * rank, 2 * rank + 2)))
    distributed.all_reduce(losses)
    found["loss_difference"] = abs(losses.item() - whole_loss) / whole_loss
    expected = dict(whole.named_parameters())
    found["weight_difference"] = max(
        (full(value) - expected[name]).abs().max().item()
        for name, value in sharded.named_parameters()
    )
    before = build().get_input_embeddings().weight
    found["moved"] = (full(table) - before).abs().max().item()
    if rank == 0:
        result.write_text(json.dumps(found), encoding="utf-8")
    distributed.destroy_process_group()

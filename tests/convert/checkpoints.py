# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Checkpoints as the original saves them: of a network written for these tests, or of its own code.

The network here is an independent one. It has the names of parts and the peculiarities that the
original's checkpoints have (one LayerNorm for all sub-layers of a layer, exponents of an index
that is already even, positions in a plain attribute), and its arithmetic is torch's own.
"""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SIGNS = "你好，我是小黑也喜欢说话吗？呢的了吃饭没有天气真不错abc!?"
NAMES = ("models", "utils")


def word_map() -> dict[str, int]:
    words = {sign: number for number, sign in enumerate(SIGNS, start=1)}
    for name in ("<unk>", "<start>", "<end>"):
        words[name] = len(words) + 1
    return {**words, "<pad>": 0}


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = nn.Dropout(0.1)
        for name in ("query", "key", "value", "concat"):
            setattr(self, name, nn.Linear(d_model, d_model))

    def forward(self, asking: Tensor, asked: Tensor, allowed: Tensor) -> Tensor:
        """`allowed` is `(batch, 1, query or 1, key)`."""
        query, key, value = (
            part(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, states in ((self.query, asking), (self.key, asked), (self.value, asked))
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, allowed)
        return self.concat(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, d_model: int, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d_model, width), nn.Linear(width, d_model)
        self.dropout = nn.Dropout(0.1)

    def forward(self, states: Tensor) -> Tensor:
        return self.fc2(self.fc1(states).relu())


class EncoderLayer(nn.Module):
    def __init__(self, d_model: int, heads: int, width: int) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(d_model)
        self.self_multihead = MultiHeadAttention(d_model, heads)
        self.feed_forward = FeedForward(d_model, width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, states: Tensor, allowed: Tensor) -> Tensor:
        states = self.layernorm(states + self.self_multihead(states, states, allowed))
        return self.layernorm(states + self.feed_forward(states))


class DecoderLayer(EncoderLayer):
    def __init__(self, d_model: int, heads: int, width: int) -> None:
        super().__init__(d_model, heads, width)
        self.src_multihead = MultiHeadAttention(d_model, heads)

    def forward(self, states: Tensor, question: Tensor, readable: Tensor, allowed: Tensor):
        states = self.layernorm(states + self.self_multihead(states, states, allowed))
        states = self.layernorm(states + self.src_multihead(states, question, readable))
        return self.layernorm(states + self.feed_forward(states))


class Embeddings(nn.Module):
    def __init__(self, size: int, d_model: int, longest: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.dropout = nn.Dropout(0.1)
        self.embed = nn.Embedding(size, d_model)
        rows = [
            [
                (math.cos if i % 2 else math.sin)(place / 10000 ** (2 * i / d_model))
                for i in range(d_model)
            ]
            for place in range(longest)
        ]
        self.pe = torch.tensor([rows])

    def forward(self, ids: Tensor) -> Tensor:
        return self.embed(ids) * math.sqrt(self.d_model) + self.pe[:, : ids.shape[1]]


class Transformer(nn.Module):
    def __init__(self, words: int, d_model: int = 16, heads: int = 2, layers: int = 2) -> None:
        super().__init__()
        self.embed = Embeddings(words, d_model, 24)
        self.encoder = nn.ModuleList(EncoderLayer(d_model, heads, 40) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d_model, heads, 40) for _ in range(layers))
        self.logit = nn.Linear(d_model, words)

    def forward(self, question: Tensor, reply: Tensor) -> Tensor:
        readable = (question != 0)[:, None, None]
        states = self.embed(question)
        for layer in self.encoder:
            states = layer(states, readable)
        size = reply.shape[1]
        allowed = torch.ones(size, size, dtype=torch.bool).tril()[None, None]
        replied = self.embed(reply)
        for layer in self.decoder:
            replied = layer(replied, states, readable, allowed)
        return self.logit(replied)


class AdamWarmup:
    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer, self.current_step = optimizer, 3


CLASSES = {
    "models": (
        *(Transformer, Embeddings, EncoderLayer, DecoderLayer),
        *(MultiHeadAttention, FeedForward),
    ),
    "utils": (AdamWarmup,),
}


@contextmanager
def in_their_modules() -> Iterator[None]:
    """Let the classes be found, and pickled, as those of `models` and `utils`."""
    homes, before = {}, {name: sys.modules.get(name) for name in NAMES}
    for name, classes in CLASSES.items():
        module = ModuleType(name)
        for one in classes:
            homes[one], one.__module__ = one.__module__, name
            setattr(module, one.__name__, one)
        sys.modules[name] = module
    try:
        yield
    finally:
        for one, home in homes.items():
            one.__module__ = home
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


PAIRS = {
    "你好": "你好，我是小黑",
    "你喜欢吃饭吗？": "喜欢的",
    "天气真不错!": "天气不错也没有说话的呢",
    "abc": "",
    "你是": "猫",
}


def teach(
    network: nn.Module, words: dict[str, int], run: Callable[[Tensor, Tensor], Tensor]
) -> torch.optim.Optimizer:
    """Teach a network replies by heart; one of random weights says one token only.

    Args:
        network: Left in evaluation mode.
        words: Its word map.
        run: From question and reply ids, `(batch, length)`, to logits.
    """
    question = padded([ids_of(words, text) for text in PAIRS])
    ends = (words["<start>"], words["<end>"])
    reply = padded([[ends[0], *ids_of(words, text), ends[1]] for text in PAIRS.values()])
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3, eps=1e-9)
    network.eval()  # no dropout: these are few updates
    for _ in range(80):
        logits = run(question, reply[:, :-1]).flatten(0, 1)
        loss = functional.cross_entropy(logits, reply[:, 1:].flatten(), ignore_index=0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2
    return optimizer


def ids_of(words: dict[str, int], text: str) -> list[int]:
    return [words.get(sign, words["<unk>"]) for sign in text if not sign.isspace()]


def padded(rows: list[list[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def save(folder: Path, network: nn.Module, optimizer: Any, words: dict[str, int]) -> list[str]:
    """Write checkpoint and word map as the original does; return their paths."""
    path, known = folder / "checkpoint_2_20.pth", folder / "WORDMAP_corpus.json"
    torch.save({"epoch": 20, "transformer": network, "transformer_optimizer": optimizer}, path)
    known.write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
    return [str(path), "--words", str(known)]


@functools.cache
def taught_network() -> tuple[Transformer, AdamWarmup]:
    """Return the network above, taught once for all tests: not to be changed."""
    words = word_map()
    torch.manual_seed(0)
    network = Transformer(len(words))
    return network, AdamWarmup(teach(network, words, network))


def write_checkpoint(folder: Path) -> tuple[Transformer, list[str]]:
    """Write a checkpoint of the network above; return it and what to give to the command."""
    network, optimizer = taught_network()
    with in_their_modules():
        return network, save(folder, network, optimizer, word_map())

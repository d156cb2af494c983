# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What each peculiarity of the original does to the loss: the same updates of the same pairs.

    python benchmarks/original_effects.py
    python benchmarks/original_effects.py --data chats.tsv --updates 1000 --seeds 3 --only ours,all

Every row trains this project's network of a small size on one thread, from equal seeds, with equal
batches; a row differs from the first in what its name says. The loss is that of the characters of
held-out replies, in nats, without smoothing and without end tokens, so that all rows are asked the
same. The table is Markdown. No code of the original is used, and no text is shown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import datasets
import torch
from torch import Tensor, nn
from training_peers.original import SPECIALS, encode, word_map
from training_peers.workload import read_texts

from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration

IGNORED = -100


@dataclass
class Variant:
    """One row.

    Attributes:
        network: Settings of the network beside the small size.
        own_weights: Begin as the original does, with torch's own initial weights.
        filled: Fill replies with `<unk>` up to a fixed length, as its blanks become.
        ended: Put the end token behind the question.
    """

    network: dict[str, Any] = field(default_factory=dict)
    own_weights: bool = False
    filled: bool = False
    ended: bool = True


_NORM, _POSITIONS = {"shared_layer_norm": True}, {"original_position_exponents": True}
VARIANTS = {
    "ours": Variant(),
    "one LayerNorm a layer": Variant(_NORM),
    "its position exponents": Variant(_POSITIONS),
    "its initial weights": Variant(own_weights=True),
    "no end token behind the question": Variant(ended=False),
    "replies filled up with <unk>": Variant(filled=True),
    "all": Variant({**_NORM, **_POSITIONS}, own_weights=True, filled=True, ended=False),
}


@dataclass
class Data:
    """The pairs as ids of characters.

    Attributes:
        words: The map of characters.
        train: Questions and replies.
        held_out: Likewise.
        length: To which replies are filled up.
    """

    words: dict[str, int]
    train: list[tuple[list[int], list[int]]]
    held_out: list[tuple[list[int], list[int]]]
    length: int

    def tensors(self, pairs: Sequence[tuple[list[int], list[int]]], variant: Variant) -> Any:
        """Make a batch: question and its mask, decoder input, labels."""
        unknown, start, end = (self.words[name] for name in SPECIALS)
        questions = [question + [end] * variant.ended for question, _ in pairs]
        filled = [
            reply + [unknown] * (self.length - len(reply)) * variant.filled for _, reply in pairs
        ]
        question = _padded(questions, 0)
        given = _padded([[start, *reply] for reply in filled], 0)
        labels = _padded([[*reply, end] for reply in filled], IGNORED)
        return question, (question != 0).long(), given, labels


def _padded(rows: Sequence[list[int]], value: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


def read_data(source: str, count: int, longest: int, held_out: int) -> Data:
    """Draw pairs that are short enough, and make the map of their characters."""
    texts = read_texts(source, count, longest)
    counts = Counter(sign for pair in texts for text in pair for sign in text if not sign.isspace())
    words = word_map(counts, len(counts) + 4)
    pairs = [(encode(words, question), encode(words, reply)) for question, reply in texts]
    return Data(words, pairs[held_out:], pairs[:held_out], longest)


def make_model(data: Data, variant: Variant, arguments: argparse.Namespace) -> Any:
    """Make the network of a row."""
    sides = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (
            ("layers", arguments.layers),
            ("attention_heads", 4),
            ("ffn_dim", 4 * arguments.d_model),
        )
    }
    config = TFChatConfig(
        vocab_size=len(data.words),
        d_model=arguments.d_model,
        max_position_embeddings=data.length + 4,
        **sides,
        **variant.network,
    )
    model = TFChatForConditionalGeneration(config)
    if variant.own_weights:
        for part in model.modules():
            if isinstance(part, nn.Linear):
                part.reset_parameters()
            elif isinstance(part, nn.Embedding):
                nn.init.normal_(part.weight)
    return model


def batches(data: Data, variant: Variant, size: int, seed: int) -> Iterator[Any]:
    """Yield batches for ever, the same ones for every row."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(data.train), generator=generator).tolist()
        for start in range(0, len(order) - size + 1, size):
            yield data.tensors([data.train[i] for i in order[start : start + size]], variant)


def train(data: Data, variant: Variant, seed: int, arguments: argparse.Namespace) -> Any:
    """Train a row: Adam, a warm-up of a tenth, then down to 0; label smoothing 0.1."""
    torch.manual_seed(seed)
    model = make_model(data, variant, arguments).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.rate)
    warm, total = max(1, arguments.updates // 10), arguments.updates
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (total - step) / max(1, total - warm))
    )
    source = batches(data, variant, arguments.batch, seed)
    for _ in range(total):
        question, mask, given, labels = next(source)
        loss = model(
            input_ids=question,
            attention_mask=mask,
            decoder_input_ids=given,
            labels=labels,
            smoothing=0.1,
        ).loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def held_out_loss(model: Any, data: Data, variant: Variant, size: int = 64) -> float:
    """Measure nats a character of the held-out replies, end tokens and fillings left out."""
    asked = Variant(ended=variant.ended)
    total, characters = 0.0, 0
    for start in range(0, len(data.held_out), size):
        pairs = data.held_out[start : start + size]
        question, mask, given, labels = data.tensors(pairs, asked)
        labels = labels.masked_fill(labels == data.words["<end>"], IGNORED)
        logits = model(input_ids=question, attention_mask=mask, decoder_input_ids=given).logits
        losses = nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        total += float(losses)
        characters += int((labels != IGNORED).sum())
    return total / characters


def main(argv: Sequence[str] | None = None) -> int:
    """Train every row with every seed and print the table."""
    arguments = _parser().parse_args(argv)
    names = list(VARIANTS) if arguments.only is None else arguments.only.split(",")
    if unknown := set(names) - VARIANTS.keys():
        sys.exit(f"--only: {', '.join(sorted(unknown))}: there are {', '.join(VARIANTS)}.")
    datasets.disable_progress_bars()
    torch.set_num_threads(1)
    data = read_data(arguments.data, arguments.pairs, arguments.longest, arguments.held_out)
    unknown = sum(data.length - len(reply) for _, reply in data.train)
    targets = sum(data.length + 1 for _ in data.train)
    print(
        f"{len(data.train):,} pairs of {len(data.words):,} different characters, "
        f"{arguments.updates} updates of {arguments.batch} pairs, d_model {arguments.d_model}, "
        f"{arguments.layers} layers, {arguments.seeds} seeds; filled up to {data.length}, "
        f"{unknown / targets:.0%} of the targets are `<unk>`\n",
        flush=True,
    )
    print("| what differs | loss a character | against ours | lowest to highest | CPU s |")
    print("|---|---|---|---|---|", flush=True)
    losses: dict[str, list[float]] = {}
    for name in names:
        began = time.process_time()
        losses[name] = [
            held_out_loss(train(data, VARIANTS[name], seed, arguments), data, VARIANTS[name])
            for seed in range(arguments.seeds)
        ]
        apart = [a - b for a, b in zip(losses[name], losses[names[0]], strict=True)]
        print(
            f"| {name} | {statistics.mean(losses[name]):.3f} | {statistics.mean(apart):+.3f} "
            f"| {min(apart):+.3f} to {max(apart):+.3f} "
            f"| {(time.process_time() - began) / arguments.seeds:.0f} |",
            flush=True,
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    say = parser.add_argument
    say("--data", default="small_talk", help="a corpus; the Chinese small talk by default")
    say("--pairs", type=int, default=6000, help="at most so many")
    say("--held-out", type=int, default=500)
    say("--longest", type=int, default=48, help="characters of a side; replies are filled up to it")
    say("--updates", type=int, default=400)
    say("--batch", type=int, default=32)
    say("--seeds", type=int, default=2)
    say("--rate", type=float, default=1e-3, help="the highest learning rate")
    say("--d-model", type=int, default=96)
    say("--layers", type=int, default=2)
    say("--only", help="names of rows, with commas; the first is what the others are held against")
    return parser


if __name__ == "__main__":
    sys.exit(main())

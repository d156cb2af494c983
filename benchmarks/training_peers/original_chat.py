# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The original's model given the same data and the same time: training, replies, held-out loss."""

from __future__ import annotations

import json
import math
import os
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from .job import Shape
from .original import LENGTH, SPECIALS, Original, Training, encode, function, load, padded, word_map

VOCABULARY = 6000
WEIGHTS, WORDS, STATE = "weights.safetensors", "word_map.json", "state.json"
SAVE_EVERY = 500


class TimeIsUp(Exception):
    """Ends the original's endless training."""


def train_original(
    checkout: str,
    dataset: str,
    folder: Path,
    seconds: float,
    limit: int,
    report: Callable[[str], None],
) -> None:
    """Trains the original's code for so many seconds of CPU time and keeps its weights.

    Args:
        checkout: A checkout of jingyaogong/TFChat.
        dataset: A saved build; neighbouring turns of its training split are the pairs.
        folder: Where the weights, the vocabulary and the state go.
        seconds: CPU time of this process in training.
        limit: The most pairs to load: it keeps all of them padded to 256 in memory.
        report: Takes a line at each save.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pairs = training_pairs(dataset)
    words = words_of(pairs)
    (folder / WORDS).write_text(json.dumps(words), encoding="utf-8")
    rows = [padded(words, *pair) for pair in pairs[:limit]]
    training = Training(str(Path(checkout).resolve()), words, rows, Shape())
    clock = _Clock(training, folder, seconds, report)
    try:
        training.run(clock.batches())
    except TimeIsUp:
        clock.save()


def training_pairs(dataset: str) -> list[tuple[str, str]]:
    """Lists question and reply of a saved build, shuffled; longer ones it cannot hold."""
    from data_builders import build_dialogues

    rows = build_dialogues(dataset).dataset["train"]
    pairs = [
        (question, reply)
        for turns in rows["turns"]
        for question, reply in zip(turns[:-1], turns[1:], strict=True)
        if len(question) < LENGTH and len(reply) < LENGTH
    ]
    random.Random(0).shuffle(pairs)
    return pairs


def words_of(pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Makes the vocabulary of the most frequent characters."""
    counts: Counter[str] = Counter()
    for pair in pairs:
        for text in pair:
            counts.update(sign for sign in text if not sign.isspace())
    return word_map(counts, VOCABULARY)


class _Clock:
    """Hands out batches until the time is up, and saves now and then."""

    def __init__(
        self, training: Training, folder: Path, seconds: float, report: Callable[[str], None]
    ) -> None:
        self.training, self.folder, self.seconds = training, folder, seconds
        self.report = report
        self.seen = 0
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def batches(self) -> Iterator[Any]:
        """Yields batches as the original's loader would, for ever."""
        while True:
            loader = torch.utils.data.DataLoader(self.training.data, batch_size=50, shuffle=True)
            for batch in loader:
                yield batch
                self.seen += len(batch[0])
                if time.process_time() - self.cpu > self.seconds:
                    raise TimeIsUp
                if self.seen % SAVE_EVERY == 0:
                    self.save()

    def save(self) -> None:
        """Writes the weights, then how far they are."""
        save_weights(self.training.model.state_dict(), self.folder)
        state = {
            "pairs": self.seen,
            "cpu_seconds": time.process_time() - self.cpu,
            "wall_seconds": time.perf_counter() - self.wall,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        (self.folder / STATE).write_text(json.dumps(state), encoding="utf-8")
        self.report(f"{state['cpu_seconds']:.0f} s of CPU time, {self.seen:,} pairs")


def save_weights(weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Writes a safetensors file under its name only when it is whole."""
    partial = folder / f"{WEIGHTS}.partial"
    save_file({name: tensor.cpu().contiguous() for name, tensor in weights.items()}, partial)
    os.replace(partial, folder / WEIGHTS)


@dataclass
class OriginalChat:
    """The original's trained model with its own functions.

    Attributes:
        code: Its modules.
        model: Its Transformer, in evaluation mode.
        words: Its vocabulary.
        evaluate: `evaluate` of its chat.py: greedy, one question at a time.
    """

    code: Original
    model: torch.nn.Module
    words: dict[str, int]
    evaluate: Callable[..., str]

    def reply(self, question: str, max_tokens: int) -> str:
        """Answers as its chat.py does; blanks are not in its vocabulary."""
        ids = torch.tensor([self._source(question)], device=self.code.models.device)
        mask = (ids != 0)[:, None, None]
        with torch.no_grad():
            # It counts the start token too.
            said = self.evaluate(self.model, ids, mask, max_tokens + 1, self.words)
        return said.replace(" ", "")

    def _source(self, question: str) -> list[int]:
        """Keeps the end of a question that is longer than its table of positions."""
        return encode(self.words, question)[-LENGTH:] or [self.words["<unk>"]]

    @torch.no_grad()
    def loss(self, pairs: Sequence[tuple[str, str]], batch: int = 32) -> HeldOutLoss:
        """Measures the unsmoothed loss of replies with their end token."""
        total = HeldOutLoss()
        usable = [pair for pair in pairs if len(encode(self.words, pair[1])) <= LENGTH]
        total.left_out = len(pairs) - len(usable)
        usable.sort(key=lambda pair: len(pair[1]))
        for start in range(0, len(usable), batch):
            self._add(total, usable[start : start + batch])
        return total

    def _add(self, total: HeldOutLoss, pairs: Sequence[tuple[str, str]]) -> None:
        """Adds the loss of one batch."""
        device = self.code.models.device
        specials = [self.words[name] for name in SPECIALS]
        unknown, start, end = specials
        replies = [encode(self.words, reply) for _, reply in pairs]
        source = _padded([self._source(question) for question, _ in pairs]).to(device)
        reply = _padded([[start, *ids, end] for ids in replies]).to(device)
        given, targets = reply[:, :-1], reply[:, 1:]
        masks = self.code.utils.create_masks(source, given, targets)
        logs = self.model(source, masks[0], given, masks[1])  # (batch, reply_len, vocabulary)
        losses = -logs.gather(2, targets.unsqueeze(2)).squeeze(2)
        total.nats += float(losses[masks[2]].double().sum())
        total.tokens += sum(len(ids) + 1 for ids in replies)
        total.unknown += sum(ids.count(unknown) for ids in replies)
        total.characters += sum(len(text) for _, text in pairs)


@dataclass
class HeldOutLoss:
    """What `OriginalChat.loss` adds up.

    Attributes:
        nats: Negative log-likelihood of all tokens.
        tokens: Characters it can write, unknown ones, and an end a reply.
        unknown: Of these, unknown ones.
        characters: Characters of the replies as they are, blanks among them.
        left_out: Replies longer than its table of positions.
    """

    nats: float = 0.0
    tokens: int = 0
    unknown: int = 0
    characters: int = 0
    left_out: int = 0

    def figures(self) -> dict[str, float]:
        """Gives loss per token, perplexity and bits per character."""
        loss = self.nats / max(self.tokens, 1)
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700.0)),
            "bits_per_character": self.nats / math.log(2) / max(self.characters, 1),
            "unknown_share": self.unknown / max(self.tokens, 1),
            "left_out": self.left_out,
        }


def _padded(rows: list[list[int]]) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows])


def load_checkpoint(checkout: str, folder: Path) -> OriginalChat:
    """Loads what `train_original` wrote."""
    words = json.loads((folder / WORDS).read_text(encoding="utf-8"))
    code = load(str(Path(checkout).resolve()))
    weights = load_file(folder / WEIGHTS)
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("encoder."))
    shape = Shape()
    model = code.models.Transformer(
        d_model=weights["logit.weight"].shape[1],
        heads=shape.heads,
        num_layers=layers,
        word_map=words,
    )
    model.load_state_dict(weights)
    names = {**vars(code.models), "device": code.models.device}
    evaluate = function(checkout, "chat.py", "evaluate", names)
    return OriginalChat(code, model.to(code.models.device).eval(), words, evaluate)

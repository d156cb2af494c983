# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Into how many pieces an update must be cut to fit into a GPU's memory (`find_batch_size`).

What an update learns from stays the same; the pieces only decide how much of it is in memory at
once, so the largest ones that fit are the fastest.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import distributed, nn

from ...text.errors import UserError

SAFETY_MARGIN = 0.1  # share of the memory left free: fragments, and batches that are odder yet
_ADAM_MOMENTS = 2
_GIB = 2**30

TrainPiece = Callable[[np.ndarray], None]


class DeviceMemory(Protocol):
    """What the finder asks of a device."""

    def usable(self) -> int:
        """Gives the bytes that this process may fill, what it holds already included."""

    def reset_peak(self) -> None:
        """Forgets earlier peaks and gives cached memory back."""

    def peak(self) -> int:
        """Gives the most bytes held since."""


class CudaMemory:
    """The memory of a CUDA device as torch counts it."""

    def __init__(self, device: torch.device) -> None:
        """Keeps the device."""
        self.device = device

    def usable(self) -> int:
        """Counts what is free or held by torch, less the margin; others' memory is not ours."""
        free, _ = torch.cuda.mem_get_info(self.device)
        held = torch.cuda.memory_reserved(self.device)
        return int((free + held) * (1 - SAFETY_MARGIN))

    def reset_peak(self) -> None:
        """Frees torch's cache, so that fragments of one trial do not fail the next."""
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> int:
        """Waits for the device and reads the counter."""
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_allocated(self.device)


@dataclass(frozen=True)
class Update:
    """How large an update is, and the lengths that it is drawn from.

    Attributes:
        source: tokens of each context, `(examples,)`.
        target: tokens of each reply, `(examples,)`.
        tokens: tokens of both sides of one update on one device; 0 if pairs are counted.
        pairs: pairs of one update on one device, where `tokens` is 0.
        epoch: gives the real pieces of an epoch for a number of pieces; None if not known.
    """

    source: np.ndarray
    target: np.ndarray
    tokens: int
    pairs: int = 0
    epoch: Callable[[int], Iterable[np.ndarray]] | None = None

    def worst_pieces(self, pieces: int) -> list[np.ndarray]:
        """Picks the examples of the most expensive pieces there can be.

        Args:
            pieces: into how many an update is cut.

        Returns:
            Numbers of examples: those with the longest sequences, then those whose tokens are
            replies for the most part (logits over the vocabulary), and the real pieces whose
            rectangles are the largest: one long sequence among many short ones (attention).
        """
        total = self.source + self.target
        longest = np.argsort(-total, kind="stable")
        wordiest = np.lexsort((-total, -self.target / total))
        worst = [self._take(order, pieces) for order in (longest, wordiest)]
        real = [piece for piece in self.epoch(pieces) if len(piece)] if self.epoch else []
        for side in (self.source, self.target) if real else ():
            worst.append(max(real, key=lambda piece: len(piece) * side[piece].max()))
        return worst

    def _take(self, order: np.ndarray, pieces: int) -> np.ndarray:
        """Takes the first examples until the piece is full, the one that fills it included."""
        if not self.tokens:
            return order[: max(1, -(-self.pairs // pieces))]
        filled = np.cumsum((self.source + self.target)[order])
        return order[: 1 + int(np.searchsorted(filled, self.tokens / pieces))]

    def is_indivisible(self, pieces: int) -> bool:
        """Tells whether the worst pieces are single pairs already."""
        return all(len(piece) == 1 for piece in self.worst_pieces(pieces))


def smallest_pieces(
    fits: Callable[[int], bool], is_indivisible: Callable[[int], bool]
) -> int | None:
    """Searches the smallest power of two that fits; None if not even single pairs do.

    Args:
        fits: tries a number of pieces.
        is_indivisible: whether more pieces than so many would not be smaller.
    """
    pieces = 1
    while not fits(pieces):
        if is_indivisible(pieces):
            return None
        pieces *= 2
    return pieces


class MemoryProbe:
    """Trains on the worst pieces without learning from them, and looks how much memory it took."""

    def __init__(
        self, model: nn.Module, update: Update, train_piece: TrainPiece, memory: DeviceMemory
    ) -> None:
        """Keeps what it tries.

        Args:
            model: on its device.
            update: what is cut.
            train_piece: forward and backward pass of some examples, as in training.
            memory: of the device.
        """
        self.model = model
        self.update = update
        self.train_piece = train_piece
        self.memory = memory
        self.usable = 0
        self.most_bytes = 0

    def fits(self, pieces: int) -> bool:
        """Tries the worst pieces of an update that is cut into so many."""
        self.memory.reset_peak()
        self.usable = self.memory.usable()
        with as_before(self.model):
            enough = self._try(self.update.worst_pieces(pieces))
        if enough:
            self.most_bytes = self.memory.peak()
            enough = self.most_bytes <= self.usable
        self.memory.reset_peak()
        return enough

    def _try(self, worst: list[np.ndarray]) -> bool:
        """Runs pieces beside all that training holds; whether there was memory enough."""
        try:
            ballast = optimizer_ballast(self.model)
            self.model.train()
            for piece in worst:
                # Twice: the second one finds the gradients of the first in memory.
                for _ in range(2):
                    self.train_piece(piece)
            del ballast
        except torch.OutOfMemoryError:
            return False
        return True


def optimizer_ballast(model: nn.Module) -> list[torch.Tensor]:
    """Fills as much memory as Adam's moments, and the buckets of DDP, will take."""
    several = distributed.is_available() and distributed.is_initialized()
    copies = _ADAM_MOMENTS + several
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return [torch.empty_like(weight) for weight in trained for _ in range(copies)]


@contextlib.contextmanager
def as_before(model: nn.Module) -> Iterator[None]:
    """Puts random numbers, gradients and mode of the model back after a `with` block."""
    devices = sorted({w.device.index or 0 for w in model.parameters() if w.device.type == "cuda"})
    training = model.training
    gradients = [weight.grad for weight in model.parameters()]
    for weight in model.parameters():
        weight.grad = None
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        model.train(training)
        for weight, gradient in zip(model.parameters(), gradients, strict=True):
            weight.grad = gradient


def find_pieces(
    model: nn.Module,
    update: Update,
    train_piece: TrainPiece,
    report: Callable[[str], None],
    memory: DeviceMemory | None = None,
) -> int | None:
    """Finds `gradient_accumulation_steps` for this device; every process must call this.

    Args:
        model: the model in its device's memory, not wrapped by DDP.
        update: the size of an update and the lengths of all examples.
        train_piece: forward and backward pass of the examples of these numbers, with the
            precision of the run; it must not touch the optimizer.
        report: takes lines for the user.
        memory: of the device; None to find it.

    Returns:
        The number of pieces, the same in all processes; None on a device that is not a GPU.

    Raises:
        UserError: if a single pair does not fit.
    """
    device = next(model.parameters()).device
    if memory is None and device.type != "cuda":
        report(
            f"note: `find_batch_size` only works on a GPU; on {device.type} the run keeps its "
            "`gradient_accumulation_steps`"
        )
        return None
    memory = CudaMemory(device) if memory is None else memory
    probe = MemoryProbe(model, update, train_piece, memory)
    # Each device is tried alone, so one that fails does not leave the others waiting.
    found = smallest_pieces(probe.fits, update.is_indivisible)
    most = most_of_all(found or 0, found is None, device)
    if most is None:
        raise UserError(_too_large(update, probe.usable))
    size = f"{update.tokens:,} tokens" if update.tokens else f"{update.pairs:,} pairs"
    report(
        f"batch size: an update of {size} a device fits in {most} piece{'s' * (most > 1)} "
        f"(`gradient_accumulation_steps: {most}`), at most {probe.most_bytes / _GIB:.1f} of "
        f"{probe.usable / _GIB:.1f} GiB"
    )
    return most


def most_of_all(pieces: int, failed: bool, device: torch.device) -> int | None:
    """Agrees on the most pieces that any process needs; None if one of them failed."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return None if failed else pieces
    place = device if distributed.get_backend() == "nccl" else "cpu"
    values = torch.tensor([pieces, int(failed)], device=place)
    distributed.all_reduce(values, distributed.ReduceOp.MAX)
    most, any_failed = values.tolist()
    return None if any_failed else most


def _too_large(update: Update, usable: int) -> str:
    """Words the error of a pair that does not fit."""
    longest = update.worst_pieces(2**62)[0][0]
    source, target = int(update.source[longest]), int(update.target[longest])
    return (
        f"`find_batch_size` found that even one pair of {source} + {target} tokens does not fit "
        f"into {usable / _GIB:.1f} GiB. Lower `max_source_length` (such as {max(2, source // 2)}) "
        f"or `max_target_length` ({max(2, target // 2)}), set `activation_checkpointing: true`, "
        "or train a smaller network (`d_model`, the layers, `vocab_size`)."
    )

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How fast training goes: the arithmetic that the text needs, and a meter that counts."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import distributed

from ..model.configuration_tfchat import TFChatConfig
from .device_peak import DevicePeak

Lengths = np.ndarray | int


def needed_flops(config: TFChatConfig, source: Lengths, target: Lengths) -> np.ndarray:
    """Counts the floating-point operations that examples need in training.

    Matrix products of the real tokens alone: no padding, the seen half of the decoder's square of
    self-attention, no norms, no softmax. A multiplication and an addition are two; the backward
    pass needs twice the forward pass.

    Args:
        config: the network.
        source: tokens of the context, `(examples,)` or one number.
        target: tokens of the reply with its end token, the same shape.

    Returns:
        FLOP of one forward and backward pass in float64, the same shape.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    width = config.d_model
    ffn_products = 3 if config.gated_activation else 2
    square = 2.0 * width**2  # one projection of one token
    encoder_token = 4 * square + 2 * ffn_products * width * config.encoder_ffn_dim
    # the decoder's own four projections, and those of queries and output to the encoder
    decoder_token = 6 * square + 2 * ffn_products * width * config.decoder_ffn_dim
    # each pair of tokens that see each other: one score and one weighted value
    seen = 4.0 * width
    encoder = encoder_token * source + seen * source**2
    decoder = decoder_token * target + 2 * square * source
    decoder += seen * (target * (target + 1) / 2 + source * target)
    logits = 2.0 * width * config.vocab_size * target
    return 3 * (config.encoder_layers * encoder + config.decoder_layers * decoder + logits)


@dataclass
class Counts:
    """What went through the network, and in how many seconds."""

    pairs: float = 0.0
    source_tokens: float = 0.0
    target_tokens: float = 0.0
    positions: float = 0.0
    flops: float = 0.0
    seconds: float = 0.0

    @property
    def tokens(self) -> float:
        """Real tokens of both sides."""
        return self.source_tokens + self.target_tokens


class ThroughputMeter:
    """Counts what is trained on while its clock runs; all numbers are known on the host.

    The clock stands still in `paused()`, so that evaluations and checkpoints do not count.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Starts with nothing counted and the clock stopped.

        Args:
            clock: gives seconds; replaced in tests.
        """
        self._clock = clock
        self._since: float | None = None
        self._total = Counts()
        self._logged = Counts()

    def count(
        self,
        pairs: int,
        source_tokens: int,
        target_tokens: int,
        flops: float = 0.0,
        positions: int | None = None,
    ) -> None:
        """Counts one batch of one process.

        Args:
            pairs: examples.
            source_tokens: real tokens of their contexts.
            target_tokens: real tokens of their replies.
            flops: `needed_flops` of them, summed.
            positions: places of both sides that the network computes, padding among them; None
                where there is no padding.
        """
        total, tokens = self._total, source_tokens + target_tokens
        total.pairs += pairs
        total.source_tokens += source_tokens
        total.target_tokens += target_tokens
        total.positions += tokens if positions is None else positions
        total.flops += float(flops)

    def start(self) -> None:
        """Lets the clock run."""
        if self._since is None:
            self._since = self._clock()

    def stop(self) -> None:
        """Stops the clock, keeping its seconds."""
        if self._since is not None:
            self._total.seconds += self._clock() - self._since
            self._since = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps the time of a `with` block out; nothing happens if the clock does not run."""
        if self._since is None:
            yield
            return
        # What the GPU still has to do belongs to training, not to the evaluation that follows.
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self.stop()
        try:
            yield
        finally:
            self.start()

    def counts(self) -> Counts:
        """Gives what this process has counted until now."""
        if self._since is not None:
            self.stop()
            self.start()
        return Counts(**asdict(self._total))

    def tokens_per_second(self) -> float:
        """Gives the rate of this process since the last call."""
        now, before = self.counts(), self._logged
        self._logged = now
        return _rate(now.tokens - before.tokens, now.seconds - before.seconds)


@dataclass(frozen=True)
class SpeedReport:
    """The speed of a whole run, over all processes.

    Attributes:
        counts: sums over the processes; the seconds are those of one.
        peak: FLOP per second of all devices together, None if not known.
        device_peak: the peak of this process' device.
        processes: how many took part.
    """

    counts: Counts
    peak: float | None
    device_peak: DevicePeak | None
    processes: int = 1

    @property
    def padding(self) -> float:
        """Share of the computed places that were padding, 0 to 1."""
        return 1 - self.counts.tokens / self.counts.positions if self.counts.positions else 0.0

    @property
    def utilisation(self) -> float | None:
        """Needed FLOP per second over the peak (MFU; Chowdhery et al., 2022, appendix B)."""
        if not self.peak:
            return None
        return _rate(self.counts.flops, self.counts.seconds) / self.peak

    def figures(self) -> dict[str, float | str | None]:
        """Gives what metrics.json keeps."""
        counts = self.counts
        return {
            "tokens_per_second": round(_rate(counts.tokens, counts.seconds), 1),
            "pairs_per_second": round(_rate(counts.pairs, counts.seconds), 2),
            "padding": round(self.padding, 4),
            "trained_tokens": int(counts.tokens),
            "trained_pairs": int(counts.pairs),
            "seconds_in_updates": round(counts.seconds, 2),
            "needed_flops": counts.flops,
            "utilisation": None if self.utilisation is None else round(self.utilisation, 4),
            "peak_flops": self.peak,
            "peak_of": None if self.device_peak is None else self.device_peak.describe(),
        }

    def line(self) -> str:
        """Words the speed for a person."""
        counts = self.counts
        pairs = _rate(counts.pairs, counts.seconds)
        words = [
            f"speed: {_rate(counts.tokens, counts.seconds):,.0f} tokens/s",
            f"{pairs:,.{0 if pairs >= 10 else 1}f} pairs/s",
            f"padding {100 * self.padding:.1f} %",
        ]
        if self.utilisation is None or self.device_peak is None:
            words.append("no utilisation: the peak of this device is not known")
        else:
            several = f"{self.processes} x " if self.processes > 1 else ""
            peak = self.device_peak.describe()
            words.append(f"{100 * self.utilisation:.0f} % of the peak of {several}{peak}")
        return ", ".join(words)


def speed_report(
    counts: Counts, device_peak: DevicePeak | None, device: torch.device
) -> SpeedReport:
    """Adds up all processes; every one of them must call this.

    Args:
        counts: what this process counted.
        device_peak: its device's peak.
        device: its device, which a collective of nccl needs.
    """
    peak = math.nan if device_peak is None else device_peak.flops
    values = torch.tensor([*asdict(counts).values(), peak], dtype=torch.float64)
    processes = 1
    if distributed.is_available() and distributed.is_initialized():
        processes = distributed.get_world_size()
        values = values.to(device if distributed.get_backend() == "nccl" else "cpu")
        distributed.all_reduce(values)
    *sums, peak = values.tolist()
    total = Counts(*sums)
    total.seconds /= processes
    return SpeedReport(total, None if math.isnan(peak) else peak, device_peak, processes)


def _rate(amount: float, seconds: float) -> float:
    """Divides, with 0 for no time at all."""
    return amount / seconds if seconds > 0 else 0.0

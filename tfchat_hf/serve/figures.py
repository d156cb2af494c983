# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a server counts, for Prometheus: never what was said."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Figures:
    """The figures of one service, in a registry of their own.

    Attributes:
        requests: By route and status.
        asked: Tokens of questions.
        said: Tokens of replies.
        first: Seconds until the first token of a request.
        whole: Seconds until its last.

    Args:
        waiting: Says how many replies have not begun.
        running: Says how many have.
        batch_sizes: Says how many batches of each size there have been.
    """

    def __init__(
        self,
        waiting: Callable[[], int],
        running: Callable[[], int],
        batch_sizes: Callable[[], Counts[int]],
    ) -> None:
        """Begin at nothing."""
        self._registry = own = CollectorRegistry()
        self._batch_sizes = batch_sizes
        labels = ("route", "status")
        self.requests = Counter("tfchat_requests", "Requests answered", labels, registry=own)
        self.asked = Counter("tfchat_prompt_tokens", "Tokens of questions", registry=own)
        self.said = Counter("tfchat_completion_tokens", "Tokens of replies", registry=own)
        self.first = self._seconds("tfchat_first_token_seconds", "Until the first token")
        self.whole = self._seconds("tfchat_request_seconds", "Until the last token")
        for name, about, count in (
            ("tfchat_waiting", "Replies that have not begun", waiting),
            ("tfchat_running", "Replies that are being made", running),
        ):
            Gauge(name, about, registry=own).set_function(count)
        own.register(self)  # type: ignore[arg-type, unused-ignore]  # `collect` makes a collector

    def _seconds(self, name: str, about: str) -> Histogram:
        return Histogram(name, about, buckets=_SECONDS, registry=self._registry)

    def collect(self) -> Iterator[Any]:
        """Yield the sizes of batches, which the queue counts."""
        sizes = self._batch_sizes().copy()
        buckets = [
            (str(float(most)), sum(count for size, count in sizes.items() if size <= most))
            for most in _SIZES
        ]
        total = sum(size * count for size, count in sizes.items())
        family = HistogramMetricFamily("tfchat_batch_size", "Replies made at a time")
        family.add_metric([], [*buckets, ("+Inf", sizes.total())], total)
        yield family

    def text(self) -> bytes:
        """Write all figures as Prometheus reads them."""
        return generate_latest(self._registry)

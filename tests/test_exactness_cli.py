# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""An update does not depend on how it is cut: batches, accumulation, processes, padding."""

from __future__ import annotations

import pytest

from . import cli_runs
from .cli_runs import Padded, largest_difference, losses, run_alone, run_together

# Sums in another order: seen below 1e-6 for losses of 5; Adam with a learning rate of 1e-2 makes
# more of it where a gradient is close to 0: seen below 2e-5 after 6 updates.
LOSSES_APART = 1e-5
WEIGHTS_APART = 2e-4


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return cli_runs.write_settings(tmp_path_factory.mktemp("exactness"))


def cut(tokens: int, batch: int, accumulate: int) -> list[str]:
    """Words one way of cutting an update."""
    return [
        "--tokens_per_update",
        str(tokens),
        "--per_device_train_batch_size",
        str(batch),
        "--gradient_accumulation_steps",
        str(accumulate),
    ]


LOOKS = {
    "plain": ["--label_smoothing_factor", "0"],
    "smoothed and tied": ["--label_smoothing_factor", "0.1", "--tie_word_embeddings", "true"],
}


# Each way to measure an update and each look of the loss once; the other two pairings by hand.
@pytest.mark.parametrize(
    ("look", "tokens"),
    [
        ("plain", 0),
        ("smoothed and tied", 160),
        pytest.param("plain", 160, marks=pytest.mark.slow),
        pytest.param("smoothed and tied", 0, marks=pytest.mark.slow),
    ],
)
def test_an_update_is_the_same_however_it_is_cut(config, tmp_path, look, tokens):
    log = tmp_path / "log"

    def arguments(name: str, batch: int, accumulate: int) -> list[str]:
        cuts = cut(tokens, batch, accumulate)
        return [str(config), *LOOKS[look], *cuts, "--output_dir", str(tmp_path / name)]

    assert run_alone(arguments("whole", 8, 1), log) == 0, log.read_text()
    assert run_alone(arguments("pieces", 1, 8), log) == 0, log.read_text()
    assert run_alone(arguments("padded", 2, 4), log, Padded()) == 0, log.read_text()
    assert "padding 0.0 %" not in log.read_text()
    assert run_together(arguments("together", 4, 1), log) == [0, 0], log.read_text()
    cuts = ["pieces", "padded", "together"]
    if look != "plain":  # one look is enough: that both ways agree, test_plain_training.py says too
        readable = [*arguments("readable", 2, 2), "--plain"]
        assert run_together(readable, log) == [0, 0], log.read_text()
        cuts.append("readable")
    whole = tmp_path / "whole"
    assert len(set(losses(whole))) == 6  # the run learns: equal is not idle
    for name in cuts:
        assert losses(tmp_path / name) == pytest.approx(losses(whole), abs=LOSSES_APART), name
        assert largest_difference(whole, tmp_path / name) < WEIGHTS_APART, name

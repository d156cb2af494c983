# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a ladder was measured with: of which model, on which questions, by which versions."""

from __future__ import annotations

import platform
from typing import Any

import datasets
import sacrebleu
import torch
import transformers

from ..examples.evaluation_split import EvaluationSplit
from ..training.announcing import device_name
from .models import decoding_code, model_digest
from .options import LadderOptions


def depends_on(options: LadderOptions, asked: EvaluationSplit, digest: str) -> dict[str, Any]:
    """Lists what the replies of every row depend on.

    Args:
        options: of the call.
        asked: the questions.
        digest: of the model.
    """
    reverse = options.reverse_model
    return {
        "model": digest,
        "reverse_model": reverse and model_digest(reverse),
        "questions": asked.digest,
        "batch_size": options.batch_size,
        "code": decoding_code(),
        "transformers": transformers.__version__,
        "torch": torch.__version__,
    }


def ladder_facts(
    options: LadderOptions,
    asked: EvaluationSplit,
    loss: dict[str, Any],
    digest: str,
    device: torch.device,
) -> dict[str, Any]:
    """Says what was measured, and with what.

    Args:
        options: of the call.
        asked: the questions.
        loss: of `held_out_loss`, with the figures of `measure_relevance`.
        digest: of the model.
        device: that decoded.
    """
    return {
        # Names without their places: the file may be published.
        "model": {"name": options.run.resolve().name, "sha256": digest},
        "reverse_model": options.reverse_model and options.reverse_model.resolve().name,
        "questions": {
            "number": len(asked.questions),
            "split": asked.split,
            "dataset": asked.dataset,
            "fingerprint": asked.fingerprint,
            "sha256": asked.digest,
            "seed": asked.seed,
        },
        "loss": loss,
        "batch_size": options.batch_size,
        "device": "cpu" if device.type == "cpu" else device_name(device),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            **{m.__name__: m.__version__ for m in (torch, transformers, datasets, sacrebleu)},
        },
    }

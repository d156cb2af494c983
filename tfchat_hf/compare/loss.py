# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How well a model foresees the replies of a split: a figure that no preset changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from transformers import DataCollatorForSeq2Seq, PreTrainedModel
from transformers.tokenization_utils_base import BatchEncoding

from ..examples.evaluation_split import EvaluationSplit
from ..examples.rows import ExampleRows
from ..measuring.evaluation import exact_loss
from ..settings.run_folder import write_json
from ..training.trainer import by_length

LOSS_FILE = "loss.json"


class _OnDevice:
    """Hands batches on to a device."""

    def __init__(self, loader: DataLoader, device: torch.device) -> None:
        self.loader = loader
        self.device = device

    def __iter__(self) -> Iterator[BatchEncoding]:
        """Yields the batches."""
        for batch in self.loader:
            yield batch.to(self.device)


def held_out_loss(
    model: PreTrainedModel, asked: EvaluationSplit, batch_size: int, model_digest: str, folder: Path
) -> dict[str, Any]:
    """Measures perplexity and bits per character on all pairs of a split, once.

    Args:
        model: in evaluation mode.
        asked: the split.
        batch_size: pairs at a time.
        model_digest: of its weights.
        folder: where the result is kept for the next time.

    Returns:
        What `exact_loss` gives, and the number of `replies`.
    """
    key = [model_digest, ExampleRows(asked.examples).digest()]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    path = folder / LOSS_FILE
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("key") == name and "found" in kept:
        return kept["found"]
    loader = DataLoader(
        by_length(asked.examples), batch_size, collate_fn=DataCollatorForSeq2Seq(asked.tokenizer)
    )
    accelerator = Accelerator(cpu=model.device.type == "cpu")
    found = exact_loss(model, _OnDevice(loader, model.device), accelerator, asked.characters())
    found["replies"] = len(asked.examples)
    folder.mkdir(parents=True, exist_ok=True)
    write_json({"key": name, "found": found}, path)
    return found

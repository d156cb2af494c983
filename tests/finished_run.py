# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A folder as a finished run leaves it, made in a second without training."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import tiny_model
from tfchat_hf.engines.model_folder import save_for_hub
from tfchat_hf.publishing import card
from tfchat_hf.settings.arguments import RunArguments, resolved_settings
from tfchat_hf.settings.parsing import parse_arguments
from tfchat_hf.settings.reading import write_yaml
from tfchat_hf.settings.run_folder import write_json
from tfchat_hf.text.tokenizer_training import train_tokenizer

TEXTS = ["你好，世界！", "今天天气很好。", "Hello, how are you?", "I am fine, thank you."] * 3
COUNTS = {"dialogues": 40, "pairs": 50, "duplicates_dropped": 2, "long_replies_dropped": 1}
ROW = {
    "replies": 20,
    "exact_match": 0.1,
    "bleu": 12.5,
    "distinct_1": 0.25,
    "distinct_2": 0.75,
    "repetition": 0.0,
    "top_reply_share": 0.05,
    "mean_length": 5.0,
}
METRICS: dict[str, Any] = {
    "train": ROW,
    "validation": {**ROW, "loss": 2.0, "perplexity": 7.389, "bits_per_character": 1.5},
    "baselines": {"human": ROW, "random_training_reply": ROW, "most_frequent_reply": ROW},
    "data": {"train": COUNTS, "validation": COUNTS, "languages": ["en", "zh"]},
    "run": {
        "parameters": 12345,
        "vocabulary": 400,
        "steps": 9,
        "epochs": 1.5,
        "update_size": "4 pairs",
        "warmup_updates": 2,
        "peak_learning_rate": 1e-3,
        "init_from": None,
        "device": "cpu (2 threads)",
        "dtype": "float32",
        "speed": None,
        "train_seconds": 5.0,
        **dict.fromkeys(("python", "torch", "transformers", "datasets"), "1.0"),
    },
    "selection": {"rule": "last", "step": 9},
}
LOG = [
    {"step": 4, "loss": 3.0},
    {"step": 4, "eval_loss": 2.5, "eval_distinct_2": 0.5},
    {"step": 9, "loss": 2.25, "eval_loss": 2.0, "eval_distinct_2": 0.75},
]
SAMPLES = [
    {"split": "validation", "context": [f"问题 {i}"], "reference": "好", "reply": f"回答 {i}"}
    for i in range(20)
]


# One white point.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="
)


def blank_curves(curves: object, path: Path, *given: object) -> bool:
    """Leave a picture in place of curves that nobody looks at: drawing them takes a second."""
    path.write_bytes(PICTURE)
    return True


def tiny_run(folder: Path, *options: str) -> RunArguments:
    """Return settings of a run whose data and folder have absolute paths."""
    given = ["--dataset", str(folder / "pairs.jsonl"), "--output_dir", str(folder / "mine")]
    return parse_arguments([*given, "--use_cpu", "true", *options])


def finished_run(folder: Path, **network: int) -> Path:
    """Write the folder of a finished run, with a checkpoint and a note of its user."""
    run = tiny_run(folder)
    path = folder / "mine"
    tokenizer = train_tokenizer(TEXTS, scheme="subword-bpe", vocab_size=400)
    save_for_hub(tiny_model(vocab_size=len(tokenizer), **network), tokenizer, path)
    write_yaml(resolved_settings(run), path / "run_config.yaml")
    lines = [json.dumps(row, ensure_ascii=False) for row in SAMPLES]
    (path / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "draw_curves", blank_curves)
        card.write_model_card(path, run, METRICS, "你好", LOG, SAMPLES)
    (path / "notes.txt").write_text("mine alone", encoding="utf-8")
    (path / "checkpoint-9").mkdir()
    (path / "checkpoint-9" / "optimizer.pt").write_bytes(b"moments")
    write_json(METRICS, path / "metrics.json")
    return path

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A finished run with a saved dataset of three splits, made in a second or two."""

from __future__ import annotations

from pathlib import Path

import torch
from datasets import Dataset, DatasetDict
from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerBase

from data_builders.building.builder import DIALOGUE_FEATURES
from tests.tiny import tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.engines.model_folder import save_for_hub
from tfchat_hf.settings.arguments import resolved_settings
from tfchat_hf.settings.parsing import parse_arguments
from tfchat_hf.settings.reading import write_yaml
from tfchat_hf.text.tokenizer_training import train_tokenizer

_KNOWN = [(f"question {i} " + "ab" * (i % 5), f"here is reply number {i}") for i in range(11)]
# The last questions are asked; some of them have an answer in another split too.
TEST = [*_KNOWN[5:], ("nobody knows this one", "here is reply number 3")]
VALIDATION = [("question 7 abab", "from validation"), ("another one", "here is reply number 1")]
TRAIN = [*_KNOWN[:5], ("question 8 ababab", "from training"), _KNOWN[9]]


def taught_model(tokenizer: PreTrainedTokenizerBase) -> TFChatForConditionalGeneration:
    """Return a model that knows most of the replies by heart."""
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": tokenizer.bos_token_id,
    }
    model = tiny_model(vocab_size=len(tokenizer), dropout=0.0, **special)
    model.generation_config.max_new_tokens = 24
    pairs = [
        {"input_ids": tokenizer(asked)["input_ids"], "labels": tokenizer(reply)["input_ids"]}
        for asked, reply in _KNOWN
    ]
    batch = DataCollatorForSeq2Seq(tokenizer)(pairs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def rows(pairs: list[tuple[str, str]]) -> Dataset:
    """Return pairs as dialogues of two turns."""
    return Dataset.from_list(
        [
            {"id": f"{i:016x}-1", "turns": list(pair), "roles": [], "lang": "en", "source": "t"}
            for i, pair in enumerate(pairs)
        ],
        features=DIALOGUE_FEATURES,
    )


def save_data(folder: Path, test: bool = True) -> Path:
    """Save the three splits, or the first two of them."""
    splits = {"train": rows(TRAIN), "validation": rows(VALIDATION)}
    if test:
        splits["test"] = rows(TEST)
    DatasetDict(splits).save_to_disk(str(folder / "data"))
    return folder / "data"


def small_run(folder: Path) -> Path:
    """Write a run folder of `taught_model`."""
    data = save_data(folder)
    texts = [text for pair in (*TRAIN, *VALIDATION, *TEST) for text in pair]
    tokenizer = train_tokenizer(texts, "char", 300, 64)
    path = folder / "mine"
    save_for_hub(taught_model(tokenizer), tokenizer, path)
    given = ["--dataset", str(data), "--output_dir", str(path), "--use_cpu", "true"]
    given += ["--max_position_embeddings", "64", "--generation_max_new_tokens", "24"]
    given += ["--max_source_length", "32", "--max_target_length", "32"]
    given += ["--dataset_cache_dir", str(folder / "cache")]
    write_yaml(resolved_settings(parse_arguments(given)), path / "run_config.yaml")
    return path

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whether the engines say what torch says: replies to real questions, token by token.

Called by `generation_engines.py --agreement RUN DATASET`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict, load_from_disk
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.dialogue import encode_context, examples_from_dialogue
from tfchat_hf.engines import load_engine

# Settings of every engine, on top of plain greedy search.
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "no_repeat_ngram_size 3": {"no_repeat_ngram_size": 3},
    "repetition_penalty 1.2": {"repetition_penalty": 1.2},
    "beam 4, early_stopping true": {"num_beams": 4, "early_stopping": True},
    "beam 4, no_repeat_ngram_size 3, both explicit": {
        "num_beams": 4,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "renormalize_logits": True,
    },
    "beam 4, early_stopping not set": {"num_beams": 4},
}
ENGINES = (("onnx", False), ("onnx", True), ("ctranslate2", False), ("ctranslate2", True))


def test_questions(
    tokenizer: PreTrainedTokenizerBase, dataset: str, count: int, max_turns: int
) -> list[list[int]]:
    """Encode the first questions of a test split.

    Args:
        tokenizer: the run's.
        dataset: a folder that `tfchat-data` wrote.
        count: how many to take.
        max_turns: turns of a context.
    """
    splits: DatasetDict | Dataset = load_from_disk(dataset)
    if isinstance(splits, DatasetDict):
        splits = splits["test"] if "test" in splits else splits["validation"]
    limit = tokenizer.model_max_length
    found: list[list[int]] = []
    for row in splits:
        roles = row.get("roles") or ()
        for context, _ in examples_from_dialogue(row["turns"], roles, max_turns):
            found.append(list(encode_context(tokenizer, context, limit).input_ids))
            if len(found) == count:
                return found
    return found


def batches(rows: Sequence[list[int]], size: int, pad: int) -> Iterator[dict[str, torch.Tensor]]:
    """Fill up rows of similar length to tensors."""
    ordered = sorted(rows, key=len)
    for at in range(0, len(ordered), size):
        part = ordered[at : at + size]
        longest = max(map(len, part))
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in part])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in part])
        yield {"input_ids": ids, "attention_mask": mask}


def replies(model: Any, inputs: Sequence[dict[str, torch.Tensor]], **settings: Any) -> list:
    """Answer all batches; padding is taken off."""
    neutral = {"do_sample": False, "num_beams": 1, "no_repeat_ngram_size": 0}
    neutral |= {"repetition_penalty": 1.0, "max_new_tokens": 64}
    config = model.preset("greedy")
    config.update(**{**neutral, **settings})
    eos, made = config.eos_token_id, []
    for batch in inputs:
        for row in model.generate(**batch, generation_config=config).tolist():
            end = row.index(eos, 1) + 1 if eos in row[1:] else len(row)
            made.append(row[:end])
    return made


@torch.no_grad()
def gap(model: Any, question: list[int], one: list[int], other: list[int]) -> float:
    """Give the difference of torch's logits where two replies part."""
    place = next(
        (i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None
    )
    if place is None:
        return float("nan")
    logits = model(
        input_ids=torch.tensor([question]), decoder_input_ids=torch.tensor([one[:place]])
    ).logits[0, -1]
    return float((logits[one[place]] - logits[other[place]]).abs())


def print_agreement(run: str, dataset: str, count: int, size: int) -> None:
    """Print the table.

    Args:
        run: folder of a run that was exported to both engines.
        dataset: where its test split is.
        count: how many questions.
        size: questions of a batch.
    """
    tokenizer = AutoTokenizer.from_pretrained(run)
    model = TFChatForConditionalGeneration.from_pretrained(run).eval()
    rows = test_questions(tokenizer, dataset, count, model.config.max_context_turns)
    inputs = list(batches(rows, size, tokenizer.pad_token_id))
    ordered = sorted(rows, key=len)
    print(f"\n{Path(run).name}: {len(rows)} questions in batches of {size}\n")
    print("| settings | engine | equal replies | largest gap of logits where they part |")
    print("| --- | --- | ---: | ---: |")
    for way, settings in WAYS.items():
        expected = replies(model, inputs, **settings)
        for engine, int8 in ENGINES:
            if engine == "onnx" and settings.get("num_beams"):
                continue
            made = replies(load_engine(run, engine, int8), inputs, **settings)
            pairs = list(zip(ordered, expected, made, strict=True))
            differing = [pair for pair in pairs if pair[1] != pair[2]]
            gaps = [gap(model, *pair) for pair in differing]
            shown = f"{max(gaps):.2g}" if gaps and way == "greedy" else ""
            name = f"{engine} {'int8' if int8 else 'float32'}"
            print(f"| {way} | {name} | {len(rows) - len(differing)} | {shown} |", flush=True)

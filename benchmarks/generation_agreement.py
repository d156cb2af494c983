# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whether the engines say what torch says: replies to real questions, token by token.

Called by `generation_engines.py --agreement RUN DATASET`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.engines import load_engine
from tfchat_hf.examples.evaluation_split import EvaluationSplit, load_evaluation_split
from tfchat_hf.examples.questions import Question, decode_reply
from tfchat_hf.fast import FastDecoder
from tfchat_hf.measuring.metrics import describe_replies

# Settings of every engine, on top of plain greedy search.
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "no_repeat_ngram_size 3": {"no_repeat_ngram_size": 3},
    "repetition_penalty 1.2": {"repetition_penalty": 1.2},
    "beam 4 (the preset)": {
        "num_beams": 4,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "renormalize_logits": True,
    },
}
ENGINES = (
    ("torch", True),
    ("onnx", False),
    ("onnx", True),
    ("ctranslate2", False),
    ("ctranslate2", True),
)
BEAMS = "beam 4"


def batches(rows: Sequence[list[int]], size: int, pad: int) -> Iterator[dict[str, torch.Tensor]]:
    """Fill up rows of similar length to tensors."""
    ordered = sorted(rows, key=len)
    for at in range(0, len(ordered), size):
        part = ordered[at : at + size]
        longest = max(map(len, part))
        ids = torch.tensor([row + [pad] * (longest - len(row)) for row in part])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in part])
        yield {"input_ids": ids, "attention_mask": mask}


def replies(
    model: Any,
    inputs: Sequence[dict[str, torch.Tensor]],
    fast: FastDecoder | None = None,
    **settings: Any,
) -> list:
    """Answer all batches; padding is taken off."""
    neutral = {"do_sample": False, "num_beams": 1, "no_repeat_ngram_size": 0}
    neutral |= {"repetition_penalty": 1.0, "max_new_tokens": 64}
    config = model.preset("greedy")
    config.update(**{**neutral, **settings})
    how = {} if fast is None else fast.options(config)
    eos, made = config.eos_token_id, []
    for batch in inputs:
        for row in model.generate(**batch, generation_config=config, **how).tolist():
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
    model = TFChatForConditionalGeneration.from_pretrained(run).eval()
    held = load_evaluation_split(Path(run), dataset, "test", count)
    questions = sorted(held.questions, key=lambda question: len(question.input_ids))
    rows = [question.input_ids for question in questions]
    inputs = list(batches(rows, size, held.tokenizer.pad_token_id))
    print(f"\n{Path(run).name}: {len(rows)} questions in batches of {size}\n")
    print("| settings | engine | equal replies | gap of logits | BLEU | distinct-2 | loops |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for way, settings in WAYS.items():
        expected = replies(model, inputs, **settings)
        print(f"| {way} | torch float32 | | | {qualities(expected, questions, held)} |")
        for engine, int8 in ENGINES:
            if way.startswith(BEAMS) and engine != "ctranslate2":
                continue
            made = answers(model, run, engine, int8, inputs, settings)
            pairs = list(zip(rows, expected, made, strict=True))
            differing = [pair for pair in pairs if pair[1] != pair[2]]
            gaps = [gap(model, *pair) for pair in differing] if way == "greedy" else []
            name = f"{engine} {'int8' if int8 else 'float32'}"
            shown = [name, len(rows) - len(differing), f"{max(gaps):.2g}" if gaps else ""]
            cells = " | ".join(map(str, shown))
            print(f"| {way} | {cells} | {qualities(made, questions, held)} |", flush=True)


def answers(
    model: Any,
    run: str,
    engine: str,
    int8: bool,
    inputs: Sequence[dict[str, torch.Tensor]],
    settings: dict[str, Any],
) -> list[list[int]]:
    """Answer all batches with an engine; for torch that is the model itself, decoded in int8."""
    if engine == "torch":
        return replies(model, inputs, FastDecoder("int8"), **settings)
    return replies(load_engine(run, engine, int8), inputs, **settings)


def qualities(
    made: Sequence[list[int]], questions: Sequence[Question], held: EvaluationSplit
) -> str:
    """Give BLEU, distinct-2 and the share of loops of some replies, as cells of a table."""
    texts = [decode_reply(held.tokenizer, ids) for ids in made]
    found = describe_replies(texts, [question.references for question in questions])
    return f"{found['bleu']:.2f} | {found['distinct_2']:.3f} | {100 * found['repetition']:.1f} %"

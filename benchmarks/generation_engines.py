# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How fast the engines answer, beside what one writes for them by hand; and whether they agree.

    python benchmarks/generation_engines.py                         # the table of speeds
    python benchmarks/generation_engines.py --rounds 3 --batches 1
    python benchmarks/generation_engines.py --agreement runs/zh data/zh --questions 500

Speeds: the original's shape (512 wide, 8 heads, 2 + 2 layers, 2048 inside, 6,000 tokens), weights
drawn at random with the special tokens made impossible, so that every reply has 64 tokens. All
contenders have the same weights and one thread, and take turns (A B C, A B C). Rates are tokens a
second of CPU time; ours go through the public `generate()`. "equal" is the share of tokens that
are torch's; in int8 with random weights it means little.

Agreement: replies to real questions by a run that was exported to both engines, against torch.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Batch = dict[str, Any]
Contender = Callable[[Batch], list[list[int]]]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Contender, and the hand-written one that it is measured against.
PAIRS = {
    "ours, onnx float32": "onnx step float32",
    "ours, onnx int8": "onnx step int8",
    "ours, CTranslate2 float32": "CTranslate2 float32",
    "ours, CTranslate2 int8": "CTranslate2 int8",
}


def drawn_model() -> Any:
    """Make a model whose replies never end; its logits are wide, so that rounding decides nothing.

    Returns:
        The model, in evaluation mode.
    """
    import torch

    from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration

    torch.manual_seed(0)
    model = TFChatForConditionalGeneration(TFChatConfig(vocab_size=6000)).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(3)
        model.lm_head.bias[:5] = -1e4
    return model


def drawn_questions(batch: int, rounds: int) -> list[Batch]:
    """Draw batches of questions of 6 to 24 tokens.

    Args:
        batch: rows.
        rounds: how many.
    """
    import torch

    generator = torch.Generator().manual_seed(1)
    made = []
    for _ in range(rounds):
        lengths = torch.randint(6, 25, (batch,), generator=generator)
        ids = torch.randint(5, 6000, (batch, int(lengths.max())), generator=generator)
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        made.append({"input_ids": ids * mask, "attention_mask": mask})
    return made


def save_run(model: Any, folder: Path) -> None:
    """Write the model as a run, with a tokenizer that has a token for each id.

    Args:
        model: the model.
        folder: where to write.
    """
    from tokenizers import Tokenizer, models

    from tfchat_hf.engines import ENGINES
    from tfchat_hf.engines.export import export_run
    from tfchat_hf.text.tokenization import SPECIAL_TOKENS, wrap_tokenizer

    names = [*SPECIAL_TOKENS, *(f"t{number}" for number in range(5, 6000))]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL_TOKENS[3]))
    wrap_tokenizer(tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    for engine in ENGINES:
        export_run(folder, engine, int8=True)


def our_contender(model: Any, new_tokens: int, beams: int, fast: Any = None) -> Contender:
    """Answer through the public `generate()`.

    Args:
        model: in torch or in an engine.
        new_tokens: of each reply.
        beams: how many.
        fast: a `FastDecoder`, for torch.
    """

    def answer(batch: Batch) -> list[list[int]]:
        settings = {"custom_generate": fast} if fast is not None else {}
        if beams > 1:
            settings = {"num_beams": beams, "early_stopping": True}
        made = model.generate(
            **batch, max_new_tokens=new_tokens, do_sample=False, no_repeat_ngram_size=0, **settings
        )
        return made[:, 1:].tolist()

    return answer


def contenders(model: Any, folder: Path, new_tokens: int, beams: int) -> dict[str, Contender]:
    """Load all; the first is the one that says which tokens are right.

    Args:
        model: in torch.
        folder: with the exports.
        new_tokens: of each reply.
        beams: how many; above 1 the ONNX step stays out.
    """
    from generation_peers.bare_ctranslate2 import BareCTranslate2
    from generation_peers.onnx_step import OnnxStepPeer

    from tfchat_hf.engines import load_engine
    from tfchat_hf.fast import FastDecoder

    ours = our_contender(model, new_tokens, beams, FastDecoder())
    made: dict[str, Contender] = {"ours, torch": ours}
    for int8 in (False, True):
        kind = "int8" if int8 else "float32"
        if beams == 1:
            peer = OnnxStepPeer(folder / "peer", int8, model)
            made[f"onnx step {kind}"] = lambda batch, peer=peer: peer(batch, new_tokens)
            ours = load_engine(folder, "onnx", int8, threads=1)
            made[f"ours, onnx {kind}"] = our_contender(ours, new_tokens, beams)
        bare = BareCTranslate2(folder / "bare", int8, beams, model)
        made[f"CTranslate2 {kind}"] = lambda batch, bare=bare: bare(batch, new_tokens)
        ours = load_engine(folder, "ctranslate2", int8, threads=1)
        made[f"ours, CTranslate2 {kind}"] = our_contender(ours, new_tokens, beams)
    return made


def measure(
    made: dict[str, Contender], batches: Sequence[Batch]
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Let the contenders take turns.

    Args:
        made: all contenders.
        batches: one a round; the first is for warming up.

    Returns:
        CPU seconds of each round, and the share of tokens equal to the first contender's.
    """
    seconds: dict[str, list[float]] = {name: [] for name in made}
    equal: dict[str, float] = {}
    for number, batch in enumerate(batches):
        expected: list[list[int]] = []
        for name, answer in made.items():
            begun = time.process_time()
            tokens = answer(batch)
            if number:
                seconds[name].append(time.process_time() - begun)
                continue
            expected = expected or tokens
            pairs = zip(expected, tokens, strict=True)
            hits = [x == y for one, other in pairs for x, y in zip(one, other, strict=True)]
            equal[name] = sum(hits) / len(hits)
    return seconds, equal


def print_speeds(title: str, tokens: int, seconds: dict[str, list[float]], equal: dict) -> None:
    """Print one table.

    Args:
        title: what was measured.
        tokens: how many a round makes.
        seconds: of each contender and round.
        equal: shares of right tokens.
    """
    print(f"\n{title}\n\n| contender | tokens/s | slowest to fastest | x by hand | equal |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, taken in seconds.items():
        ratio = ""
        if name in PAIRS and PAIRS[name] in seconds:
            pairs = zip(seconds[PAIRS[name]], taken, strict=True)
            ratio = f"{median([theirs / ours for theirs, ours in pairs]):.2f}"
        span = f"{tokens / max(taken):,.0f} to {tokens / min(taken):,.0f}"
        rate = f"{tokens / median(taken):,.0f}"
        print(f"| {name} | {rate} | {span} | {ratio} | {equal[name]:.3f} |", flush=True)


def print_all_speeds(batches: Sequence[int], rounds: int, new_tokens: int) -> None:
    """Print a table for each size of batch, and one with beams for the largest.

    Args:
        batches: sizes.
        rounds: of each table.
        new_tokens: of each reply.
    """
    from generation_peers import bare_ctranslate2, onnx_step

    model = drawn_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("peer", "bare"):
            (folder / part).mkdir()
        save_run(model, folder)
        onnx_step.export(model, folder / "peer")
        bare_ctranslate2.export(model, folder / "bare")
        for size, beams in [*((size, 1) for size in batches), (max(batches), 4)]:
            made = contenders(model, folder, new_tokens, beams)
            seconds, equal = measure(made, drawn_questions(size, rounds + 1))
            what = f"beam {beams}" if beams > 1 else "greedy"
            title = f"Batch {size}, {what}, {new_tokens} tokens a reply, {rounds} rounds"
            print_speeds(title, size * new_tokens, seconds, equal)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agreement", nargs=2, metavar=("RUN", "DATASET"))
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    args = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        # The libraries read them when they are loaded.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if args.agreement:
        from generation_agreement import print_agreement

        print_agreement(*args.agreement, args.questions, max(args.batches))
    else:
        print_all_speeds(args.batches, args.rounds, args.new_tokens)


if __name__ == "__main__":
    main()

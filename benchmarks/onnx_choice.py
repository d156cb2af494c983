# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Is a hand-written ONNX graph worth its code? The exported one against it, in turns.

    python benchmarks/onnx_choice.py                          # all rows
    python benchmarks/onnx_choice.py --rounds 3 --shapes quickstart

Until commit 21813c8 the graphs were written node by node; since then `torch.onnx.export` traces
the network, with onnxruntime's operators in the place of its attention. Both trees are run as they
are, each in a process of its own with one thread, over the same weights and questions, through the
public `generate()`; they take turns (A B, A B). Weights are drawn, and the special tokens made
impossible, so replies have 64 tokens; "mixed" draws them, and one of 24 tokens ends a reply.
Times are of CPU. "x" is how many times as fast as by hand: kept is the exported one if no row is
below 0.87 (15 % slower). "equal": the share of tokens that are torch's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measured import median

ROOT = Path(__file__).resolve().parent.parent
BY_HAND = "21813c8"
WIDE = {"vocab_size": 6000}
QUICKSTART = {
    "vocab_size": 4000,
    "d_model": 256,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 1024,
    "decoder_ffn_dim": 1024,
}
SHAPES = {"original": WIDE, "quickstart": QUICKSTART}


class Tree:
    """One version of the package at work: exports, and answers in a process of its own.

    Args:
        path: its folder.
        run: what to export.
        output: where to.
    """

    def __init__(self, path: Path, run: Path, output: Path) -> None:
        """Export, and start a process for each type of weights."""
        env = {**os.environ, "PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
        export = ["-m", "tfchat_hf.engines.export", str(run), "--engine", "onnx", "--int8"]
        export += ["--output", str(output)]
        # `-m` looks into the current folder first.
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([sys.executable, *export], env=env, cwd=path, **quiet)
        self.processes = {
            kind: subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), "--answer", str(output), kind],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for kind in ("float32", "int8")
        }

    def answer(self, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Have a batch answered; returns its `seconds` and `replies`."""
        process = self.processes[kind]
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    def close(self) -> None:
        """End the processes."""
        for process in self.processes.values():
            process.communicate()


def answer_lines(folder: str, kind: str) -> None:
    """Answer batches from standard input until it ends; a line each way.

    Args:
        folder: an export.
        kind: `float32` or `int8`.
    """
    import torch

    from tfchat_hf.engines import load_engine

    torch.set_num_threads(1)
    model = load_engine(folder, "onnx", int8=kind == "int8", threads=1)
    for line in sys.stdin:
        asked = json.loads(line)
        inputs = {name: torch.tensor(rows) for name, rows in asked["inputs"].items()}
        torch.manual_seed(0)
        begun = time.process_time()
        made = model.generate(**inputs, **asked["settings"])
        seconds = time.process_time() - begun
        print(json.dumps({"seconds": seconds, "replies": made.tolist()}), flush=True)


def save_run(settings: dict[str, int], folder: Path) -> Any:
    """Write a run of drawn weights; returns its model."""
    import torch
    from tokenizers import Tokenizer, models

    from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration
    from tfchat_hf.text.tokenization import SPECIAL_TOKENS, wrap_tokenizer

    torch.manual_seed(0)
    model = TFChatForConditionalGeneration(TFChatConfig(**settings)).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(3)  # wide logits: rounding decides nothing
        model.lm_head.bias[:5] = -1e4
    names = [*SPECIAL_TOKENS, *(f"t{number}" for number in range(5, settings["vocab_size"]))]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL_TOKENS[3]))
    wrap_tokenizer(tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)
    return model


def drawn_questions(rows: int, vocab_size: int, number: int) -> dict[str, list[list[int]]]:
    """Draw a batch of questions of 6 to 24 tokens."""
    import torch

    generator = torch.Generator().manual_seed(number)
    lengths = torch.randint(6, 25, (rows,), generator=generator)
    ids = torch.randint(5, vocab_size, (rows, int(lengths.max())), generator=generator)
    mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
    return {"input_ids": (ids * mask).tolist(), "attention_mask": mask.tolist()}


def share_equal(some: list[list[int]], others: list[list[int]]) -> float:
    """Give the share of equal tokens; a longer reply counts as a whole."""
    pairs = list(zip(some, others, strict=True))
    hits = sum(x == y for one, other in pairs for x, y in zip(one, other, strict=False))
    return hits / sum(max(len(one), len(other)) for one, other in pairs)


def print_row(
    shape: str, batch: int, replies: str, kind: str, rounds: int, trees: list[Tree], model: Any
) -> None:
    """Measure and print one row.

    Args:
        shape: key of `SHAPES`.
        batch: how many questions.
        replies: `64` or `mixed`.
        kind: `float32` or `int8`.
        rounds: how many are counted; one more warms up.
        trees: by hand, then exported.
        model: says which tokens are right.
    """
    import torch

    size = SHAPES[shape]["vocab_size"]
    settings: dict[str, Any] = {"max_new_tokens": 64, "do_sample": False}
    if replies == "mixed":
        settings |= {"do_sample": True, "top_k": 0, "eos_token_id": [2, *range(5, size, 24)]}
    seconds: list[list[float]] = [[], []]
    for number in range(rounds + 1):
        asked = {"inputs": drawn_questions(batch, size, number), "settings": settings}
        made = [tree.answer(kind, asked) for tree in trees]
        if number == 0:
            inputs = {name: torch.tensor(rows) for name, rows in asked["inputs"].items()}
            torch.manual_seed(0)
            right = model.generate(**inputs, **settings).tolist()
            equal = [share_equal(one["replies"], right) for one in made]
            continue
        for taken, one in zip(seconds, made, strict=True):
            taken.append(one["seconds"])
    ratios = sorted(hand / ours for hand, ours in zip(*seconds, strict=True))
    times = " | ".join(f"{1000 * median(taken):.1f}" for taken in seconds)
    span = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    shares = " / ".join(f"{one:.3f}" for one in equal)
    print(f"| {shape} | {batch} | {replies} | {kind} | {times} | {span} | {shares} |", flush=True)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--by-hand", default=BY_HAND, help="the commit that has the writer")
    parser.add_argument("--answer", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        return answer_lines(*args.answer)
    print("| shape | batch | tokens | weights | by hand, ms | exported, ms | x | equal |")
    print("| --- | ---: | --- | --- | ---: | ---: | --- | --- |", flush=True)
    for shape in args.shapes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model = save_run(SHAPES[shape], folder / "run")
            archive = ["git", "-C", str(ROOT), "archive", args.by_hand, "tfchat_hf"]
            archived = subprocess.run(archive, check=True, stdout=subprocess.PIPE).stdout
            (folder / "old").mkdir()
            subprocess.run(["tar", "-x", "-C", str(folder / "old")], input=archived, check=True)
            outputs = {"by-hand": folder / "old", "exported": ROOT}
            trees = [Tree(path, folder / "run", folder / name) for name, path in outputs.items()]
            for batch in args.batches:
                for replies in ("64", "mixed"):
                    for kind in ("float32", "int8"):
                        print_row(shape, batch, replies, kind, args.rounds, trees, model)
            for tree in trees:
                tree.close()


if __name__ == "__main__":
    main()

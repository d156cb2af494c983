# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Concurrent callers of one model, against `generate()` on ready-made batches of as many rows.

    python benchmarks/request_batching.py                       # the original's shape
    python benchmarks/request_batching.py --lengths equal
    python benchmarks/request_batching.py --run runs/mine --questions questions.jsonl
    python benchmarks/request_batching.py --wait-ms 0 2 5 10 --callers 8

Each caller is a thread that asks its questions one after the other, as a person would who answers
at once. The direct way has all questions beforehand and cuts them into batches as they come.
Without a run the model has random weights and the original's shape (d_model 512, 8 heads, 2+2
layers, 2,048 in between, 6,000 tokens); replies are drawn, and its end token is made so likely
that they have 15 tokens in the mean and 64 at most: lengths differ as they do in real chat. With
equal lengths replies are greedy and have 64 tokens each: all callers come back at one moment.
The ways take turns, round by round; printed are medians. Goal: 0.8 of the direct rate.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration
from tfchat_hf.chat.question_file import read_rows
from tfchat_hf.chat.session import load_session
from tfchat_hf.fast import FastDecoder
from tfchat_hf.serve.batching_queue import BatchingQueue

GOAL = 0.8
_MEAN_TOKENS = 15


@dataclass
class Round:
    """What one way took for all questions.

    Attributes:
        tokens: Tokens made, end tokens included.
        seconds: Wall time.
        cpu_seconds: CPU time of the process.
        latencies: Seconds from question to whole reply, where callers wait.
        mean_batch: Replies made at a step, in the mean.
    """

    tokens: int
    seconds: float
    cpu_seconds: float
    latencies: list[float] = field(default_factory=list)
    mean_batch: float = 0.0

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


def random_model(lengths: str) -> TFChatForConditionalGeneration:
    """Make a model of the original's shape that ends its replies at random places, or never."""
    torch.manual_seed(0)
    config = TFChatConfig(
        vocab_size=6000,
        d_model=512,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
        max_position_embeddings=256,
    )
    model = TFChatForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.lm_head.weight[:5] = 0.0
        model.lm_head.bias[:5] = -1e4
        if lengths == "equal":
            model.generation_config.update(do_sample=False, max_new_tokens=64)
            return model
        # The other 5,995 logits are all but even, so this is a chance of 1 in 15.
        odds = torch.tensor(5995 / (_MEAN_TOKENS - 1))
        model.lm_head.bias[config.eos_token_id] = odds.log()
    model.generation_config.update(do_sample=True, top_k=0, max_new_tokens=64)
    return model


def random_questions(count: int, vocab_size: int) -> list[list[int]]:
    """Draw questions of 4 to 24 tokens."""
    draw = random.Random(0)
    lengths = [draw.randint(3, 23) for _ in range(count)]
    return [[*(draw.randrange(5, vocab_size) for _ in range(n)), 2] for n in lengths]


def ask_directly(
    model: TFChatForConditionalGeneration,
    questions: list[list[int]],
    batch_size: int,
    fast: FastDecoder,
) -> Round:
    """Answer batches with `generate()`, decoded as the queue decodes them."""
    how = fast.options(model.generation_config)
    pad, eos = model.generation_config.pad_token_id, model.generation_config.eos_token_id
    tokens, started, cpu = 0, time.perf_counter(), time.process_time()
    for start in range(0, len(questions), batch_size):
        rows = questions[start : start + batch_size]
        length = max(map(len, rows))
        ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
        made = model.generate(input_ids=ids, attention_mask=mask, **how)[:, 1:]
        ended = (made == eos).cumsum(1)
        tokens += int(((ended == 0) | ((ended == 1) & (made == eos))).sum())
    return Round(tokens, time.perf_counter() - started, time.process_time() - cpu)


def ask_from_threads(
    model: TFChatForConditionalGeneration,
    questions: list[list[int]],
    callers: int,
    batch_size: int,
    wait_ms: float,
) -> Round:
    """Answer callers that each wait for a reply before they ask again."""
    tokens: list[int] = []
    latencies: list[float] = []

    def ask(mine: list[list[int]]) -> None:
        for question in mine:
            asked = time.perf_counter()
            reply = batching.submit(question).result()
            latencies.append(time.perf_counter() - asked)
            tokens.append(len(reply.sequences[0]))

    with BatchingQueue(model, max_batch_size=batch_size, max_wait_ms=wait_ms) as batching:
        threads = [
            threading.Thread(target=ask, args=(questions[number::callers],))
            for number in range(callers)
        ]
        started, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took, cpu_took = time.perf_counter() - started, time.process_time() - cpu
    batches = batching.batch_sizes
    mean_batch = sum(size * count for size, count in batches.items()) / sum(batches.values())
    return Round(sum(tokens), took, cpu_took, latencies, mean_batch)


def main() -> None:
    """Run the ways in turn and print their medians."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    model, questions = _model_and_questions(options)
    fast = FastDecoder()
    ways: dict[str, Callable[[], Round]] = {
        "direct": lambda: ask_directly(model, questions, options.batch_size, fast)
    }
    for wait in options.wait_ms:
        ways[f"{options.callers} callers, wait {wait:g} ms"] = lambda wait=wait: ask_from_threads(
            model, questions, options.callers, options.batch_size, wait
        )
    ask_directly(model, questions[: options.batch_size], options.batch_size, fast)  # warm
    rounds: dict[str, list[Round]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            rounds[name].append(way())
    print(f"{len(questions)} questions, batches of at most {options.batch_size}, "
          f"{options.threads} thread(s), medians of {options.rounds} rounds")  # fmt: skip
    for name, made in rounds.items():
        print(_line(name, made, rounds["direct"]))


def _line(name: str, rounds: list[Round], direct: list[Round]) -> str:
    """Say the medians of one way."""
    rate = statistics.median(one.rate for one in rounds)
    cpu_rate = statistics.median(one.tokens / one.cpu_seconds for one in rounds)
    text = f"{name:<28}{rate:8.0f} tokens/s  {cpu_rate:8.0f} a CPU second"
    if rounds is direct:
        return text
    ratios = [one.rate / other.rate for one, other in zip(rounds, direct, strict=True)]
    ratio = statistics.median(ratios)
    cuts = [statistics.quantiles(one.latencies, n=20) for one in rounds]
    middle, late = (1000 * statistics.median(cut[place] for cut in cuts) for place in (9, 18))
    batch = statistics.median(one.mean_batch for one in rounds)
    return (
        f"{text}  ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}, goal {GOAL}: "
        f"{'yes' if ratio >= GOAL else 'no'})  p50 {middle:.0f} ms, p95 {late:.0f} ms, "
        f"batches of {batch:.1f}"
    )


def _model_and_questions(
    options: argparse.Namespace,
) -> tuple[TFChatForConditionalGeneration, list[list[int]]]:
    """Load what the options name, or make it up."""
    if options.run is None:
        model = random_model(options.lengths)
        return model, random_questions(options.count, model.config.vocab_size)
    session = load_session(options.run, "cpu", memory=False)
    if options.preset:
        session.settings.set("preset", options.preset)
    session.model.generation_config = session.settings.generation_config()
    if options.questions is None:
        return session.model, random_questions(options.count, session.model.config.vocab_size)
    rows = [row for row in read_rows(options.questions) if row.turns][: options.count]
    return session.model, [session.encode(row.turns)[0] for row in rows]


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", help="a model's folder or Hub id instead of random weights")
    parser.add_argument("--preset", help="with --run: how to decode")
    parser.add_argument("--questions", type=Path, help="with --run: a .txt or .jsonl file")
    parser.add_argument("--lengths", choices=("mixed", "equal"), default="mixed")
    parser.add_argument("--count", type=int, default=640, help="questions")
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--wait-ms", type=float, nargs="+", default=[2.0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()

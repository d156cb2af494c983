# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""What the best of many candidates costs: seconds a reply, drawn and scored.

    python benchmarks/candidates.py                         # 1, 8, 32 and 64 candidates
    python benchmarks/candidates.py --model runs/mine       # a trained model, everyday questions
    python benchmarks/candidates.py --config configs/chat.yaml --new 12 --rounds 9 --out cost.json

* transformers: `generate(num_return_sequences=n)`, then log p(reply | question) and log p(reply)
  by the network's `forward` over all replies
* before: the same with `FastDecoder` for the drawing
* ours, ours-int8: `generate(custom_generate=Reranking(n, "unconditional"))`

All take the settings of the preset `candidates` and one question at a time, in turns. Without
`--model` the weights are random, of the sizes in `--config`, and no reply ends before `--new`
tokens, and hardly two candidates begin alike. A trained model ends its replies itself, some late,
and begins many of them alike. Seconds are of the process's CPU time with one
thread, medians; a ratio is the median of the ratios of each round. "off" is how far, at most, the
scores in nats lie from those of the network's `forward` for the same replies.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONTENDERS = ("transformers", "before", "ours", "ours-int8")
QUESTIONS = (
    "你好", "你今天过得怎么样？", "周末有什么打算？", "我有点累了。", "你喜欢吃什么水果？",
    "昨天的雨下得真大。", "能推荐一本书吗？", "Good morning!", "What did you do today?",
    "I lost my keys again.",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    arguments = _parser().parse_args(argv)
    if os.environ.get("OMP_NUM_THREADS") != str(arguments.threads):
        # Read when the libraries load.
        os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
        os.execv(sys.executable, [sys.executable, __file__, *(argv or sys.argv[1:])])
    import torch
    from generation import table

    torch.set_num_threads(arguments.threads)
    model, questions = trained(arguments) if arguments.model else random(arguments)
    rows = [row for count in arguments.count for row in compare(model, questions, count, arguments)]
    print("\n".join(table(rows)))
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--new", type=int, default=12, help="most tokens of a reply")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--model", help="a finished run or an id on the Hub")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "chat.yaml")
    parser.add_argument("--out", type=Path)
    return parser


def random(arguments: argparse.Namespace) -> tuple[Any, list[Any]]:
    """Make a model of the sizes in a configuration that ends no reply, and questions for it."""
    import torch
    import yaml

    from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration

    settings = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    known = TFChatConfig().to_dict()
    torch.manual_seed(0)
    sizes = {name: value for name, value in settings.items() if name in known}
    config = TFChatConfig(**sizes, character_runs=[], attn_implementation="eager")
    model = TFChatForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.lm_head.bias[:5] = -1e4
    lengths = torch.randint(4, 17, (arguments.rounds + 1,)).tolist()
    return model, [torch.randint(5, config.vocab_size, (1, length)) for length in lengths]


def trained(arguments: argparse.Namespace) -> tuple[Any, list[Any]]:
    """Load a model, and encode everyday questions."""
    import torch

    from tfchat_hf.chat.session import load_session

    session = load_session(arguments.model, "cpu")
    texts = (QUESTIONS * (arguments.rounds // len(QUESTIONS) + 1))[: arguments.rounds + 1]
    return session.model, [torch.tensor([session.encode([text])[0]]) for text in texts]


def contenders(
    model: Any, count: int, arguments: argparse.Namespace
) -> dict[str, Callable[[Any], Any]]:
    """Give each contender as a function of a question."""
    from tfchat_hf.fast import FastDecoder, decoding
    from tfchat_hf.fast.reranking import Reranking

    config = decoding.preset(model, decoding.CANDIDATES)
    config.max_new_tokens, config.num_candidates, config.rerank_by = arguments.new, 1, None
    fast = FastDecoder()
    ranked = {
        "ours": Reranking(count, "unconditional", 0.5, fast=fast),
        "ours-int8": Reranking(count, "unconditional", 0.5, fast=FastDecoder("int8")),
    }

    def ours(name: str) -> Callable[[Any], Any]:
        how = {"custom_generate": ranked[name], "return_dict_in_generate": True}
        return lambda ids: model.generate(ids, config, **how)

    made = {
        "transformers": lambda ids: slowly(model, ids, count, config),
        "before": lambda ids: slowly(model, ids, count, config, custom_generate=fast),
        "ours": ours("ours"),
        "ours-int8": ours("ours-int8"),
    }
    return {name: made[name] for name in CONTENDERS if name in arguments.only.split(",")}


def slowly(model: Any, ids: Any, count: int, config: Any, **how: Any) -> Any:
    """Draw replies, then score all of them twice."""
    made = model.generate(ids, config, num_return_sequences=count, **how)
    asked, alone, lengths = by_forward(model, ids, made)
    return made[((asked - 0.5 * alone) / lengths).argmax()]


def by_forward(model: Any, ids: Any, made: Any) -> tuple[Any, Any, Any]:
    """Score replies `(rows, length)` by the network's own forward; gives their lengths too."""
    import torch

    from tfchat_hf.fast.reranking import as_labels, reply_scores
    from tfchat_hf.model.generation_tfchat import empty_message_states

    with torch.no_grad():
        labels, lengths = as_labels(made[:, 1:], model.generation_config)
        states = model.get_encoder()(input_ids=ids).last_hidden_state
        both = (states, empty_message_states(model))
        scores = [reply_scores(model, each.expand(len(made), -1, -1), labels) for each in both]
    return *scores, lengths


def compare(
    model: Any, questions: list[Any], count: int, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Let the contenders take turns; the first round warms up and compares the scores."""
    from statistics import median

    import torch

    runs = contenders(model, count, arguments)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    waited: dict[str, list[float]] = {name: [] for name in runs}
    off: dict[str, float] = {}
    for number, ids in enumerate(questions):
        for name, run in runs.items():
            torch.manual_seed(number)
            started, wall = time.process_time(), time.perf_counter()
            made = run(ids)
            spent, passed = time.process_time() - started, time.perf_counter() - wall
            if name.startswith("ours"):
                off[name] = max(off.get(name, 0.0), difference(model, ids, made))
            if number > 0:
                seconds[name].append(spent)
                waited[name].append(passed)
    return [
        {
            "candidates": count,
            "contender": name,
            "CPU s a reply": round(median(seconds[name]), 3),
            "spread": f"{min(seconds[name]):.3f}..{max(seconds[name]):.3f}",
            "wall s": round(median(waited[name]), 3),
            **{f"x {other}": ratio(seconds, other, name) for other in CONTENDERS[:2]},
            "off": f"{off[name]:.1g}" if name in off else "",
        }
        for name in runs
    ]


def difference(model: Any, ids: Any, made: Any) -> float:
    """Say how far scores lie from those of the network, in nats."""
    asked, alone, _ = by_forward(model, ids, made.candidates[0])
    pairs = ((made.forward_scores[0], asked), (made.second_scores[0], alone))
    return max((found - exact).abs().max().item() for found, exact in pairs)


def ratio(seconds: dict[str, list[float]], other: str, name: str) -> float | str:
    """Say how many times as fast as another one this is."""
    from statistics import median

    if other not in seconds or other == name:
        return ""
    pairs = zip(seconds[other], seconds[name], strict=True)
    return round(median([theirs / mine for theirs, mine in pairs]), 2)


if __name__ == "__main__":
    sys.exit(main())

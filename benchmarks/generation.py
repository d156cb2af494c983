# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Speed of `generate()` in torch: this project beside transformers' loop and one written by hand.

    python benchmarks/generation.py                              # batch 1 and 32
    python benchmarks/generation.py --original ../TFChat --rounds 9 --out speed.json
    python benchmarks/generation.py --flat                       # time and memory along the reply

All contenders decode the same weights (random, of the original's shape; the end token is pushed
down, so that every reply has its full length) for the same questions and take turns; the first
round warms up and compares the tokens. With one thread the rate is per second of the process's CPU
time, which other work on the machine disturbs little; otherwise per second of wall time.
The engines have a script of their own, generation_engines.py.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CONTENDERS = (
    "original", "transformers", "transformers-int8", "loop", "loop-int8", "ours", "ours-int8",
    "transformers-sample", "ours-sample", "ours-precise",
)  # fmt: skip
REFERENCES = {"ours-int8": "loop-int8", "ours-sample": "transformers-sample"}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print the tables."""
    arguments = _parser().parse_args(argv)
    if os.environ.get("OMP_NUM_THREADS") != str(arguments.threads):
        # Read when the libraries load.
        os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
        os.execv(sys.executable, [sys.executable, __file__, *(argv or sys.argv[1:])])
    import torch

    torch.set_num_threads(arguments.threads)
    model = random_model(arguments)
    if arguments.flat:
        _print_flat(model, arguments)
        return 0
    tables = {}
    for batch in arguments.batch:
        rows = compare(model, batch, arguments)
        print(f"\nbatch {batch}, {arguments.new} new tokens, {arguments.threads} thread(s)")
        print("\n".join(table(rows)))
        tables[str(batch)] = rows
    if arguments.out:
        arguments.out.write_text(json.dumps(tables, indent=1), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--new", type=int, default=64, help="tokens of each reply")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default=",".join(CONTENDERS[1:]))
    parser.add_argument("--original", help="a checkout of jingyaogong/TFChat")
    parser.add_argument("--flat", action="store_true", help="time and memory along the reply")
    parser.add_argument("--d-model", type=int, default=512)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=6000)
    parser.add_argument("--positions", type=int, default=256)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--out", type=Path)
    return parser


def random_model(arguments: argparse.Namespace) -> Any:
    """Make a model of the wanted shape that never ends a reply by itself."""
    import torch

    from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration

    torch.manual_seed(0)
    config = TFChatConfig(
        vocab_size=arguments.vocabulary,
        d_model=arguments.d_model,
        encoder_ffn_dim=4 * arguments.d_model,
        decoder_ffn_dim=4 * arguments.d_model,
        encoder_layers=arguments.layers,
        decoder_layers=arguments.layers,
        max_position_embeddings=arguments.positions,
    )
    model = TFChatForConditionalGeneration(config).eval()
    with torch.no_grad():
        # Wider than at initialisation, so that rounding decides nothing.
        model.lm_head.weight.mul_(20.0)
        model.lm_head.bias[:5] = -1e4
    return model.to(arguments.device)


def questions(arguments: argparse.Namespace, batch: int, number: int) -> dict[str, Any]:
    """Make questions of 6 to 24 tokens, padded at the end."""
    import torch

    draw = torch.Generator().manual_seed(number)
    lengths = torch.randint(6, 25, (batch,), generator=draw)
    ids = torch.randint(5, arguments.vocabulary, (batch, int(lengths.max())), generator=draw)
    mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
    given = {"input_ids": ids * mask, "attention_mask": mask}
    return {name: tensor.to(arguments.device) for name, tensor in given.items()}


def contenders(model: Any, arguments: argparse.Namespace) -> dict[str, Callable]:
    """Give each wanted contender as a function of a batch of questions."""
    import copy

    import torch
    from generation_peers.hand_loop import HandLoop

    wanted = arguments.only.split(",") + (["original"] if arguments.original else [])
    new = {"max_new_tokens": arguments.new}
    core = copy.deepcopy(model)
    core._packed_network = lambda config: None
    made: dict[str, Callable] = {
        "transformers": lambda given: core.generate(**given, **new),
        "transformers-sample": lambda given: core.generate(**given, **new, do_sample=True),
        "ours": lambda given: model.generate(**given, **new),
        "ours-int8": lambda given: model.generate(**given, **new, weight_dtype="int8"),
        "ours-sample": lambda given: model.generate(**given, **new, do_sample=True),
        "ours-precise": lambda given: model.generate(
            **given, generation_config=with_length(model.preset("precise"), arguments.new)
        ),
    }
    loop = HandLoop(model) if "loop" in wanted else None
    if loop is not None:
        made["loop"] = lambda given: loop.greedy(*given.values(), arguments.new)
    if "loop-int8" in wanted or "transformers-int8" in wanted:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces the function's end
            kinds = {torch.nn.Linear}
            rounded = [
                torch.ao.quantization.quantize_dynamic(network, kinds, dtype=torch.qint8)
                for network in (HandLoop(model), copy.deepcopy(model))
            ]
        made["loop-int8"] = lambda given: rounded[0].greedy(*given.values(), arguments.new)
        made["transformers-int8"] = lambda given: rounded[1].generate(**given, **new)
    if arguments.original:
        made["original"] = _original(arguments)
    return {name: made[name] for name in CONTENDERS if name in wanted and name in made}


def with_length(config: Any, new_tokens: int) -> Any:
    """Set the length of a preset."""
    config.max_new_tokens = new_tokens
    return config


def _original(arguments: argparse.Namespace) -> Callable:
    """Give the `evaluate` of the original's chat.py, with random weights of the same shape."""
    import torch
    from training_peers.original import function, load

    modules = load(str(Path(arguments.original).resolve()))
    words = {f"w{number}": number for number in range(1, arguments.vocabulary - 3)}
    words |= {"<unk>": arguments.vocabulary - 3, "<start>": arguments.vocabulary - 2}
    words |= {"<end>": arguments.vocabulary - 1, "<pad>": 0}
    network = modules.models.Transformer(
        d_model=arguments.d_model, heads=8, num_layers=arguments.layers, word_map=words
    ).eval()
    with torch.no_grad():
        network.logit.bias[[0, *(words[name] for name in ("<unk>", "<start>", "<end>"))]] = -1e4
    names = {**vars(modules.models), **vars(modules.utils)}
    evaluate = function(str(Path(arguments.original).resolve()), "chat.py", "evaluate", names)

    def answer(given: dict[str, Any]) -> None:
        # chat.py decodes one question at a time, and keeps gradients.
        for row in given["input_ids"]:
            ids = row[row != 0][None]
            evaluate(network, ids, (ids != 0)[:, None, None], arguments.new + 1, words)

    return answer


def compare(model: Any, batch: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Let the contenders take turns on the same questions."""
    import torch
    from measured import median

    runs = contenders(model, arguments)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    if arguments.device != "cpu":
        clock = time.perf_counter
    rates: dict[str, list[float]] = {name: [] for name in runs}
    first: dict[str, Any] = {}
    for number in range(arguments.rounds + 1):
        given = questions(arguments, batch, number)
        for name, run in runs.items():
            torch.manual_seed(number)
            started = clock()
            made = run(given)
            if arguments.device != "cpu":
                torch.cuda.synchronize()
            seconds = clock() - started
            if number == 0:
                first[name] = made
            else:
                rates[name].append(batch * arguments.new / seconds)
    return [
        {
            "contender": name,
            "tok/s": round(median(rates[name])),
            "spread": f"{min(rates[name]):.0f}..{max(rates[name]):.0f}",
            "ms/step": round(1000 * batch / median(rates[name]), 3),
            **_ratios(name, rates),
            "tokens equal": _equal(first, name),
        }
        for name in runs
    ]


def _ratios(name: str, rates: dict[str, list[float]]) -> dict[str, Any]:
    """Compare round by round with the loop, the original and the like."""
    from measured import median

    found = {}
    others = {"x loop": "loop", "x transformers": "transformers", "x original": "original"}
    others["x its like"] = REFERENCES.get(name)
    for title, other in others.items():
        if other in rates:
            pairs = zip(rates[name], rates[other], strict=True)
            found[title] = round(median([mine / theirs for mine, theirs in pairs]), 2)
    return found


def _equal(first: dict[str, Any], name: str) -> float | str:
    """Give the share of tokens equal to those of transformers, drawn ones to drawn ones."""
    other = first.get("transformers-sample" if name.endswith("-sample") else "transformers")
    if other is None or first[name] is None or name == "ours-precise":
        return ""
    return round((first[name][:, : other.shape[1]] == other).float().mean().item(), 4)


def _print_flat(model: Any, arguments: argparse.Namespace) -> None:
    """Print milliseconds a token and megabytes along the longest reply there can be."""
    import resource

    from generation_peers.clock import StepClock
    from measured import median

    longest = arguments.positions
    model.generate(**questions(arguments, 1, 0), max_new_tokens=8)
    print("| batch | ms a step at tokens 1-32 | in the middle | at the end | MB grown |")
    print("|---|---|---|---|---|")
    for batch in arguments.batch:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        parts: list[list[float]] = [[], [], []]
        for number in range(arguments.rounds):
            clock = StepClock()
            given = questions(arguments, batch, number)
            model.generate(
                **given, max_new_tokens=longest, min_new_tokens=longest, logits_processor=[clock]
            )
            steps = clock.steps()
            for part, at in zip(parts, (0, longest // 2 - 16, longest - 33), strict=True):
                part.append(1000 * median(steps[at : at + 32]))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        shown = " | ".join(f"{median(part):.2f}" for part in parts)
        print(f"| {batch} | {shown} | {grown:.0f} |")


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Write rows as Markdown; a column that a row lacks stays empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return lines + ["| " + " | ".join(str(row.get(c, "")) for c in columns) + " |" for row in rows]


if __name__ == "__main__":
    sys.exit(main())

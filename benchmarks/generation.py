# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Speed of decoding in torch: `FastDecoder` beside transformers' loop and one written by hand.

    python benchmarks/generation.py                              # batch 1 and 32
    python benchmarks/generation.py --original ../TFChat --rounds 9 --out speed.json
    python benchmarks/generation.py --flat                       # time and memory along the reply

* transformers: `model.generate()`, whose loop is transformers' own; loop: one written by hand
* ours: `model.generate(custom_generate=FastDecoder())`
* keyboard, keyboard-fast (batch 1): `ChatSession.reply` of 12 tokens, preset balanced, as
  `chat_hf.py` answers a person, without and with `--fast`
* original: the `evaluate` of jingyaogong/TFChat, read from the checkout that --original names

"-int8" behind a name is 8-bit weights (torch's dynamic ones for the peers), "-sample" drawing,
"-precise" the preset. All contenders decode the same weights (random, of the original's shape; the
end token is pushed down, so that every reply has its full length) for the same questions and take
turns; the first round warms up and compares the tokens. Rates are medians, and a ratio is the
median of the ratios of each round. With one thread the rate is per second of the process's CPU
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
    "transformers-sample", "ours-sample", "ours-precise", "keyboard", "keyboard-fast",
)  # fmt: skip
# Beside the loop and transformers in float32, what a contender is fairly compared with.
THEIR_LOOP = {"ours-int8": "loop-int8"}
THEIR_TRANSFORMERS = {
    "ours-int8": "transformers-int8",
    "ours-sample": "transformers-sample",
    "keyboard-fast": "keyboard",
}
KEYBOARD_TOKENS = 12


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
    """Make a model of the chosen shape that never ends a reply by itself."""
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
        character_runs=[],
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


def contenders(model: Any, batch: int, arguments: argparse.Namespace) -> dict[str, Callable]:
    """Give each chosen contender as a function of a batch of questions."""
    from generation_peers.hand_loop import HandLoop

    from tfchat_hf.fast import FastDecoder

    chosen = arguments.only.split(",") + (["original"] if arguments.original else [])
    new = {"max_new_tokens": arguments.new}
    fast = {**new, "custom_generate": FastDecoder()}
    fast_int8 = {**new, "custom_generate": FastDecoder("int8")}
    precise = {"generation_config": with_length(model.preset("precise"), arguments.new)}
    made: dict[str, Callable] = {
        "transformers": lambda given: model.generate(**given, **new),
        "transformers-sample": lambda given: model.generate(**given, **new, do_sample=True),
        "ours": lambda given: model.generate(**given, **fast),
        "ours-int8": lambda given: model.generate(**given, **fast_int8),
        "ours-sample": lambda given: model.generate(**given, **fast, do_sample=True),
        "ours-precise": lambda given: model.generate(**given, **{**fast, **precise}),
    }
    if "loop" in chosen:
        loop = HandLoop(model)
        made["loop"] = lambda given: loop.greedy(*given.values(), arguments.new)
    if "loop-int8" in chosen:
        loop_int8 = _rounded(HandLoop(model))
        made["loop-int8"] = lambda given: loop_int8.greedy(*given.values(), arguments.new)
    if "transformers-int8" in chosen:
        model_int8 = _rounded(model)
        made["transformers-int8"] = lambda given: model_int8.generate(**given, **new)
    if batch == 1:
        made |= _at_the_keyboard(model, chosen)
    if arguments.original:
        made["original"] = _original(arguments)
    return {name: made[name] for name in CONTENDERS if name in chosen and name in made}


def _rounded(network: Any) -> Any:
    """Give a network with torch's dynamic int8."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the function's end
        return torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, dtype=torch.qint8)


def _at_the_keyboard(model: Any, chosen: Sequence[str]) -> dict[str, Callable]:
    """Give conversations that read the ids of a question as words."""
    import copy

    from tokenizers import Tokenizer, models, pre_tokenizers

    from tfchat_hf.chat.session import ChatSession
    from tfchat_hf.fast import FastDecoder
    from tfchat_hf.text.tokenization import SPECIAL_TOKENS, wrap_tokenizer

    made: dict[str, Callable] = {}
    words = [*SPECIAL_TOKENS, *(f"w{n}" for n in range(5, model.config.vocab_size))]
    core = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, SPECIAL_TOKENS[3]))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    for name in chosen:
        if not name.startswith("keyboard"):
            continue
        session = ChatSession(copy.deepcopy(model), wrap_tokenizer(core))
        session.settings.set("preset", "balanced")
        session.settings.set("max_new_tokens", str(KEYBOARD_TOKENS))
        session.fast = FastDecoder() if name == "keyboard-fast" else None

        def answer(given: dict[str, Any], session: ChatSession = session) -> None:
            session.reset()
            session.reply(" ".join(words[n] for n in given["input_ids"][0].tolist()))

        made[name] = answer
    return made


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
    from statistics import median

    import torch

    runs = contenders(model, batch, arguments)
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
                rates[name].append(batch * _tokens(name, arguments) / seconds)
    return [
        {
            "contender": name,
            "tok/s": round(median(rates[name])),
            "spread": f"{min(rates[name]):.0f}..{max(rates[name]):.0f}",
            "ms/step": round(1000 * batch / median(rates[name]), 3),
            "ms/reply": round(1000 * batch * _tokens(name, arguments) / median(rates[name]), 1),
            **_ratios(name, rates),
            "tokens equal": _equal(first, name),
        }
        for name in runs
    ]


def _tokens(name: str, arguments: argparse.Namespace) -> int:
    """Say how many tokens a reply has."""
    return KEYBOARD_TOKENS if name.startswith("keyboard") else arguments.new


def _ratios(name: str, rates: dict[str, list[float]]) -> dict[str, Any]:
    """Compare round by round with the loop, transformers, the original and the like."""
    from statistics import median

    found = {}
    others = {
        "x loop": THEIR_LOOP.get(name, "loop"),
        "x transformers": THEIR_TRANSFORMERS.get(name, "transformers"),
        "x original": "original",
    }
    if name == "keyboard":  # its replies are shorter than those of all others
        return {}
    for title, other in others.items():
        if other in rates and (other == "keyboard" or not name.startswith("keyboard")):
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
    from statistics import median

    from generation_peers.clock import StepClock

    from tfchat_hf.fast import FastDecoder

    longest, fast = arguments.positions, FastDecoder()
    model.generate(**questions(arguments, 1, 0), max_new_tokens=8, custom_generate=fast)
    print("| batch | ms a step at tokens 1-32 | in the middle | at the end | MB grown |")
    print("|---|---|---|---|---|")
    for batch in arguments.batch:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        parts: list[list[float]] = [[], [], []]
        for number in range(arguments.rounds):
            clock = StepClock()
            given = questions(arguments, batch, number)
            model.generate(
                **given,
                max_new_tokens=longest,
                min_new_tokens=longest,
                logits_processor=[clock],
                custom_generate=fast,
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

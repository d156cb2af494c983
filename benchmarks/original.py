# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The table of the original's README, measured here: its own code beside ours, 1 and 2 layers.

    git clone https://github.com/jingyaogong/TFChat ../TFChat
    python benchmarks/original.py --original ../TFChat
    python benchmarks/original.py --original ../TFChat --layers 2 --rounds 5 --out results.json
    python benchmarks/original.py --original ../TFChat --tiny     # does it run?

For each number of layers the original's code makes a network of configs/original.yaml's shape. Its
checkpoint is converted, and both answer the same questions greedily, so many tokens each, one at a
time: the original with the `evaluate` of its chat.py, ours as chat_hf.py does, and with --fast.
The replies must be equal. Then both train on the same pairs, the original with the `train` of its
train.py, in batches of 50 pairs; ours with as many tokens an update as 50 pairs have.

Every figure comes from a process of its own. With one thread, rates are per second of its CPU time.
Memory is the most that the process held, and what of that came after the libraries were loaded;
with --device cuda it is what was allocated on the GPU. Nothing of the original is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
from training_peers.job import Job, Shape
from training_peers.worker import Worker
from training_peers.workload import Workload, read_texts, save_workload

ROOT = Path(__file__).resolve().parents[1]
CHATS = ("original", "ours", "ours --fast")
TRAININGS = ("original", "ours", "ours-bf16")
# Its map of characters, rebuilt with its own script, has so many entries.
VOCABULARY = 3573
MAX_CHARACTERS = 256
# As configs/original.yaml says; the shape and the tokenizer are the workload's.
SETTINGS = {"attention_dropout": "0.1", "activation_dropout": "0.1", "max_grad_norm": "0"}
TINY = {"d_model": 32, "tokens": 8, "rounds": 1, "questions": 2, "pairs": 60, "block": 10}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print both tables."""
    arguments = _arguments(argv)
    if arguments.work:
        print(json.dumps(WORK[arguments.work](arguments)))
        return 0
    datasets.disable_progress_bars()
    results: dict[str, Any] = {"chat": [], "training": []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        texts = read_texts(arguments.data, arguments.pairs, MAX_CHARACTERS)
        for layers in arguments.layers:
            folder = Path(scratch, f"{layers}")
            folder.mkdir()
            (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
            results["chat"] += chats(folder, layers, arguments)
        print(chat_table(results["chat"]), flush=True)
        work = save_workload(Path(scratch, "pairs"), texts, arguments.vocabulary)
        for layers in arguments.layers:
            results["training"] += trainings(work, layers, arguments)
        print(training_table(results["training"], work), flush=True)
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


def chats(folder: Path, layers: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Make a network of so many layers, and let each contender chat with it."""
    begun = [folder, "--layers", layers, "--d-model", arguments.d_model]
    _in_a_process("make", *begun, "--vocabulary", arguments.vocabulary, arguments=arguments)
    amount = ["--tokens", arguments.tokens, "--rounds", arguments.rounds]
    amount += ["--questions", arguments.questions]
    rows = []
    for name in CHATS:
        row = _in_a_process("chat", folder, "--name", name, *amount, arguments=arguments)
        rows.append({"layers": layers, "name": name, **row})
        print(f"# {layers} layers, {name}: {row['rate']:.0f} tokens/s in chat", flush=True)
    wrong = [row["name"] for row in rows if row["replies"] != rows[0]["replies"]]
    if wrong:
        sys.exit(f"{' and '.join(wrong)} answered otherwise than the original: no comparison.")
    return rows


def _in_a_process(work: str, folder: Path, *options: Any, arguments: Any) -> dict[str, Any]:
    """Do a part in a process of its own and return what it measured."""
    words = ["--work", work, "--folder", folder, *options, "--original", arguments.original]
    command = [sys.executable, __file__, *map(str, words), "--device", arguments.device]
    hidden = {} if arguments.device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={
            **os.environ,
            **hidden,
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        },
    )
    return json.loads(done.stdout.splitlines()[-1])


# ------------------------------------------------------------------ in processes of their own


def make(arguments: argparse.Namespace) -> dict[str, Any]:
    """Let the original's code make a network; save it for its chat, and converted for ours."""
    import torch
    from training_peers import original, original_chat

    from tfchat_hf.convert.__main__ import main as convert

    texts = json.loads((arguments.folder / "texts.json").read_text(encoding="utf-8"))
    counts: dict[str, int] = {}
    for sign in (sign for pair in texts for text in pair for sign in text if not sign.isspace()):
        counts[sign] = counts.get(sign, 0) + 1
    unused = {f"<unused{i}>": 0 for i in range(arguments.vocabulary)}
    words = original.word_map({**counts, **unused}, arguments.vocabulary)
    code = original.load(arguments.original)
    torch.manual_seed(0)
    network = code.models.Transformer(
        arguments.d_model, Shape.heads, arguments.layers[0], words
    ).cpu()
    with torch.no_grad():
        # Far apart, so that rounding decides nothing; and nothing ends a reply early.
        network.logit.weight.mul_(3.0)
        network.logit.bias[[0, *(words[name] for name in original.SPECIALS)]] = -1e4
    original_chat.save_weights(network.state_dict(), arguments.folder)
    path = arguments.folder / original_chat.WORDS
    path.write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
    checkpoint = arguments.folder / "checkpoint.pth"
    torch.save({"epoch": 0, "transformer": network}, checkpoint)
    output = arguments.folder / "model"
    if convert([str(checkpoint), "--words", str(path), "--output", str(output)]):
        sys.exit("The checkpoint could not be converted.")
    return {}


def chat(arguments: argparse.Namespace) -> dict[str, Any]:
    """Let one contender answer questions, and measure rate and memory."""
    import torch

    torch.set_num_threads(1)
    reply, loaded, parameters = SPEAKERS[arguments.name.split()[0]](arguments)
    texts = json.loads((arguments.folder / "texts.json").read_text(encoding="utf-8"))
    questions = [question for question, _ in texts if 6 <= len(question) <= 48]
    questions = questions[: arguments.questions]
    reply(questions[0])  # the first one prepares what is kept
    rates = []
    for _ in range(arguments.rounds):
        began = _clock(arguments.device)
        replies = [reply(question) for question in questions]
        spent = _clock(arguments.device) - began
        rates.append(arguments.tokens * len(questions) / spent)
    memory = _memory(arguments.device)
    return {
        "parameters": parameters,
        "rate": statistics.median(rates),
        "spread": [min(rates), max(rates)],
        "memory": memory,
        "own_memory": memory - loaded,
        "replies": replies,
    }


def _clock(device: str) -> float:
    if device == "cpu":
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


def _memory(device: str) -> float:
    """Return the most memory held so far, in MB."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    import torch

    return torch.cuda.max_memory_reserved() / 1e6


Speaker = tuple[Callable[[str], str], float, int]


def _the_original(arguments: argparse.Namespace) -> Speaker:
    """Load the original's model with its own code; return its chat and the memory before."""
    from training_peers.original_chat import load_checkpoint

    loaded = _memory(arguments.device)
    talk = load_checkpoint(arguments.original, arguments.folder)
    count = sum(weight.numel() for weight in talk.model.parameters())
    return lambda question: talk.reply(question, arguments.tokens), loaded, count


def _ours(arguments: argparse.Namespace) -> Speaker:
    """Load the converted folder as chat_hf.py does; return its chat and the memory before."""
    from transformers.utils import logging

    from tfchat_hf.chat.session import load_session

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    loaded = _memory(arguments.device)
    folder, fast = str(arguments.folder / "model"), "--fast" in arguments.name
    session = load_session(folder, arguments.device, fast=fast)
    session.settings.set("max_new_tokens", str(arguments.tokens))

    def reply(question: str) -> str:
        session.reset()
        return session.reply(question)

    return reply, loaded, session.model.num_parameters()


SPEAKERS = {"original": _the_original, "ours": _ours}
WORK = {"make": make, "chat": chat}


# ------------------------------------------------------------------ training


def trainings(work: Workload, layers: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Let each contender train, one after the other: a short block to warm up, then one."""
    shape = Shape(arguments.d_model, layers=layers, vocabulary=work.statistics.vocabulary)
    rows = []
    for name in TRAININGS:
        settings = {} if name == "original" else SETTINGS
        pairs = arguments.block if name == "original" else len(work.pairs)
        batch = min(50, arguments.block)
        job = Job(
            name, str(work.folder), shape, batch, arguments.device, 1, arguments.original, settings
        )
        worker = Worker(job, work.folder)
        try:
            parameters = worker.answer()["parameters"]
            worker.run(batch)
            block = worker.run(pairs)
        finally:
            worker.stop()
        seconds = block["cpu" if arguments.device == "cpu" else "wall"]
        rows.append(
            {
                "layers": layers,
                "name": name,
                "parameters": parameters,
                "memory": block["rss_mb"],
                "pairs_per_second": block["pairs"] / seconds,
                "milliseconds_per_token": 1000 * seconds / block["tokens"],
            }
        )
        print(f"# {layers} layers, {name}: {block['pairs'] / seconds:.2f} pairs/s", flush=True)
    return rows


# ------------------------------------------------------------------ tables


def chat_table(rows: list[dict[str, Any]]) -> str:
    """Write the table of the chat in Markdown."""
    lines = [
        "\n| layers | code | parameters | MB in chat | of these its own | tokens/s | spread "
        "| x original |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        base = next(r for r in rows if (r["layers"], r["name"]) == (row["layers"], "original"))
        low, high = row["spread"]
        lines.append(
            f"| {row['layers']} | {row['name']} | {row['parameters'] / 1e9:.3f}B "
            f"| {row['memory']:,.0f} | {row['own_memory']:,.0f} | {row['rate']:.0f} "
            f"| {low:.0f} to {high:.0f} | {row['rate'] / base['rate']:.1f} |"
        )
    return "\n".join([*lines, ""])


def training_table(rows: list[dict[str, Any]], work: Workload) -> str:
    """Write the table of the training in Markdown."""
    lines = [
        f"\n{len(work.pairs):,} pairs of {work.statistics.mean:.1f} tokens on average\n",
        "| layers | code | parameters | MB in training | pairs/s | ms a token | x original |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        base = next(r for r in rows if (r["layers"], r["name"]) == (row["layers"], "original"))
        lines.append(
            f"| {row['layers']} | {row['name']} | {row['parameters'] / 1e9:.3f}B "
            f"| {row['memory']:,.0f} | {row['pairs_per_second']:.2f} "
            f"| {row['milliseconds_per_token']:.2f} "
            f"| {row['pairs_per_second'] / base['pairs_per_second']:.1f} |"
        )
    return "\n".join([*lines, ""])


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    say = parser.add_argument
    say("--original", required=True, help="a checkout of jingyaogong/TFChat, or its git directory")
    say("--data", default="small_talk", help="a corpus for questions and training")
    say("--layers", type=int, nargs="+", default=[1, 2])
    say("--device", default="cpu", choices=("cpu", "cuda"))
    say("--rounds", type=int, default=3, help="of chat; the median counts")
    say("--questions", type=int, default=6)
    say("--tokens", type=int, default=64, help="of each reply")
    say("--pairs", type=int, default=800, help="of the training of ours")
    say("--block", type=int, default=50, help="pairs that the original trains on: one batch")
    say("--d-model", type=int, default=512)
    say("--vocabulary", type=int, default=VOCABULARY)
    say("--out", help="a JSON file for every figure")
    say("--tiny", action="store_true", help="sizes at which nothing is measured")
    for hidden in ("--work", "--name"):
        say(hidden, help=argparse.SUPPRESS)
    say("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    arguments.original = str(Path(arguments.original).resolve())
    vars(arguments).update(TINY if arguments.tiny else {})
    return arguments


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How soon each command answers, in seconds of CPU: the median of three, one process each.

    python benchmarks/startup.py
    python benchmarks/startup.py --only chat

Help, a misspelt option, a path that is not there and a folder that is taken must cost under 0.3 s.
At the end: one reply of `chat_hf.py --once` beside the shortest script that loads the same model
with transformers and lets it answer.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
BARE = """
import tfchat_hf
from tfchat_hf.pretrained import SMALL_TALK
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(SMALL_TALK)
model = AutoModelForSeq2SeqLM.from_pretrained(SMALL_TALK)
ids = tokenizer(["你好"], return_tensors="pt", return_token_type_ids=False)
print(tokenizer.decode(model.generate(**ids)[0], skip_special_tokens=True))
"""


def commands() -> dict[str, list[str]]:
    """Name each command and how Python starts it."""
    modules = {
        "data": "data_builders",
        "look": "tfchat_hf.look",
        "compare": "tfchat_hf.compare",
        "judging": "tfchat_hf.judging",
        "memory": "tfchat_hf.memory",
        "publishing": "tfchat_hf.publishing",
        "pretrained": "tfchat_hf.pretrained",
        "convert": "tfchat_hf.convert",
        "export": "tfchat_hf.engines.export",
        "javascript": "tfchat_hf.engines.javascript_tokenizer",
        "tokenizer": "tfchat_hf.text.tokenizer_training",
        "serve": "tfchat_hf.serve",
    }
    scripts = {"train": [str(ROOT / "train_hf.py")], "chat": [str(ROOT / "chat_hf.py")]}
    return scripts | {name: ["-m", module] for name, module in modules.items()}


def quick_answers(folder: Path) -> Iterator[tuple[str, str, list[str], int]]:
    """List what each command must answer at once.

    Args:
        folder: An empty one; what is in the way is put into it.

    Yields:
        The command, what is asked, its words and its exit code.
    """
    taken, file = folder / "taken", folder / "questions.txt"
    taken.mkdir()
    (taken / "metrics.json").write_text("{}")
    (taken / "sheet.tsv").write_text("")
    file.write_text("你好\n", encoding="utf-8")
    away, new = str(folder / "away"), str(folder / "new")
    config = str(ROOT / "configs" / "quickstart.yaml")
    for name in commands():
        yield name, "--help", ["--help"], 0
    for name, command in {"data": ["build", "mix", "csv"], "judging": ["sheet", "scores"]}.items():
        for one in command:
            yield name, f"{one} --help", [one, "--help"], 0
    for name, command in {"data": "biuld", "judging": "scroes", "memory": "biuld"}.items():
        yield name, "misspelt command", [command, away], 2
    misspelt = {
        "train": [config, "--learning_rat", "1"],
        "chat": ["--temprature", "1"],
        "data": ["build", str(file), "--outptu", new],
        "look": ["--shceme", "char"],
        "compare": [away, "--presset", "creative"],
        "judging": ["scores", away, "--aginst", "x"],
        "memory": ["build", away, "--datasett", "x"],
        "publishing": [away, "--hub_modle_id", "a/b"],
        "pretrained": [away, "--hepl"],
        "convert": [away, "--wrods", away, "--output", new],
        "export": [away, "--engin", "onnx"],
        "javascript": [away, "--output", new, "--overwrit"],
        "tokenizer": [away, "--output", new, "--vocab-sice", "9"],
        "serve": ["--prot", "8000"],
    }
    missing = {
        "train": [away + ".yaml"],
        "chat": [away, "--once", "你好"],
        "data": ["build", away, "--output", new],
        "look": [away, "你好"],
        "compare": [away],
        "judging": ["relevance", away],
        "memory": ["build", away],
        "publishing": [away, "--hub_model_id", "a/b", "--dry_run"],
        "pretrained": [away],
        "convert": [away, "--words", away, "--output", new],
        "export": [away, "--engine", "onnx"],
        "javascript": [away, "--output", new],
        "tokenizer": [away, "--output", new],
        "serve": [away],
    }
    in_the_way = {
        "train": [config, "--output_dir", str(taken)],
        "chat": ["--input", str(file), "--output", str(taken / "metrics.json")],
        "data": ["build", str(file), "--output", str(taken)],
        "convert": [str(file), "--words", str(file), "--output", str(taken)],
        "export": [str(taken), "--engine", "onnx", "--output", str(taken)],
        "javascript": [str(taken), "--output", str(taken)],
        "tokenizer": [str(taken), "--output", str(taken)],
    }
    questions = ["--input", str(file), "--system", f"a={away}.jsonl"]
    for what, asked in (("misspelt", misspelt), ("missing", missing), ("taken", in_the_way)):
        for name, words in asked.items():
            yield name, what, words, 2
    yield "judging", "missing sheet", ["scores", away], 2
    yield "judging", "missing replies", ["sheet", *questions, "--output", new], 2
    yield "judging", "taken", ["sheet", *questions, "--output", str(taken)], 2
    yield "chat", "empty --once", ["--once", ""], 2
    yield "serve", "open to all", ["--host", "0.0.0.0"], 2
    yield "serve", "no such port", ["--port", "99999"], 2


def cpu_seconds(words: Sequence[str], times: int = 3) -> float:
    """Return the CPU time of Python with these words, the median of some runs."""
    taken = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="one command, and not the reply")
    only = parser.parse_args().only
    print("| command | asked | CPU s |\n|---|---|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, what, words, _ in quick_answers(Path(folder)):
            if only in (None, name):
                seconds = cpu_seconds([*commands()[name], *words])
                print(f"| {name} | {what} | {seconds:.2f} |", flush=True)
    if only is None:
        bare = cpu_seconds(["-c", BARE])
        reply = cpu_seconds([str(ROOT / "chat_hf.py"), "--once", "你好"])
        print(f"\na reply of chat_hf.py --once: {reply:.2f} s, of a bare script: {bare:.2f} s, ")
        print(f"ratio {reply / bare:.2f}")


if __name__ == "__main__":
    main()

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""A model in a headless browser beside torch and onnxruntime: same tokens, size, start, speed.

    npm install --ignore-scripts onnxruntime-web @huggingface/tokenizers   # in a folder of its own
    python benchmarks/browser_model.py --node-modules FOLDER/node_modules
    python benchmarks/browser_model.py --run runs/mine --questions questions.jsonl ...

Exports the run as a page (`--engine web`), in float32 and with weights in 8 bits, and has the
page's own worker answer questions in Chromium: those of the ChatterBot corpus, half of them
Chinese. Compared are the ids that the encoder reads and the tokens of greedy search and of
presets, one question at a time, with those of torch and of onnxruntime running the same files.
Speed is the median over the questions of tokens a second, browser and onnxruntime (one thread)
in turns.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import onnxruntime
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.browser import WORKER, posted_by  # noqa: E402
from tfchat_hf.chat.question_file import read_rows  # noqa: E402
from tfchat_hf.engines.dependencies import WEB  # noqa: E402
from tfchat_hf.engines.export import export_run  # noqa: E402
from tfchat_hf.engines.exported_folder import open_engine  # noqa: E402
from tfchat_hf.engines.model_folder import load_for_chat  # noqa: E402
from tfchat_hf.engines.onnx_names import graph_file  # noqa: E402
from tfchat_hf.engines.web_folder import GRAPHS  # noqa: E402
from tfchat_hf.pretrained import SMALL_TALK  # noqa: E402
from tfchat_hf.text.dialogue import encode_context  # noqa: E402

PRESETS = ("greedy", "precise", "balanced")
_DRIVER = """
const replies = [];
for (const turn of TURNS) {
  worker.postMessage({ ask: 1, turns: [turn], settings: about.presets[PRESET].settings });
  const { question, tokens, seconds } = await heard("done");
  replies.push({ question, tokens, seconds });
}
post({ seconds: started, replies });
"""


def in_browser(folder: Path, turns: list[str], preset: str) -> dict[str, Any]:
    """Have the page's worker answer questions.

    Args:
        folder: The exported page.
        turns: The questions.
        preset: The preset's name.
    """
    script = WORKER + _DRIVER.replace("TURNS", json.dumps(turns)).replace(
        "PRESET", json.dumps(preset)
    )
    return posted_by(script, folder, timeout=1200)


def engine_of(page: Path) -> Any:
    """Open the page's graphs here, with the page's own options."""
    model = open_engine(page, "onnx", threads=1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    for graph in GRAPHS:
        path = page / graph_file(graph, False)
        model.sessions[graph] = onnxruntime.InferenceSession(path, options)
    return model


def answered(model: Any, questions: list[list[int]], preset: str) -> list[dict[str, Any]]:
    """Answer questions one at a time in this process; as `in_browser` does.

    Args:
        model: In torch, or an engine's.
        questions: What the encoder reads.
        preset: The preset's name.
    """
    replies = []
    for ids in questions:
        begun = time.perf_counter()
        made = model.generate(torch.tensor([ids]), preset=preset)[0].tolist()
        seconds = time.perf_counter() - begun
        end = made.index(2, 1) if 2 in made[1:] else len(made)
        replies.append({"question": ids, "tokens": made[1:end], "seconds": seconds})
    return replies


def equal(one: list[dict[str, Any]], other: list[dict[str, Any]], what: str) -> int:
    """Count replies whose `question` or `tokens` are equal."""
    return sum(a[what] == b[what] for a, b in zip(one, other, strict=True))


def rate(replies: list[dict[str, Any]]) -> float:
    """Give the median of tokens a second, of replies that say something."""
    rates = [len(one["tokens"]) / one["seconds"] for one in replies if len(one["tokens"]) > 2]
    return statistics.median(rates)


def questions_of(path: Path | None, count: int) -> list[str]:
    """Read questions, or draw them from the ChatterBot corpus, as many in each language.

    Args:
        path: A file of questions, as the chat's `--input` takes it.
        count: How many.
    """
    if path is not None:
        return [row.turns[-1] for row in read_rows(path)][:count]
    from data_builders import build_dialogues

    with tempfile.TemporaryDirectory() as cache:
        rows = build_dialogues("chatterbot", cache_dir=cache).dataset["train"]
        found = sorted({turns[0] for turns in rows["turns"]})
    chinese = [text for text in found if any("\u4e00" <= letter <= "\u9fff" for letter in text)]
    english = [text for text in found if text.isascii()]
    half = count // 2
    return [one for group in (chinese, english) for one in group[:: len(group) // half][:half]]


def print_sizes(folder: Path, kind: str) -> None:
    """Print what the page's visitor downloads, by part, as it is and through gzip."""
    parts = {
        "model": "*.onnx",
        "tokenizer": "tokenizer*.json",
        "onnxruntime-web": "vendor/onnxruntime-web.*",
        "page and tokenizer's code": "*[!x].*s",
    }
    for name, pattern in parts.items():
        files = [*folder.glob(pattern)] + (
            [folder / "vendor/tokenizers.js"] if "page" in name else []
        )
        raw = [path.read_bytes() for path in files]
        packed = sum(len(gzip.compress(one, 6)) for one in raw)
        print(f"| {kind} | {name} | {sum(map(len, raw)) / 1e6:.2f} | {packed / 1e6:.2f} |")


def main() -> None:
    """Export, answer, compare and print."""
    parser = argparse.ArgumentParser(description="Compare a browser with torch and onnxruntime.")
    parser.add_argument("--node-modules", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--run", type=Path, default=SMALL_TALK)
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="of measuring speed, with greedy")
    options = parser.parse_args()
    torch.set_num_threads(1)
    turns = questions_of(options.questions, options.count)
    network, tokenizer = load_for_chat(str(options.run), "cpu")
    longest = min(network.config.max_position_embeddings, tokenizer.model_max_length)
    ids = [encode_context(tokenizer, [turn], longest).input_ids for turn in turns]
    with tempfile.TemporaryDirectory() as place:
        pages = {}
        for kind in ("float32", "int8"):
            output = Path(place, kind)
            pages[kind] = export_run(
                options.run, WEB, output, kind == "int8", node_modules=options.node_modules
            )
        print("| weights | part | MB | MB, gzip |\n|---|---|---:|---:|")
        for kind, page in pages.items():
            print_sizes(page, kind)
        print("\n| weights | preset | beside | questions | ids equal | replies equal |")
        print("|---|---|---|---:|---:|---:|")
        engines = {kind: engine_of(page) for kind, page in pages.items()}
        for kind, page in pages.items():
            for preset in PRESETS:
                found = in_browser(page, turns, preset)["replies"]
                for beside, model in {"torch": network, "onnxruntime": engines[kind]}.items():
                    expected = answered(model, ids, preset)
                    counts = [equal(expected, found, what) for what in ("question", "tokens")]
                    cells = " | ".join(map(str, (kind, preset, beside, len(ids), *counts)))
                    print(f"| {cells} |", flush=True)
        print("\n| weights | ready after, s | tokens/s, browser | onnxruntime | share |")
        print("|---|---:|---:|---:|---:|")
        for kind, page in pages.items():
            rounds = []
            for _ in range(options.rounds):
                browser = in_browser(page, turns, "greedy")
                here = rate(answered(engines[kind], ids, "greedy"))
                rounds.append((browser["seconds"], rate(browser["replies"]), here))
            start, there, here = (statistics.median(column) for column in zip(*rounds, strict=True))
            share = statistics.median(one[1] / one[2] for one in rounds)
            print(f"| {kind} | {start:.1f} | {there:.0f} | {here:.0f} | {share:.2f} |", flush=True)


if __name__ == "__main__":
    main()

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Quality of finished runs on held-out questions, beside the original's code given the same time.

    python benchmarks/quality.py table --runs zh=runs/zh en=runs/en
    python benchmarks/quality.py train-original --dataset my/saved_build --original ../TFChat \
        --seconds 3600 --output runs/original
    python benchmarks/quality.py table --runs ours=runs/mine --dataset my/saved_build \
        --original-checkpoint runs/original --original ../TFChat --out quality.json

A run's figures are those of its metrics.json. The original answers the same questions, drawn as the
first of the runs drew them, with the `evaluate` of its own chat.py: greedy, at most 64 tokens. Its
loss is a character, ours a token of the run's tokenizer; bits per character compare the two. The
original knows no blanks and no rare characters: blanks cost it nothing and all rare characters
are one token, so its bits per character are a lower bound. English replies of it run together, so
BLEU, F1, distinct-n and length say little of them. Nothing here shows text of the corpus.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLUMNS = {
    "loss": "loss a token",
    "perplexity": "perplexity",
    "bits_per_character": "bits a character",
    "bleu": "BLEU",
    "f1": "F1",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "repetition": "repetition",
    "top_reply_share": "top reply",
    "mean_length": "length",
}
SHARES = ("repetition", "top_reply_share")
MAX_TOKENS = 64


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line and does one of the three things."""
    arguments = _parser().parse_args(argv)
    return arguments.action(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(required=True)
    table = actions.add_parser("table", help="write the table of some runs")
    table.set_defaults(action=_table)
    table.add_argument("--runs", nargs="+", default=[], metavar="NAME=FOLDER")
    table.add_argument("--original-checkpoint", type=Path)
    table.add_argument("--original", help="a checkout of jingyaogong/TFChat")
    table.add_argument("--dataset", help="the saved build of the first run, where it has moved")
    table.add_argument("--out", type=Path)
    train = actions.add_parser("train-original", help="train the original's code for a time")
    train.set_defaults(action=_train_original)
    train.add_argument("--dataset", required=True)
    train.add_argument("--original", required=True)
    train.add_argument("--seconds", type=float, required=True, help="of CPU time")
    train.add_argument("--pairs", type=int, default=20_000, help="the most it loads")
    train.add_argument("--threads", type=int, default=1)
    train.add_argument("--output", type=Path, required=True)
    return parser


def _train_original(arguments: argparse.Namespace) -> int:
    import torch
    from training_peers.original_chat import train_original

    torch.set_num_threads(arguments.threads)
    train_original(
        arguments.original,
        arguments.dataset,
        arguments.output,
        arguments.seconds,
        arguments.pairs,
        lambda line: print(line, flush=True),
    )
    return 0


def _table(arguments: argparse.Namespace) -> int:
    """Collects the rows and prints them."""
    runs = dict(named.split("=", 1) for named in arguments.runs)
    metrics = {name: _metrics(Path(folder)) for name, folder in runs.items()}
    rows = {name: found["validation"] for name, found in metrics.items()}
    first = next(iter(runs.values()), None)
    if arguments.original_checkpoint:
        if first is None or not arguments.original:
            print("error: --original-checkpoint needs --runs and --original", file=sys.stderr)
            return 2
        rows["original"] = score_original(
            Path(first), arguments.original, arguments.original_checkpoint, arguments.dataset
        )
    for name, found in metrics.items():
        for kind, row in found["baselines"].items():
            rows.setdefault(f"{kind} ({name})" if len(metrics) > 1 else kind, row)
    print("\n".join(table_lines(rows)))
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def _metrics(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def table_lines(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Writes rows of figures as a Markdown table; what a row does not have stays empty."""
    kept = [key for key in COLUMNS if any(key in row for row in rows.values())]
    lines = [
        "| | " + " | ".join(COLUMNS[key] for key in kept) + " |",
        "|---" * (len(kept) + 1) + "|",
    ]
    for name, row in rows.items():
        cells = [_shown(key, row.get(key)) for key in kept]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return lines


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if key in SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.1f}" if key in ("perplexity", "bleu", "mean_length") else f"{value:.3f}"


def score_original(
    run_folder: Path, checkout: str, checkpoint: Path, dataset: str | None
) -> dict[str, Any]:
    """Lets the original answer the questions of a run and describes its answers alike.

    Args:
        run_folder: A finished run of train_hf.py: it says which data and which questions.
        checkout: A checkout of jingyaogong/TFChat.
        checkpoint: A folder of `train_original`.
        dataset: Where the run's data lies now, if not where it lay.
    """
    from training_peers.original_chat import load_checkpoint

    from tfchat_hf.examples.evaluation_split import load_evaluation_split
    from tfchat_hf.measuring.metrics import describe_replies

    asked = load_evaluation_split(run_folder, dataset, "validation")
    questions = asked.questions
    pairs = [
        (row["context"][-1], row["reply"])
        for row in asked.examples.select_columns(["context", "reply"])
    ]
    model = load_checkpoint(checkout, checkpoint)
    replies = [model.reply(question.context[-1], MAX_TOKENS) for question in questions]
    known = [question.references for question in questions]
    figures = model.loss(pairs).figures()
    print(
        f"# original: {100 * figures['unknown_share']:.2f} % of the tokens of the replies are "
        f"unknown to it, {figures['left_out']} replies are too long for it"
    )
    return {**describe_replies(replies, known), **figures}


if __name__ == "__main__":
    sys.exit(main())

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Whether transformers.js gives the ids that Python gives, as saved and after the rewriting.

    npm install --ignore-scripts @huggingface/transformers        # in a folder of its own
    python benchmarks/javascript.py --node-modules FOLDER/node_modules

Trains each scheme on the corpora of ../shared/data beside the checkout (on the embedded one if
they are not there), saves it, rewrites it with
`tfchat_hf.engines.javascript_tokenizer`, and compares held-out lines. Prints counts in a Markdown
table and no text.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from real_text import add_options, read_groups, split
from transformers import PreTrainedTokenizerFast

from tfchat_hf.engines.javascript_tokenizer import javascript_tokenizer, save_for_javascript
from tfchat_hf.text.tokenizer_training import SCHEMES, save_tokenizer, train_tokenizer
from tfchat_hf.text.vocabulary.pieces import BASE_PIECES, SMALLEST_VOCABULARY

_SCRIPT = Path(__file__).with_suffix(".mjs")
# No line is longer than this; a longer one would bring a warning.
_UNLIMITED = 1_000_000
BYTE_IDS = range(BASE_PIECES.index("<0x80>"), SMALLEST_VOCABULARY)
HEADER = (
    "| scheme | lines | with a character that has no token | ids equal as saved | of the others, "
    "with such a character | ids equal after the rewriting | text comes back there | "
    "chat template as saved | chat template after |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def ask_javascript(modules: Path, question: dict[str, Any]) -> list[dict[str, Any]]:
    """Have transformers.js read texts.

    Args:
        modules: The folder node_modules that holds it.
        question: What `javascript.mjs` takes.

    Returns:
        What `javascript.mjs` gives, one answer a folder.
    """
    done = subprocess.run(
        ["node", str(_SCRIPT), str(modules)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        sys.exit(f"error: node ended with {done.returncode}: {''.join(last)}")
    return json.loads(done.stdout)


def read_lines(
    data: Path, cache_dir: str | None, lines: int, seed: int
) -> tuple[list[str], list[str]]:
    """Read the corpora.

    Args:
        data: The folder of corpora; if it is not there the embedded corpus is read.
        cache_dir: Where `datasets` keeps what it builds.
        lines: How many lines to hold out, as many of each kind.
        seed: The same seed holds out the same lines.

    Returns:
        The lines held out, and all others.
    """
    if data.is_dir():
        groups = read_groups(data, cache_dir)
    else:
        print(f"No folder of corpora in {data}: the embedded corpus is taken.")
        groups = {"chatterbot": embedded_turns(cache_dir)}
    parts = split(groups, -(-lines // len(groups)), seed)
    drawn = dict.fromkeys(text for texts in parts.held_out.values() for text in texts)
    return list(drawn)[:lines], parts.training


def embedded_turns(cache_dir: str | None) -> list[str]:
    """Give the distinct turns of the corpus that is installed with this package.

    Args:
        cache_dir: As for `read_lines`.
    """
    from data_builders import build_dialogues

    splits = build_dialogues("chatterbot", cache_dir=cache_dir).dataset.values()
    return list(dict.fromkeys(turn for part in splits for turns in part["turns"] for turn in turns))


def row_of(
    scheme: str, tokenizer: PreTrainedTokenizerFast, lines: Sequence[str], modules: Path
) -> str:
    """Compare one tokenizer; give its row of the table.

    Args:
        scheme: Its scheme.
        tokenizer: The tokenizer.
        lines: What to encode.
        modules: As for `ask_javascript`.
    """
    chats = [[{"role": "user", "content": line}] for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        saved, rewritten = f"{folder}/saved", f"{folder}/rewritten"
        save_tokenizer(tokenizer, saved)
        save_for_javascript(javascript_tokenizer(tokenizer), rewritten)
        question = {"folders": [saved, rewritten], "texts": lines, "conversations": chats}
        before, after = ask_javascript(modules, question)
    ids = tokenizer(list(lines))["input_ids"]
    by_template = [tokenizer.apply_chat_template(c, return_dict=False) for c in chats]
    in_bytes = [any(i in BYTE_IDS for i in each) for each in ids]
    differ = [python != javascript for python, javascript in zip(ids, before["ids"], strict=True)]
    counts = [
        len(lines),
        sum(in_bytes),
        len(lines) - sum(differ),
        f"{sum(d and b for d, b in zip(differ, in_bytes, strict=True))} of {sum(differ)}",
        equal(ids, after["ids"]),
        equal(lines, after["decoded"]),
        equal(by_template, before["conversations"]),
        equal(by_template, after["conversations"]),
    ]
    return f"| {scheme} | " + " | ".join(str(count) for count in counts) + " |"


def equal(expected: Sequence[Any], found: Sequence[Any] | None) -> int | str:
    """Count what is equal, place by place.

    Args:
        expected: What Python gives.
        found: What JavaScript gives; None if it could not answer.
    """
    if found is None:
        return "no template"
    return sum(one == other for one, other in zip(expected, found, strict=True))


def main() -> None:
    """Train, compare and print the table."""
    parser = argparse.ArgumentParser(description="Compare the ids of Python and transformers.js.")
    parser.add_argument("--node-modules", required=True, type=Path, metavar="FOLDER")
    add_options(parser)
    parser.add_argument("--lines", type=int, default=1000, help="lines to compare")
    parser.add_argument("--turns", type=int, default=200_000, help="turns to train on")
    parser.add_argument("--vocab-size", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not (options.node_modules / "@huggingface" / "transformers").is_dir():
        sys.exit(
            "error: --node-modules must hold @huggingface/transformers "
            f"(got {options.node_modules}). Install it with npm."
        )
    lines, training = read_lines(options.data, options.cache_dir, options.lines, options.seed)
    print(HEADER)
    for scheme in SCHEMES:
        tokenizer = train_tokenizer(
            training[: options.turns], scheme, options.vocab_size, _UNLIMITED
        )
        print(row_of(scheme, tokenizer, lines, options.node_modules), flush=True)


if __name__ == "__main__":
    main()

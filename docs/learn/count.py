# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Count how many of 100 unseen questions of the toy a model answers right.

python docs/learn/count.py runs/toy
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

# So that the network is read from this checkout, with whatever was changed in it.
sys.path.insert(0, str(Path(__file__).parents[2]))

from data_builders.command_line import CommandParser, run_command, say  # noqa: E402
from data_builders.errors import UserError  # noqa: E402
from data_builders.formats.toy import toy_pairs  # noqa: E402

ASKED = 100
SHOWN = "天地玄黄", "黄玄地天"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("model", metavar="MODEL", help="such as runs/toy")
    folder = Path(parser.parse_args(argv).model)
    return run_command(lambda: count(folder))


def count(folder: Path) -> None:
    """Ask, and say how many replies are right and what some replies are."""
    if not (folder / "config.json").is_file():
        raise UserError(
            f"There is no model in {folder}. Run `python train_hf.py configs/toy.yaml`."
        )
    pairs = ((question, reply) for split, question, reply in toy_pairs() if split == "test")
    replies = dict(islice(pairs, ASKED))
    said = answers(folder, [*replies, *SHOWN])
    right = sum(said[question] == reply for question, reply in replies.items())
    say(f"{right} of {ASKED} right")
    for question in SHOWN:
        say(f"{question} -> {said[question]}")
    if len({said[question] for question in SHOWN}) == 1:
        say("the same reply to both")


def answers(folder: Path, questions: Sequence[str]) -> dict[str, str]:
    """Answer questions, those of one length at once: so no batch holds padding."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    import tfchat_hf  # noqa: F401  (tells transformers of the model)

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager")
    alike: dict[int, list[str]] = defaultdict(list)
    for question in questions:
        alike[len(question)].append(question)
    said: dict[str, str] = {}
    for some in alike.values():
        written = model.generate(**tokenizer(some, return_tensors="pt"))
        said |= zip(some, tokenizer.batch_decode(written, skip_special_tokens=True), strict=True)
    return said


if __name__ == "__main__":
    sys.exit(main())

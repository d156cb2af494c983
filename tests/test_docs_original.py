# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Everything in the chapter on the original runs, and prints what is shown.

Its checkpoint is one that these tests make. Hours of training and minutes of measuring are read
only: their settings and options are those that exist.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest

import chat_hf
from tests.convert.checkpoints import write_checkpoint
from tests.test_docs import SUFFIXES, blocks, check_output, run_program
from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration
from tfchat_hf.convert import __main__ as convert
from tfchat_hf.engines import export
from tfchat_hf.publishing import __main__ as publishing
from tfchat_hf.settings.keys import NETWORK
from tfchat_hf.settings.parsing import parse_arguments

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import original  # noqa: E402
import original_effects  # noqa: E402

PAGES = [f"docs/original{suffix}" for suffix in SUFFIXES]


def read_training(words: list[str]) -> int:
    """Read the settings of a training, and count the parameters that the page tells."""
    run = parse_arguments([str(ROOT / words[0]), *words[1:]])
    layers = run.model.encoder_layers
    network = {name: getattr(run.model, name) for name in NETWORK}
    model = TFChatForConditionalGeneration(TFChatConfig(**network, vocab_size=run.data.vocab_size))
    rows = re.findall(rf"^\| {layers} \| .*?\| (\S+B) \|", page(), flags=re.M)
    assert set(rows) == {f"{model.num_parameters() / 1e9:.3f}B"}
    return 0


COMMANDS: dict[str, Any] = {
    "python train_hf.py": read_training,
    "python chat_hf.py": chat_hf.main,
    "python benchmarks/original.py": lambda words: original._arguments(words) is None,
    "python benchmarks/original_effects.py": (
        lambda words: original_effects._parser().parse_args(words) is None
    ),
    "python -m tfchat_hf.convert": convert.main,
    "python -m tfchat_hf.engines.export": export.main,
    "python -m tfchat_hf.publishing": publishing.main,
}


def page() -> str:
    return (ROOT / PAGES[0]).read_text(encoding="utf-8")


@pytest.fixture()
def place(tmp_path, monkeypatch):
    """Stand in a folder with a checkpoint of the original, and nobody at the keyboard."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / ".cache")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    _, (checkpoint, _, words) = write_checkpoint(tmp_path)
    Path("dataset").mkdir()
    Path(checkpoint).rename("checkpoint.pth")
    Path(words).rename("dataset/WORDMAP_corpus.json")
    yield tmp_path
    datasets.enable_progress_bars()


@pytest.mark.slow
def test_the_chapter_can_be_followed_from_top_to_bottom(place, capsys):
    pytest.importorskip("ctranslate2")
    for block in blocks(PAGES[0]):
        if block.language == "python":
            run_program(block.text, {"__name__": "docs"})
        for line in block.text.splitlines() if block.language == "bash" else ():
            (command,) = [
                known for known in COMMANDS if line.startswith(f"{known} ") or line == known
            ]
            expected = 2 if (block.output or "").startswith("error:") else 0
            capsys.readouterr()
            assert COMMANDS[command](shlex.split(line[len(command) :])) == expected, line
            said = capsys.readouterr()
            if block.output is not None:
                check_output(block.output, said.err if expected else said.out)

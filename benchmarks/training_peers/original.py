# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The original's own training code, read from a checkout of jingyaogong/TFChat at run time.

Its module files are written to a temporary folder and imported from there; of train.py, which
would start a whole training on import, only the function `train` is run. Nothing of it is kept.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

from .arithmetic import executed
from .gate import Gate
from .held_out import HeldOut, load_held_out
from .job import Job, Shape
from .workload import load_workload

LENGTH = 256
BATCH = 50
SPECIALS = ("<unk>", "<start>", "<end>")
WARMUP, SMOOTHING = 4000, 0.1


class Original(NamedTuple):
    """The modules of the checkout, and the folder that they were written to."""

    models: ModuleType
    utils: ModuleType
    folder: Path


def show(checkout: str, path: str) -> str:
    """Reads a file of the newest commit.

    Args:
        checkout: A work tree, a bare repository or a git directory.
        path: The file.

    Raises:
        ValueError: If there is no such file; names what to do.
    """
    command = ["git", "-C", checkout, "show", f"HEAD:{path}"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode:
        raise ValueError(
            f"`--original` must be a checkout of jingyaogong/TFChat (no {path} in {checkout}: "
            f"{done.stderr.decode().strip()}). Clone it and name the folder."
        )
    return done.stdout.decode("utf-8")


def load(checkout: str) -> Original:
    """Imports models.py and utils.py of the checkout."""
    folder = Path(tempfile.mkdtemp(prefix="original-"))
    modules = []
    for name in ("models", "utils"):
        path = folder / f"{name}.py"
        path.write_text(show(checkout, path.name), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        modules.append(module)
    return Original(*modules, folder)


def function(checkout: str, path: str, name: str, names: dict[str, Any]) -> Any:
    """Takes one function out of a script, to run with the names of `names`."""
    tree = ast.parse(show(checkout, path))
    found = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    exec(compile(ast.Module([found], []), path, "exec"), names)
    return names[name]


def word_map(counts: dict[str, int], size: int) -> dict[str, int]:
    """Makes the original's vocabulary: padding, the most frequent characters, three specials."""
    words = {"<pad>": 0}
    for sign in sorted(counts, key=lambda s: (-counts[s], s))[: size - 1 - len(SPECIALS)]:
        words[sign] = len(words)
    for name in SPECIALS:
        words[name] = len(words)
    return words


def encode(words: dict[str, int], text: str) -> list[int]:
    """Turns a text into ids as its scripts do: split into characters, blanks lost."""
    return [words.get(sign, words["<unk>"]) for sign in text if not sign.isspace()]


def padded(words: dict[str, int], question: str, reply: str) -> list[list[int]]:
    """Pads a pair to the original's fixed lengths."""
    source = encode(words, question)
    target = [words["<start>"], *encode(words, reply), words["<end>"]]
    return [_filled(source, LENGTH), _filled(target, LENGTH + 2)]


def _filled(ids: list[int], length: int) -> list[int]:
    return ids + [0] * (length - len(ids))


class Training:
    """The original's model, optimizer and loader, made as its train.py makes them."""

    def __init__(self, checkout: str, words: dict[str, int], rows: list[Any], shape: Shape) -> None:
        """Writes the rows as the file that its Dataset reads."""
        torch.manual_seed(0)
        self.code = load(checkout)
        models, utils = self.code.models, self.code.utils
        device = models.device
        self.model = models.Transformer(
            d_model=shape.d_model, heads=shape.heads, num_layers=shape.layers, word_map=words
        ).to(device)
        adam = torch.optim.Adam(self.model.parameters(), lr=1e-5, betas=(0.9, 0.999), eps=1e-9)
        names = {**vars(models), **vars(utils), "device": device}
        names["transformer_optimizer"] = utils.AdamWarmup(shape.d_model, WARMUP, adam)
        self.loss = utils.LossWithLS(len(words), SMOOTHING)
        self._train = function(checkout, "train.py", "train", names)
        self.data = self._read(rows)

    def _read(self, rows: list[Any]) -> torch.utils.data.Dataset:
        """Lets the original's Dataset read its file, which it looks for where it stands."""
        before = os.getcwd()
        os.chdir(self.code.folder)
        try:
            Path("pairs_encoded.json").write_text(json.dumps(rows))
            return self.code.utils.Dataset()
        finally:
            os.chdir(before)

    def run(self, batches: Iterator[Any], batch: int = BATCH) -> None:
        """Trains on what `batches` hands out; a request for the next means a step is over."""
        self._train(_Loader(batches, len(self.data) // batch), self.model, self.loss, 0)


class _Loader:
    """What the original takes for its DataLoader."""

    def __init__(self, batches: Iterator[Any], length: int) -> None:
        self.batches, self.length = batches, length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return self.batches


def train(job: Job, gate: Gate) -> None:
    """Trains for ever; its cost does not depend on the text, for all of it is padded to 256."""
    if job.device == "cpu" and torch.cuda.is_available():
        raise ValueError("the original's code takes the GPU where there is one: hide it")
    work = load_workload(Path(job.workload))
    counts: dict[str, int] = {}
    for text in (text for pair in work.texts for text in pair):
        for sign in filter(lambda s: not s.isspace(), text):
            counts[sign] = counts.get(sign, 0) + 1
    # As many ids as the others have: unused ones cost the same.
    unused = {f"<unused{i}>": 0 for i in range(job.shape.vocabulary)}
    words = word_map({**counts, **unused}, job.shape.vocabulary)
    training = Training(
        job.original, words, [padded(words, *pair) for pair in work.texts], job.shape
    )
    parameters = sum(p.numel() for p in training.model.parameters())
    mean = work.statistics.mean
    flops = executed(job.shape, job.batch, LENGTH, LENGTH + 1)

    held_out = load_held_out(work.folder)
    if held_out:
        gate.measure = lambda: {"loss": _held_out_loss(training, words, held_out)}

    def batches() -> Iterator[Any]:
        loader = torch.utils.data.DataLoader(
            training.data, batch_size=job.batch, shuffle=True, pin_memory=job.device == "cuda"
        )
        gate.open(parameters=parameters)
        while True:
            for batch in loader:
                yield batch
                # Its batches mix all lengths: the mean stands for the tokens of each.
                gate.step(len(batch[0]), round(len(batch[0]) * mean), flops)

    training.run(batches(), job.batch)


def _held_out_loss(training: Training, words: dict[str, int], pairs: list[HeldOut]) -> float:
    """Gives the unsmoothed loss in nats a character, with the model back in training after it."""
    # That module needs this one.
    from .original_chat import OriginalChat

    chat = OriginalChat(training.code, training.model.eval(), words, None)
    total = chat.loss([(pair.question, pair.reply) for pair in pairs])
    training.model.train()
    return total.nats / total.characters

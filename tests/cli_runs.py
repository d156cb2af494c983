# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Runs of train_hf.py in processes of their own, with faults that strike at a chosen place.

The processes are forked from one that has imported everything: a run of a tiny model takes a
second instead of eight, and is as killable as any.
"""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file

import tfchat_hf.training.run  # noqa: F401  (imported for the processes to come)
import train_hf
from tests.commands import FORKS
from tests.rendezvous import rendezvous
from tfchat_hf.publishing import card
from tfchat_hf.training.trainer import TFChatTrainer

SETTINGS = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
    "max_source_length": 32,
    "max_target_length": 32,
    "generation_max_new_tokens": 4,
    "tokenizer_scheme": "char",
    "vocab_size": 300,
    "validation_fraction": 0.2,
    "test_fraction": 0.0,
    "learning_rate": 1e-2,
    "warmup_steps": 2,
    "logging_steps": 1,
    "eval_strategy": "no",
    "eval_max_samples": 2,
    "save_strategy": "steps",
    "save_steps": 100,
    "save_total_limit": 10,
    "max_steps": 6,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "bf16": False,
    "use_cpu": True,
}
# What a log says of the clock and not of the arithmetic.
CLOCK = ("runtime", "per_second", "seconds", "flops", "flos", "memory")


@dataclass(frozen=True)
class Fault:
    """What strikes a run: a signal within a micro-batch, or while a file is being saved.

    Attributes:
        number: the signal.
        update: strikes within this update, counted from 1.
        batch: strikes after the backward pass of this micro-batch of the update, from 1.
        saved: strikes in the middle of this call of `torch.save`, counted from 1, with half of
            the file written.
        rank: the process it strikes, of several.
        times: how often; a launcher passes on what the terminal has sent already.
    """

    number: int
    update: int = 0
    batch: int = 1
    saved: int = 0
    rank: int = 0
    times: int = 1

    def arm(self) -> None:
        """Sets the trap in this process."""
        if int(os.environ.get("RANK", "0")) == self.rank:
            self._arm_batch()
            self._arm_save()

    def _arm_batch(self) -> None:
        step, seen = TFChatTrainer.training_step, []

        def training_step(trainer: TFChatTrainer, *args: Any, **kwargs: Any) -> torch.Tensor:
            loss = step(trainer, *args, **kwargs)
            seen.append(trainer.state.global_step + 1)
            if seen[-1] == self.update and seen.count(self.update) == self.batch:
                for _ in range(self.times):
                    os.kill(os.getpid(), self.number)
            return loss

        TFChatTrainer.training_step = training_step

    def _arm_save(self) -> None:
        save, seen = torch.save, []

        def torch_save(content: Any, file: Any, *args: Any, **kwargs: Any) -> None:
            save(content, file, *args, **kwargs)
            seen.append(1)
            if len(seen) == self.saved:
                os.truncate(file, os.path.getsize(file) // 2)
                os.kill(os.getpid(), self.number)

        torch.save = torch_save


class Padded(Fault):
    """Pads every batch to multiples of 8 pairs and 16 tokens, as `torch_compile` would have it."""

    def __init__(self) -> None:
        super().__init__(number=0)

    def arm(self) -> None:
        """Changes the trainer of this process."""
        make = TFChatTrainer.__init__

        def padding(trainer: TFChatTrainer, *args: Any, **kwargs: Any) -> None:
            make(trainer, *args, **kwargs)
            trainer.train_collator.packed = False

        TFChatTrainer.__init__ = padding


def write_settings(folder: Path, **changes: Any) -> Path:
    """Writes a corpus of 27 pairs of many lengths and a settings file for it."""
    data = folder / "pairs.jsonl"
    with open(data, "w", encoding="utf-8") as file:
        for i in range(27):
            row = {"question": f"问题 {i} Q" + "a" * (i % 7), "reply": f"回答 {i}" + "b" * (i % 5)}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    settings = {**SETTINGS, "dataset": str(data), "dataset_cache_dir": str(folder / "cache")}
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}), encoding="utf-8")
    return path


def start(
    arguments: list[str], log: Path, fault: Fault | None = None, environment: dict | None = None
) -> BaseProcess:
    """Starts one process of train_hf.py; what it says goes into `log`."""
    process = FORKS.Process(target=_run, args=(arguments, str(log), fault, environment or {}))
    process.start()
    return process


def run_alone(arguments: list[str], log: Path, fault: Fault | None = None) -> int:
    """Runs train_hf.py to its end in one process.

    Returns:
        The exit code; a signal's number, negative, if one killed it.
    """
    return ended([start(arguments, log, fault)])[0]


def run_together(
    arguments: list[str], log: Path, processes: int = 2, fault: Fault | None = None
) -> list[int]:
    """Runs train_hf.py in processes that share the work."""
    with rendezvous(processes) as environments:
        return ended(
            [
                start(arguments, log if rank == 0 else log.with_suffix(f".{rank}"), fault, told)
                for rank, told in enumerate(environments)
            ]
        )


def call_together(function: Callable[[Path], None], argument: Path) -> list[int]:
    """Calls a function of a test module in two processes that share the work."""
    with rendezvous(2) as environments:
        started = [
            FORKS.Process(target=_call, args=(function, argument, told)) for told in environments
        ]
        for process in started:
            process.start()
        return ended(started)


def ended(started: list[BaseProcess], seconds: float = 300, mourning: float = 60) -> list[int]:
    """Waits for the end of processes that share the work; kills those that hang.

    Args:
        started: The processes.
        seconds: How long to wait for the end of one: ten times what a busy machine has taken.
        mourning: How long the others may go on when one of them has failed.

    Returns:
        Their exit codes; the code of one that waited for a failed one is -SIGKILL.
    """
    alive, until = {process.sentinel for process in started}, seconds
    while alive:
        gone = multiprocessing.connection.wait(alive, until)
        if not gone:
            break
        alive -= set(gone)
        if any(process.sentinel in gone and process.exitcode for process in started):
            until = mourning
    failed = [process.exitcode for process in started]
    for process in started:
        process.kill()
        process.join()
    if not any(failed) and alive:
        raise TimeoutError(f"train_hf.py was still running after {seconds} s")
    return [process.exitcode for process in started]


def _run(arguments: list[str], log: str, fault: Fault | None, environment: dict) -> None:
    """Is the body of a process: says what it has to say into a file."""
    os.environ.update(environment)
    # What was imported is no garbage: not to be looked through again in each process.
    gc.freeze()
    # The loader's workers are started as in any other process; else each would import all anew.
    multiprocessing.set_start_method("fork", force=True)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(target, 1)
    os.dup2(target, 2)
    # multiprocessing gives processes no standard input and buffers their output.
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    card.draw_curves = lambda *given: False  # a third of the time of a run of a few updates
    if fault is not None:
        fault.arm()
    code = train_hf.main(arguments)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.exit(code)


def _call(function: Callable[[Path], None], argument: Path, environment: dict) -> None:
    """Is the body of a process that calls a function."""
    os.environ.update(environment)
    function(argument)


def weights(folder: Path) -> bytes:
    """Reads the weights of a run or checkpoint, byte by byte."""
    return (folder / "model.safetensors").read_bytes()


def largest_difference(one: Path, other: Path) -> float:
    """Measures how far two runs' weights are apart, at most."""
    first = load_file(one / "model.safetensors")
    second = load_file(other / "model.safetensors")
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


def logged(folder: Path) -> list[dict[str, float]]:
    """Reads what a run logged, without the clock: of the newest checkpoint."""
    newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    history = json.loads((newest / "trainer_state.json").read_text())["log_history"]
    return [
        {key: value for key, value in row.items() if not any(word in key for word in CLOCK)}
        for row in history
        if "loss" in row or "eval_loss" in row
    ]


def losses(folder: Path) -> list[float]:
    """Reads the training loss of each update."""
    return [row["loss"] for row in logged(folder) if "loss" in row]

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Many callers of one server over HTTP, against `generate()` on ready-made batches.

    pip install locust
    python benchmarks/serving_load.py                          # the model in the package
    python benchmarks/serving_load.py --model runs/mine --preset balanced --minutes 10

A server of its own (`python -m tfchat_hf.serve`, the loopback, a free port) is asked by 1, 8, 32
and 128 callers (`serving_callers.py`), `--seconds` each and `--minutes` at the most callers. Beside
each level stands what `generate()` with `FastDecoder` makes of such questions in batches of 32,
just before and just after. Two others serve as ends of the scale: one request at a time, a lock
around `generate()`, as small projects serve; and CTranslate2's own batching of a list, without HTTP
and greedily, beside greedy `generate()`. All share the cores of this machine with the callers.
Goal: 0.8 of the rate of batches from 32 callers on, no error but 429, memory flat.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

from tfchat_hf.chat.session import ChatSession, load_session
from tfchat_hf.pretrained import SMALL_TALK

BATCH = 32
_HERE = Path(__file__).parent


@contextmanager
def server(command: list[str], threads: int) -> Iterator[tuple[str, psutil.Process]]:
    """Start a server; yield its address and process, and stop it."""
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    log = subprocess.DEVNULL  # a line a request
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=log, text=True, env=env
    )
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found, "the server did not say where it answers"
        yield found[0], psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def load(url: str, process: psutil.Process, callers: int, seconds: float, settings: dict) -> dict:
    """Have callers ask for so many seconds; return what came, and the server's memory."""
    command = [sys.executable, str(_HERE / "serving_callers.py"), url]
    command += ["--callers", str(callers), "--seconds", str(seconds)]
    command += ["--settings", json.dumps(settings)]
    memory = [process.memory_info().rss / 2**20]
    cpu = sum(process.cpu_times()[:2])
    with tempfile.TemporaryFile("w+") as said:  # a pipe is too small for what is told at the end
        running = subprocess.Popen(command, stdout=said)
        while running.poll() is None:
            time.sleep(seconds / 20)
            memory.append(process.memory_info().rss / 2**20)
        said.seek(0)
        found = json.loads(said.read().splitlines()[-1])
    cpu = sum(process.cpu_times()[:2]) - cpu
    found["memory"] = [memory[0], memory[len(memory) // 2], memory[-1]]
    return {**found, "rate": found["tokens"] / found["seconds"], "cpu_rate": found["tokens"] / cpu}


class Batches:
    """Answers the callers' kind of questions in batches, without a server."""

    def __init__(self, session: ChatSession, preset: str | None) -> None:
        """Read questions, and warm up."""
        self.session = session
        if preset is not None:
            session.settings.set("preset", preset)
        command = [sys.executable, str(_HERE / "serving_callers.py"), "-", "--questions", "128"]
        drawn = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        self.asked = [session.encode([text])[0] for text, _ in drawn]
        self.config = session.settings.generation_config()
        self.config.max_new_tokens = max(most for _, most in drawn)
        self._batch(self.asked[:BATCH])

    def run(self) -> tuple[float, float]:
        """Return tokens a second, and a second of CPU time."""
        begun, cpu = time.perf_counter(), time.process_time()
        made = 0
        for start in range(0, len(self.asked), BATCH):
            made += self._batch(self.asked[start : start + BATCH])
        return made / (time.perf_counter() - begun), made / (time.process_time() - cpu)

    def _batch(self, asked: Sequence[list[int]]) -> int:
        """Answer questions; return how many tokens their replies have, end tokens included."""
        session, config = self.session, self.config
        batch = session.tokenizer.pad({"input_ids": list(asked)}, return_tensors="pt")
        fast = session.fast_for_many
        how = {} if fast is None else fast.options(config)
        replies = session.model.generate(**batch, generation_config=config, **how)[:, 1:]
        ended = torch.isin(replies, torch.tensor(config.eos_token_id)).long().cumsum(1)
        return int((ended.roll(1, 1).index_fill(1, torch.tensor([0]), 0) == 0).sum())


def serve_one_at_a_time(model: str, preset: str | None) -> None:
    """Serve as small projects do: each request for itself, a lock around `generate()`."""
    import uvicorn
    from fastapi import Body, FastAPI
    from fastapi.responses import StreamingResponse
    from transformers import TextIteratorStreamer

    from tfchat_hf.serve.command import bound_socket

    session, lock, app = load_session(model, "cpu", memory=False), threading.Lock(), FastAPI()
    if preset is not None:
        session.settings.set("preset", preset)

    @app.post("/v1/chat/completions")
    def answer(body: Any = Body()) -> StreamingResponse:  # noqa: B008
        config = session.settings.generation_config()
        config.max_new_tokens = body["max_tokens"]
        ids = torch.tensor([session.encode([body["messages"][0]["content"]])[0]])
        streamer, made = TextIteratorStreamer(session.tokenizer, skip_special_tokens=True), []

        def generate() -> None:
            with lock:
                made.append(session.model.generate(ids, config, streamer=streamer).shape[1] - 1)

        def chunks() -> Iterator[str]:
            worker = threading.Thread(target=generate)
            worker.start()
            for text in filter(None, streamer):
                yield f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n"
            worker.join()
            yield f'data: {{"usage":{{"completion_tokens":{made[0]}}}}}\n\ndata: [DONE]\n\n'

        return StreamingResponse(chunks(), media_type="text/event-stream")

    with bound_socket("127.0.0.1", 0) as sock:
        print(f"http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[sock])


def _rates(rate: float, cpu_rate: float) -> str:
    return f"{rate:7.0f} tokens/s {cpu_rate:7.0f} a CPU second"


def _line(name: str, found: dict, batches: Sequence[float]) -> str:
    """Say what came at one level."""
    errors = {status: n for status, n in found["statuses"].items() if status != "200"}
    mine = (found["rate"], found["cpu_rate"])
    ratio, cpu_ratio = (one / other for one, other in zip(mine, batches, strict=True))
    memory = " ".join(f"{one:.0f}" for one in found["memory"])
    return (
        f"{name:<28}{_rates(*mine)}, ratio {ratio:.2f} and {cpu_ratio:.2f}, first text "
        f"{_cuts(found['first'])}, whole {_cuts(found['whole'])}, RSS {memory} MB, "
        f"{found['statuses'].get('200', 0)} replies, errors {errors or 'none'}"
    )


def _cuts(seconds: list[float]) -> str:
    """Give the middle and the 99th of a hundred, in ms."""
    if len(seconds) < 2:
        return "-"
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {1000 * cuts[49]:.0f} p99 {1000 * cuts[98]:.0f} ms"


def main() -> None:
    """Load the servers in turn and print a line for each level."""
    options = _parser().parse_args()
    if options.one_at_a_time:
        serve_one_at_a_time(options.model, options.preset)
        return
    torch.set_num_threads(options.threads)
    batches = Batches(load_session(options.model, "cpu", memory=False), options.preset)
    settings = {"preset": options.preset} if options.preset else {}
    ours = ["-m", "tfchat_hf.serve", options.model, "--port", "0", "--no-memory", "--device", "cpu"]
    alone = [__file__, "--one-at-a-time", "--model", options.model]
    alone += ["--preset", options.preset] if options.preset else []
    for name, command in (("tfchat_hf.serve", ours), ("one at a time", alone)):
        with server(command, options.threads) as (url, process):
            load(url, process, 4, 2, settings)  # warm
            for callers in options.callers:
                is_top = callers == max(options.callers) and command is ours
                seconds = 60 * options.minutes if is_top and options.minutes else options.seconds
                before = batches.run()
                found = load(url, process, callers, seconds, settings)
                rates = list(map(statistics.mean, zip(before, batches.run(), strict=True)))
                print(f"{f'batches of {BATCH}':<28}{_rates(*rates)}")
                print(_line(f"{name}, {callers} callers", found, rates), flush=True)
    if options.ctranslate2:
        _limit(options)


def _limit(options: argparse.Namespace) -> None:
    """Print what CTranslate2 makes of ready-made batches, greedily, and torch beside it."""
    with tempfile.TemporaryDirectory() as folder:
        export = ["-m", "tfchat_hf.engines.export", options.model, "--engine", "ctranslate2"]
        subprocess.run([sys.executable, *export, "--output", f"{folder}/made"], check=True)
        for engine, name in (("torch", options.model), ("ctranslate2", f"{folder}/made")):
            session = load_session(name, "cpu", engine, memory=False)
            print(f"{engine + ', greedy batches':<28}{_rates(*Batches(session, 'greedy').run())}")


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=str(SMALL_TALK), help="a model's folder or Hub id")
    parser.add_argument("--preset", help="how to decode")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--seconds", type=float, default=20, help="at each level")
    parser.add_argument("--minutes", type=float, default=0, help="at the most callers, instead")
    parser.add_argument("--threads", type=int, default=1, help="of torch, in each process")
    parser.add_argument("--no-ctranslate2", dest="ctranslate2", action="store_false")
    parser.add_argument("--one-at-a-time", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Callers of a server on this machine, by locust; a part of `serving_load.py`, which see.

    python benchmarks/serving_callers.py http://127.0.0.1:8000 --callers 32 --seconds 20

Each caller asks, reads the stream to its end, and asks again at once. Questions have 1 to 40 words,
a reply at most 8 to 64 tokens. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from urllib.parse import urlsplit

import gevent
from locust import FastHttpUser, task
from locust.env import Environment

WORDS = (
    "how are you today what do you like why not tell me 你好 今天 天气 怎么样 我 喜欢 音乐".split()
)


def question(draw: random.Random) -> tuple[str, int]:
    """Draw a text, and the most tokens of its reply."""
    words = draw.choices(WORDS, k=draw.randint(1, 40))
    return " ".join(words), draw.choice([8, 16, 32, 64])


class Caller(FastHttpUser):
    """Asks without a pause."""

    statuses: Counter[str] = Counter()
    first: list[float] = []
    whole: list[float] = []
    tokens = 0
    numbers = iter(range(10**9))
    settings: dict[str, object] = {}
    network_timeout = connection_timeout = 120.0

    def on_start(self) -> None:
        """Draw questions of its own."""
        self.draw = random.Random(next(Caller.numbers))

    @task
    def ask(self) -> None:
        """Ask once, and note when text came."""
        text, most = question(self.draw)
        body = {
            "messages": [{"role": "user", "content": text}],
            "max_tokens": most,
            "stream": True,
            "stream_options": {"include_usage": True},
            "memory": False,
            "seed": self.draw.randrange(2**31),
            **self.settings,
        }
        begun = time.perf_counter()
        url = "/v1/chat/completions"
        with self.client.post(url, json=body, stream=True, catch_response=True) as response:
            if response.status_code != 200:
                Caller.statuses[str(response.status_code)] += 1
                gevent.sleep(float((response.headers or {}).get("retry-after", 0.1)))
                return
            # A read waits for all that it asks for: the first asks for little.
            ended = next(response.iter_content(16, decode_content=False), b"")
            first = time.perf_counter() - begun
            for piece in response.iter_content(4096, decode_content=False):
                ended = (ended + piece)[-4096:]
        made = [json.loads(line[6:]) for line in ended.split(b"\n") if b'"usage":{' in line]
        if not ended.rstrip().endswith(b"[DONE]") or not made:
            Caller.statuses["broken stream"] += 1
            return
        Caller.statuses["200"] += 1
        Caller.first.append(first)
        Caller.whole.append(time.perf_counter() - begun)
        Caller.tokens += made[-1]["usage"]["completion_tokens"]


def main() -> None:
    """Ask for so many seconds, and print what came."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--callers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--questions", type=int, default=0, help="print so many, and ask nobody")
    parser.add_argument("--settings", type=json.loads, default={})
    options = parser.parse_args()
    if options.questions:
        draw = random.Random(0)
        print(json.dumps([question(draw) for _ in range(options.questions)]))
        return
    assert urlsplit(options.url).hostname == "127.0.0.1", "this machine only"
    Caller.settings = options.settings
    environment = Environment(user_classes=[Caller], host=options.url)
    runner = environment.create_local_runner()
    begun = time.perf_counter()
    runner.start(options.callers, spawn_rate=100)
    gevent.sleep(options.seconds)
    seconds, tokens, whole = time.perf_counter() - begun, Caller.tokens, list(Caller.whole)
    runner.quit()
    found = {"seconds": seconds, "tokens": tokens, "whole": whole, "first": Caller.first}
    print(json.dumps({**found, "statuses": Caller.statuses}))


if __name__ == "__main__":
    main()

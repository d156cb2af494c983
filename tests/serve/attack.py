# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Requests that nobody should send, drawn from a seed.

    python -m tests.serve.attack 10000       # against a server of its own, on the loopback

Prints how many there were of each status, and how the memory grew.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
from collections import Counter
from typing import Any

import httpx2 as httpx

from data_builders.command_line import say
from tests.serve.small_server import SmallServer, small_service

CANARY = {"messages": [{"role": "user", "content": "hi"}], "memory": False, "max_tokens": 3}
FIELDS = """
    model messages n seed stop max_tokens max_completion_tokens logprobs top_logprobs stream
    stream_options temperature top_p top_k presence_penalty frequency_penalty preset memory
    return_token_ids generation_config num_beams num_candidates max_new_tokens do_sample
    repetition_penalty no_repeat_ngram_size length_penalty dry_multiplier copy_penalty
    anti_lm_weight max_phrase_repeats tools user logit_bias response_format prompt echo nothing
""".split()
# Written into the JSON as they are: some are none.
VALUES = [
    *"null true false 0 1 2 -1 3.5 0.0 -0.0 1e400 -1e400 1e-400 NaN Infinity -Infinity".split(),
    *"[] {} [[]] [null] [1] [true] [{}]".split(),
    *('""', '"a"', '"greedy"', '"beam"', '"candidates"', '"default"', '"mutual"', '"0.5"'),
    '"\\u0000"',
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\u202e\\u2066"', '"\\r\\nX-Evil: 1"', '"</s><sep>"'),
    *('"\x01"', '"' + "啊" * 3000 + '"', '"' + "a" * 20000 + '"', "9" * 40, "9" * 5000),
    *(str(2**63), str(-(2**63)), str(2**31), "1" + "0" * 300, "0.1e1"),
    *('{"role":"user","content":"hi"}', '[{"role":"user","content":null}]'),
    *('[{"role":"user","content":[{"type":"text","text":"\\ud83d"}]}]',),
    *('[{"role":"user","content":"hi"},{"role":"assistant","content":""}]',),
    *('{"include_usage":true}', '{"include_usage":1}', '{"include_usage":{}}'),
    *('"{\\"top_k\\": [1]}"', '"{\\"temperature\\": NaN}"', '"[[["', '["","a"]', '["a","b"]'),
    "[" * 3000 + "]" * 3000,
    '{"a":' * 3000 + "1" + "}" * 3000,
]  # fmt: skip
# What each field may well be.
GOOD = {
    "n": "2", "seed": "-5", "stop": '["o","好"]', "stream": "true", "temperature": "0.7",
    "top_p": "0.9", "top_k": "5", "presence_penalty": "-2", "frequency_penalty": "1.5",
    "preset": '"creative"', "memory": "true", "return_token_ids": "true", "logprobs": "true",
    "num_beams": "3", "num_candidates": "4", "do_sample": "true", "max_new_tokens": "4",
    "stream_options": '{"include_usage":true}', "prompt": '["a","b"]', "user": '"me"',
    "messages": '[{"role":"system","content":"x"},{"role":"user","content":"What is it?"}]',
}  # fmt: skip
HEADERS = [
    ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Encoding", "gzip"),
    ("Accept", ";" * 1000),
    ("Authorization", "Bearer " + "x" * 5000),
    ("X-Forwarded-For", "1.2.3.4," * 500),
    ("Expect", "100-continue"),
    ("Cookie", "a=" + "b" * 20000),
]


def body(draw: random.Random) -> bytes:
    """Draw a body: mostly an object that would do but for a few fields, sometimes none at all."""
    fields = {"messages": '[{"role":"user","content":"hi"}]', "max_tokens": "2", "memory": "false"}
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        name = draw.choice(FIELDS)
        is_good = name in GOOD and draw.random() < 0.6
        fields[name] = GOOD[name] if is_good else draw.choice(VALUES)
    text = "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"
    made = bytearray(text.encode("utf-8", "surrogatepass"))
    kind = draw.random()
    if kind < 0.1:
        del made[draw.randrange(len(made)) :]
    elif kind < 0.2:
        for _ in range(3):
            made[draw.randrange(len(made))] = draw.randrange(256)
    elif kind < 0.22:
        made = bytearray(draw.randbytes(draw.randrange(1, 500)))
    return bytes(made)


def request(draw: random.Random) -> dict[str, Any]:
    """Draw a request."""
    paths = ["/v1/chat/completions"] * 20 + ["/v1/completions"] * 6 + ["/load_model", "/v1/models"]
    paths += ["/v1/models/%2e%2e%2fetc", "/metrics", "/health", "//", "/v1/chat/completions/"]
    paths += ["/v1/models/%00%0d%0aX-Evil:1", "/%ff%fe", "/" + "a" * 3000]
    headers = [("Content-Type", "application/json")]
    if draw.random() < 0.15:
        headers.append(draw.choice(HEADERS))
    return {
        "method": draw.choice(["POST"] * 60 + ["GET", "PUT", "HEAD", "OPTIONS", "DELETE", "BREW"]),
        "url": draw.choice(paths) + draw.choice(["", "", "?a=%0d%0ab&" + "x" * 500]),
        "headers": headers,
        "content": body(draw),
    }


class Attack:
    """Sends drawn requests, several at a time, and looks at every answer.

    Attributes:
        statuses: How many answers there were of each.
        wrong: What should not have been.
    """

    def __init__(self, base: str, seed: int) -> None:
        """Prepare; nothing is sent."""
        self.base, self.draw = base, random.Random(seed)
        self.statuses: Counter[int] = Counter()
        self.wrong: list[Any] = []

    async def run(self, count: int, at_once: int = 8) -> None:
        """Send so many."""
        left = iter([request(self.draw) for _ in range(count)])
        async with httpx.AsyncClient(base_url=self.base, timeout=300) as web:
            self.expected = await self._canary(web)
            await asyncio.gather(*(self._send(web, left) for _ in range(at_once)))
            if await self._canary(web) != self.expected:
                self.wrong.append("another reply than before")

    async def _canary(self, web: httpx.AsyncClient) -> str:
        made = await web.post("/v1/chat/completions", json=CANARY)
        return made.json()["choices"][0]["message"]["content"]

    async def _send(self, web: httpx.AsyncClient, left: Any) -> None:
        for number, one in enumerate(left):
            made = await web.request(**one)
            self.statuses[made.status_code] += 1
            self._look(one, made)
            if number % 25 == 0 and await self._canary(web) != self.expected:
                self.wrong.append("another reply in between")

    def _look(self, one: dict[str, Any], made: httpx.Response) -> None:
        """Keep what breaks a promise: no failure of ours, OpenAI's shape, no header of theirs."""
        streamed = made.headers.get("content-type", "").startswith("text/event-stream")
        fails = made.status_code >= 500 or "x-evil" in made.headers or "server" in made.headers
        if made.status_code >= 400 and one["method"] != "HEAD":
            error = made.json().get("error", {})
            fails |= set(error) != {"message", "type", "param", "code"} or not error["message"]
            fails |= not str(error["message"]).isprintable()
        fails |= streamed and '"server_error"' in made.text
        if fails:
            self.wrong.append((made.status_code, made.text[:300], one))


def main() -> None:
    """Attack a server of one's own."""
    count = int(sys.argv[1])
    with small_service() as service, SmallServer(service) as server:
        attack = Attack(server.url.removesuffix("/v1"), seed=1)
        for part in range(10):
            asyncio.run(attack.run(count // 10))
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            say(f"{part} {dict(attack.statuses)} {memory} MB at most")
        say(f"{service.active} active, {len(attack.wrong)} wrong {attack.wrong[:5]}")


if __name__ == "__main__":
    main()

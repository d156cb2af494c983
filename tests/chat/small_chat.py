# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the tests of a conversation share."""

from __future__ import annotations

from tfchat_hf.chat.session import ChatSession
from tfchat_hf.fast import FastDecoder

SENTENCES = [
    "你好", "你好，很高兴见到你", "你是谁", "我是一个聊天程序", "今天天气怎么样", "今天天气很好",
    "你喜欢什么", "我喜欢聊天", "再见", "明天见", "hello there", "how are you", "I am fine",
    "what is your name", "I am a program", "what is AI", "it is a field of study",
    "good morning", "see you tomorrow", "good night",
]  # fmt: skip


def sampled(session: ChatSession, seed: int = 1) -> ChatSession:
    session.settings.set("temperature", "1.5")
    session.settings.set("seed", str(seed))
    return session


def watch_fast_decoding(monkeypatch):
    """Note the weight type of each batch that a `FastDecoder` decodes."""
    calls, make = [], FastDecoder.make_stepper

    def watching(decoder, *args):
        calls.append(decoder.weight_dtype)
        return make(decoder, *args)

    monkeypatch.setattr(FastDecoder, "make_stepper", watching)
    return calls

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A chat answers from the memory what it knows, says so, and leaves the rest to the network."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import chat_hf
from data_builders.errors import UserError
from tests.memory.small_memory import TALKS, small_memory
from tests.tiny import tiny_model
from tfchat_hf.chat.session import ChatSession, clean_reply, load_session
from tfchat_hf.chat.terminal import Terminal
from tfchat_hf.engines.model_folder import save_for_hub
from tfchat_hf.memory import Memory
from tfchat_hf.text.tokenizer_training import train_tokenizer

UNKNOWN = "zzz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model with its memory."""
    path = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(
        [turn for turns in TALKS for turn in turns] * 4, scheme="char", vocab_size=400
    )
    model = tiny_model(vocab_size=len(tokenizer), max_context_turns=2)
    model.generation_config.max_new_tokens = 6
    save_for_hub(model, tokenizer, path)
    small_memory().save_pretrained(path)
    return path


@pytest.fixture
def session(folder: Path) -> ChatSession:
    return load_session(str(folder), "cpu")


def said(session: ChatSession, *lines: str) -> str:
    """Type lines and return the whole screen."""
    screen = io.StringIO()
    terminal = Terminal(session, screen, screen)
    for line in lines:
        terminal.command(line) if line.startswith("/") else terminal.answer(line)
    return screen.getvalue()


def test_what_the_corpus_knows_is_answered_from_it_and_remembered_in_the_talk(
    session: ChatSession,
) -> None:
    assert session.reply("你会下棋吗？") == "会一点，总是输。"
    assert session.history == ["你会下棋吗？", "会一点，总是输。"]


def test_what_it_does_not_know_is_answered_as_without_a_memory(
    session: ChatSession, folder: Path
) -> None:
    without = load_session(str(folder), "cpu", memory=False)
    assert session.reply(UNKNOWN) == without.reply(UNKNOWN)
    assert session.recall.last.source == "model"
    assert without.reply("你会下棋吗") != "会一点，总是输。"


def test_the_memory_reads_as_many_turns_as_the_model(session: ChatSession) -> None:
    asked = []
    session.recall.memory.look_up = lambda turns, scorer: asked.append(turns) or []
    session.history = ["一", "二", "三"]
    session.reply("四")
    assert asked == [["三", "四"]]


def test_why_says_what_was_remembered_and_how_near_it_is(session: ChatSession) -> None:
    screen = said(session, "你叫什么名字？", "/why")
    assert "model> 我叫小豆。  (remembered)" in screen
    assert re.search(r"Remembered, score 0\.\d\d \(from 0\.20 on\)", screen)
    assert "你叫什么名字 -> 我叫小豆。  (source 1)" in screen


def test_why_says_that_the_network_spoke_and_what_was_near(session: ChatSession) -> None:
    session.recall.memory.config.threshold_with_model = 0.99
    screen = said(session, "你会下象棋吗", "/why")
    assert "(remembered)" not in screen
    assert "The network's own words" in screen and "0.99" in screen
    assert "你会下棋吗 -> 会一点，总是输。" in screen


def test_why_before_anything_was_said(session: ChatSession) -> None:
    assert "Nothing has been said yet." in said(session, "/why")


def test_the_memory_is_switched_off_and_on(session: ChatSession) -> None:
    screen = said(session, "/memory off", "你会下棋吗", "/why", "/memory on", "你会下棋吗")
    assert screen.count("(remembered)") == 1
    assert "the memory is off" in screen
    assert "memory on: 8 pairs" in screen
    assert "Write /memory on, /memory off" in said(session, "/memory perhaps")


def test_a_model_without_a_memory_says_how_to_get_one(folder: Path) -> None:
    without = load_session(str(folder), "cpu", memory=False)
    assert "python -m tfchat_hf.memory build" in said(without, "/memory on")
    assert "this model has no memory" in said(without, UNKNOWN, "/why")


def test_a_damaged_memory_stops_the_chat_with_a_sentence(folder: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    (damaged / "memory" / "zh" / "index.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match="--no-memory"):
        load_session(str(damaged), "cpu")
    load_session(str(damaged), "cpu", memory=False)


def test_once_answers_from_the_memory_unless_told_not_to(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(folder), "--device", "cpu", "--once", "can you play chess"]
    assert chat_hf.main(command) == 0
    assert capsys.readouterr().out == "A little, and I always lose.\n"
    assert chat_hf.main([*command, "--no-memory"]) == 0
    assert capsys.readouterr().out != "A little, and I always lose.\n"


@pytest.mark.parametrize("options", [[], ["--no-memory"]])
def test_a_file_of_replies_says_where_each_is_from(
    folder: Path, tmp_path: Path, options: list[str]
) -> None:
    asked = [{"question": "你会下棋吗"}, {"question": UNKNOWN}, {"question": ""}]
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    command = [str(folder), "--device", "cpu", "--input", str(source), "--output", str(output)]
    assert chat_hf.main([*command, *options]) == 0
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    origins = [None] * 3 if options else ["memory", "model", None]
    assert [row.get("from") for row in rows] == origins
    assert (rows[0]["reply"] == "会一点，总是输。") is not bool(options)
    assert "error" in rows[2]


def test_four_lines_answer_with_a_model_that_brings_its_own_code(folder: Path) -> None:
    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    memory = Memory.from_pretrained(folder)
    known = memory.answer(model, tokenizer, ["你好"])
    assert (known.reply, known.source) == ("你好呀，今天过得怎么样？", "memory")
    assert known.remembered[0].question == "你好"
    own = memory.answer(model.eval(), tokenizer, ["一", "二", UNKNOWN], max_new_tokens=6)
    assert own.source == "model" and own.remembered == []
    # The model reads two turns.
    ids = tokenizer(["二<sep>zzz</s>"], add_special_tokens=False, return_tensors="pt").input_ids
    with torch.inference_mode():
        made = model.generate(ids, max_new_tokens=6)
    assert own.reply == clean_reply(tokenizer.decode(made[0], skip_special_tokens=True))


def test_the_memory_is_switched_by_chinese_words(session):
    assert "memory off" in said(session, "/记忆 关") and not session.recall.on
    assert "memory on" in said(session, "/记忆 开") and session.recall.on
    assert "/memory on" in said(session, "/记忆 啊") and session.recall.on

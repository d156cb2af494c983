# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`pipeline(model=FOLDER)` answers texts and messages, for people without this package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.strangers import told_by_a_stranger
from tests.tiny import tiny_model
from tests.two_processes import make_model, make_tokenizer
from tfchat_hf.engines.model_folder import save_for_hub
from tfchat_hf.examples.questions import decode_reply
from tfchat_hf.model.generation_tfchat import TFChatPipeline

STRANGER = """
import json, sys
sys.modules["tfchat_hf"] = None     # importing it raises ImportError, as where it is missing
from transformers import pipeline
pipe = pipeline(model=sys.argv[1], trust_remote_code=True)
pipe.model.save_pretrained(sys.argv[2])
pipe.tokenizer.save_pretrained(sys.argv[2])
again = pipeline(model=sys.argv[2], trust_remote_code=True)
asked = "question 5 "
by_task = pipeline("text-generation", model=sys.argv[1], trust_remote_code=True)
print()
print(json.dumps({
    "module": type(pipe).__module__, "text": pipe(asked), "again": again(asked),
    "messages": pipe([{"role": "user", "content": asked}]), "by_task": by_task(asked),
}))
"""
TEXTS = ["question 5 ", "question 6 ab ", "question 7 ab ab "]


@pytest.fixture(scope="module")
def pipe() -> TFChatPipeline:
    tokenizer = make_tokenizer()
    return TFChatPipeline(model=make_model(tokenizer).eval(), tokenizer=tokenizer)


@pytest.fixture(scope="module")
def replies(pipe) -> list[str]:
    """Return what `generate()` answers to each text alone."""
    made = [pipe.model.generate(**pipe.tokenizer(t, return_tensors="pt"))[0] for t in TEXTS]
    texts = [decode_reply(pipe.tokenizer, ids.tolist()).strip() for ids in made]
    assert len(set(texts)) == 3
    return texts


def said(answer: list[dict[str, str]]) -> list[str]:
    return [row["generated_text"].strip() for row in answer]


def test_a_text_and_a_list_of_texts_are_answered(pipe, replies) -> None:
    assert said(pipe(TEXTS[0])) == replies[:1]
    assert [said(answer) for answer in pipe(TEXTS)] == [[reply] for reply in replies]
    assert [said(answer) for answer in pipe(TEXTS, batch_size=3)] == [[r] for r in replies]


def test_messages_are_answered(pipe, replies) -> None:
    chats = [[{"role": "user", "content": text}] for text in TEXTS]
    assert said(pipe(chats[0])) == replies[:1]
    assert [said(answer) for answer in pipe(chats)] == [[reply] for reply in replies]


def test_settings_go_to_generate(pipe) -> None:
    drawn = pipe(TEXTS[0], do_sample=True, num_return_sequences=3, max_new_tokens=5)
    assert len(said(drawn)) == 3
    beams = {"preset": "beam", "num_return_sequences": 2}
    alone = [said(pipe(text, **beams)) for text in TEXTS]
    assert [said(answer) for answer in pipe(TEXTS, batch_size=3, **beams)] == alone
    assert said(pipe(TEXTS[0], preset="greedy")) == said(pipe(TEXTS[0]))
    short = pipe(TEXTS[0], max_new_tokens=2)
    assert len(said(short)[0]) == 2
    with pytest.raises(ValueError, match="`max_phrase_repeats`"):
        pipe(TEXTS[0], max_phrase_repeats=-1)


def test_a_question_beyond_the_longest_is_cut() -> None:
    tokenizer = make_tokenizer()
    pipe = TFChatPipeline(model=tiny_model(vocab_size=len(tokenizer)), tokenizer=tokenizer)
    tokenizer.model_max_length = 9  # shorter than the positions, as it was trained
    asked = tokenizer("ab " * 100 + "b", truncation=True, return_tensors="pt")
    expected = pipe.model.generate(**asked, preset="greedy", max_new_tokens=6)
    answer = pipe("ab " * 100 + "b", preset="greedy", max_new_tokens=6)
    assert answer[0]["generated_text"] == tokenizer.decode(expected[0], skip_special_tokens=True)


def test_a_stranger_gets_the_same_from_the_folder_and_from_a_copy(
    pipe, replies, tmp_path: Path
) -> None:
    folder, again = tmp_path / "model", tmp_path / "again"
    save_for_hub(pipe.model, pipe.tokenizer, folder)
    told = told_by_a_stranger(STRANGER, folder, again, home=tmp_path)
    assert told["module"].startswith("transformers_modules.")
    for way in ("text", "again", "messages", "by_task"):
        assert said(told[way]) == replies[:1], way
    assert {f.name for f in again.glob("*.py")} == {f.name for f in folder.glob("*.py")}

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files of questions: rows, batches, and a run that goes on where it was stopped."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from data_builders.errors import UserError
from tests.another_writer import another_writer
from tests.chat.small_chat import SENTENCES, sampled
from tests.memory.small_memory import TALKS, dialogues
from tfchat_hf.chat.partial_output import PartialOutput
from tfchat_hf.chat.question_file import (
    BatchLimits,
    answer_file,
    plan_batches,
    read_rows,
    row_turns,
)
from tfchat_hf.chat.recall import Recall
from tfchat_hf.chat.session import ChatSession, load_session
from tfchat_hf.memory import Memory


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"question": " 你好 "}, ["你好"]),
        ({"dialogue": ["a", "b", "c"]}, ["a", "b", "c"]),
        ({"messages": [{"role": "user", "content": "hi"}]}, ["hi"]),
    ],
)
def test_the_three_shapes_of_a_row(row, turns):
    assert row_turns(row) == turns


@pytest.mark.parametrize(
    "row",
    [
        {}, {"question": ""}, {"question": 3}, {"question": "a", "dialogue": ["b"]},
        {"dialogue": []}, {"dialogue": "ab"}, {"dialogue": ["a", " "]}, {"question": "\ud800"},
        {"messages": [{"role": "assistant", "content": "x"}]}, {"messages": [3]},
        {"messages": {"role": "user"}}, {"question": "a", "reply": "kept?"},
    ],
)  # fmt: skip
def test_bad_rows_are_refused(row):
    with pytest.raises(ValueError):
        row_turns(row)


def short(session: ChatSession) -> ChatSession:
    """Let replies end soon: nobody taught the model to."""
    session.settings.set("max_new_tokens", "5")
    return session


@pytest.fixture
def session(session):
    return short(session)


@pytest.fixture
def questions(tmp_path) -> Path:
    path = tmp_path / "in.jsonl"
    texts = [SENTENCES[n % len(SENTENCES)] * (1 + n % 3) for n in range(30)]
    rows = [json.dumps({"id": n, "question": text}) for n, text in enumerate(texts)]
    rows[4] = "{broken"
    rows[7] = json.dumps({"id": 7})
    path.write_text("\n".join(rows) + "\n\n", encoding="utf-8")
    return path


def test_a_batch_file_keeps_rows_order_and_names_bad_lines(session, questions, tmp_path):
    output = tmp_path / "deep" / "out.jsonl"
    report = answer_file(session, questions, output, BatchLimits(rows=2))
    rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert len(rows) == 30 and report.bad_lines == [5, 8]
    assert "lines 5, 8" in report.sentence(output)
    assert rows[4]["line"] == 5 and "not JSON" in rows[4]["error"]
    assert rows[7]["id"] == 7 and "question" in rows[7]["error"]
    good = [row for row in rows if "reply" in row]
    assert [row["id"] for row in good] == [n for n in range(30) if n not in (4, 7)]
    for row in good[:6]:
        assert row["reply"] == session.reply_to_many([[row["question"]]])[0]
    assert [path.name for path in output.parent.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize("stop_after", [1, 3, 9])
def test_a_stopped_batch_goes_on_to_the_same_file(session, questions, tmp_path, stop_after):
    sampled(session)
    whole = tmp_path / "whole.jsonl"
    answer_file(session, questions, whole, BatchLimits(rows=2))
    output = tmp_path / "out.jsonl"
    answer = session.reply_to_many
    calls = []

    def stops(contexts, offset):
        if len(calls) == stop_after:
            raise KeyboardInterrupt
        calls.append(offset)
        return answer(contexts, offset)

    session.reply_to_many = stops
    with pytest.raises(KeyboardInterrupt):
        answer_file(session, questions, output, BatchLimits(rows=2))
    assert not output.exists()
    with (tmp_path / "out.jsonl.partial").open("ab") as torn:
        torn.write(b'{"id": 9, "quest')
    session.reply_to_many = answer
    again = []
    session.reply_to_many = lambda rows, seed: again.append(seed) or answer(rows, seed)
    report = answer_file(session, questions, output, BatchLimits(rows=2))
    assert output.read_bytes() == whole.read_bytes()
    assert report.resumed == 2 * stop_after and len(again) == 14 - stop_after


def test_a_batch_is_filled_until_padded_questions_and_replies_reach_the_budget():
    lengths = {0: 5, 1: 90, 2: 5, 3: 40, 4: 5, 5: 6}
    limits = BatchLimits(rows=3, tokens=100)
    batches = list(plan_batches(lengths, limits, reply_room=10))
    assert batches == [[1], [3, 5], [0, 2, 4]]
    for batch in batches:
        assert len(batch) * (10 + max(lengths[row] for row in batch)) <= 100


def test_beams_and_candidates_count_in_a_batch():
    lengths = dict.fromkeys(range(6), 10)
    limits = BatchLimits(rows=9, tokens=120)
    assert [len(batch) for batch in plan_batches(lengths, limits, 10, copies=2)] == [3, 3]


def test_a_question_larger_than_the_budget_is_answered_alone():
    limits = BatchLimits(tokens=5)
    assert list(plan_batches({0: 9, 1: 8}, limits, 10)) == [[0], [1]]


@pytest.mark.parametrize("limits", [{"rows": 0}, {"tokens": 0}])
def test_limits_that_allow_no_batch_are_refused(limits):
    with pytest.raises(UserError, match="--batch-.* must be at least 1"):
        BatchLimits(**limits)


def test_replies_drawn_at_random_are_the_same_in_every_run(session, questions, tmp_path):
    session.settings.set("temperature", "1.5")
    outputs = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for output in outputs:
        torch.seed()
        answer_file(session, questions, output)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_a_changed_input_does_not_go_on_with_the_old_replies(session, questions, tmp_path):
    output = tmp_path / "out.jsonl"
    answer = session.reply_to_many
    session.reply_to_many = lambda *args: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        answer_file(session, questions, output)
    questions.write_text(questions.read_text("utf-8").replace("what is AI", "what is it"), "utf-8")
    session.reply_to_many = answer
    with pytest.raises(UserError, match="another input"):
        answer_file(session, questions, output)


def test_a_partial_file_of_another_job_is_refused(session, questions, tmp_path):
    output = tmp_path / "out.jsonl"
    partial = tmp_path / "out.jsonl.partial"
    partial.write_text('{"question": "else", "reply": "x"}\n', encoding="utf-8")
    with pytest.raises(UserError, match="another input"):
        answer_file(session, questions, output)
    assert partial.exists()
    answer_file(session, questions, output, overwrite=True)
    assert len(output.read_bytes().splitlines()) == 30


def test_a_partial_file_made_with_other_settings_is_refused(session, questions, tmp_path):
    output = tmp_path / "out.jsonl"
    answer = session.reply_to_many
    session.reply_to_many = lambda *args: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        answer_file(session, questions, output)
    session.reply_to_many = answer
    session.settings.set("num_beams", "2")
    with pytest.raises(UserError, match="settings"):
        answer_file(session, questions, output)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("model", lambda session: session.model.lm_head.weight.data.add_(0.001)),
        ("tokenizer", lambda session: setattr(session.tokenizer, "model_max_length", 31)),
        ("set of settings", lambda session: setattr(session.settings.base, "dry_base", 1.9)),
    ],
)
def test_replies_of_another_model_are_not_mixed_in(model_dir, questions, tmp_path, what, change):
    session, output = short(load_session(str(model_dir), "cpu")), tmp_path / "out.jsonl"
    answer, calls = session.reply_to_many, []

    def stops(contexts, offset):
        if calls:
            raise KeyboardInterrupt
        calls.append(offset)
        return answer(contexts, offset)

    session.reply_to_many = stops
    with pytest.raises(KeyboardInterrupt):
        answer_file(session, questions, output, BatchLimits(rows=2))
    partial = (tmp_path / "out.jsonl.partial").read_bytes()
    again = short(load_session(str(model_dir), "cpu"))
    change(again)
    with pytest.raises(UserError, match=f"another {what}. .*--overwrite"):
        answer_file(again, questions, output, BatchLimits(rows=2))
    assert (tmp_path / "out.jsonl.partial").read_bytes() == partial
    unchanged = short(load_session(str(model_dir), "cpu"))
    assert answer_file(unchanged, questions, output, BatchLimits(rows=2)).resumed == 2


def test_a_memory_of_other_pairs_is_another_one():
    talks = (TALKS, [*TALKS[:-1], ("我昨天去爬山了", "山上风大吗？", "很大", "那你走了吗？")])
    first, second = (Recall(Memory.from_dataset(dialogues(*those))) for those in talks)
    assert len(first.memory) == len(second.memory)
    assert first.state() != second.state() and first.state() == first.state()


def test_a_second_run_into_the_same_file_is_refused(session, questions, tmp_path):
    output, answer = tmp_path / "out.jsonl", session.reply_to_many
    with (
        another_writer(output) as other,
        pytest.raises(UserError, match=f"process {other.pid}, begun "),
    ):
        answer_file(session, questions, output)
    assert answer_file(session, questions, output).rows == 30
    assert session.reply_to_many == answer


def test_a_full_disk_keeps_what_was_answered(session, questions, tmp_path, monkeypatch):
    output, add = tmp_path / "out.jsonl", PartialOutput.add

    def full(partial, replies):
        add(partial, replies)
        if len(partial.replies) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(PartialOutput, "add", full)
    with pytest.raises(UserError, match="No space left on device.*What was answered is kept"):
        answer_file(session, questions, output, BatchLimits(rows=2))
    monkeypatch.setattr(PartialOutput, "add", add)
    assert answer_file(session, questions, output, BatchLimits(rows=2)).resumed > 3


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_a_file_that_windows_wrote_is_read_as_it_is(tmp_path, encoding, caplog):
    path = tmp_path / "in.txt"
    path.write_bytes("你好，我想问一下今天天气怎么样\r\n你是谁\r\n".encode(encoding))
    assert [row.turns for row in read_rows(path)] == [
        ["你好，我想问一下今天天气怎么样"],
        ["你是谁"],
    ]
    assert "is read as" in caplog.text


def test_text_files_and_bad_utf8_lines(tmp_path):
    path = tmp_path / "in.txt"
    path.write_bytes(b"\xef\xbb\xbfhello\r\n\n\xff\xfe\n{not json}\n")
    rows = read_rows(path)
    assert [(row.line, row.turns) for row in rows] == [(1, ["hello"]), (3, []), (4, ["{not json}"])]
    assert "UTF-8" in rows[1].error

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The benchmarks of decoding compare contenders that say the same, and count what they say."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import candidates  # noqa: E402
import generation  # noqa: E402
import message_trace  # noqa: E402
from generation_peers.clock import StepClock  # noqa: E402
from generation_peers.hand_loop import HandLoop  # noqa: E402

from tfchat_hf.fast import FastDecoder  # noqa: E402

SMALL = "--d-model 16 --layers 2 --vocabulary 60 --new 9 --positions 32 --rounds 1".split()


def arguments(*more: str):
    return generation._parser().parse_args([*SMALL, *more])


@pytest.mark.parametrize("batch", [1, 5])
def test_the_loop_written_by_hand_gives_the_tokens_of_the_model(batch) -> None:
    settings = arguments()
    model = generation.random_model(settings)
    given = generation.questions(settings, batch, 3)
    made = HandLoop(model).greedy(*given.values(), 9)
    assert torch.equal(made, model.generate(**given, max_new_tokens=9))
    assert len(set(made[0].tolist())) > 3


def test_every_contender_makes_full_replies_and_equal_ones_are_said_to_be_so(capsys) -> None:
    settings = arguments("--only", "transformers,loop,ours,ours-sample,transformers-sample")
    rows = {
        row["contender"]: row
        for row in generation.compare(generation.random_model(settings), 2, settings)
    }
    assert set(rows) == set(settings.only.split(","))
    assert all(row["tokens equal"] == 1.0 for row in rows.values())
    assert all(row["tok/s"] > 0 for row in rows.values())
    text = "\n".join(generation.table(list(rows.values())))
    assert "| ours |" in text and "x loop" in text


@pytest.mark.slow
def test_candidates_cost_what_is_said_and_have_the_scores_of_the_network(tmp_path, capsys) -> None:
    config = tmp_path / "small.yaml"
    config.write_text("vocab_size: 60\nd_model: 16\nmax_minutes: 60\nmax_position_embeddings: 32\n")
    call = ["--count", "1", "6", "--new", "5", "--rounds", "1", "--config", str(config)]
    call += ["--threads", os.environ["OMP_NUM_THREADS"]]
    assert candidates.main([*call, "--out", str(tmp_path / "cost.json")]) == 0
    rows = json.loads((tmp_path / "cost.json").read_text(encoding="utf-8"))
    assert [(row["candidates"], row["contender"]) for row in rows] == [
        (count, name) for count in (1, 6) for name in candidates.CONTENDERS
    ]
    assert all(float(row["off"]) < 1e-3 for row in rows if row["contender"] == "ours")
    assert all(row["CPU s a reply"] > 0 for row in rows)
    # One round: a median of one ratio is the ratio, up to rounding.
    before, ours = rows[5]["CPU s a reply"], rows[6]["CPU s a reply"]
    assert rows[6]["x before"] == pytest.approx(before / ours, rel=0.2)
    assert "| ours |" in capsys.readouterr().out


def test_a_step_clock_counts_the_steps_between_two_tokens() -> None:
    settings = arguments()
    model, clock = generation.random_model(settings), StepClock()
    given = generation.questions(settings, 1, 0)
    for how in ({}, {"custom_generate": FastDecoder()}):
        clock.times.clear()
        model.generate(**given, max_new_tokens=9, logits_processor=[clock], **how)
        assert len(clock.steps()) == 8


def test_a_reply_at_the_keyboard_is_a_row_of_its_own_for_one_question_only() -> None:
    settings = arguments("--only", "transformers,loop,keyboard,keyboard-fast", "--vocabulary", "80")
    model = generation.random_model(settings)
    rows = {row["contender"]: row for row in generation.compare(model, 1, settings)}
    assert list(rows) == ["transformers", "loop", "keyboard", "keyboard-fast"]
    # Its reply is shorter than the others': only its two ways compare.
    assert "x transformers" not in rows["keyboard"] and "x loop" not in rows["keyboard-fast"]
    assert rows["keyboard-fast"]["x transformers"] > 0
    assert list(generation.contenders(model, 2, settings)) == ["transformers", "loop"]


def test_what_is_compared_with_its_like_is_said_in_int8_too() -> None:
    only = "transformers,transformers-int8,loop,loop-int8,ours,ours-int8"
    settings = arguments("--only", only)
    rows = generation.compare(generation.random_model(settings), 2, settings)
    rates = {row["contender"]: row["tok/s"] for row in rows}
    ours = next(row for row in rows if row["contender"] == "ours-int8")
    # One round: a median of one ratio is the ratio of the rates, up to their rounding.
    assert ours["x loop"] == pytest.approx(rates["ours-int8"] / rates["loop-int8"], abs=0.02)
    expected = rates["ours-int8"] / rates["transformers-int8"]
    assert ours["x transformers"] == pytest.approx(expected, abs=0.02)


def test_a_trace_counts_functions_and_the_moves_between_files(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def leaf():\n    return 1\n", encoding="utf-8")
    (tmp_path / "two.py").write_text(
        "def call(leaf):\n    return [leaf() for _ in range(3)]\n", encoding="utf-8"
    )
    names: dict = {}
    for file in ("one.py", "two.py"):
        path = tmp_path / file
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    trace = message_trace.Trace(tmp_path)
    with trace.running():
        names["call"](names["leaf"])
    names["leaf"]()
    assert trace.row("here") == "| here | 2 | 2 | 1 | 3 |"


@pytest.mark.slow
def test_what_one_message_and_one_update_go_through_is_printed(capsys) -> None:
    assert message_trace.main([]) == 0
    said = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in said if line.startswith("| a")]
    assert [row[0] for row in rows] == [
        "| a message at the keyboard",
        "| an update of training",
        "| an update, plain",
    ]
    message, _, _ = rows
    # Chat, model and what stands between: no more files than a reader holds in mind.
    assert int(message[1]) <= 12

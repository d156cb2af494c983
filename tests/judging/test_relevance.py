# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`python -m tfchat_hf.judging relevance`: what it prints of a finished run, and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.compare.small_run import TEST, small_run
from tfchat_hf.chat.session import load_session
from tfchat_hf.examples.evaluation_split import load_evaluation_split
from tfchat_hf.judging.__main__ import main
from tfchat_hf.measuring.relevance import measure_relevance, ranking_tasks


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("relevance"))


def test_the_figures_are_of_the_questions_that_the_run_was_not_trained_on(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["relevance", str(run), "--json", "--by-source", "--device", "cpu"]) == 0
    found = json.loads(capsys.readouterr().out)
    # "question 9" is asked in training too, "nobody knows this one" was never learnt.
    assert found.keys() == {"data, test", "t"}
    assert found["t"] == found["data, test"]
    assert found["t"]["relevance_questions"] == len(TEST) - 1
    assert found["t"]["candidates"] > 5
    session, asked = load_session(str(run), "cpu"), load_evaluation_split(run)
    again = measure_relevance(session.model, ranking_tasks(asked.examples, 0, asked.seed))
    assert found["t"] == pytest.approx(again)
    assert main(["relevance", str(run), "--device", "cpu"]) == 0
    assert "hits@1" in capsys.readouterr().out


def test_what_cannot_be_measured_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["relevance", str(tmp_path), "--questions", "-1"]) == 2
    assert "`--questions` must be at least 0" in capsys.readouterr().err
    assert main(["relevance", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path} holds no config.json")

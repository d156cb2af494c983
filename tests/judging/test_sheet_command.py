# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`python -m tfchat_hf.judging sheet`: from questions and systems to a folder to judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compare.small_run import TEST, TRAIN, VALIDATION, save_data
from tests.finished_run import finished_run
from tfchat_hf.judging.__main__ import main
from tfchat_hf.judging.sheet import Key
from tfchat_hf.judging.systems import System, open_model, read_system
from tfchat_hf.pretrained import SMALL_TALK

ROOT = Path(__file__).parents[2]
ROWS = [{"question": "你好"}, {"dialogue": ["hi", "Hello!", "why?"]}]
# "question 8 ababab" and "question 9 ..." are trained too.
KEPT_BACK = {pair for pair in TEST if pair[0] not in {question for question, _ in TRAIN}}


def save_rows(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answered(path: Path, *replies: str) -> Path:
    return save_rows(
        path, [{**row, "reply": reply} for row, reply in zip(ROWS, replies, strict=True)]
    )


@pytest.fixture()
def questions(tmp_path: Path) -> Path:
    return save_rows(tmp_path / "questions.jsonl", ROWS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_data(tmp_path_factory.mktemp("data"))


def make(*words: object, output: Path) -> Key:
    assert main(["sheet", *map(str, words), "--output", str(output)]) == 0
    assert (output / "sheet.tsv").is_file() and (output / "sheet.html").is_file()
    return Key.read(output / "key.json")


def refused(*words: object, output: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["sheet", *map(str, words), "--output", str(output)]) == 2
    said = capsys.readouterr().err
    said = said.removeprefix("Loading datasets and the questions ...\n")
    assert said.startswith("error: ") and not (output / "sheet.tsv").exists()
    return said


def test_files_of_replies_become_a_sheet(questions: Path, tmp_path: Path, capsys) -> None:
    a = answered(tmp_path / "a.jsonl", "你好呀", "Because.")
    b = answered(tmp_path / "b.jsonl", "你好呀", "")
    out = tmp_path / "out"
    key = make("--input", questions, "--system", f"a={a}", "--system", f"b={b}", output=out)
    assert key.systems == ["a", "b"]
    assert {(row.number, row.reply, *row.of) for row in key.rows} == {
        (1, "你好呀", "a", "b"),
        (2, "Because.", "a"),
        (2, "", "b"),
    }
    assert [row.turns for row in key.rows][-1] == ["hi", "Hello!", "why?"]
    assert "3 replies to 2 questions from 2 systems" in capsys.readouterr().out


def test_a_run_answers_itself_with_and_without_a_preset(questions: Path, tmp_path: Path) -> None:
    run = finished_run(tmp_path / "runs")
    out = tmp_path / "out"
    systems = ["--system", f"plain={run}", "--system", f"precise={run}:precise"]
    key = make("--input", questions, *systems, "--device", "cpu", output=out)
    assert key.systems == ["plain", "precise"]
    for name in key.systems:
        lines = (out / "replies" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        said = {row.number: row.reply for row in key.rows if name in row.of}
        assert [said[1], said[2]] == [json.loads(line)["reply"].strip() for line in lines]


def test_a_preset_is_judged_without_the_memory() -> None:
    model = str(SMALL_TALK)
    assert open_model(System("whole", model), "cpu").recall.on
    assert not open_model(System("own words", model, "precise"), "cpu").recall.on


def test_an_unknown_preset_is_refused_before_anything_is_written(
    questions: Path, tmp_path: Path, capsys
) -> None:
    run = finished_run(tmp_path / "runs")
    systems = ["--system", f"plain={run}", "--system", f"x={run}:nonsense"]
    said = refused("--input", questions, *systems, output=tmp_path / "out", capsys=capsys)
    assert "nonsense" in said and not (tmp_path / "out").exists()


def test_questions_of_a_corpus_are_those_it_keeps_back(data: Path, tmp_path: Path) -> None:
    words = ["--dataset", data, "--questions", "100", "--baselines", "human,nearest,random"]
    key = make(*words, output=tmp_path / "out")
    said = {name: {} for name in key.systems}
    for row in key.rows:
        for name in row.of:
            said[name][row.turns[-1]] = row.reply
    assert said["human"] == dict(KEPT_BACK) and len(KEPT_BACK) == 5
    trained = {reply for _, reply in TRAIN}
    assert set(said["nearest"].values()) <= trained | {""}
    assert said["random"].keys() == said["human"].keys()
    assert len(set(said["random"].values()) & trained) == 5  # drawn without repetition
    rows = (tmp_path / "out" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(row)["question"] for row in rows} == set(said["human"])


def test_the_draw_of_questions_depends_on_the_seed_alone(data: Path, tmp_path: Path) -> None:
    def drawn(name: str, seed: int) -> list[str]:
        words = ["--dataset", data, "--questions", "3", "--baselines", "human", "--seed", seed]
        return [row.turns[-1] for row in make(*words, output=tmp_path / name).rows]

    first = drawn("a", 1)
    assert first == drawn("b", 1) and len(first) == 3
    assert any(drawn(f"c{seed}", seed) != first for seed in (2, 3, 4))


def test_the_validation_split_is_asked_if_it_is_named(data: Path, tmp_path: Path) -> None:
    words = ["--dataset", data, "--split", "validation", "--baselines", "human"]
    key = make(*words, output=tmp_path / "out")
    assert {(row.turns[-1], row.reply) for row in key.rows} == set(VALIDATION)


def test_a_corpus_gives_random_replies_to_questions_of_a_file(
    questions: Path, data: Path, tmp_path: Path, capsys
) -> None:
    words = ["--input", questions, "--dataset", data, "--baselines"]
    key = make(*words, "random", output=tmp_path / "out")
    assert {row.reply for row in key.rows} <= {reply for _, reply in TRAIN}
    said = refused(*words, "human", output=tmp_path / "no", capsys=capsys)
    assert "known only for questions of `--dataset`" in said


def test_a_marked_sheet_is_not_written_over(questions: Path, tmp_path: Path, capsys) -> None:
    words = ["--input", questions, "--system", f"a={answered(tmp_path / 'a.jsonl', '好', 'x')}"]
    out = tmp_path / "out"
    make(*words, output=out)
    (out / "sheet.tsv").write_text("marked")
    assert main(["sheet", *map(str, words), "--output", str(out)]) == 2
    assert "is there already, perhaps with marks" in capsys.readouterr().err
    assert (out / "sheet.tsv").read_text() == "marked"
    make(*words, "--overwrite", output=out)
    assert (out / "sheet.tsv").read_text() != "marked"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "Q"], "something to judge (got none)"),
        (["--system", "a=x.jsonl"], "`--input FILE` or `--dataset NAME` (got neither)"),
        (["--input", "Q", "--system", "a=x.jsonl", "--system", "a=y.jsonl"], "(got a twice)"),
        (["--input", "Q", "--system", "x.jsonl"], "must be NAME=REPLIES.jsonl or NAME=MODEL"),
        (["--input", "Q", "--system", "a/b=x"], "letters, digits, blanks and . + -"),
        (["--input", "Q", "--system", "a=gone.jsonl"], "gone.jsonl is not there"),
        (["--input", "Q", "--baselines", "random"], "Add --dataset NAME"),
        (["--dataset", "D", "--baselines", "best"], "knows human, nearest, random (got 'best')"),
        (["--dataset", "D", "--baselines", "human", "--questions", "0"], "`--questions` must be"),
        (["--input", "gone.txt", "--system", "a=x.jsonl"], "gone.txt is not a file"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    words: list[str], message: str, questions: Path, tmp_path: Path, capsys
) -> None:
    words = [str(questions) if word == "Q" else word for word in words]
    assert message in refused(*words, output=tmp_path / "out", capsys=capsys)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{**ROWS[0], "reply": "x"}], "1 replies to 2 questions"),
        ([{**ROWS[0], "reply": "x"}] * 2, "a.jsonl:2: must answer question 2, 'why?' (got '你好')"),
        ([{**ROWS[0], "error": "too long"}] * 2, "a.jsonl:1: not a question with its `reply`"),
        ([{**ROWS[0], "reply": "\ud83d"}] * 2, "a.jsonl:1: not a question with its `reply`"),
    ],
)
def test_replies_to_other_questions_are_refused(
    rows: list[dict], message: str, questions: Path, tmp_path: Path, capsys
) -> None:
    a = save_rows(tmp_path / "a.jsonl", rows)
    words = ["--input", questions, "--system", f"a={a}"]
    assert message in refused(*words, output=tmp_path / "out", capsys=capsys)


def test_a_row_without_a_question_is_named_by_its_line(tmp_path: Path, capsys) -> None:
    path = save_rows(tmp_path / "q.jsonl", [ROWS[0], {"text": "?"}])
    words = ["--input", path, "--system", f"a={answered(tmp_path / 'a.jsonl', '好', 'x')}"]
    assert "q.jsonl:2: a row needs" in refused(*words, output=tmp_path / "out", capsys=capsys)


def test_a_preset_stands_behind_the_last_colon() -> None:
    assert read_system("a=runs/mine:precise") == System("a", "runs/mine", "precise")
    assert read_system("a=somebody/chat") == System("a", "somebody/chat")
    assert read_system(r"a=C:\runs\mine") == System("a", r"C:\runs\mine")
    assert read_system("a b=x.jsonl").is_file and not read_system("a=runs/mine").is_file


@pytest.mark.parametrize("command", ["sheet", "scores"])
def test_the_help_of_a_command_imports_no_torch_of_its_own(command: str) -> None:
    # The package itself imports torch for its models; here an empty one stands for it.
    program = f"""
import importlib, sys, types
sys.modules["tfchat_hf"] = package = types.ModuleType("tfchat_hf")
package.__path__ = [{str(ROOT / "tfchat_hf")!r}]
main = importlib.import_module("tfchat_hf.judging.__main__").main
try:
    main(["{command}", "--help"])
finally:
    assert not {{"torch", "transformers", "datasets"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and f"judging {command}" in done.stdout, done.stderr

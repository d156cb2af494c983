# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""chat_hf.py as a person runs it: one reply, pipes, the demonstration, files, a real terminal."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import chat_hf
from tests.tiny import one_layer_config
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.chat import session as chat_sessions
from tfchat_hf.chat import streaming
from tfchat_hf.chat import terminal as chat_terminal
from tfchat_hf.text.tokenizer_training import train_tokenizer

ROOT = Path(__file__).resolve().parent.parent
# Seconds after which a wait is given up: no more than a guard against hanging for ever.
PATIENCE = 300
SENTENCES = ["你好，很高兴见到你", "你是谁", "今天天气怎么样", "what is AI", "hello there"] * 4


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(SENTENCES, scheme="char", vocab_size=400, model_max_length=128)
    torch.manual_seed(3)
    config = one_layer_config(
        vocab_size=len(tokenizer),
        max_position_embeddings=128,
        max_context_turns=3,
        init_std=0.3,
    )
    model = TFChatForConditionalGeneration(config)
    model.generation_config.max_new_tokens = 12
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def run(model_dir, monkeypatch, capsys):
    """Run the command in this process: returns exit code, stdout, stderr behind "Loading ..."."""

    def call(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = chat_hf.main([model_dir, "--device", "cpu", *arguments])
        out, err = capsys.readouterr()
        return code, out, err.removeprefix(f"Loading {model_dir} ...\n")

    return call


def test_once_prints_the_reply_and_nothing_else(run):
    code, out, err = run("--once", "你好")
    assert code == 0 and err == ""
    assert out.strip() and "model>" not in out and out == run("--once", "你好")[1]


@pytest.mark.parametrize("text", ["", "  ", "\udcff"])
def test_once_without_text_is_refused(run, text):
    code, out, err = run("--once", text)
    assert (code, out) == (2, "") and "--once" in err


def test_a_pipe_gets_one_reply_a_line(run):
    code, out, err = run(stdin="\ufeff你好\r\n\n你是谁".encode())
    assert code == 0 and err == ""
    first, blank, last = out.splitlines()
    assert first == run("--once", "你好")[1].strip() and not blank and last


def test_a_pipe_is_a_conversation_and_takes_commands(run):
    code, out, err = run(stdin="你好\n/reset\n你好\n/nothing\n/exit\n你好\n".encode())
    first, second = out.splitlines()
    assert code == 0 and first == second, "/reset did not forget the first turn"
    assert "no command /nothing" in err


def test_invalid_utf8_in_a_pipe_is_told_and_the_rest_answered(run):
    code, out, err = run(stdin=b"\xff\xfe\xe4\xbd\n" + "你好\n".encode())
    unread, answered = out.splitlines()
    assert code == 2 and not unread and answered == run("--once", "你好")[1].strip()
    assert err.startswith("Line 1: ") and "UTF-8" in err


def test_a_pipe_of_utf16_is_no_question_and_no_answer(run):
    code, out, err = run(stdin="你好\nhi\n".encode("utf-16"))
    assert code == 2 and not out.strip() and "UTF-8" in err


def test_settings_that_do_not_go_together_do_not_end_a_piped_talk(run):
    lines = (
        "/set num_candidates 4\n/set num_beams 3\n/set temperature 0\n你好\n/set nothing\n你是谁\n"
    )
    code, out, err = run(stdin=lines.encode())
    assert code == 0 and len(out.splitlines()) == 2 and all(out.splitlines())
    assert "`num_candidates` 4 are drawn, and `num_beams` 3" in err and "do_sample false" in err


def test_a_reply_that_fails_leaves_an_empty_line_and_the_talk_goes_on(run, monkeypatch):
    stream = chat_sessions.ChatSession.stream

    def fail(session, message):
        if message == "hi":
            raise RuntimeError("no memory\nleft")
        return stream(session, message)

    monkeypatch.setattr(chat_sessions.ChatSession, "stream", fail)
    code, out, err = run(stdin="hi\n你好\n".encode())
    failed, answered = out.splitlines()
    assert code == 2 and not failed and answered and err == "Line 1: no memory left\n"


def test_demo_asks_three_questions_and_an_empty_stdin_does_the_same(run):
    code, out, _ = run("--demo")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("you> ")] == [
        f"you> {question}" for question in chat_terminal.DEMO_QUESTIONS
    ]
    assert out.count("model> ") == 3 and "remembers its corpus" in out
    assert run(stdin=b"")[1] == out


@pytest.mark.parametrize(
    "option", [("--temperature", "0"), ("--top-p", "x"), ("--max-new-tokens", "128")]
)
def test_bad_settings_on_the_command_line_exit_2(run, option):
    code, out, err = run("--once", "你好", *option)
    assert (code, out) == (2, "") and "must be" in err and len(err.splitlines()) == 1


def test_settings_on_the_command_line_are_used(run):
    options = ("--temperature", "2", "--seed")
    replies = {seed: run("--once", "你好", *options, seed)[1] for seed in ("1", "2")}
    assert replies["1"] != replies["2"]
    assert run("--once", "你好", *options, "1")[1] == replies["1"]
    assert len(run("--once", "你好", "--max-new-tokens", "1")[1].strip()) <= 1


def test_a_preset_on_the_command_line_is_used_and_single_settings_go_on_top(run):
    greedy = run("--once", "你好", "--preset", "greedy")[1]
    creative = [run("--once", "你好", "--preset", "creative", "--seed", seed)[1] for seed in "12"]
    assert len({greedy, *creative}) == 3
    assert len(run("--once", "你好", "--preset", "greedy", "--max-new-tokens", "1")[1].strip()) <= 1


def test_an_unknown_preset_on_the_command_line_names_the_known_ones(run):
    code, out, err = run("--once", "你好", "--preset", "wild")
    assert (code, out) == (2, "") and "greedy" in err and len(err.splitlines()) == 1


def test_presets_are_listed_and_chosen_in_a_conversation(run):
    lines = "/presets\n/set top_k 3\n/set preset greedy\n你好\n/set preset wild\n/set num_beams 2\n"
    code, out, err = run(stdin=lines.encode())
    assert code == 0 and out == run("--once", "你好", "--preset", "greedy")[1]
    assert "creative" in err and "preset = greedy" in err
    assert "dropped now: do_sample, top_k" in err
    assert "got 'wild'" in err and "comes whole" in err


def test_a_preset_without_its_reverse_model_is_one_sentence(run):
    code, out, err = run("--once", "你好", "--preset", "mutual")
    assert (code, out) == (2, "") and "--reverse-model" in err and len(err.splitlines()) == 1


def test_fast_replies_are_the_same_wherever_they_come_from(run, tmp_path):
    source, outputs = tmp_path / "in.txt", (tmp_path / "fast.txt", tmp_path / "plain.txt")
    source.write_text("你好\n你是谁\n", encoding="utf-8")
    for way in (["--once", "你好"], ["--demo"], []):
        plain = run(*way, stdin="你好\n你是谁\n".encode())
        assert run(*way, "--fast", stdin="你好\n你是谁\n".encode()) == plain
    for output, options in zip(outputs, (["--fast"], []), strict=True):
        assert run("--input", str(source), "--output", str(output), *options)[0] == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_fast_says_where_it_changes_nothing(run):
    plain = run("--once", "你好", "--preset", "beam")
    code, out, err = run("--once", "你好", "--preset", "beam", "--fast")
    assert (code, out) == plain[:2] and "`--fast`" in err and "beams" in err
    assert run("--once", "你好", "--preset", "candidates", "--fast")[2] == ""
    err = run("--fast", stdin=b"/set num_beams 2\n")[2]
    assert err.count("`--fast`") == 1


def test_the_best_of_many_candidates_is_a_preset_everywhere(run, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("你好\n你是谁\n", encoding="utf-8")
    options = ("--preset", "candidates", "--seed", "1")
    once = run("--once", "你好", *options)
    assert once[0] == 0 and once[1].strip() and once == run("--once", "你好", *options, "--fast")
    assert run("--input", str(source), "--output", str(output), *options)[0] == 0
    assert len(output.read_text("utf-8").splitlines()) == 2
    code, out, err = run(stdin="/presets\n/set preset candidates\n你好\n".encode())
    assert code == 0 and out.strip() and "draws 32" in err and "comes whole" in err


def test_int8_answers_wherever_questions_come_from(run, tmp_path):
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("你好\n你是谁\n", encoding="utf-8")
    for way in (["--once", "你好"], ["--input", str(source), "--output", str(output)], []):
        code, out, err = run(*way, "--int8", stdin="你好\n你是谁\n".encode())
        assert code == 0 and "Traceback" not in err
        assert (out or output.read_text("utf-8")).strip()


def test_beams_in_int8_are_one_sentence(run):
    code, out, err = run("--once", "你好", "--preset", "beam", "--int8")
    assert (code, out) == (2, "") and len(err.splitlines()) == 1
    assert "num_beams=4" in err and "--int8" in err


def test_a_reverse_model_chooses_on_the_command_line(run, model_dir, tmp_path):
    reverse = tmp_path / "reverse"
    shutil.copytree(model_dir, reverse)
    config = json.loads((reverse / "config.json").read_text("utf-8"))
    (reverse / "config.json").write_text(json.dumps({**config, "swap_sides": True}), "utf-8")
    options = ("--preset", "mutual", "--reverse-model", str(reverse), "--seed", "1")
    chosen = [run("--once", "你好", *options, *fast) for fast in ((), ("--fast",))]
    assert chosen[0] == chosen[1] and chosen[0][0] == 0 and chosen[0][1].strip()
    code, out, err = run("--once", "你好", "--reverse-model", str(reverse))
    assert (code, out) == (2, "") and "--preset mutual" in err
    code, out, err = run(stdin="/presets\n/set num_candidates 4\n你好\n".encode())
    assert code == 0 and out.strip() and "mutual" in err and "comes whole" in err


def test_int8_and_other_engines_that_are_not_there_say_what_to_do(run):
    assert run("--once", "你好", "--preset", "greedy", "--int8")[0] == 0
    code, out, err = run("--once", "你好", "--engine", "steam")
    assert (code, out) == (2, "") and "ctranslate2" in err


def test_a_missing_model_is_one_sentence_with_the_next_step(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert chat_hf.main(["runs/quickstart"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "runs/quickstart" in err and "make chat" in err
    assert "Traceback" not in err


def test_a_file_of_questions(run, tmp_path):
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"question": "你好", "id": 1}\n{"dialogue": 3}\n', encoding="utf-8")
    code, out, err = run("--input", str(source), "--output", str(output))
    rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    assert code == 0 and out == "" and "1 with `error` (lines 2)" in err
    assert rows[0] == {"question": "你好", "id": 1, "reply": run("--once", "你好")[1].strip()}
    assert "reply" not in rows[1] and rows[1]["dialogue"] == 3
    before = output.read_bytes()
    code, _, err = run("--input", str(source), "--output", str(output))
    assert code == 2 and "--overwrite" in err and output.read_bytes() == before
    assert run("--input", str(source), "--output", str(output), "--overwrite")[0] == 0


@pytest.mark.parametrize("option", ["--batch-size", "--batch-tokens"])
def test_batches_of_nothing_are_refused(run, tmp_path, option):
    source = tmp_path / "in.txt"
    source.write_text("你好\n", encoding="utf-8")
    code, _, err = run("--input", str(source), "--output", str(tmp_path / "out"), option, "0")
    assert code == 2 and f"`{option}` must be at least 1" in err


@pytest.mark.parametrize("same", [True, False])
def test_impossible_files_are_refused(run, tmp_path, same):
    source = tmp_path / "in.txt"
    if same:
        source.write_text("你好\n", encoding="utf-8")
    code, _, err = run("--input", str(source), "--output", str(source), "--overwrite")
    assert code == 2 and ("input itself" if same else "is not a file") in err


def test_options_that_do_not_go_together_exit_2(run):
    for options in (
        ["--input", "x"],
        ["--output", "x"],
        ["--once", "x", "--demo"],
        ["--once", "x", "--batch-size", "3"],
    ):
        with pytest.raises(SystemExit) as stopped:
            run(*options)
        assert stopped.value.code == 2


class TypedTerminal:
    """A real chat_hf.py on a pseudo-terminal."""

    def __init__(self, model_dir: str, home: Path) -> None:
        import pty

        self.master, slave = pty.openpty()
        self.shown = ""
        # Ctrl-C reaches only the terminal's own session, so the child needs one.
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, model_dir, "--device", "cpu"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            env={**os.environ, "HOME": str(home), "TERM": "dumb", "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        os.close(slave)

    def until(self, text: str) -> str:
        """Read until `text` shows up; returns what came before and with it."""
        while text not in self.shown:
            has_ended = self.process.poll() is not None
            self._read()
            assert text in self.shown or not has_ended, f"no {text!r} in {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def until_more(self) -> None:
        """Read until anything shows up."""
        while not self.shown and self.process.poll() is None:
            self._read()

    def until_it_listens(self) -> None:
        """Wait until the chat waits for a key: a signal before that is seen at the next key only.

        The prompt is shown a moment earlier.
        """
        state = Path(f"/proc/{self.process.pid}/stat")
        while state.read_text().rpartition(")")[2].split()[0] == "R":
            time.sleep(0.01)

    def _read(self) -> None:
        import select

        if select.select([self.master], [], [], 0.2)[0]:
            try:
                self.shown += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError:  # the other end is closed
                time.sleep(0.05)

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def press_ctrl_c(self) -> None:
        os.kill(self.process.pid, signal.SIGINT)

    def ask(self, line: str, answer: str) -> str:
        """Type a line, read up to `answer` and on to the next prompt."""
        self.type(line.encode() + b"\n")
        return self.until(answer) + self.until("you> ")


# Long replies are slow, so that Ctrl-C can interrupt one. What a shell starts with & ignores
# Ctrl-C, and so does all that it starts: the suite may run there, a person at a terminal does not.
_CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import chat_hf
from tfchat_hf.chat import streaming
put, steps = streaming.BatchTextStreamer.put, {}
def slowly(self, value):
    put(self, value)
    steps[self] = steps.get(self, 0) + 1
    time.sleep(0 if steps[self] < 20 else 1)
streaming.BatchTextStreamer.put = slowly
sys.exit(chat_hf.main(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
def test_a_conversation_at_a_terminal(model_dir, tmp_path):
    chat = TypedTerminal(model_dir, tmp_path)
    try:
        welcome = chat.until("you> ")
        assert "parameters on cpu" in welcome and "remembers its corpus" in welcome
        assert chat.ask("你好", "model> ")
        chat.type(b"/history\n")
        chat.until("you> 你好")
        chat.until("model> ")
        chat.until("you> ")
        chat.ask("/set temprature 1", "There is no setting 'temprature'")
        chat.ask("/set top_p 2", "`top_p` must be a number above 0 to 1")
        chat.ask("/set max_new_tokens 127", "max_new_tokens = 127")
        chat.ask("/set", "repetition_penalty")
        chat.type(b"\xff\xfe\n")
        chat.until("not valid UTF-8")
        chat.until("you> ")
        chat.type("你是谁\n".encode())
        chat.until("model> ")
        chat.until_more()
        chat.press_ctrl_c()
        assert "\ufffd" not in chat.until("(stopped)")
        chat.until("you> ")
        chat.ask("／ｈｅｌｐ", "/exit")
        chat.ask("/set max_new_tokens 8", "max_new_tokens = 8")
        chat.type("\x1b[200~你好\n你是谁\x1b[201~\n".encode())
        chat.until("model> ")
        chat.until("you> ")
        assert chat.ask("/history", "你好\r\n你是谁\r\n")
        chat.until_it_listens()
        chat.press_ctrl_c()
        chat.until("Ctrl-C again")
        chat.until("you> ")
        chat.until_it_listens()
        chat.press_ctrl_c()
        assert chat.process.wait(PATIENCE) == 0
    finally:
        chat.process.kill()
        chat.process.wait()
        os.close(chat.master)
    lines = tmp_path / ".tfchat_history"
    if lines.exists():  # where Python has readline
        assert lines.stat().st_mode & 0o077 == 0 and "/history" in lines.read_text("utf-8")


def interrupt_the_wait(moment: int) -> None:
    """Raise KeyboardInterrupt at so-many-th line or return within the wait for a piece."""
    left = [moment]

    def inside(frame, event, given):
        left[0] -= event in ("line", "return")
        if left[0] < 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return inside

    def called(frame, event, given):
        caller = frame.f_back
        waits = frame.f_code is streaming.next_item.__code__
        return inside if waits or (caller is not None and caller.f_trace is inside) else None

    sys.settrace(called)


@pytest.fixture(scope="module")
def slow_session(model_dir):
    """A session of long replies."""
    session = chat_sessions.load_session(model_dir, "cpu")
    session.settings.set("max_new_tokens", "127")
    return session


@pytest.mark.parametrize("moment", range(0, 60, 3))
def test_ctrl_c_at_any_moment_of_the_wait_stops_the_reply(slow_session, moment):
    slow_session.reset()
    out = io.StringIO()

    def hangs(*given: object) -> None:
        raise AssertionError("the reply never ended")

    before = signal.signal(signal.SIGALRM, hangs), sys.gettrace()
    signal.alarm(PATIENCE)
    try:
        interrupt_the_wait(moment)
        chat_terminal.Terminal(slow_session, out, out).answer("你是谁")
    finally:
        sys.settrace(before[1])
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before[0])
    assert out.getvalue().endswith(" (stopped)\n")


def test_a_preset_that_nobody_can_serve_is_refused_when_it_is_set(model_dir):
    session = chat_sessions.load_session(model_dir, "cpu")
    out = io.StringIO()
    chat_terminal.Terminal(session, out, out).command("/set preset mutual")
    assert "--reverse-model FOLDER" in out.getvalue()
    assert "preset" not in session.settings.chosen

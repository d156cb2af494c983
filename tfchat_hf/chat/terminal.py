# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Chat at the keyboard, from a pipe, or as a demonstration; all on one ChatSession."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from data_builders.command_line import WRONG, OutputError, printing, sentence
from data_builders.report import counted

from ..fast.decoding import MUTUAL
from ..settings.run_folder import METRICS_FILE
from ..text.console import one_line, printable
from ..text.errors import UserError
from .session import ChatSession

try:
    import readline
except ImportError:  # Windows: the console edits lines by itself
    readline = None  # type: ignore[assignment]  # a name that is a module or None

DEMO_QUESTIONS = ("你好", "你是谁", "What can you do?")
HISTORY_FILE = "~/.tfchat_history"
HISTORY_LINES = 1000

HELP = """\
/set NAME VALUE   change how replies are made, e.g. /set temperature 0.7; VALUE may be default
/set              show all settings; /set NAME says what one does
/presets          show named sets of settings; /set preset NAME chooses one
/history          show what has been said
/why              say where the last reply came from
/memory on|off    answer from the model's memory of its corpus, or in its own words only
/reset            forget it
/help             this text
/exit             leave (also /quit, Ctrl-D)
Ctrl-C stops a reply. Lines that are pasted together are one message. To send a
message that begins with /, put a blank before it."""

BAD_UTF8 = "That line is not valid UTF-8 and was not sent; type or save it as UTF-8."
# Up to so many parameters a model knows little more than its corpus says.
SMALL = 50_000_000


# What may end a reply, and not the talk.
REPLY_ERRORS = (RuntimeError, ValueError, LookupError, TypeError, MemoryError)


class Terminal:
    """Reads messages and commands, shows replies as they are made.

    Args:
        session: The conversation.
        out: Where replies go.
        info: Where everything else goes; the same as `out` for a person, stderr for a pipe.
    """

    def __init__(self, session: ChatSession, out: TextIO, info: TextIO) -> None:
        """Take over the session's notices."""
        self.session = session
        self.out = out
        self.info = info
        self.done = False
        session.on_notice = lambda sentence: self.say(f"({sentence})")
        self.commands = {
            "/help": self._help,
            "/reset": self._reset,
            "/set": self._set,
            "/presets": self._presets,
            "/history": self._history,
            "/why": self._why,
            "/memory": self._memory,
            "/exit": self._exit,
            "/quit": self._exit,
        }

    def say(self, text: str) -> None:
        """Show a line that is not a reply."""
        # Notices beside the results may be lost; the results may not.
        with suppress(OSError) if self.info is sys.stderr else printing():
            print(printable(text), file=self.info, flush=True)

    def command(self, line: str) -> None:
        """Run a line that `is_command`."""
        name, *arguments = unicodedata.normalize("NFKC", line).split()
        action = self.commands.get(name.lower())
        if action is None:
            self.say(f"There is no command {name}. Commands: {', '.join(self.commands)}.")
            return
        try:
            action(arguments)
        except UserError as error:
            self.say(str(error))

    def answer(self, message: str) -> None:
        """Show the reply to `message` as it is made; Ctrl-C ends it."""
        anything = False
        try:
            with printing(), closing(self.session.stream(message)) as pieces:
                self.out.write("model> ")
                self.out.flush()
                for piece in pieces:
                    shown = printable(piece)
                    anything = anything or bool(shown)
                    self.out.write(shown)
                    self.out.flush()
                self.out.write(self._ending(anything))
        except KeyboardInterrupt:
            self.out.write(" (stopped)\n")
        except OutputError:
            raise
        # E.g. settings that do not go together, or no GPU memory left: the chat goes on.
        except REPLY_ERRORS as error:
            self.say(f"\nThis reply failed: {sentence(error)} Try /reset or other /set.")
        self.out.flush()

    def _ending(self, anything: bool) -> str:
        """End the line of a reply, with a word where it was remembered."""
        if not anything:
            return "(the model has no reply)\n"
        if self.session.recall.last is None or self.session.recall.last.source != "memory":
            return "\n"
        return "  \x1b[2m(remembered)\x1b[0m\n" if self.out.isatty() else "  (remembered)\n"

    def _why(self, arguments: list[str]) -> None:
        self.say("\n".join(self.session.recall.explain()))

    def _memory(self, arguments: list[str]) -> None:
        recall = self.session.recall
        if arguments not in ([], ["on"], ["off"]):
            raise UserError("Write /memory on, /memory off, or /memory alone.")
        if arguments:
            recall.switch(arguments == ["on"])
        self.say(recall.describe())

    def _help(self, arguments: list[str]) -> None:
        self.say(HELP)

    def _reset(self, arguments: list[str]) -> None:
        self.session.reset()
        self.say("Forgotten; a new conversation begins.")

    def _set(self, arguments: list[str]) -> None:
        settings = self.session.settings
        if not arguments:
            self.say("\n".join(settings.describe()))
            return
        if len(arguments) == 1:
            self.say(settings.explain(arguments[0]))
            return
        if len(arguments) != 2:
            raise UserError("Write /set NAME VALUE, e.g. /set temperature 0.7, or /set alone.")
        name, value = arguments
        if (name, value) == ("preset", MUTUAL):
            self.session.need_reverse_model()
        before = set(settings.chosen) - {"preset"}
        settings.set(name, value)
        self.say(f"{name} = {str(settings.value(name)).lower()}")
        if name != "do_sample" and settings.chosen.get("do_sample") and "do_sample" not in before:
            self.say("do_sample = true: without it this setting would change nothing.")
        if dropped := before - set(settings.chosen) - {name}:
            self.say(f"Set before and dropped now: {', '.join(sorted(dropped))}.")
        if settings.comes_whole:
            self.say("A reply comes whole now: it is chosen among beams or candidates at its end.")
        if notice := self.session.why_not_fast():
            self.say(f"({notice})")

    def _presets(self, arguments: list[str]) -> None:
        lines = self.session.settings.describe_presets()
        self.say("\n".join(lines or ["This model has no presets."]))

    def _history(self, arguments: list[str]) -> None:
        turns = self.session.history
        if not turns:
            self.say("Nothing has been said yet.")
        for number, turn in enumerate(turns):
            who = "you" if number % 2 == 0 else "model"
            self.say(f"{who}> {turn or '(no reply)'}")
        if len(turns) >= self.session.max_context_turns:
            count = self.session.max_context_turns
            self.say(f"(The model reads the newest {count}, your next message included.)")

    def _exit(self, arguments: list[str]) -> None:
        self.done = True


def welcome(session: ChatSession) -> str:
    """Say what is being talked to."""
    # Another engine's model has no weights to count here.
    weights: Iterable[Any] = getattr(session.model, "parameters", tuple)()
    count = sum(weight.numel() for weight in weights)
    size = f"{count:,} parameters" if count else "an exported model"
    lines = [
        f"{session.name}: {size} on {session.model.device}, reads the newest "
        f"{counted(session.max_context_turns, 'turn')}{_memory_words(session)}.",
        *_corpus_words(Path(session.name).expanduser() / METRICS_FILE),
    ]
    if 0 < count < SMALL:
        lines.append(
            "A model of this size mostly remembers its corpus: expect its sentences, not knowledge."
        )
    return "\n".join(lines)


def _corpus_words(metrics: Path) -> list[str]:
    """Say what a run's model was trained on, where the run tells."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        data = json.loads(metrics.read_text(encoding="utf-8"))["data"]
        pairs = counted(int(data["train"]["pairs"]), "pair")
        return [f"Trained on {pairs} of question and reply ({', '.join(data['languages'])})."]
    return []


def _memory_words(session: ChatSession) -> str:
    memory = session.recall.memory if session.recall.on else None
    return "" if memory is None else f", remembers {counted(len(memory), 'pair')}"


def run_terminal(session: ChatSession, keep_lines: bool = True) -> int:
    """Chat with the person at the keyboard until they leave.

    Args:
        session: The conversation.
        keep_lines: Whether what is typed can be recalled next time, from `HISTORY_FILE`.
    """
    terminal = Terminal(session, sys.stdout, sys.stdout)
    terminal.say(f"{welcome(session)}\nType a message; /help lists the commands, /exit leaves.")
    if readline is not None:
        # Else each line of what is pasted would be a message of its own; libedit knows no such.
        readline.parse_and_bind("set enable-bracketed-paste on")
    if keep_lines:
        _load_line_history()
    try:
        _keyboard_loop(terminal)
    finally:
        if keep_lines:
            _save_line_history()
    return 0


def _keyboard_loop(terminal: Terminal) -> None:
    """Read and answer lines; Ctrl-C at the prompt warns once, then leaves."""
    warned = False
    while not terminal.done:
        try:
            line = input("you> ")
        except EOFError:
            terminal.say("")
            return
        except KeyboardInterrupt:
            terminal.say("" if warned else "\nCtrl-C again, or /exit, leaves.")
            if warned:
                return
            warned = True
            continue
        warned = False
        _take_line(terminal, line)


def _take_line(terminal: Terminal, line: str) -> None:
    """Handle one line from the keyboard."""
    if not is_text(line):
        terminal.say(BAD_UTF8)
        if readline is not None and (length := readline.get_current_history_length()):
            readline.remove_history_item(length - 1)  # keeps the history file valid UTF-8
    elif is_command(line):
        terminal.command(line)
    elif line.strip():
        terminal.answer(line.strip())


def is_command(line: str) -> bool:
    """Tell a command from a message: one line with a slash, which a Chinese keyboard makes wide."""
    return line[:1] in ("/", "\uff0f") and "\n" not in line


def is_text(line: str) -> bool:
    """Tell whether these are characters (no stray half of a pair, no zeros of UTF-16)."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in line)


def run_pipe(session: ChatSession, stdin: BinaryIO | None) -> int:
    """Answer each line of a pipe with one line; an empty pipe gets the demonstration.

    The lines are one conversation, commands included, as if they had been typed. A line that says
    nothing, or cannot be answered, gets an empty one, so that questions and replies stay side by
    side; a command gets none.

    Returns:
        0, or 2 if a line was not answered that should have been.
    """
    terminal = Terminal(session, sys.stdout, sys.stderr)
    code, empty = 0, True
    for number, raw in enumerate(stdin or (), start=1):
        empty = False
        reply = ""
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            if not is_text(line):
                raise UserError(BAD_UTF8)
            if is_command(line):
                terminal.command(line)
                if terminal.done:
                    break
                continue
            if line.strip():
                reply = session.reply(line.strip())
        except REPLY_ERRORS as error:
            code = WRONG
            why = BAD_UTF8 if isinstance(error, UnicodeDecodeError) else sentence(error)
            terminal.say(f"Line {number}: {why}")
        with printing():
            print(one_line(reply), file=terminal.out, flush=True)
    return run_demo(session) if empty else code


def run_demo(session: ChatSession) -> int:
    """Ask three fixed questions, each in a conversation of its own."""
    terminal = Terminal(session, sys.stdout, sys.stdout)
    terminal.say(welcome(session))
    for question in DEMO_QUESTIONS:
        session.reset()
        terminal.say(f"you> {question}")
        terminal.answer(question)
    session.reset()
    return 0


def run_once(session: ChatSession, message: str) -> int:
    """Print the reply to one message and nothing else."""
    terminal = Terminal(session, sys.stdout, sys.stderr)
    reply = session.reply(message)
    with printing():
        print(printable(reply), file=terminal.out, flush=True)
    return 0


def _history_path() -> Path:
    return Path(HISTORY_FILE).expanduser()


def _load_line_history() -> None:
    """Bring back the lines typed earlier; without them the chat works all the same."""
    if readline is not None:
        try:
            readline.read_history_file(str(_history_path()))
        except (OSError, RuntimeError):
            return


def _save_line_history() -> None:
    """Keep the typed lines in a file that only their owner can read."""
    if readline is None:
        return
    old_mask = os.umask(0o077)
    try:
        path = _history_path()
        readline.set_history_length(HISTORY_LINES)
        readline.write_history_file(str(path))
        path.chmod(0o600)
    except (OSError, RuntimeError):
        return
    finally:
        os.umask(old_mask)

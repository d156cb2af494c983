# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Chat at the keyboard, from a pipe, or as a demonstration; all on one ChatSession."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from data_builders.command_line import WRONG, OutputError, printing, sentence
from data_builders.errors import UserError
from data_builders.translation import _, counted_text, listed, marked

from ..fast.decoding import MUTUAL
from ..settings.run_folder import METRICS_FILE
from ..text.console import one_line, printable, two_columns
from .recall import pairs
from .session import ChatSession
from .settings import NO, SETTINGS, YES
from .slash_commands import help_text, is_command, known_commands, read_command

try:
    import readline
except ImportError:  # Windows: the console edits lines by itself
    readline = None  # type: ignore[assignment]  # a name that is a module or None

DEMO_QUESTIONS = ("你好", "你是谁", "What can you do?")
HISTORY_FILE = "~/.tfchat_history"
HISTORY_LINES = 1000

BAD_UTF8 = marked("That line is not valid UTF-8 and was not sent; type or save it as UTF-8.")
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
        name, arguments = read_command(line)
        action = self.commands.get(name)
        if action is None:
            known = known_commands()
            self.say(_("There is no command {name}. Commands: {known}.", name=name, known=known))
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
                self.out.write(_("model> "))
                self.out.flush()
                for piece in pieces:
                    shown = printable(piece)
                    anything = anything or bool(shown)
                    self.out.write(shown)
                    self.out.flush()
                self.out.write(self._ending(anything))
        except KeyboardInterrupt:
            self.out.write(" " + _("(stopped)") + "\n")
        except OutputError:
            raise
        # E.g. settings that do not go together, or no GPU memory left: the chat goes on.
        except REPLY_ERRORS as error:
            why = sentence(error)
            self.say("\n" + _("This reply failed: {error} Try /reset or other /set.", error=why))
        self.out.flush()

    def _ending(self, anything: bool) -> str:
        """End the line of a reply, with a word where it was remembered."""
        if not anything:
            return _("(the model has no reply)") + "\n"
        if self.session.recall.last is None or self.session.recall.last.source != "memory":
            return "\n"
        word = _("(remembered)")
        return f"  \x1b[2m{word}\x1b[0m\n" if self.out.isatty() else f"  {word}\n"

    def _why(self, arguments: list[str]) -> None:
        self.say("\n".join(self.session.recall.explain()))

    def _memory(self, arguments: list[str]) -> None:
        recall = self.session.recall
        word = "".join(arguments)
        if word and word not in YES | NO:
            raise UserError("Write /memory on, /memory off, or /memory alone.")
        if word:
            recall.switch(word in YES)
        self.say(recall.describe())

    def _help(self, arguments: list[str]) -> None:
        self.say(help_text())

    def _reset(self, arguments: list[str]) -> None:
        self.session.reset()
        self.say(_("Forgotten; a new conversation begins."))

    def _set(self, arguments: list[str]) -> None:
        settings = self.session.settings
        if not arguments:
            self.say(two_columns([settings.describe(name) for name in SETTINGS]))
            return
        if len(arguments) == 1:
            (name,) = arguments
            self.say(f"{two_columns([settings.describe(name)])}\n  {settings.about(name)}")
            return
        if len(arguments) != 2:
            raise UserError("Write /set NAME VALUE, e.g. /set temperature 0.7, or /set alone.")
        name, value = arguments
        if (name, value) == ("preset", MUTUAL):
            self.session.need_reverse_model()
        before, came_whole = set(settings.chosen) - {"preset"}, settings.comes_whole
        settings.set(name, value)
        self.say(f"{name} = {settings.shown(name)}")
        if name != "do_sample" and settings.chosen.get("do_sample") and "do_sample" not in before:
            self.say(_("do_sample = true: without it this setting would change nothing."))
        if dropped := before - set(settings.chosen) - {name}:
            self.say(_("Set before and dropped now: {dropped}.", dropped=listed(sorted(dropped))))
        if settings.comes_whole and not came_whole:
            self.say(
                _("A reply comes whole now: it is chosen among beams or candidates at its end.")
            )
        if notice := self.session.why_not_fast():
            self.say(f"({notice})")

    def _presets(self, arguments: list[str]) -> None:
        rows = self.session.settings.describe_presets()
        self.say(two_columns(rows) if rows else _("This model has no presets."))

    def _history(self, arguments: list[str]) -> None:
        turns = self.session.history
        if not turns:
            self.say(_("Nothing has been said yet."))
        for number, turn in enumerate(turns):
            who = _("you> ") if number % 2 == 0 else _("model> ")
            self.say(who + (turn or _("(no reply)")))
        if len(turns) >= self.session.max_context_turns:
            most = self.session.max_context_turns
            self.say(
                _("(The model reads the newest {most}, your next message included.)", most=most)
            )

    def _exit(self, arguments: list[str]) -> None:
        self.done = True


def welcome(session: ChatSession) -> str:
    """Say what is being talked to."""
    # Another engine's model has no weights to count here.
    weights: Iterable[Any] = getattr(session.model, "parameters", tuple)()
    count = sum(weight.numel() for weight in weights)
    return "\n".join(
        [
            _what_it_is(session, count),
            *_corpus_words(Path(session.name).expanduser() / METRICS_FILE),
            *_size_words(count),
        ]
    )


def _what_it_is(session: ChatSession, count: int) -> str:
    values = {
        "name": session.name,
        "size": _("{count:,} parameters", count=count) if count else _("an exported model"),
        "device": session.model.device,
        "turns": counted_text("{number} turn", "{number} turns", session.max_context_turns),
    }
    if session.recall.memory is None or not session.recall.on:
        return _("{name}: {size} on {device}, reads the newest {turns}.", **values)
    values["pairs"] = pairs(len(session.recall.memory))
    return _("{name}: {size} on {device}, reads the newest {turns}, remembers {pairs}.", **values)


def _corpus_words(metrics: Path) -> Iterator[str]:
    """Say what a run's model was trained on, where the run tells."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        data = json.loads(metrics.read_text(encoding="utf-8"))["data"]
        yield _(
            "Trained on {pairs} of question and reply ({languages}).",
            pairs=pairs(int(data["train"]["pairs"])),
            languages=listed(data["languages"]),
        )


def _size_words(count: int) -> Iterator[str]:
    if 0 < count < SMALL:
        yield _(
            "A model of this size mostly remembers its corpus: expect its sentences, not knowledge."
        )


def run_terminal(session: ChatSession, keep_lines: bool = True) -> int:
    """Chat with the person at the keyboard until they leave.

    Args:
        session: The conversation.
        keep_lines: Whether what is typed can be recalled next time, from `HISTORY_FILE`.
    """
    terminal = Terminal(session, sys.stdout, sys.stdout)
    terminal.say(welcome(session))
    terminal.say(_("Type a message; /help lists the commands, /exit leaves."))
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
            line = input(_("you> "))
        except EOFError:
            terminal.say("")
            return
        except KeyboardInterrupt:
            terminal.say("" if warned else "\n" + _("Ctrl-C again, or /exit, leaves."))
            if warned:
                return
            warned = True
            continue
        warned = False
        _take_line(terminal, line)


def _take_line(terminal: Terminal, line: str) -> None:
    """Handle one line from the keyboard."""
    if not is_text(line):
        terminal.say(_(BAD_UTF8))
        if readline is not None and (length := readline.get_current_history_length()):
            readline.remove_history_item(length - 1)  # keeps the history file valid UTF-8
    elif is_command(line):
        terminal.command(line)
    elif line.strip():
        terminal.answer(line.strip())


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
            why = _(BAD_UTF8) if isinstance(error, UnicodeDecodeError) else sentence(error)
            terminal.say(_("Line {number}: {why}", number=number, why=why))
        with printing():
            print(one_line(reply), file=terminal.out, flush=True)
    return run_demo(session) if empty else code


def run_demo(session: ChatSession) -> int:
    """Ask three fixed questions, each in a conversation of its own."""
    terminal = Terminal(session, sys.stdout, sys.stdout)
    terminal.say(welcome(session))
    for question in DEMO_QUESTIONS:
        session.reset()
        terminal.say(_("you> ") + question)
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
        with suppress(OSError, RuntimeError):
            readline.read_history_file(str(_history_path()))


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

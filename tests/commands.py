# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Commands in processes of their own that begin with everything imported.

`python train_hf.py` spends four seconds of processor time on its imports before it does a thing.
Here a process is forked from a server that has imported them once, and then stands where a fresh
one would: its folder, environment, arguments, streams and exit code are its own.

The server's environment was read when it imported. What is read then (`HF_HOME`, `HF_ENDPOINT`,
`PYTHONHASHSEED`), or must not find this package, needs `subprocess`.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
PRELOADED = [
    "tests.one_dictionary",
    "tests.cli_runs",
    "tfchat_hf.training.run",
    "matplotlib.figure",
    "train_hf",
    "chat_hf",
    "data_builders.__main__",
]
CAN_FORK = sys.platform == "linux"

if "forkserver" in multiprocessing.get_all_start_methods():
    FORKS = multiprocessing.get_context("forkserver")
    FORKS.set_forkserver_preload(PRELOADED)


class Command:
    """A command that runs: the part of `subprocess.Popen` that the tests need."""

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        session: bool = False,
        stdin: str | Path | None = os.devnull,
        output: str | Path | None = "",
        errors: str | Path = "",
    ) -> None:
        """Start `python` with these arguments.

        Args:
            arguments: A script or `-m module` or `-c program`, and what follows.
            cwd: Where the command stands.
            environment: All that it finds there; none for what this process has.
            session: Whether it begins a session of its own.
            stdin: What is typed, as a file.
            output: Where standard output goes; "" for a file that `communicate` reads, None to
                close it.
            errors: The same of standard error.
        """
        self._said = [tempfile.NamedTemporaryFile() for _ in range(2)]
        out, err = (file.name for file in self._said)
        streams = (stdin, out if output == "" else output, errors or err)
        given = dict(os.environ if environment is None else environment)
        words = [str(word) for word in arguments]
        self._process = FORKS.Process(
            target=run_forked, args=(words, str(cwd), given, streams, session)
        )
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("python", timeout)
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; return what it said on its two streams."""
        self.wait(timeout)
        return tuple(Path(file.name).read_text(encoding="utf-8") for file in self._said)

    def close(self) -> None:
        """Forget what it said."""
        for file in self._said:
            file.close()


def run_python(
    arguments: Sequence[str],
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    seconds: float = 300,
    **streams: str | Path | None,
) -> subprocess.CompletedProcess[str]:
    """Run `python` with these arguments to its end, with nobody at the keyboard.

    With other streams than that (see `Command`) only where processes can be forked.
    """
    if not CAN_FORK and not streams:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=seconds,
        )
    command = Command(arguments, cwd, environment, **streams)
    try:
        out, err = command.communicate(seconds)
    finally:
        command.kill()
        command.wait()
    command.close()
    return subprocess.CompletedProcess(list(arguments), command.returncode, out, err)


def run_forked(
    words: list[str],
    cwd: str,
    environment: dict[str, str],
    streams: Sequence[str | Path | None],
    session: bool,
) -> None:
    """Is the body of a process: what the interpreter does with its command line."""
    if session:
        os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    _begin(streams)
    code = 0
    try:
        _execute(words)
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)  # noqa: T201
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError, AttributeError):
        sys.stdout.flush()
    sys.stdout = sys.stderr = None  # multiprocessing would count what cannot be written
    sys.exit(code)


def _begin(streams: Sequence[str | Path | None]) -> None:
    """Take the streams that a command has, and the signals."""
    # What was imported is no garbage: not to be looked through again in each process.
    gc.freeze()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in enumerate(streams):
        if name is None:
            os.close(number)
            continue
        opened = os.open(name, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = map(_stream, range(3), streams)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr


def _stream(number: int, name: str | Path | None) -> IO[str] | None:
    if name is None:
        return None
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    buffering = 1 if number == 2 else -1
    return open(number, "w" if number else "r", buffering, encoding=encoding, closefd=False)


def _execute(words: list[str]) -> None:
    """Run the file, the module or the program as `__main__`."""
    listed = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if words[0] == "-m":
        name = words[1]
        sys.argv, sys.path[:0] = [name, *words[2:]], ["", *listed]
        # runpy warns of a module that is there already; a package is its `__main__`.
        spec = getattr(sys.modules.get(name), "__spec__", None)
        package = spec is not None and spec.submodule_search_locations is not None
        sys.modules.pop(f"{name}.__main__" if package else name, None)
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv, sys.path[:0] = ["-c", *words[2:]], ["", *listed]
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(words[1], "<string>", "exec", dont_inherit=True), vars(main))
    else:
        sys.argv, sys.path[:0] = list(words), [os.path.dirname(os.path.abspath(words[0])), *listed]
        runpy.run_path(words[0], run_name="__main__")

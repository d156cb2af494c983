# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from data_builders.errors import UserError
from data_builders.translation import _, reason_of

LEFTOVER_SECONDS = 2 * 24 * 3600


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Lend a name to write to, and put what was written in the place of `path` at the end.

    Nothing is left of it when the work fails. Two processes may write the same file at once: one
    of the two stays.
    """
    path = Path(path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield fresh
        os.replace(fresh, path)
    except OSError as error:
        if error.filename in (None, str(fresh)):  # of a full disk nothing else is told
            error.filename = str(path)
        raise
    finally:
        fresh.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file, text as UTF-8 and with the line ends that it has."""
    with whole_file(path) as fresh:
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_folder(path: str | os.PathLike[str], shared: bool = False) -> Iterator[Path]:
    """Lend an empty folder, and put it in the place of `path` at the end.

    When the work fails nothing is left of it, and what stood there before stands there again. What
    a killed process left is put right by the next one. With `shared` several processes, of other
    machines too, may write this very content at once: one of theirs stays.
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path, shared)
    end = f"{os.getpid()}-{secrets.token_hex(4)}"
    fresh, old = (path.with_name(f".{path.name}.{kind}-{end}") for kind in ("new", "old"))
    try:
        fresh.mkdir()
    except OSError as error:
        error.filename = str(path)  # the name that a person knows
        raise
    try:
        yield fresh
        try:
            if path.exists():
                path.rename(old)
            fresh.rename(path)
        except OSError:
            if not (shared and path.is_dir()):
                raise
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def only_writer(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other processes from writing a folder meanwhile; one process may enter twice.

    The folder need not be there. The lock is the system's: it ends with the process, however that
    ends.
    """
    path = Path(path).absolute()
    place = next(parent for parent in path.parents if parent.is_dir())
    name = "+".join(path.relative_to(place).parts)
    lock = FileLock(place / f".{name}.lock", timeout=0, is_singleton=True)
    try:
        Path(lock.lock_file).touch()  # of a place that takes no file the lock says it is taken
        lock.acquire()
    except Timeout:
        raise UserError(
            "{owner} is writing {path}. Wait until it has ended, or name another folder.",
            owner=_owner(Path(lock.lock_file)),
            path=path,
        ) from None
    except OSError as error:
        raise UserError(
            "Nothing can be written in {place} ({reason}). Choose another folder.",
            place=place,
            reason=reason_of(error),
        ) from None
    try:
        with suppress(OSError):  # Windows lets nobody write to what is locked
            began = datetime.now().isoformat(" ", "seconds")
            Path(lock.lock_file).write_text(f"{os.getpid()} {began}", encoding="utf-8")
        yield
    finally:
        if lock.lock_counter == 1:
            # Before it is let go: afterwards it may be another's.
            with suppress(OSError):
                os.unlink(lock.lock_file)
        lock.release()


def _owner(lock_file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        if told := lock_file.read_text().strip():
            number, _comma, began = told.partition(" ")
            return _("Another run (process {number}, begun {began})", number=number, began=began)
    return _("Another run")


def sweep(path: str | os.PathLike[str], shared: bool = False) -> None:
    """Put right what a killed process left beside a folder; what it had set aside comes back.

    Where a folder is shared, processes of other machines cannot be asked whether they live: what
    was left two days ago is taken for theirs who do not.
    """
    path = Path(path).absolute()
    for left in path.parent.glob(f".{glob.escape(path.name)}.*-*"):
        kind, _dash, rest = left.name.removeprefix(f".{path.name}.").partition("-")
        process = rest.partition("-")[0]
        if kind not in ("new", "old") or not process.isdigit():
            continue
        if _is_old(left) if shared else not _runs(int(process)):
            if kind == "old" and not path.exists():
                left.rename(path)
            else:
                shutil.rmtree(left, ignore_errors=True)


def _is_old(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > LEFTOVER_SECONDS
    except OSError:  # another process was quicker
        return False


def _runs(process: int) -> bool:
    # In a container the next run often has the number of the one that was killed.
    if process == os.getpid():
        return False
    if os.name == "nt":  # signal 0 is Ctrl-C there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value as JSON on one line."""
    write_whole(path, json.dumps(value, ensure_ascii=False))

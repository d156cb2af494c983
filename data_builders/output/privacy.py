# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What must not be published: access tokens, and places on this machine."""

from __future__ import annotations

import re
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from data_builders.translation import marked

# The forms of the tokens that lie about on machines where models are trained.
_TOKENS = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}"
    r"|\bsk-[A-Za-z0-9_-]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|://[^/\s:@'\"]+:[^/\s@'\"]+@"
)
# Of a setting, which is short and nobody's prose, less is enough to leave it out.
_TOKEN_IN_SETTING = re.compile(r"\bhf_[A-Za-z0-9]{8,}|//[^/\s]*@")
_PRIVATE_KEY = re.compile(r"token(?!i)|secret|passw|credential|api_?key|cache_dir", re.IGNORECASE)
_HUB_KEY = re.compile(r"hub|repo|dataset", re.IGNORECASE)
# Somebody's home, also that of another machine, where the run may have been trained.
_HOMES = re.compile(
    r"(?<![\w.-])(?:(?:/(?:home|Users)/|[A-Za-z]:\\+Users\\+)[^\s/\\'\"<>]+|/root/\w)"
)
_SHORTEST_SECRET = 6
_SHORTEST_PLACE = 5


def without_paths(value: Any, key: str = "") -> Any:
    """Make a setting, or a whole mapping or list, fit to be published.

    Each path is cut to its last part, and what looks like a secret left out; only a setting about
    the Hub, as its name `key` tells, keeps `owner/name`.
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        # A name may be a path too: weights are given by file.
        shown = {str(k): v for k, v in value.items() if not _PRIVATE_KEY.search(str(k))}
        return {without_paths(k): without_paths(v, k) for k, v in shown.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        values = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [without_paths(item, key) for item in values]
    if isinstance(value, (bool, int, float, type(None))):
        return value
    text = str(value)
    if "://" in text:
        text = text.split("?")[0]
    if _TOKEN_IN_SETTING.search(text) or _TOKENS.search(text):
        return "(left out)"
    if _HUB_KEY.search(key) and re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", text):
        return text
    # A slash among blanks is a separator; a backslash may be one of a regular expression.
    is_path = re.search(r"\S/|/\S|^([A-Za-z]:|\\|\.{1,2})\\", text)
    last = re.split(r"[/\\]" if is_path else r"$^", text.rstrip("/\\ "))[-1].strip()
    return last if is_path and last else text


@dataclass(frozen=True)
class Leak:
    """Something in a line that must not be published; not repeated: it may be a secret."""

    line: int
    kind: str


def machine_places(*folders: str | Path) -> list[str]:
    """List what paths of this machine begin with: home, working and temporary folder, and these.

    Those too short to tell anything (`/`, `/opt`) are left out.
    """
    known = [Path.home(), Path.cwd(), Path(tempfile.gettempdir()), *map(Path, folders)]
    places = {str(place.absolute()) for place in known} | {str(path.resolve()) for path in known}
    return sorted(place for place in places if len(place) >= _SHORTEST_PLACE)


def machine_names() -> list[str]:
    """List the name of this machine, if it is no word that a text may have too."""
    name = socket.gethostname().partition(".")[0]
    return [name] if len(name) >= _SHORTEST_PLACE and re.search(r"[\d_-]", name) else []


def find_leaks(
    text: str, places: Sequence[str], secrets: Sequence[str] = (), names: Sequence[str] = ()
) -> Iterator[Leak]:
    """Look through a text line by line, for at most one leak a line.

    Paths begin as `machine_places` gives them, `names` are of machines, as `machine_names` gives
    them; tokens in use are `secrets`, whatever their form.
    """
    known = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    begins = "|".join(_beginning(place.rstrip("/\\")) for place in places)
    place = re.compile(rf"(?<![\w.~-])(?:{begins})" if begins else r"(?!)")
    named = "|".join(map(re.escape, names))
    machine = re.compile(rf"(?<![\w-])(?:{named})(?![\w-])" if named else r"(?!)")
    for number, line in enumerate(text.splitlines(), start=1):
        if _TOKENS.search(line) or any(secret in line for secret in known):
            yield Leak(number, marked("an access token"))
        elif _HOMES.search(line) or place.search(line):
            yield Leak(number, marked("a path of a machine"))
        elif machine.search(line):
            yield Leak(number, marked("the name of a machine"))


def _beginning(place: str) -> str:
    """Return the pattern of a path that begins at a place."""
    # A longer name that only begins alike is another place; `/data` alone may be any word.
    deep = len(re.findall(r"[/\\]", place)) > 1
    return re.escape(place) + (r"(?![\w-])" if deep else r"[/\\]\w")

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Finds in texts what must not be published: access tokens, and places on this machine."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# The forms of the tokens that lie about on machines where models are trained.
_TOKENS = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}"
    r"|\bsk-[A-Za-z0-9_-]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|://[^/\s:@'\"]+:[^/\s@'\"]+@"
)
# Somebody's home, also that of another machine, where the run may have been trained.
_HOMES = re.compile(
    r"(?<![\w.-])(?:(?:/home/|/Users/|[A-Za-z]:\\+Users\\+)[^\s/\\'\"<>]+|/root/\w)"
)
_SHORTEST_SECRET = 6
_SHORTEST_PLACE = 5


@dataclass(frozen=True)
class Leak:
    """Something found in a text that must not be published.

    Attributes:
        line: its line, from 1.
        kind: what it is; the thing itself is not repeated, for it may be a secret.
    """

    line: int
    kind: str


def machine_places(*folders: str | Path) -> list[str]:
    """Lists what a path of this machine begins with.

    Args:
        *folders: folders in use beside home, working folder and the one for temporary files.

    Returns:
        Absolute paths, without those too short to tell anything (`/`, `/opt`).
    """
    known = [Path.home(), Path.cwd(), Path(tempfile.gettempdir()), *map(Path, folders)]
    places = {str(place.absolute()) for place in known} | {str(path.resolve()) for path in known}
    return sorted(place for place in places if len(place) >= _SHORTEST_PLACE)


def find_leaks(text: str, places: Sequence[str], secrets: Sequence[str] = ()) -> Iterator[Leak]:
    """Looks through a text line by line.

    Args:
        text: what would be published.
        places: beginnings of paths, as `machine_places` gives them.
        secrets: tokens in use now, whatever they look like.

    Yields:
        What was found; one a line.
    """
    known = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    begins = "|".join(_begin(place.rstrip("/\\")) for place in places)
    place = re.compile(rf"(?<![\w.~-])(?:{begins})" if begins else r"(?!)")
    for number, line in enumerate(text.splitlines(), start=1):
        if _TOKENS.search(line) or any(secret in line for secret in known):
            yield Leak(number, "an access token")
        elif _HOMES.search(line) or place.search(line):
            yield Leak(number, "a path of a machine")


def _begin(place: str) -> str:
    """Gives the pattern of a path that begins at a place."""
    # A longer name that only begins alike is another place; `/data` alone may be any word.
    deep = len(re.findall(r"[/\\]", place)) > 1
    return re.escape(place) + (r"(?![\w-])" if deep else r"[/\\]\w")

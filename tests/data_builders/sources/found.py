# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the tests of sources share: a text of each of several formats, and the search."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from data_builders.sources.sources import SourceSpec, find_sources

NUMBERS = range(40)

TEXTS = {
    "conv": "".join(f"E\nM 你去过第{i}个城市吗\nM 去过{i}次了\n" for i in NUMBERS),
    "separated": "".join(f"what is number {i}\tit is {i * 3}\n" for i in NUMBERS),
    "dailydialog": "".join(
        f"Where is room {i} ? __eou__ Up {i} steps . __eou__\n" for i in NUMBERS
    ),
    "instruction": json.dumps(
        [{"instruction": f"Name {i} birds", "input": "", "output": f"Crow {i}"} for i in NUMBERS]
    ),
    "messages": "\n".join(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": f"hello {i}"},
                    {"role": "assistant", "content": f"hello to you {i}"},
                ]
            }
        )
        for i in NUMBERS
    ),
    "pairs": "\n".join(json.dumps({"question": f"q {i}", "reply": f"r {i}"}) for i in NUMBERS),
    "csv": "question,answer\n" + "".join(f'"how, {i}?",so {i}\n' for i in NUMBERS),
}

BLOCKS = "\n".join(f"早上好{i}\n你也好{i}\n再见{i}\n" for i in NUMBERS)

LINES = "".join(
    f"L{i} +++$+++ u{i % 2} +++$+++ m0 +++$+++ ANNA +++$+++ Line {i}\n" for i in NUMBERS
)

TALKS = "".join(
    f"u0 +++$+++ u1 +++$+++ m0 +++$+++ ['L{i}', 'L{i + 1}']\n" for i in list(NUMBERS)[:-1:2]
)


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def find(*paths: object, **more: object) -> tuple[list[SourceSpec], list[str]]:
    said: list[str] = []
    return find_sources([str(path) for path in paths], say=said.append, **more), said


def formats(specs: list[SourceSpec]) -> dict[str, str]:
    return {Path(spec.options["files"][0]).name: spec.format for spec in specs}


def pack(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A blind sheet as one page to click through: no network, nothing beside it, no word of the key."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .sheet import Key, write_whole

_TEMPLATE = Path(__file__).with_name("sheet_page.html")
_PLACE = "__SHEET__"


def write_page(key: Key, path: Path) -> None:
    """Write the page of a sheet."""
    template = _TEMPLATE.read_text(encoding="utf-8")
    write_whole(path, template.replace(_PLACE, embedded_json(page_content(key))))


def page_content(key: Key) -> dict[str, object]:
    """Give what the page shows: the questions with their replies, and what names the sheet."""
    questions: dict[int, dict[str, object]] = {}
    for row in key.rows:
        asked = questions.setdefault(
            row.number, {"number": row.number, "turns": row.turns, "replies": []}
        )
        asked["replies"].append(row.reply)
    # Browsers keep marks under this name, by place: the same replies in another order are another.
    shown = list(questions.values())
    name = hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]
    return {"name": name, "questions": shown}


def embedded_json(content: object) -> str:
    """Write JSON that nothing in it can lead out of the page's script: replies are foreign text."""
    text = json.dumps(content, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text

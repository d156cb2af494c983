# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The page of a sheet: what it shows, what it hides, and what a judge's keys do."""

from __future__ import annotations

import csv
import io
import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.browser import needs_browser, said_by
from tfchat_hf.judging.sheet import (
    HEADER,
    Key,
    embedded_json,
    make_key,
    page_content,
    read_marks,
    write_page,
)

NASTY = '</script><script>alert(1)</script><img src=x onerror="alert(2)"> & \u2028 <!--'
QUESTIONS = [["你好"], ["我的猫不吃饭", "天太热？", "怎么办"], [NASTY]]
REPLIES = {
    "our-model": ["你好呀", "换一种猫粮", 'She said "no",\n\tand left'],
    "look-up": ["你好呀", "我也是", NASTY],
    "third": ["在", "", "哈哈"],
}
# Marks with the keyboard, goes back twice, marks anew; then what would be downloaded is shown.
KEYS = ["2", "1", "Backspace", "ArrowUp", "0", "ArrowRight", "ArrowLeft", "ArrowDown"]
JUDGE = """
<script>
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", {key, code: ""}));
for (const key of KEYS) press(key);
const kept = JSON.parse(localStorage.getItem(STORED)).marks;
while (state.marks.includes("")) { here = state.marks.indexOf(""); press("1"); }
find("judge").value = state.judge = "Ann / B";
let name = "";
HTMLAnchorElement.prototype.click = function () { name = this.download; };
URL.createObjectURL = (blob) => { blob.text().then((text) => {
  const found = {kept, name, text, done: !find("done").hidden, bold: document.images.length};
  document.body.textContent = "FOUND" + btoa(encodeURIComponent(JSON.stringify(found))) + "END";
}); return "blob:x"; };
find("download").click();
</script>
</body>"""


class Scripts(HTMLParser):
    """What a browser takes for scripts, and for addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.addresses: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script"
        self.scripts += [""] if self.inside else []
        self.addresses += [value for name, value in attrs if name in ("src", "href", "onerror")]

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def key() -> Key:
    return make_key(QUESTIONS, REPLIES, seed=2)


@pytest.fixture(scope="module")
def page(key: Key, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "sheet.html"
    write_page(key, path)
    return path


def test_the_page_holds_the_replies_in_the_order_of_the_sheet(key: Key, page: Path) -> None:
    parser = Scripts()
    parser.feed(page.read_text(encoding="utf-8"))
    data, program = parser.scripts
    found = json.loads(data)["questions"]
    assert [question["turns"] for question in found] == QUESTIONS
    shown = [(q["number"], reply) for q in found for reply in q["replies"]]
    assert shown == [(row.number, row.reply) for row in key.rows]
    assert "alert" not in program


def test_the_page_names_no_system_and_no_address(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parser = Scripts()
    parser.feed(text)
    assert not parser.addresses and not re.search(r"https?:|@import|url\(", text)
    assert not any(name in text for name in REPLIES)


def test_foreign_text_cannot_end_the_script_that_holds_it() -> None:
    text = embedded_json([NASTY])
    assert not set("<>&\u2028") & set(text) and json.loads(text) == [NASTY]


def test_another_order_of_the_same_replies_keeps_its_own_marks(key: Key) -> None:
    other = Key(key.systems, key.rows[::-1])
    assert other.digest == key.digest
    assert page_content(other)["name"] != page_content(key)["name"]


def test_both_languages_have_the_same_texts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    english, chinese = re.findall(r"^  (?:en|zh): \{\n(.*?)^  \},", text, flags=re.M | re.S)
    names = [re.findall(r"(\w+): [\"(\[]", part) for part in (english, chinese)]
    assert names[0] == names[1] and len(names[0]) > 15
    assert set(re.findall(r'data-text="(\w+)"', text)) <= set(names[0])


@needs_browser
def test_a_judge_marks_by_keyboard_and_downloads_a_sheet_that_the_key_fits(
    key: Key, page: Path, tmp_path: Path
) -> None:
    script = JUDGE.replace("KEYS", json.dumps(KEYS))
    text = page.read_text(encoding="utf-8").replace("</body>", script)
    found = _unpack(said_by(text, tmp_path))
    # 2 and 1; back to the second, up to the first: 0; the keys behind it mark nothing.
    assert found["kept"] == ["0", "1", *[""] * (len(key.rows) - 2)]
    assert found["done"] and not found["bold"] and found["name"] == "sheet-Ann-B.tsv"
    head, *rows = csv.reader(
        io.StringIO(found["text"].lstrip("\ufeff"), newline=""), delimiter="\t"
    )
    assert tuple(head) == HEADER and [row[3] for row in rows] == [row.reply for row in key.rows]
    sheet = tmp_path / "sheet-Ann-B.tsv"
    sheet.write_bytes(found["text"].encode())
    assert read_marks(sheet, key, tmp_path / "key.json") == [0, *[1] * (len(rows) - 1)]


def _unpack(text: str) -> dict:
    return json.loads(unquote(b64decode(text).decode()))

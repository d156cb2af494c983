# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the builders promise: no row lost unseen, no question on both sides, no stale cache."""

from __future__ import annotations

import random
import socket

import pytest

from data_builders import PairsCorpus, build_dialogues, save_result, split_of
from data_builders.errors import UserError
from data_builders.report import MAX_TEXT, shorten
from data_builders.translation import use_language
from tests.data_builders.row_files import build, good, write


def all_rows(result) -> list[dict]:
    return [row for split in result.dataset.values() for row in split]


def test_split_is_frozen():
    # Pinned: another hash or normalisation would move rows between releases.
    assert [split_of(f"question {i}", 0.3, 0.2)[0] for i in range(12)] == list("ttvtttvvttvv")


def test_shares_are_near_the_fractions():
    sides = [split_of(f"q{i}", 0.1, 0.2) for i in range(5000)]
    assert 0.08 < sides.count("validation") / 5000 < 0.12
    assert 0.18 < sides.count("test") / 5000 < 0.22


def test_three_shapes_mixed(tmp_path):
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    messages = [
        {"role": "system", "content": ""},
        {"role": "user", "content": "hi"},
        {"role": "user", "content": "there"},
        {"role": "assistant", "content": parts},
    ]
    rows = [
        {"question": " q ", "reply": "r", "extra": 1},
        {"dialogue": ["a", "b", "c"]},
        {"messages": messages},
    ]
    result = build(write(tmp_path / "a.jsonl", rows), validation_fraction=0.0)
    train = result.dataset["train"]
    assert train["turns"][:] == [["q", "r"], ["a", "b", "c"], ["hi\nthere", "one\ntwo"]]
    assert train["roles"][:] == [[], [], ["user", "assistant"]]
    assert set(train["source"]) == {"a.jsonl"}


BROKEN = [
    ("{oops", "bad JSON"),
    ("[" * 100_000, "bad JSON"),
    ("[1]", "not a string"),
    ({"question": "q"}, "missing key"),
    ({"question": "q", "reply": True}, "not a string"),
    ({"question": "q", "reply": None}, "empty text"),
    ({"question": "q", "reply": " \u3000"}, "empty text"),
    ({"question": "", "reply": "r"}, "empty text"),
    ('{"question": "q", "reply": "\\ud800"}', "not valid Unicode"),
    ({"dialogue": "ab"}, "not a list"),
    ({"dialogue": ["alone"]}, "fewer than two turns"),
    ({"messages": ["hi"]}, "fewer than two turns"),
    ({"messages": [{"role": "user"}]}, "missing key"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "tool message"),
    ({"messages": [{"role": "narrator", "content": "x"}]}, "fewer than two turns"),
    ({"messages": [{"role": "user", "content": True}]}, "not a string"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image"),
    ({"messages": [{"role": "assistant", "content": "hello"}]}, "no reply"),
    ({"messages": []}, "fewer than two turns"),
]


def test_every_broken_row_is_counted_and_none_stops_the_build(tmp_path):
    path = write(tmp_path / "a.jsonl", [row for row, _ in BROKEN] + good(2))
    report = build(path, validation_fraction=0.0).report
    expected = [(str(path), line, rule) for line, (_, rule) in enumerate(BROKEN, start=1)]
    assert [(r.file, r.line, r.rule) for r in report.rejects] == expected
    assert all(len(r.text) <= MAX_TEXT for r in report.rejects)
    assert (report.kept, report.rows_read) == (2, len(BROKEN) + 2)


# One that is no JSON, one of a missing field, one of a broken turn.
@pytest.mark.parametrize("row, rule", [BROKEN[0], BROKEN[3], BROKEN[15]])
def test_strict_names_file_line_rule_and_next_step(tmp_path, row, rule):
    path = write(tmp_path / "a.jsonl", [*good(1), row])
    with pytest.raises(UserError) as caught:
        build(path, strict=True)
    message = str(caught.value)
    assert f"{path}:2: {rule} (found " in message and message.count(". ") >= 1
    # A failed build must leave nothing that a later one would take for finished.
    assert not list((tmp_path / "cache").rglob("*.arrow"))


def test_tab_separated_lines(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(
        b"\xef\xbb\xbf\xe4\xbd\xa0\xe5\xa5\xbd\t\xe5\xa5\xbd\r\n\r\nq2\tr2\n"
        b"alone\na\tb\tc\n\tr\nq\t \n\xff\xfe\xfd\tr\nsep\xe2\x80\xa8inside\tr3"
    )
    result = build(path, format="pairs", validation_fraction=0.0)
    assert result.dataset["train"]["turns"][:] == [
        ["你好", "好"],
        ["q2", "r2"],
        ["sep\ninside", "r3"],
    ]
    assert [(r.line, r.rule) for r in result.report.rejects] == [
        (4, "wrong number of columns"),
        (5, "wrong number of columns"),
        (6, "empty text"),
        (7, "empty text"),
        (8, "wrong encoding"),
    ]


@pytest.mark.parametrize("text", ["", "[]", "[1, 2]"])
def test_json_without_dialogues_is_an_error(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"No usable dialogue in a\.json: "):
        build(path, format="json")


def test_several_files_are_one_dataset(tmp_path):
    first = write(tmp_path / "a.jsonl", good(4))
    second = write(tmp_path / "b.tsv", ["question 1\treply 1", "new\treply"])
    builder = PairsCorpus(files=(first, second), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    assert (builder.report.kept, builder.report.duplicates) == (5, 1)


def test_ids_do_not_depend_on_the_order(tmp_path):
    rows = good(30)
    path = write(tmp_path / "a.jsonl", rows)
    before = {row["id"]: row["turns"] for row in all_rows(build(path))}
    random.Random(0).shuffle(rows)
    write(path, rows)
    assert {row["id"]: row["turns"] for row in all_rows(build(path))} == before


@pytest.mark.parametrize("language", ["en", "zh"])
def test_cached_build_still_reports_its_rejects(language, tmp_path):
    use_language(language)
    path = write(tmp_path / "a.jsonl", ["{oops", *good(5)])
    first = build(path)
    arrow = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.arrow")}
    second = build(path)
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "cache").rglob("*.arrow")} == arrow
    assert second.report == first.report and second.report.rejected == {"bad JSON": 1}


def test_changed_content_is_built_again_even_at_equal_size_and_time(tmp_path):
    import os

    path = write(tmp_path / "a.jsonl", [{"question": "q", "reply": "old"}])
    stat = path.stat()
    assert all_rows(build(path, validation_fraction=0.0))[0]["turns"] == ["q", "old"]
    write(path, [{"question": "q", "reply": "new"}])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert all_rows(build(path, validation_fraction=0.0))[0]["turns"] == ["q", "new"]


def test_languages_choose_rows_by_guess(tmp_path):
    rows = ["今天天气怎么样\t很好", "我想买 iPhone\t好的", "how are you\tfine", "Привет\tда"]
    path = write(tmp_path / "a.txt", rows)
    report = build(path, languages=("zh",), validation_fraction=0.0).report
    assert (report.languages, report.filtered) == ({"zh": 2}, 2)
    with pytest.raises(UserError, match="'de'"):
        build(path, languages=("de",))


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", b"q,r\n", "no known format.*the keys q, r.*--columns"),
        ("a.bin", bytes(range(256)) * 9, "no known format"),
        ("a.jsonl", b"", "a.jsonl is empty"),
        ("a.jsonl", b"{}\n\n{}\n", "no known format"),
        ("a.jsonl", b"{'question': 1}\n", "no JSON.*--format json"),
        ("a.jsonl", b'{"Frage": "wo?", "Antwort": "da"}\n', "keys Frage, Antwort.*--columns"),
    ],
)
def test_unusable_files_say_why(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        build(tmp_path / name)


def test_a_bracket_alone_makes_no_json(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("[Anna] hi\thello\nalone\n{ok}\tyes\n", encoding="utf-8")
    report = build(path, format="pairs", validation_fraction=0.0).report
    assert (report.kept, report.rejected) == (2, {"wrong number of columns": 1})


def test_a_built_dataset_is_no_corpus(tmp_path):
    save_result(build(write(tmp_path / "a.jsonl", good(9))), tmp_path / "out")
    more = write(tmp_path / "b.jsonl", good(3))
    with pytest.raises(UserError, match="built already"):
        build_dialogues([str(tmp_path / "out"), str(more)], cache_dir=str(tmp_path / "cache"))


def test_nothing_left_to_train_on_is_an_error(tmp_path):
    questions = [q for q in (f"q{i}" for i in range(50)) if split_of(q, 0.5) == "validation"]
    path = write(tmp_path / "a.jsonl", [{"question": q, "reply": "r"} for q in questions])
    with pytest.raises(UserError, match="outside the train split"):
        build(path, validation_fraction=0.5)


def test_no_network(tmp_path, monkeypatch):
    def refuse(*args: object) -> None:
        raise AssertionError(f"network call: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert build(write(tmp_path / "a.jsonl", good(3))).report.kept == 3


def test_shorten_copes_with_anything():
    assert shorten(b"\xff" * 10_000).startswith("\\xff") and len(shorten(b"\xff" * 10_000)) == 80
    assert shorten("a\n\tb") == "a b"
    shorten("\ud800").encode("utf-8")


def test_rejects_are_written_through_one_open_file(tmp_path, monkeypatch):
    path = tmp_path / "chat.jsonl"
    good = [f'{{"question": "what is {n}", "reply": "it is {n}"}}' for n in range(40)]
    path.write_text("\n".join([*good, *["{broken"] * 1500]), encoding="utf-8")
    real, opened = open, []

    def counted(file, *given, **more):
        opened.extend([file] if str(file).endswith("rejects.jsonl") else [])
        return real(file, *given, **more)

    monkeypatch.setattr("builtins.open", counted)
    report = build(path, format="pairs").report
    assert report.rejected == {"bad JSON": 1500} and len(report.rejects) == 1000
    assert len(opened) < 6
    assert [reject.line for reject in report.all_rejects()] == list(range(41, 1541))

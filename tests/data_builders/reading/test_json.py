# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""JSON rows are the same from lines, arrays and objects, and broken ones are rejected."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.reading import JsonRow, json_rows, json_text, sample_of, source_files
from data_builders.report import BuildReport
from tests.data_builders.reading.test_lines import file_of

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
row_lists = st.lists(
    st.fixed_dictionaries({"ask": st.text(max_size=9), "say": json_values}), min_size=2, max_size=8
)
chunk_sizes = st.integers(1, 80)
indents = st.sampled_from([None, 0, 2])
PAIRS = [
    {"ask": "几点了？", "say": "三点。"},
    {"ask": "Tea?", "say": "Yes."},
    {"ask": "a", "say": 1},
]


def read(data: bytes | str, name: str = "a.json", size: int = 1 << 20, encoding=None):
    report = BuildReport()
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return list(json_rows(file_of(raw, size, name), report, encoding)), report


def values(data: bytes | str, **settings: Any) -> list[Any]:
    rows, report = read(data, **settings)
    assert not report.rejected
    return [row.value for row in rows]


def rules(report: BuildReport) -> list[tuple[int, str]]:
    return [(reject.line, reject.rule) for reject in report.rejects]


@given(rows=row_lists, size=chunk_sizes, indent=indents, ascii=st.booleans())
def test_any_rows_are_the_same_in_every_layout(rows, size, indent, ascii):
    def dump(value: Any, indent: int | None = indent) -> str:
        # Lone surrogates cannot stand in a file but as escapes.
        return json.dumps(value, indent=indent, ensure_ascii=ascii)

    named = {f"k{n}": row for n, row in enumerate(rows)}
    assert values(dump(rows), size=size) == rows
    assert values(dump(named), size=size) == rows
    assert values(dump({"train": rows}), size=size) == rows
    assert values("\n".join(dump(row, None) for row in rows), size=size) == rows


@given(rows=st.lists(json_values, max_size=8), size=chunk_sizes, indent=indents)
def test_any_values_of_an_array(rows, size, indent):
    assert values(json.dumps(rows, indent=indent), size=size) == rows


@given(rows=st.dictionaries(st.text(max_size=5), json_values, max_size=6), size=chunk_sizes)
def test_any_members_of_an_object(rows, size):
    # A value that holds something: an object of nothing but texts is a row itself.
    rows = {**rows, "last": [{}]}
    found, report = read(json.dumps(rows), size=size)
    wanted = []
    for key, value in rows.items():
        wanted += [(key, item) for item in value] if isinstance(value, list) else [(key, value)]
    assert [(row.key, row.value) for row in found] == wanted
    assert not report.rejected


@given(rows=st.lists(json_values, max_size=8), size=chunk_sizes)
def test_any_values_one_a_line(rows, size):
    data = "".join(json.dumps(row) + "\n" for row in rows)
    assert values(data, name="a.jsonl", size=size) == rows


@given(rows=row_lists, cut=st.integers(0, 2_000), size=chunk_sizes, indent=indents)
def test_an_array_cut_anywhere_gives_the_rows_before_and_one_reject(rows, cut, size, indent):
    data = json.dumps(rows, ensure_ascii=False, indent=indent).encode("utf-8", "surrogatepass")
    cut %= len(data)
    found, report = read(data[:cut], size=size)
    ends = [
        len(json.dumps(rows[:n], ensure_ascii=False, indent=indent).encode())
        for n in range(1, len(rows) + 1)
    ]
    closing = 1 if indent is None else 2
    whole = sum(end - closing <= cut for end in ends)
    assert [row.value for row in found] == rows[:whole]
    assert sum(report.rejected.values()) == (cut > 0)


@given(rows=row_lists, cut=st.integers(0, 2_000), size=chunk_sizes)
def test_json_lines_cut_anywhere_give_the_rows_before(rows, cut, size):
    lines = [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows]
    data = b"".join(lines)
    cut %= len(data)
    found, report = read(data[:cut], name="a.jsonl", size=size)
    whole = 0
    while whole < len(rows) and sum(map(len, lines[: whole + 1])) - 1 <= cut:
        whole += 1
    assert [row.value for row in found] == rows[:whole]
    # The line end alone may be missing.
    rest = cut - sum(map(len, lines[:whole]))
    assert sum(report.rejected.values()) == (rest > 0)


@given(data=st.binary(max_size=300), size=chunk_sizes)
def test_any_bytes_give_rows_or_rejects_or_are_asked_about(data, size):
    for start in (b"", b"[", b'{"a": ', b'[{"a": 1}, ', b'{"a": [', b'{"a": 1}\n'):
        try:
            rows, report = read(start + data, size=size)
        except UserError as error:
            assert "its encoding cannot be told" in str(error)
            continue
        if not (rows or report.rejected):
            # Nothing was lost: there is nothing but empty arrays and objects.
            text = "".join(sample_of(file_of(start + data)).text.split())
            assert not text.strip('[]{}:,"a')


noise = st.text(st.sampled_from('[]{}",:\\ \n0a'), max_size=40)


@given(before=row_lists, broken=noise, after=row_lists, size=chunk_sizes)
def test_rows_before_a_broken_one_are_never_lost(before, broken, after, size):
    data = json.dumps(before)[:-1] + ', {"ask": ' + broken + ", " + json.dumps(after)[1:]
    found, _ = read(data, size=size)
    assert [row.value for row in found][: len(before)] == before


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "broken",
    [
        "{'ask': 'single', 'say': 'quotes'}",
        '{"ask": "a" "say": "no comma"}',
        '{"ask": "a", "say": no quotes}',
        '{"ask": "a", "say": "no end}',
        '{"ask": "a", "say": "no brace"',
        '{"ask": "a", "say": ["no bracket"}',
        '{"ask": "a", "say": "a real\nnewline"}',
        '{"ask": "a", "say": {"ask": 1, "say": [{}, {"x": 1}]}, bad}',
        '{"ask": "a", "say": "\\x41"}',
        "nonsense",
        '{"ask": ' + "9" * 5_000 + "}",
        '{"ask": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_after_a_broken_element_of_an_array_the_next_is_read(broken, indent):
    good = [json.dumps(pair, indent=indent) for pair in PAIRS]
    data = "[" + ",\n".join([good[0], good[1], broken, *good]) + "]"
    rows, report = read(data)
    assert [row.value for row in rows] == [*PAIRS[:2], *PAIRS]
    assert rules(report) == [(data[: data.index(broken)].count("\n") + 1, "bad JSON")]


@pytest.mark.parametrize("broken", ['{"ask": bad}', '"unquoted', "{'a'}", '{"ask": "x"]', "bad"])
def test_after_a_broken_member_of_an_object_the_next_is_read(broken):
    data = '{"a": {"ask": 1},\n"b": ' + broken + ',\n"c": {"ask": 2}, "d": "x"}'
    rows, report = read(data)
    assert [(row.line, row.key) for row in rows] == [(1, "a"), (3, "c"), (3, "d")]
    assert rules(report) == [(2, "bad JSON")]


def test_a_broken_element_of_a_member_spoils_no_other_member():
    data = '{"train": [{"a": 1}, {"a": bad}, {"a": 3}], "test": [{"a": 4}]}'
    rows, report = read(data)
    assert [(row.key, row.value["a"]) for row in rows] == [("train", 1), ("train", 3), ("test", 4)]
    assert rules(report) == [(1, "bad JSON")]


def test_many_broken_elements_cost_little_each():
    good, broken = json.dumps(PAIRS[0]), '{"ask": "a", "say": ["no bracket"}'
    data = "[" + ", ".join([good, broken] * 3_000) + "]"
    rows, report = read(data)
    assert len(rows) == 3_000
    assert report.rejected == {"bad JSON": 3_000}


@pytest.mark.parametrize(
    ("begin", "part", "end", "rows"),
    [
        ("[", '{"ask": "a", "say": "b",},', "", 0),
        ("[", '{x,{"a": 1},{x,{"b": 1},', "", 1),
        ('[{"a": 1},', '{x},{"b": "y"},', "]", 1),
        ("[", "[1,", "", 0),
        ('[{"a": 1},', "{x,", "", 0),
        ("{", '"a":{x,"b":{"c":1},', "", 1),
    ],
)
def test_looking_ahead_grows_with_the_file_and_no_faster(monkeypatch, begin, part, end, rows):
    looked: list[int] = []
    count_look = json_text.TextBuffer.look

    def look(self, count):
        looked.append(count)
        count_look(self, count)

    monkeypatch.setattr(json_text.TextBuffer, "look", look)
    monkeypatch.setattr(json_text, "LOOK_AHEAD", 1 << 14)
    sums = []
    for count in (2_000, 4_000):
        looked.clear()
        found, report = read((begin + part * count + end).encode())
        assert len(found) >= rows * count - 1 and report.rejected
        sums.append(sum(looked))
    assert sums[1] < 2.5 * sums[0]


def test_a_broken_line_is_rejected_and_the_next_is_read():
    rows, report = read('{"a": 1}\n{"a": \n\n{"a": 3}\n', name="a.jsonl")
    assert rows == [JsonRow(1, None, {"a": 1}), JsonRow(4, None, {"a": 3})]
    assert rules(report) == [(2, "bad JSON")]


def test_a_broken_first_line_does_not_hide_the_others():
    rows, report = read('{"a": 1,\n{"a": 2}\n{"a": 3}\n')
    assert [row.line for row in rows] == [2, 3]
    assert rules(report) == [(1, "bad JSON")]


def test_line_numbers_of_an_array():
    assert [row.line for row in read('\n[\n{"a":\n1}, {"a": 2},\n\n[\n]\n]\n', size=3)[0]] == [
        3,
        4,
        6,
    ]


def test_a_missing_comma_costs_no_row():
    rows, report = read('[{"a": 1}\n{"a": 2}, {"a": 3},]')
    assert [row.value["a"] for row in rows] == [1, 2, 3]
    assert report.notes == {"commas missing between JSON elements": 1}


def test_objects_over_several_lines_that_follow_each_other():
    data = "\n".join(json.dumps(pair, indent=2) for pair in PAIRS)
    assert values(data) == PAIRS
    assert sample_of(file_of(data.encode(), name="a.json")).layout == "lines"


def test_a_single_object_of_texts_is_a_row():
    data = '{"ask": "Tea?", "say": "Yes.", "more": ["Milk?", 1]}'
    for name in ("a.jsonl", "a.json", "a.txt"):
        assert read(data, name=name)[0] == [JsonRow(1, None, json.loads(data))]


def test_a_single_object_that_holds_rows_is_members_but_in_json_lines():
    data = '{"version": "1", "data": [["Tea?", "Yes."]]}'
    assert read(data, name="a.jsonl")[0] == [JsonRow(1, None, json.loads(data))]
    assert read(data)[0] == [JsonRow(1, "version", "1"), JsonRow(1, "data", ["Tea?", "Yes."])]


def test_odd_numbers_and_surrogates_do_not_crash():
    (first, second), report = read('[NaN, -Infinity, "\\ud800"]')[0][:2], None
    assert math.isnan(first.value) and second.value == -math.inf
    assert values('["\\ud800"]') == ["\ud800"]
    _, report = read('{"a": ' + "[" * 200_000 + "\n" + '{"a": ' + "9" * 6_000 + "}", name="a.jsonl")
    assert [rule for _, rule in rules(report)] == ["bad JSON", "bad JSON"]


def test_bytes_of_another_encoding_spoil_one_element():
    data = json.dumps(PAIRS, ensure_ascii=False).encode().replace(b"Tea", b"T\xffa")
    for size in (7, 1 << 20):
        rows, report = read(data, size=size)
        assert [row.value for row in rows] == [PAIRS[0], PAIRS[2]]
        assert rules(report) == [(1, "wrong encoding")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("indent", [None, 1])
def test_json_in_other_encodings(encoding, indent):
    rows = [{"ask": "今天天气好吗？", "say": "很好，我们出去走走吧。"}] * 5
    data = json.dumps(rows, ensure_ascii=False, indent=indent).encode(encoding)
    assert values(data) == rows


def test_an_element_that_is_too_long_is_rejected_and_not_held(monkeypatch):
    monkeypatch.setattr(json_text, "MAX_ELEMENT", 1 << 20)
    long = json.dumps([{"a": '"}],[{\\'}] * 80_000)
    text = json.dumps('\\" [' * 500_000)
    rows, report = read('[{"a": 1}, ' + long + ",\n" + text + ', {"a": 2}]', size=100_000)
    assert [row.value for row in rows] == [{"a": 1}, {"a": 2}]
    assert rules(report) == [(1, "line too long"), (2, "line too long")]


def test_an_element_larger_than_a_chunk_is_read():
    rows = [{"a": "x" * 3_000_000}, {"a": 1}]
    assert values(json.dumps(rows)) == rows


def test_strict_stops_at_the_broken_element():
    with pytest.raises(UserError, match=r"a\.json:2: bad JSON"):
        report = BuildReport(strict=True)
        list(json_rows(file_of(b'[{"a": 1},\n{"a" 2}]', name="a.json"), report))


@pytest.mark.parametrize(
    ("data", "layout"),
    [
        ('{"a": 1}\n{"a": 2}\n', "lines"),
        ('[["a", "b"]]', "array"),
        ('[\n["a", "b"],\n["c", "d"]\n]', "array"),
        ('{"train": [1]}', "object"),
        ("[]", "array"),
        ("", None),
        ("你好\t你好\n", None),
        ("[Anna] Good morning!\n[Ben] Morning!\n", None),
        ("{r+} hello | hi\nbye | bye\n", None),
        ("E\nM hello\nM hi\n", None),
    ],
)
def test_the_layout_of_a_sample(data, layout):
    sample = sample_of(file_of(data.encode(), name="a.txt"))
    assert sample.layout == layout
    assert bool(sample.rows) == (layout is not None and data != "[]")


def test_a_sample_has_the_first_whole_rows():
    rows = [{"ask": "a" * 20_000, "say": n} for n in range(100)]
    sample = sample_of(file_of(json.dumps(rows).encode(), name="a.json"))
    assert 0 < len(sample.rows) <= 13
    assert [row.value for row in sample.rows] == rows[: len(sample.rows)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("zh_instruction/carbonz0/zh-data-part-00.json.gz", 10_021),
        ("zh_community_qa/toyhom_rekeyed_desc_answer.jsonl.gz", 7_644),
        ("zh_chitchat/cdial_gpt_toy/toy_data.json", 1_400),
        ("zh_chitchat/format_samples/LCCC.json", 342),
        ("zh_multiturn/c3-d-train.json.gz", 4_885),
        ("zh_multiturn/crosswoz_val.json.gz", 500),
        ("vocab/char_common.json", 3_500),
    ],
)
def test_the_rows_of_real_files(shared_data, path, count):
    report = BuildReport()
    files = source_files([str(shared_data / path)])
    assert sum(1 for file in files for _ in json_rows(file, report)) == count
    assert not report.rejected


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("codecs", [("gb18030", "utf-8"), ("utf-8", "gb18030")])
def test_an_array_in_another_encoding_is_rejected_and_never_nonsense(indent, codecs):
    asked = [
        {"ask": ask, "say": "三点。"} for ask in ("几点了？", "好", "你们几点来", "今天", "明天见")
    ]
    text = json.dumps(asked, ensure_ascii=False, indent=indent)
    data = (text * 9).encode(codecs[0]) + text.encode(codecs[1])
    rows, report = read(data)
    assert [row.value for row in rows[: 9 * len(asked)]] == asked * 9
    assert [row.value for row in rows[9 * len(asked) :] if row.value not in asked] == []
    assert set(report.rejected) <= {"wrong encoding", "bad JSON"} and report.rejected

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Tables: CSV and TSV with a header, Parquet and Arrow files, and how columns are understood."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import feather
from pyarrow import parquet as pq

from data_builders.errors import UserError
from data_builders.formats.rows import CsvCorpus, ParquetCorpus, RowsConfig
from data_builders.reading import sample_of, source_files
from data_builders.report import BuildReport
from data_builders.rows import csv_records
from data_builders.rows.csv_records import CsvRecords


def turns_of(found: tuple) -> list[tuple[str, ...]]:
    return [dialogue.turns for dialogue in found[0]]


def rejects_of(found: tuple) -> list[tuple[int, str]]:
    return [(reject.line, reject.rule) for reject in found[1].rejects]


# --- CSV ---------------------------------------------------------------------------------------


def test_quoted_cells_hold_commas_quotes_and_line_breaks(read) -> None:
    text = 'question,reply\nWhen?,"At ten,\nor ""later""."\n你好,你也好\n'
    found = read(CsvCorpus, text, "a.csv")
    assert turns_of(found) == [("When?", 'At ten,\nor "later".'), ("你好", "你也好")]
    assert [dialogue.line for dialogue in found[0]] == [2, 4]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_found(read, delimiter: str) -> None:
    rows = [["id", "question", "answer"], ["1", "Is it, or not?", "Yes; no"], ["2", "好", "的"]]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(rows)
    found = read(CsvCorpus, file.getvalue(), "a.csv")
    assert turns_of(found) == [("Is it, or not?", "Yes; no"), ("好", "的")]
    assert found[1].notes == {"files with unused columns (id)": 1}


def test_excels_mark_of_the_delimiter_is_no_header(read) -> None:
    assert turns_of(read(CsvCorpus, "sep=;\nquestion;reply\na, b;c\n", "a.csv")) == [("a, b", "c")]


def test_rows_of_another_width_are_rejected_with_their_line(read) -> None:
    found = read(CsvCorpus, "question,reply\na,b\nonly\na,b,c\n\nd,e,,\n", "a.csv")
    assert turns_of(found) == [("a", "b"), ("d", "e")]
    assert rejects_of(found) == [(3, "wrong number of cells"), (4, "wrong number of cells")]


@pytest.mark.parametrize(
    "text",
    [
        'question,reply\na,b\nc,"lost\nd,e\nf,g\n',
        'question,reply\na,b\n"lost,c\nd,e\nf,"g"\n',
    ],
    ids=["to the end", "up to the next mark"],
)
def test_a_stray_quotation_mark_costs_one_row(read, text: str) -> None:
    found = read(CsvCorpus, text, "a.csv")
    assert turns_of(found) == [("a", "b"), ("d", "e"), ("f", "g")]
    assert rejects_of(found) == [(3, "unclosed quote")]


def test_a_quotation_mark_nobody_closes_does_not_fill_the_memory(
    read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_records, "MAX_LINES", 5)
    rows = "".join(f"q{i},r{i}\n" for i in range(50))
    found = read(CsvCorpus, f'question,reply\nx,"lost\n{rows}', "a.csv")
    assert len(found[0]) == 50 and rejects_of(found) == [(2, "unclosed quote")]


def test_quotation_marks_of_a_tab_separated_file_are_text(read) -> None:
    text = 'question\treply\n"Hi" she said\tWho?\nq\t"Open\nr\tend"\n'
    assert turns_of(read(CsvCorpus, text, "a.tsv")) == [
        ('"Hi" she said', "Who?"),
        ("q", '"Open'),
        ("r", 'end"'),
    ]


def test_marks_escaped_by_a_backslash_are_understood(read) -> None:
    text = 'question,reply\nWho?,"She said \\"me, of course\\""\n'
    assert turns_of(read(CsvCorpus, text, "a.csv")) == [("Who?", 'She said "me, of course"')]


def test_without_a_header_columns_have_numbers(read) -> None:
    columns = {"question": "2", "reply": "3"}
    found = read(CsvCorpus, "1,a,b\n2,c,d\n", "a.csv", header=False, columns=columns)
    assert turns_of(found) == [("a", "b"), ("c", "d")]


def test_names_nobody_knows_are_listed_with_the_next_step(read) -> None:
    with pytest.raises(UserError, match=r"the keys foo, bar\. .*--columns"):
        read(CsvCorpus, "foo,bar\na,b\n", "a.csv")


def test_an_empty_file_has_no_rows(read) -> None:
    assert read(CsvCorpus, "\n\n", "a.csv")[0] == []


def test_a_delimiter_of_two_characters_is_refused() -> None:
    with pytest.raises(UserError, match="`delimiter`"):
        RowsConfig(delimiter="||")


def test_bytes_of_gb18030_and_a_bom_are_read(read) -> None:
    text = (
        "title,ask,answer\n头疼,我头疼怎么办？,多休息，多喝水，不要熬夜。\n发烧,,请量一下体温。\n"
    )
    wanted = [("我头疼怎么办？", "多休息，多喝水，不要熬夜。"), ("发烧", "请量一下体温。")]
    for content in (text.encode("gb18030"), text.encode("utf-8-sig")):
        assert turns_of(read(CsvCorpus, content, "a.csv")) == wanted


# No control characters: other tests tell of NUL, and a lone CR ends a line in old files.
CELL = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), max_size=8
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8), st.sampled_from(",\t;"))
def test_what_the_csv_module_writes_is_read_back(
    read, rows: list[tuple[str, str, str]], delimiter: str
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("q", "r", "x"), *rows])
    lines = enumerate(file.getvalue().removesuffix("\n").split("\n"), start=1)
    records = list(CsvRecords(lines, delimiter))
    assert [tuple(record.cells) for record in records] == [("q", "r", "x"), *rows]


@given(st.text(st.sampled_from('ab,"\n\\\t'), max_size=60))
def test_no_line_is_lost_whatever_the_quotation_marks(text: str) -> None:
    lines = text.split("\n")
    records = CsvRecords(enumerate(lines, start=1), ",")
    records.width = 2
    begins = [record.line for record in records]
    assert begins == sorted(set(begins))
    # Between two records stand blank lines, or the rest of a cell that a quotation mark opened.
    covered = 0
    for begin, end in zip([0, *begins], [*begins, len(lines) + 1], strict=True):
        opened = begin > 0 and '"' in lines[begin - 1]
        covered += 1 if opened else not any(lines[begin : end - 1])
    assert covered == len(begins) + 1


def test_the_header_is_the_sign_of_a_table(tmp_path: Path) -> None:
    def score(content: str, name: str) -> float:
        (tmp_path / name).write_text(content, encoding="utf-8")
        (file,) = source_files([str(tmp_path / name)])
        guess = CsvCorpus.resembles(sample_of(file))
        return guess.score if guess else 0.0

    assert score("department,ask,answer\na,b,c\nd,e,f\n", "a.csv") >= 0.9
    assert score("question\treply\na\tb\n", "a.txt") >= 0.9
    assert score("你好 | 你也好\n再见 | 再见\n", "b.csv") == 0
    assert score("你好\t你也好\n再见\t再见\n", "a.tsv") == 0
    assert score('{"question": "a", "reply": "b"}\n' * 3, "a.jsonl") == 0
    assert score("Good morning, sir.\nWell, and you?\n", "c.txt") == 0


# --- Parquet and Arrow ---------------------------------------------------------------------------


def test_parquet_feather_and_arrow_give_the_same_rows(tmp_path: Path) -> None:
    table = pa.table(
        {"n": [1, 2, 3], "prompt": ["你好", "Hi", None], "response": ["好", "Yo", "x"]}
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    feather.write_feather(table, tmp_path / "a.feather")
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=2)
    compressed = gzip.compress((tmp_path / "a.parquet").read_bytes())
    (tmp_path / "b.parquet.gz").write_bytes(compressed)
    for name in ("a.parquet", "a.feather", "a.arrow", "b.parquet.gz"):
        report = BuildReport()
        config = RowsConfig(files=(str(tmp_path / name),))
        found = list(ParquetCorpus.read_sources(config, report)), report
        assert turns_of(found) == [("你好", "好"), ("Hi", "Yo")], name
        assert rejects_of(found) == [(3, "empty text")]
        assert report.notes == {"files with unused columns (n)": 1}


def write_and_read(read, table: pa.Table, **options: object) -> tuple:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return read(ParquetCorpus, sink.getvalue().to_pybytes(), "a.parquet", **options)


def test_a_nested_column_of_messages_is_a_dialogue(read) -> None:
    talk = [{"role": "user", "content": "在吗"}, {"role": "assistant", "content": "在。"}]
    odd = [{"role": "user", "content": "x", "name": "me"}]
    table = pa.table({"prompt": ["a", "b", "c"], "messages": [talk, odd, None]})
    found = write_and_read(read, table)
    assert turns_of(found) == [("在吗", "在。")]
    assert found[0][0].roles == ("user", "assistant")
    assert rejects_of(found) == [(2, "no reply"), (3, "empty text")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("dialog", ["a", "b", "c"]),
        ("turns", [["a", "b"], ["c"]]),
        (
            "utterances",
            [{"speaker": "A", "text": "a"}, {"speaker": "B", "text": "b"}, {"text": "c"}],
        ),
        ("conversation", json.dumps(["a", "b", "c"])),
    ],
)
def test_lists_of_many_kinds_are_dialogues(read, column: str, value: object) -> None:
    assert turns_of(write_and_read(read, pa.table({column: [value]}))) == [("a", "b", "c")]


def test_a_list_of_objects_stored_by_column_is_a_dialogue(read) -> None:
    stored = {"from": ["human", "gpt"], "value": ["Hi", "Yo"]}
    found = write_and_read(read, pa.table({"conversations": [stored]}))
    assert turns_of(found) == [("Hi", "Yo")] and found[0][0].roles == ("user", "assistant")


def test_a_number_of_turns_is_no_dialogue(read) -> None:
    table = pa.table({"turns": [2], "question": ["a"], "answer": ["b"]})
    assert turns_of(write_and_read(read, table)) == [("a", "b")]


def test_text_that_is_not_utf8_costs_its_row_only(read) -> None:
    offsets = pa.py_buffer(b"\0\0\0\0\x02\0\0\0\x04\0\0\0")
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xff\xfeab")])
    found = write_and_read(read, pa.table({"question": broken, "answer": ["x", "y"]}))
    assert turns_of(found) == [("ab", "y")]
    assert rejects_of(found) == [(1, "not valid UTF-8")]


@pytest.mark.parametrize(
    "content", [b"question,reply\n", b"PAR1 and then nothing", b"", b"ARROW1\0\0"]
)
def test_what_is_no_table_is_said_in_a_sentence(read, content: bytes) -> None:
    with pytest.raises(UserError, match="a.parquet.*leave"):
        read(ParquetCorpus, content, "a.parquet")


def test_a_page_that_is_damaged_costs_the_rest_of_the_file(read) -> None:
    sink = pa.BufferOutputStream()
    words = [f"{i} " + "word " * 50 for i in range(4000)]
    table = pa.table({"question": words, "reply": words})
    pq.write_table(table, sink, row_group_size=2000, use_dictionary=False, compression="gzip")
    content = bytearray(sink.getvalue().to_pybytes())
    middle = len(content) * 5 // 8
    content[middle : middle + 2000] = bytes(2000)
    found = read(ParquetCorpus, bytes(content), "a.parquet")
    assert len(found[0]) >= 2000
    assert [rule for _, rule in rejects_of(found)] == ["damaged file"]


def test_parquet_is_told_by_its_mark_and_says_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"question": ["a"], "reply": ["b"]}), tmp_path / "no_suffix")
    (tmp_path / "text.txt").write_text("PARTY time\n")
    guesses = [ParquetCorpus.resembles(sample_of(f)) for f in source_files([str(tmp_path)])]
    assert guesses[0].why == "columns question = question, reply = reply" and guesses[1] is None

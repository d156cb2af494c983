# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the tests of the families of JSON share: samples, the lines of a file, and any JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from data_builders.formats.rows import RowsCorpus
from data_builders.reading import JsonRow, Sample, json_rows, sample_of, source_files
from data_builders.report import BuildReport

# Each example overwrites the one file of the fixture `read`.
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

USER, BOT = {"role": "user", "content": "在吗？"}, {"role": "assistant", "content": "在。"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
MORE = [{"role": "user", "content": "Open?"}, {"role": "assistant", "content": "Yes."}]
PAIR = {"question": "What colour is it?", "answer": "Green."}

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(str.strip)


def json_values(*keys: str) -> st.SearchStrategy[Any]:
    """Any JSON, its objects often with the keys of a family."""
    names = st.sampled_from(keys) | st.text(max_size=3)
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )


def sample(rows: list[Any], layout: str = "array") -> Sample:
    found = [JsonRow(number, None, row) for number, row in enumerate(rows, start=1)]
    return Sample("a.json", "a.json", ".json", [], "", found, layout)


def lines_of(path: Any) -> set[int]:
    """The line of every row that can be read: the truth for "no row is lost"."""
    files = source_files([str(path)])
    return {row.line for file in files for row in json_rows(file, BuildReport())}


def beginning(path: Any) -> Sample:
    """The sample of a file, or of the first one of an archive; it is open only in the loop."""
    for file in source_files([str(path)]):
        return sample_of(file)
    raise AssertionError(f"no file in {path}")


def deep() -> list:
    value: list = []
    for _ in range(20_000):
        value = [value]
    return value


def as_lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def turns(found: list[Any]) -> list[tuple[str, ...]]:
    return [one.turns for one in found]


def read_json(read: Any, *rows: Any, **settings: Any) -> tuple[list[Any], BuildReport]:
    return read(RowsCorpus, as_lines(*rows), name="a.jsonl", **settings)


def in_csv(rows: list[dict[str, Any]]) -> bytes:
    file = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(file)
    writer.writerow(names)
    for row in rows:
        cells = [row.get(name) for name in names]
        writer.writerow(
            ["" if c is None else c if isinstance(c, str) else json.dumps(c) for c in cells]
        )
    return file.getvalue().encode()


def in_parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()

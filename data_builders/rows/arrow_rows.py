# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Rows of Python values out of Arrow tables, a few at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from data_builders.rows.columns import kind_of_objects

# Rows at a time: enough to spread the cost of a call, few enough for long texts.
BATCH = 1024

Unpack = Callable[[Any], Any]


def kind_of(column: pa.DataType) -> str:
    """Say what a column can be used for."""
    types = pa.types
    if types.is_dictionary(column):
        column = column.value_type
    if _is_list(column) and types.is_struct(column.value_type):
        return kind_of_objects(tuple(field.name for field in column.value_type))
    if types.is_nested(column) or isinstance(column, pa.JsonType):
        return "list"
    texts = types.is_string(column), types.is_large_string(column), types.is_string_view(column)
    if any(texts) or types.is_null(column):
        return "text"
    numbers = types.is_integer(column), types.is_floating(column), types.is_decimal(column)
    return "number" if any(numbers) else "other"


def rows_of(table: pa.RecordBatch | pa.Table, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Give the rows of a piece of a table as Python values."""
    places = [table.schema.names.index(name) for name in names]
    for start in range(0, table.num_rows, BATCH):
        piece = table.slice(start, BATCH)
        yield from zip(*(_values(piece.column(place)) for place in places), strict=True)


def _values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        values = [_value(cell) for cell in column]
    unpack = _unpacker(column.type)
    return values if unpack is None else [unpack(value) for value in values]


def _unpacker(column: pa.DataType) -> Unpack | None:
    """Make what reads the JSON in a column: `datasets` so stores values of several types."""
    if isinstance(column, pa.JsonType):
        return _from_json
    if pa.types.is_struct(column):
        fields = {child.name: unpack for child in column if (unpack := _unpacker(child.type))}
        return (lambda value: _in_object(value, fields)) if fields else None
    inner = _unpacker(column.value_type) if _is_list(column) else None
    return (lambda value: _in_list(value, inner)) if inner else None


def _is_list(column: pa.DataType) -> bool:
    return pa.types.is_list(column) or pa.types.is_large_list(column)


def _from_json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _in_object(value: Any, fields: dict[str, Unpack]) -> Any:
    if not isinstance(value, dict):
        return value
    return value | {name: unpack(value[name]) for name, unpack in fields.items()}


def _in_list(value: Any, unpack: Unpack) -> Any:
    return [unpack(item) for item in value] if isinstance(value, list) else value


def _value(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        # A text gives its bytes, to be shown; a list of texts does not.
        return cell.as_buffer().to_pybytes() if hasattr(cell, "as_buffer") else b"(in a list)"

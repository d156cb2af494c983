# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From bytes on a disk to lines of text and rows of JSON, whatever the packing and encoding."""

from data_builders.reading.files import SourceFile, source_files
from data_builders.reading.json_rows import JsonRow, json_rows
from data_builders.reading.lines import text_lines
from data_builders.reading.one_file import Reading
from data_builders.reading.sample import Sample, sample_of
from data_builders.reading.streams import Progress

__all__ = [
    "JsonRow",
    "Progress",
    "Reading",
    "Sample",
    "SourceFile",
    "json_rows",
    "sample_of",
    "source_files",
    "text_lines",
]

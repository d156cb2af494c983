# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the tests of the families of plain text share: reading from memory, and made-up talk."""

from __future__ import annotations

import io

from hypothesis import strategies as st

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, Guess
from data_builders.reading import Reading, SourceFile, sample_of
from data_builders.report import BuildReport

# What neither the line reader nor a family takes for a mark or an end of a line.
_PLAIN = st.characters(
    exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff=|:\t+_>＝｜"
)
utterances = st.text(_PLAIN, min_size=1, max_size=12).map(str.strip).filter(bool)
dialogues = st.lists(st.lists(utterances, min_size=2, max_size=5).map(tuple), max_size=6)
pairs = st.lists(st.tuples(utterances, utterances), max_size=8)
# Text out of which the formats are made, so that broken rows are found soon.
_SCRAPS = st.sampled_from(
    ["E", "M ", "M", "\t", " ", "=", " | ", "__eou__", "+++$+++", "1", "0", "[", "]", "'L1'", "L1"]
)
_ANYTHING = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0\ufeff"), max_size=6
)
arbitrary_lines = st.lists(
    st.lists(_SCRAPS | utterances | _ANYTHING, max_size=5).map("".join), max_size=12
)


def source_of(content: str | bytes, name: str = "a.txt") -> SourceFile:
    """Make a file in memory, at its beginning."""
    raw = content.encode("utf-8") if isinstance(content, str) else content
    return SourceFile(name, name, io.BytesIO(raw))


def read_text(
    corpus: type[FileCorpus], content: str | bytes, **settings: object
) -> tuple[list[RawDialogue], BuildReport]:
    """Read a text with a family and its settings."""
    report = BuildReport()
    config = corpus.BUILDER_CONFIG_CLASS(**settings)
    file = Reading(source_of(content), report, config.encoding)
    return list(corpus.read_file(file, config)), report


def guess_of(corpus: type[FileCorpus], content: str, name: str = "a.txt") -> Guess | None:
    """Ask a family about a text."""
    return corpus.resembles(sample_of(source_of(content, name)))


def rejected(report: BuildReport) -> list[tuple[int, str]]:
    """List what was rejected, as line and rule."""
    return [(reject.line, reject.rule) for reject in report.rejects]

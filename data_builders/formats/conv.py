# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text in which `E` begins a dialogue and `M` an utterance.

    E
    M 今天吃什么
    M 吃面吧
    E
    M 明天见

Known corpora: xiaohuangji50w_nofenci.conv and dgk_shooter (dgk_lost_conv). Their blocks are runs
of chat, or of subtitles that nobody has divided between speakers.

A line with another marker is rejected and cuts the dialogue there, as an empty `M` does. An
utterance alone in its block is rejected. Words joined by `/`, as in xiaohuangji50w_fenciA, are
left as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.gathering import gather, unbroken
from data_builders.formats.marks import share, text_lines_of
from data_builders.reading import Sample, SourceFile, text_lines
from data_builders.report import BuildReport, RowError


class ConvCorpus(FileCorpus):
    """Dialogues of a `.conv` file."""

    FORMAT = "conv"
    TITLE = "`E` begins a dialogue, `M text` is an utterance"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say how much of a sample is lines of `E` and `M`.

        Args:
            sample: The beginning of the file.

        Returns:
            0.97 with both markers, 0.6 with `M` alone; None if a tenth of the lines has neither.
        """
        lines = text_lines_of(sample)
        if share(lines, lambda line: _marker(line) in ("E", "M")) < 0.9:
            return None
        markers = {_marker(line) for line in lines}
        if "M" not in markers:
            return None
        return Guess(0.97 if "E" in markers else 0.6, why="lines begin with E and M")

    @classmethod
    def read_file(
        cls, file: SourceFile, config: FilesConfig, report: BuildReport
    ) -> Iterator[RawDialogue]:
        """Yield the dialogues of one file.

        Args:
            file: The file, unpacked, at its beginning.
            config: The settings.
            report: Takes empty or lone utterances and lines with another marker.

        Yields:
            One dialogue a block, more where it is cut.
        """
        lines = unbroken(text_lines(file, report, config.encoding))
        yield from gather(_utterances(lines, file.name, report), file.name, report)


def _marker(line: str) -> str:
    return line[:1] if line[1:2] in ("", " ", "\t") else ""


def _utterances(
    lines: Iterable[tuple[int, str | None]], file: str, report: BuildReport
) -> Iterator[tuple[int, str | None]]:
    just_begun = False
    for number, line in lines:
        marker = "" if line is None else _marker(line)
        if line is None:
            just_begun = False
            yield number, None
        elif marker == "M" and (text := line[1:].strip()):
            just_begun = False
            yield number, text
        elif line.strip():
            yield number, None
            if marker == "E":
                _begin_block(line, just_begun, report)
            else:
                rule = "empty text" if marker == "M" else "unknown marker"
                report.reject(file, number, RowError(rule, line))
            just_begun = marker == "E"
    if just_begun:
        report.note("blocks without an utterance")


def _begin_block(line: str, just_begun: bool, report: BuildReport) -> None:
    if just_begun:
        report.note("blocks without an utterance")
    if line[1:].strip():
        report.note("texts after E left out")

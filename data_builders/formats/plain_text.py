# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the families of plain text share: what a sample looks like, and how lines become dialogues.

A line that is lost (broken bytes, an empty utterance, an unknown marker) stood between two
others. Pairing its neighbours would make a reply out of what never was one, so a dialogue is
always cut there.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from statistics import median
from typing import NamedTuple

from data_builders.dialogue import RawDialogue, checked_turns
from data_builders.formats.speakers import MONTH, begin_alike, names_above, share, speakers_of
from data_builders.reading import Sample
from data_builders.report import FileReport, RowError

CORNELL_MARK = "+++$+++"
TURN_END_MARK = "__eou__"
# Real dialogues have at most a few hundred utterances; a file without a single mark would
# otherwise be one dialogue and fill the memory.
MAX_TURNS = 1_000
# Longer lines are paragraphs of prose rather than talk.
MAX_MEAN_CHARS = 150
# Files that are text but no plain lines of talk, whatever they look like at the beginning.
_OTHER_SUFFIXES = frozenset(
    ".json .jsonl .ndjson .yml .yaml .xml .html .htm .aiml .rst .py .js .ts .c .h .cpp .java "
    ".go .rs .rb .php .pl .lua .r .sh .bash .bat .ps1 .sql .ini .cfg .conf .toml .env .properties "
    ".css .tex .bib .po .lrc .diff .patch .ipynb .lock".split()
)
_CSV_SHARE = 0.9
_JSON_BEGIN = re.compile(r"\s*[\[{]\s*[\[{\"]")
_DATE = r"\d{4}[./年-]\s?\d{1,2}[./月-]\s?\d{1,2}[日.]?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}"
_TIME = r"\d{1,2}[:.h]\d{2}"
_STAMPED = re.compile(
    rf"\W{{0,3}}(?:{_DATE})\D{{1,8}}{_TIME}|.{{1,60}}\s(?:{_DATE})[\sT]{_TIME}(?::\d\d)?\W*$"
    rf"|\[[^\[\]]{{1,40}}\] \[[^\[\]]{{0,8}}{_TIME}|\W?{_TIME}(?::\d\d|[.,]\d+)*(?:[\]\t]|\s-|\s+<)"
    rf"|\{{\d+\}}\{{\d+\}}|.{{0,20}}{_TIME}.{{0,12}}-->|.{{0,60}}(?<!\d)\d\d?:\d\d:\d\d(?!\d)"
    rf"|\W{{0,3}}(?:[A-Z][a-z]{{2,8}},? )?(?:{MONTH} {{1,2}}\d{{1,2}}|\d{{1,2}}[ /-]{MONTH})\b"
    rf".{{1,12}}{_TIME}"
)
_LEVEL = r"(?:INFO|DEBUG|WARN|WARNING|ERROR|TRACE|FATAL|NOTICE|CRITICAL|SEVERE)"
_LOGGED = re.compile(
    rf".{{0,120}}?(?<![\w'’]){_LEVEL}(?![\w'’])|.{{0,120}}?[\[<](?i:{_LEVEL})[\]>]"
)
# What belongs to the input of a model, around or between the turns.
_ROLE_MARK = re.compile(r"\[/?INST\]|<</?SYS>>|</?s>|<\|\w+\|>|<(?:start|end)_of_turn>")
_CODE = re.compile(
    r"\s*(?:#!|//|/\*|<[a-zA-Z/!?]|[$>]\s|[;{}]|--\s|(?:import|from|def|class|return|function|var|let"
    r"|const|public|void|export|echo|cd|sudo|pip3?|python3?|git|source|SELECT|INSERT|CREATE|DROP"
    r"|UPDATE|ALTER|LOCK)\s+[\w.$({'\"`/~-]+(?:\s+(?:import|INTO|TABLE|FROM|=)\b.*|[;:({]?|.*[;{)])"
    r"$|[\w.\[\],-]+\s?(?:[=<>~!]=|:=|\+=)|[A-Za-z0-9_.]+\s?=\s?\S+$|(?:https?|ftp)://|www\.\w"
    r"|[~.]{0,2}/?[\w.-]+(?:[/\\][\w.-]+)+/?$|[!-~]+\.[a-z]\w{0,3}$)|.*[;{}]\s*$"
)
_CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TALK = re.compile(rf"[{_CJK}].*[{_CJK}]|[^\W\d_]['’\w]*,?\s+['\"“(]?[^\W\d_]")
_ENDED = re.compile(r"[^\W\d_].*[.!?…。！？~～][\"”』」)]?$|[\"“「『]")
# Any end of a sentence, a particle that only speech has, or somebody who speaks or is spoken to.
_SPOKEN = re.compile(
    r".*\w\W*[.,!?…。，！？~～]|.+\w[吧啊呀哦嘛啦哈呵了]\W*$|.*(?:[你我您咱].|\b(?:I|you|my|me)\b)"
)
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}][^\s{_CJK}]*")
_COUNTED = re.compile(r"\W*\d")
_QUESTION = re.compile(r".*[?？]\W*$|.*(?:吗|呢|什么|怎么|怎样|如何|哪些|为何|多少)")


def text_lines_of(sample: Sample) -> list[str]:
    """Give the lines of a sample that are not blank; none if no family of plain text fits."""
    if sample.suffix in _OTHER_SUFFIXES or is_json(sample):
        return []
    return [line for line in sample.lines if line.strip()]


def unmarked_lines_of(sample: Sample) -> list[str]:
    """Give the lines of a sample that are not blank, if nothing marks it as another format.

    Those are JSON, CSV, code, logs, chats with their times, plays with their names, and marks.
    """
    # A page of Markdown is lines and blocks too, and few are of talk.
    lines = [] if sample.suffix == ".md" else text_lines_of(sample)
    other = share(lines, _has_mark) > 0.1 or _is_csv(sample, lines) or is_log(lines)
    named = speakers_of(lines).counted or names_above(sample.lines) or begin_alike(lines)
    return [] if other or is_code(lines) or named else lines


def talk_lines_of(sample: Sample) -> list[str]:
    """Give the same lines if they look like talk: no list of words, numbers or questions."""
    lines = unmarked_lines_of(sample)
    if share(lines, is_talk) < 0.5 or (len(lines) > 4 and share(lines, _QUESTION.match) > 0.8):
        return []
    return [] if are_words(lines) or share(lines, _COUNTED.match) > 0.6 else lines


def is_stamped(lines: Sequence[str]) -> bool:
    """Say whether a time of day or of a film stands at the lines: a chat, a log, subtitles."""
    return share(lines, lambda line: _STAMPED.match(line[:200])) > 0.15


def is_log(lines: Sequence[str]) -> bool:
    """Say whether lines have times, the levels of a log, or the marks of a model's input."""
    if share(lines, lambda line: _LOGGED.match(line[:200])) > 0.3:
        return True
    return is_stamped(lines) or share(lines, lambda line: _ROLE_MARK.search(line[:500])) > 0.1


def is_code(lines: Sequence[str]) -> bool:
    """Say whether lines are commands, settings, paths, addresses or the source of a program."""
    return share(lines, lambda line: _CODE.match(line[:500])) > 0.3


def is_talk(text: str) -> bool:
    """Say whether somebody may have said this: words that follow each other, or one with an end."""
    text = text[:200].strip()
    digits = sum(map(str.isdigit, text))
    return 2 * digits < len(text) and bool(_TALK.search(text) or _ENDED.match(text))


def is_json(sample: Sample) -> bool:
    """Say whether a sample is JSON, and not a text that begins with a bracket."""
    if sample.layout is None:
        return False
    if any(isinstance(getattr(row, "value", row), (dict, list)) for row in sample.rows):
        return True
    # The first row may be longer than the sample. Text may begin with a bracket too: "[smiles]".
    return bool(_JSON_BEGIN.match(sample.text))


def are_words(lines: Sequence[str]) -> bool:
    """Say whether lines are a list of words, names or idioms, of which none says anything."""
    lines = [line[:200] for line in lines]
    if len(lines) < 10 or share(lines, lambda x: _SPOKEN.match(x) or _QUESTION.match(x)) > 0.1:
        return False
    size = median(len(_WORD.findall(line)) for line in lines)
    return size < (6 if share(lines, re.compile(f"[{_CJK}]").search) > 0.5 else 3)


def _has_mark(line: str) -> bool:
    return "\t" in line or CORNELL_MARK in line or TURN_END_MARK in line or line[:2] in ("M ", "<?")


def _is_csv(sample: Sample, lines: list[str]) -> bool:
    # A cell of several lines begins with a quote that ends further down.
    if share(lines, lambda line: line.startswith('"') and line.count('"') % 2) > 0.2:
        return True
    # Talk has commas too, but hardly the same number of them in nine lines of ten.
    try:
        widths = Counter(len(row) for row in csv.reader(lines))
    except csv.Error:
        return False
    if not widths:
        return False
    width, count = widths.most_common(1)[0]
    wide = width > 2 or (width == 2 and sample.suffix == ".csv")
    return wide and count >= _CSV_SHARE * widths.total()


def gather(
    utterances: Iterable[tuple[int, str | None]], report: FileReport
) -> Iterator[RawDialogue]:
    """Gather utterances into dialogues, one line each."""
    turns: list[str] = []
    begin = 0
    for number, text in chain(utterances, [(0, None)]):
        if text is not None:
            begin = begin if turns else number
            turns.append(text)
            if len(turns) < MAX_TURNS:
                continue
            report.note(f"dialogues cut after {MAX_TURNS:,} utterances")
        if turns:
            try:
                yield RawDialogue(checked_turns(turns), line=begin)
            except RowError as error:
                report.reject(begin, error.rule, " / ".join(turns))
            turns = []


class Said(NamedTuple):
    """What somebody said.

    Attributes:
        line: Where it stands.
        speaker: Who said it; only told from others, never kept.
        text: The words; blank for a picture, a voice message and the like.
    """

    line: int
    speaker: str
    text: str


def speeches(
    said: Iterable[Said | None], report: FileReport, speakers: int = 0
) -> Iterator[tuple[int, str | None]]:
    """Join what one speaker says in a row, and see where a dialogue ends: at None in `said`.

    Where more than so many `speakers` come in it is cut too; 0 lets all in.
    """
    turn: list[Said] = []
    known: set[str] = set()
    for one in chain(said, [None]):
        if one and turn and one.speaker == turn[0].speaker and len(turn) < MAX_TURNS:
            turn.append(one)
            continue
        if turn:
            text = "\n".join(part.text for part in turn if part.text.strip())
            if not text:
                report.note("turns without words, where a dialogue was cut")
            yield turn[0].line, text or None
        if one and speakers and one.speaker not in known and len(known) >= speakers:
            report.note("dialogues cut where one more speaker came in")
            known = set()
            yield one.line, None
        turn = [one] if one else []
        known = known | {one.speaker} if one else set()
        if not one:
            yield 0, None


def read_rows(
    rows: Iterable[tuple[int, Sequence[str]]], report: FileReport
) -> Iterator[RawDialogue]:
    """Make dialogues of rows that each hold a whole one."""
    for number, turns in rows:
        try:
            pieces = _cut_turns(turns, report)
        except RowError as error:
            report.reject(number, error.rule, error.found)
        else:
            yield from (RawDialogue(piece, line=number) for piece in pieces)


def _cut_turns(turns: Sequence[str], report: FileReport) -> list[tuple[str, ...]]:
    """Check the turns of one row; where one is empty, cut the dialogue in two."""
    empty = sum(not turn.strip() for turn in turns)
    if not empty and len(turns) <= MAX_TURNS:
        return [checked_turns(turns)]
    filled = [list(run) for said, run in groupby(turns, lambda t: bool(t.strip())) if said]
    runs = [run[i : i + MAX_TURNS] for run in filled for i in range(0, len(run), MAX_TURNS)]
    if cuts := len(runs) - len(filled):
        report.note(f"dialogues cut after {MAX_TURNS:,} utterances", cuts)
    pieces = [checked_turns(run) for run in runs if len(run) > 1]
    if not pieces:
        raise RowError("empty text", " / ".join(turns))
    if empty:
        report.note("empty turns, where a dialogue was cut", empty)
    if alone := sum(len(run) == 1 for run in runs):
        report.note("turns left alone by such a cut", alone)
    return pieces

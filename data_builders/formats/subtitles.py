# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
r"""Subtitles of films: what is shown at a time is an utterance.

    2                                        WEBVTT
    00:00:03,200 --> 00:00:05,000
    - Where is the <i>boat</i>?              00:03.200 --> 00:05.000
    - {\an8}Out.                             Wo ist das Boot?

    Dialogue: 0,0:00:03.20,0:00:05.00,Default,,0,0,0,,Where is\Nthe boat?

Lines of one cue are one utterance, except where dashes say that another speaker begins. A sentence
that goes on in the next cue in small letters is joined. Nothing says who speaks, so most replies
are what somebody else answered, and some are what the same person went on to say: `questions_only`
keeps what is a question and its answer. A long pause cuts the dialogue. Sounds in brackets, songs
(♪), credits, names in capitals and cues with nothing else are left out and counted. Where one line
of a cue is Chinese and the other is not, the Chinese one is kept: it is the translation.

Where most cues begin with who speaks, as those of meetings (`Ann Lee: Hello.`, `<v Ann Lee>`),
names are taken off, and what one of them says in a row is one utterance.

(pysubs2 reads these files too, but a cue with broken times becomes text of the cue before it,
and it keeps no line numbers for rejects.)
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from data_builders.cleaning.residue import remove_subtitle_residue
from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.plain_text import gather
from data_builders.formats.speakers import Take, speakers_of
from data_builders.reading import Reading, Sample
from data_builders.report import BuildReport, FileReport
from data_builders.translation import _

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[.,:](\d{1,3}))?"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_EVENT = re.compile(rf"Dialogue:\s*(?:\w+=)?\d+,\s*{_CLOCK}\s*,\s*{_CLOCK}\s*,([^,]*),(.*)")
# Signs, titles and songs have styles of their own.
_NO_SPEECH_STYLE = re.compile(
    r"(?i).*\b(?:sign|op|ed|song|karaoke|kara|title|staff|credit|注释)s?\b"
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<\d[^<>]*>|\{[\\*yYcCfFsS][^{}]*\}")
_SOUND = re.compile(r"\[[^\[\]]*\]|【[^【】]*】|[♪♫♬♩].*?(?:[♪♫♬♩]|$)|\([A-Z][A-Z \d'.,-]*\)")
_WHOLE_SOUND = re.compile(r"[-–—\s]*(?:\([^()]*\)|（[^（）]*）|#.*#|\*.*\*)\s*$")
_NAME = re.compile(r"^([-–—]?\s*)[A-Z][A-Z .'\d-]+:\s+")
_DASH = re.compile(r"^\s*[-–—－‐]+\s*(?=\S)")
_SECOND_DASH = re.compile(r"(?<=[.?!…,。？！，\"”])\s+[-–—－]\s*(?=[^\W\d_])")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LATIN_ONLY = re.compile(r"[\u0000-\u024f\u2010-\u2030]*[A-Za-z]{2}[\u0000-\u024f\u2010-\u2030]*$")
_OPEN_END = re.compile(r"(?:[^.?!…。？！\"”)]|\.{2,}|…)$")
_GOES_ON = re.compile(r"(?:\.\.\.?|…)?\s*[a-zà-öø-ÿа-я]")
_VOICE = re.compile(r"<v(?:\.[\w.]+)?\s+([^<>]+)>")
# So many cues of a file begin with a name, or names are words of it.
_LEAST_NAMED = 0.6
# A sentence goes on at once; rolling captions of one moment repeat what stood above.
_JOIN_SECONDS, _ROLL_SECONDS = 1.5, 0.05


class _Cue(NamedTuple):
    line: int
    begin: float
    end: float
    texts: list[str]


class _Spoken(NamedTuple):
    line: int
    begin: float
    end: float
    # Who speaks, or "", and what is said.
    parts: list[tuple[str, str]]


@dataclass
class SubtitlesConfig(FilesConfig):
    """Settings of subtitles.

    Attributes:
        pause: Seconds without a word after which a new dialogue begins.
    """

    pause: float = 5.0

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        number = isinstance(self.pause, int | float) and not isinstance(self.pause, bool)
        if not number or not self.pause > 0:
            raise UserError(
                "`pause` must be a number of seconds above 0 (got {given!r}).", given=self.pause
            )


class SubtitlesCorpus(FileCorpus):
    """Dialogues of a file of subtitles."""

    FORMAT = "subtitles"
    TITLE = "subtitles of a film: .srt, .vtt, .ass; a long pause cuts the dialogue"
    BUILDER_CONFIG_CLASS = SubtitlesConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether there are two cues with their times."""
        cues = sum(bool(_TIMES.match(line) or _EVENT.match(line)) for line in sample.lines)
        if not cues or 12 * cues < len([line for line in sample.lines if line.strip()]) - 60:
            return None
        return Guess(0.98 if cues > 1 else 0.8, why=_("cues with the times they are shown"))

    @classmethod
    def read_file(cls, file: Reading, config: SubtitlesConfig) -> Iterator[RawDialogue]:
        """Yield the dialogues between pauses."""
        sample, head = file.sample(), file.file.head()
        events = b"\nDialogue:" in head or "Dialogue:".encode("utf-16-le") in head
        cues = _events(file.lines()) if events else _cues(file.lines(), file)
        take = None if events else _names_in(sample)
        spoken = _spoken(_counted(cues, file.name), take, file)
        yield from gather(_joined(spoken, config.pause, bool(take), file), file)


def _names_in(sample: Sample) -> Take | None:
    """Say how names are taken off, if most cues begin with them."""
    cues = _cues(enumerate(sample.lines, start=1), FileReport(sample.name, BuildReport()))
    texts = [_plain(cue.texts[0]) for cue in cues if cue.texts]
    named = speakers_of(texts)
    return named.take if named.counted.total() > _LEAST_NAMED * len(texts) else None


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", _VOICE.sub(r"\1: ", text))).strip()


def _counted(cues: Iterable[_Cue], name: str) -> Iterator[_Cue]:
    cue = None
    for cue in cues:
        yield cue
    if cue is None:
        raise UserError(
            "{name}: no cue such as `00:00:03,200 --> 00:00:05,000` with its text below it. Check "
            "that these are subtitles in SRT, WebVTT or ASS.",
            name=name,
        )


def _cues(lines: Iterable[tuple[int, str]], report: FileReport) -> Iterator[_Cue]:
    cue: _Cue | None = None
    for number, line in lines:
        if found := _TIMES.match(line):
            if cue:
                # No blank line before it: the number of this cue was taken for text.
                texts = cue.texts[:-1] if cue.texts[-1:] and cue.texts[-1].isdigit() else cue.texts
                yield cue._replace(texts=texts)
            times = found.groups()
            cue = _Cue(number, _seconds(times[:4]), _seconds(times[4:8]), [])
        elif "-->" in line and not cue:
            report.reject(number, "broken times", line)
        elif cue and line.strip():
            cue.texts.append(line.strip())
        elif cue:
            yield cue
            cue = None
    if cue:
        yield cue


def _events(lines: Iterable[tuple[int, str]]) -> Iterator[_Cue]:
    # Signs and a second language stand apart from the talk; such a file has some 100 kB.
    cues = []
    for number, line in lines:
        found = _EVENT.match(line)
        if not found or _NO_SPEECH_STYLE.match(found[9]):
            continue
        text = found[10].split(",", 5)[-1]
        if re.search(r"\\p[1-9]|\\k[fo]?\d", text):
            continue  # A drawing, or the syllables of a song.
        texts = re.sub(r"\\[Nn]", "\n", text).replace("\\h", " ").split("\n")
        times = found.groups()
        cues.append(_Cue(number, _seconds(times[:4]), _seconds(times[4:8]), texts))
    yield from sorted(cues, key=lambda cue: cue.begin)


def _seconds(clock: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in clock)
    return 3_600 * int(hours) + 60 * int(minutes) + int(seconds) + float(f"0.{fraction}")


def _spoken(cues: Iterable[_Cue], take: Take | None, report: FileReport) -> Iterator[_Spoken]:
    """Give each cue the turns that are spoken in it, and leave out those without any."""
    last: _Cue | None = None
    for cue in cues:
        texts = [_plain(text if take else _VOICE.sub("", text)) for text in cue.texts]
        rolls = last is not None and abs(cue.begin - last.end) < _ROLL_SECONDS
        same = last is not None and cue.begin == last.begin
        before = last.texts if last and (rolls or same) else []
        last = cue._replace(texts=texts)
        texts = [text for text in texts if text and text not in before]
        if any(map(_CHINESE.search, texts)) and any(map(_LATIN_ONLY.match, texts)):
            kept = [text for text in texts if not _LATIN_ONLY.match(text)]
            report.note("lines in a second language left out", len(texts) - len(kept))
            texts = kept
        parts = [(who, said) for who, text in _parts(texts, take) if (said := _speech(text))]
        if parts:
            yield _Spoken(cue.line, cue.begin, cue.end, parts)
        elif texts:
            report.note("cues without speech (sounds, songs, credits) left out")


def _parts(texts: list[str], take: Take | None) -> list[tuple[str, str]]:
    """Join the lines of a cue, but for those where a name or dash begins another speaker."""
    parts: list[tuple[str, str]] = []
    for text in texts:
        if take and (found := take(text)):
            parts.append(found)
        elif _DASH.match(text) or not parts:
            pieces = _SECOND_DASH.split(text) if _DASH.match(text) else [text]
            parts += [("", _DASH.sub("", piece)) for piece in pieces]
        else:
            who, said = parts[-1]
            parts[-1] = who, _together(said, text)
    return parts


def _together(first: str, second: str) -> str:
    return first + ("" if _CHINESE.match(second) else " ") + second


def _speech(text: str) -> str:
    text = _SOUND.sub(" ", _NAME.sub(r"\1", text))
    if _WHOLE_SOUND.match(text) or not re.search(r"[^\W_]", text):
        return ""
    return _DASH.sub("", " ".join(remove_subtitle_residue(text).split()))


def _joined(
    cues: Iterable[_Spoken], pause: float, named: bool, report: FileReport
) -> Iterator[tuple[int, str | None]]:
    held, line, end, speaker = "", 0, 0.0, ""
    for cue in cues:
        gap = cue.begin - end
        for place, (who, text) in enumerate(cue.parts):
            apart = not place and (gap > pause or gap < -60)
            if named:
                goes_on = bool(held) and not apart and who in ("", speaker)
            else:
                ended = not held or not _OPEN_END.search(held) or not _GOES_ON.match(text)
                goes_on = not place and gap < _JOIN_SECONDS and not ended
                if goes_on:
                    report.note("cues joined that go on with a sentence")
            speaker = who or speaker
            if goes_on:
                held = _together(held, text) if named else f"{held} {text}"
                continue
            if held:
                yield line, held
                if apart:
                    yield line, None
            held, line = text, cue.line
        end = max(cue.end, cue.begin)
    if held:
        yield line, held

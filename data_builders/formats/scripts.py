# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Scripts in which each speech has the name of its speaker, and the texts of ParlAI.

    script                      parlai
    Q: Where is the boat?       text:Where is the boat?<TAB>labels:Out.
    A: It is out.               text:And when is it back?<TAB>labels:At six.<TAB>episode_done:True
    ===
    小明：今天吃什么            1 your persona: i have a boat.
    小红：吃面吧                2 Where is the boat?<TAB>Out.<TAB><TAB>At home.|Out.

Names are taken off, and neighbours of one name are joined; a line without a name goes on with the
speech above it. Lines of `=`, `-` or `*` end a dialogue, and so do blank lines, unless they stand
between all speeches. Where nothing does and the names are only Q and A, each question begins
one. A play may have any number of speakers; stage directions in brackets between speeches are left
out. A name may be the line above its speech too (`HAMLET.`, `First Citizen:`); in a play of that
kind acts and scenes end a dialogue, and paragraphs without a name are left out.

ParlAI and FbDialog: text and label of each line are two turns, candidates and personas are left
out, of several labels the first is taken. Where the text is a mark of silence, whoever replied goes
on. `episode_done:True`, or the number 1, ends a dialogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import NamedTuple

from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.plain_text import (
    Said,
    gather,
    is_code,
    is_log,
    is_talk,
    read_rows,
    speeches,
    text_lines_of,
)
from data_builders.formats.speakers import (
    ANSWERS,
    ASKS,
    ROLE,
    ROLES,
    Names,
    Take,
    name_above,
    names_above,
    role_of,
    share,
    speaker_and_text,
    speakers_of,
    stand_apart,
)
from data_builders.reading import Reading, Sample
from data_builders.report import FileReport
from data_builders.translation import _, listed

_RULE = re.compile(
    rf"(?!#+ (?:[^:：]{{1,30}}[:：]|(?i:{ROLE})$))"
    r"\s*(?:[=*_~#—-]\s?){3,}.{0,40}$|\s*(?:E|<eod>|\[END\])\s*$"
)
_QUOTED = re.compile(r"\s*>+ ?")
_DIRECTION = re.compile(
    r"\s*(?:(?:Exeunt|Exit|Enter|Re-enter)\b[^?!]*|\([^()]*\)|（[^（）]*）|\[[^\[\]]*\])\s*$"
)
# From so many names on it is a play.
_CAST = 4
_SCENE = re.compile(r"\s*(?:ACT|SCENE|Act|Scene) (?:[IVXLC]+|\d+)\b|\s*第.{1,4}[幕场場]")
_PARLAI = re.compile(r"(?:text|labels|eval_labels|episode_done|id|reward):")
_NUMBERED = re.compile(r"(\d{1,4}) (.*)")
_PERSONA = re.compile(r"(?:your|partner's) persona:.*")
_SILENCE = ("__SILENCE__", "<SILENCE>", "__null__")


class ScriptCorpus(FileCorpus):
    """Dialogues of a script with the names of those who speak."""

    FORMAT = "script"
    TITLE = "`Q: ...`, `A: ...` or `NAME: ...` before each speech; names are taken off"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether names that come again begin the lines: 0.9 for Q and A, 0.8 for others."""
        lines = _unquoted(text_lines_of(sample))
        names, above = _names_of(sample)
        if not names.counted:
            return None
        found = [name_above(line) if above else names.take(line) for line in lines]
        if above:
            said = [line for line, name in zip(lines, found, strict=True) if not name]
        else:
            said = [one[1] for one in found if one]
        # A time of its own beside each name is no log.
        rest = [line for line, name in zip(lines, found, strict=True) if not name]
        plain = [*filter(None, said), *rest]
        if is_log(plain) or is_code(plain) or share(said, _has_tab) > 0.2:
            return None
        if share([text for text in said if text], is_talk) < 0.4:
            return None
        lower = set(map(role_of, names.counted))
        shown = listed(name for name, _number in names.counted.most_common(2))
        why = (
            _("names above lines: {names}", names=shown)
            if above
            else _("lines begin with who speaks: {names}", names=shown)
        )
        # A few names above lines may be headings, as of recipes and songs.
        doubt = above and len(lower) < _CAST and not lower <= ASKS | ANSWERS | ROLES
        score = 0.9 if lower <= ASKS | ANSWERS else 0.8
        return Guess(score, why=why, alone=doubt or not names.sure)

    @classmethod
    def read_file(cls, file: Reading, config: FilesConfig) -> Iterator[RawDialogue]:
        """Yield the dialogues between dividers."""
        sample = file.sample()
        found, above = _names_of(sample)
        names = set(map(role_of, found.counted))
        first = _unquoted(sample.lines)
        blank_cuts = _blank_lines_cut(first, name_above if above else found.take)
        rules = blank_cuts or any(map(_RULE.match, first))
        each = not rules and bool(names) and names <= ASKS | ANSWERS
        lines = file.lines_and_gaps()
        if _is_quoted(sample.lines):
            lines = ((number, line and _QUOTED.sub("", line)) for number, line in lines)
        apart = above and stand_apart(first)
        cast = None if above else found.take
        play = apart and len(names) >= _CAST
        script = _Script(cast, set(found.counted), apart, play, blank_cuts, each)
        yield from gather(speeches(script.said(lines, file), file), file)


class ParlaiCorpus(FileCorpus):
    """Dialogues of a file in the text format of ParlAI or in FbDialog."""

    FORMAT = "parlai"
    TITLE = "ParlAI (`text:` tab `labels:`) or FbDialog (number, text, tab, label)"

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether lines have the fields of ParlAI, or begin with numbers that start again."""
        lines = text_lines_of(sample)
        if share(lines, lambda line: line.startswith("text:") and "\t" in line) > 0.8:
            return Guess(0.97, why=_("fields text: and labels:"))
        numbered = [_NUMBERED.fullmatch(line) for line in lines]
        numbers = [int(found[1]) for found in numbered if found]
        steps = zip(numbers, numbers[1:], strict=False)
        if len(numbers) < max(2, 0.9 * len(lines)) or numbers[0] != 1:
            return None
        in_order = share(list(steps), lambda step: step[1] in (1, step[0] + 1))
        if in_order < 0.9 or share(lines, _has_tab) < 0.3:
            return None
        return Guess(0.96, why=_("numbered lines with a tab before the reply"))

    @classmethod
    def read_file(cls, file: Reading, config: FilesConfig) -> Iterator[RawDialogue]:
        """Yield one dialogue an episode."""
        yield from read_rows(_episodes(file.lines(), file), file)


def _has_tab(line: str) -> bool:
    return "\t" in line


def _is_quoted(lines: Sequence[str]) -> bool:
    return share([line for line in lines if line.strip()], _QUOTED.match) > 0.9


def _unquoted(lines: list[str]) -> list[str]:
    """Take off the mark of a quotation that stands at all lines."""
    return [_QUOTED.sub("", line) for line in lines] if _is_quoted(lines) else lines


def _names_of(sample: Sample) -> tuple[Names, bool]:
    """Find the names, and say whether they stand on lines of their own."""
    lines = _unquoted(text_lines_of(sample))
    inline, above = (
        speakers_of([line for line in lines if not _RULE.match(line)]),
        names_above(_unquoted(sample.lines)),
    )
    texts = [found[1] for line in lines if (found := inline.take(line))]
    own = bool(above) and (not inline.counted or share(texts, bool) < 0.5)
    return (Names(above, speaker_and_text), True) if own else (inline, False)


def _blank_lines_cut(lines: list[str], named: Callable[[str], object]) -> bool:
    """Say whether blank lines stand between dialogues, and not between all speeches."""
    groups = groupby(lines, key=lambda line: bool(line.strip()))
    sizes = [sum(map(bool, map(named, group))) for is_text, group in groups if is_text]
    sizes = [size for size in sizes if size]
    return len(sizes) > 1 and share(sizes, lambda size: size > 1) > 0.5


class _Script(NamedTuple):
    """How speeches and their names stand in a script.

    Attributes:
        take: Takes a name off the beginning of a line; None where names are lines of their own.
        names: Those seen at the beginning; the others speak too.
        apart: A name above what is said stands at the beginning of a paragraph.
        play: A paragraph without a name is a stage direction, and no more of a speech.
        blank_cuts: Blank lines stand between dialogues.
        each: Each question begins a dialogue.
    """

    take: Take | None
    names: set[str]
    apart: bool
    play: bool
    blank_cuts: bool
    each: bool

    def said(
        self, lines: Iterable[tuple[int, str | None]], report: FileReport
    ) -> Iterator[Said | None]:
        last: Said | None = None
        fresh, spoken, aside = True, False, False
        for number, line in lines:
            begins, fresh = fresh, line is None or not line.strip()
            if line is None or _RULE.match(line) or (not self.take and _SCENE.match(line)):
                yield None
                last, aside = None, self.play
            elif fresh:
                if self.blank_cuts and (spoken or self.take):
                    yield None
                    last = None
            elif self.take and _DIRECTION.match(line):
                report.note("stage directions left out")
            elif found := self.speaker(line, begins):
                if self.each and role_of(found[0]) in ASKS:
                    yield None
                last = Said(number, *found)
                spoken, aside = bool(found[1]), False
                yield last
            elif aside or (self.play and begins and spoken) or _DIRECTION.match(line):
                report.note("stage directions left out")
                aside = aside or (self.play and begins)
            elif last:
                spoken = True
                yield last._replace(line=number, text=line.strip())
            else:
                report.reject(number, "no speaker", line)

    def speaker(self, line: str, begins: bool) -> tuple[str, str] | None:
        """Take the name of a line, and what stands behind it."""
        if self.take:
            return self.take(line)
        name = name_above(line) or ""
        if name and (begins if self.apart else "," not in name or name in self.names):
            return name, ""
        found = speaker_and_text(line)
        return found if found and found[1] and found[0] in self.names else None


def _episodes(
    lines: Iterable[tuple[int, str]], report: FileReport
) -> Iterator[tuple[int, list[str]]]:
    turns: list[str] = []
    context: list[str] = []
    begin = 0
    for number, line in chain(lines, [(0, "1 ")]):
        row = _exchange(line)
        if row is None:
            if line.strip():
                report.reject(number, "unknown marker", line)
            continue
        begins, text, label, ends = row
        if begins:
            yield from _closed(begin, turns, context, report)
            turns, context = [], []
        kept = [part for part in text.split("\n") if not _PERSONA.fullmatch(part)]
        if left := text.count("\n") + 1 - len(kept):
            report.note("lines of a persona left out", left)
        context += [part for part in kept if part.strip()]
        if label is not None:
            begin = begin if turns else number
            asked = "\n".join(context)
            if asked not in _SILENCE:
                turns += [asked, label]
            elif turns:
                turns[-1] += f"\n{label}"
            else:
                turns.append(label)
            context = []
        if ends:
            yield from _closed(begin, turns, context, report)
            turns, context = [], []


def _closed(
    begin: int, turns: list[str], context: list[str], report: FileReport
) -> Iterator[tuple[int, list[str]]]:
    if context:
        report.note("texts without a reply left out", len(context))
    if turns:
        yield begin, turns


def _exchange(line: str) -> tuple[bool, str, str | None, bool] | None:
    """Take a line apart: whether it begins an episode, text, reply, whether it ends one."""
    if found := _NUMBERED.fullmatch(line):
        text, *others = found[2].split("\t")
        reply = others[0].split("|")[0] if others else None
        return found[1] == "1", _unescaped(text), reply and _unescaped(reply), False
    if not _PARLAI.match(line):
        return None
    fields = dict(part.partition(":")[::2] for part in line.split("\t"))
    labels = fields.get("labels", fields.get("eval_labels"))
    reply = None if labels is None else _unescaped(re.split(r"(?<!\\)\|", labels)[0])
    return False, _unescaped(fields.get("text", "")), reply, fields.get("episode_done") == "True"


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\|", "|").strip()

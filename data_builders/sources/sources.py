# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From paths to sources: which files are of which format, and which belong together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from data_builders.building.builder import DialogueConfig
from data_builders.errors import UserError, shown
from data_builders.formats.base import FilesConfig
from data_builders.formats.parallel import find_pairs
from data_builders.formats.registry import (
    FAMILIES,
    FILE_FAMILIES,
    TABLE_FAMILIES,
    GuessedFormat,
    guess_format,
)
from data_builders.formats.rows import JSON_SUFFIXES
from data_builders.formats.separated import bare_separator
from data_builders.reading import SourceFile, sample_of, source_files, text_lines
from data_builders.reading.files import Found, files_on_disk
from data_builders.report import BuildReport
from data_builders.rows.columns import unknown_sentence
from data_builders.rows.json_layout import row_names
from data_builders.rows.tables import look
from data_builders.selecting.settings import check_type
from data_builders.sources.saved import is_saved
from data_builders.translation import _, joined, listed, marked

# So many files of one kind in a folder are one corpus (SmileChat: 55,165 of one dialogue each).
MANY_FILES = 50
# What a single file of two parallel ones is taken for when it is looked at alone.
_PLAIN = ("parallel", "alternating", "blocks")
# Formats of two files, and the settings that name them.
_PAIRED = {"parallel": ("questions", "replies"), "cornell": ("lines", "conversations")}
_TO_SEE = 5
# A table of which so many rows are as wide as the first.
_TABLE = 0.9


@dataclass(frozen=True)
class SourceSpec:
    """One source of a mixture.

    Attributes:
        format: Name of the family.
        options: Settings of the family: `files`, `encoding`, `language` and its own.
        name: Short name for the report; the name of the file if None.
        license: Its licence, for the card.
        weight: How often its training dialogues are written; 0.5 takes half of them.
        lenient: Whether a file that cannot be read is left out and listed, as of a folder.
    """

    format: str
    options: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    license: str | None = None
    weight: float = 1.0
    lenient: bool = False

    def config(self, strict: bool = False) -> DialogueConfig:
        """Make the settings of the family, and check them."""
        if str(self.format) not in FAMILIES:
            raise UserError(
                "There is no format {format!r}. Choose from {known}.",
                format=self.format,
                known=listed(FAMILIES),
            )
        check_type("name", self.name or "", "my chat")
        check_options(self.format, self.options)
        kind = FAMILIES[self.format].BUILDER_CONFIG_CLASS
        for key in self.options:
            # Of one source they would be taken and do nothing; `languages` of chatterbot does.
            own = key == "languages" and not issubclass(kind, FilesConfig)
            if key in DialogueConfig.__dataclass_fields__ and not own:
                raise UserError(
                    "`{key}` is a setting of the whole build and not of one source. Put it beside "
                    "`sources`.",
                    key=key,
                )
        config = kind(strict=strict, license=self.license, **self.options)
        if isinstance(config, FilesConfig):
            config.lenient = self.lenient
        return config

    def shown_name(self) -> str:
        """Give the name, never with a folder of this machine."""
        if self.name:
            return self.name
        return FAMILIES[self.format].origins(self.config())[0].name


def check_options(format: str, options: Iterable[str]) -> None:
    """Refuse settings that a family does not have."""
    for key in options:
        if key not in FAMILIES[format].BUILDER_CONFIG_CLASS.__dataclass_fields__:
            raise UserError("The format {format} has no setting `{key}`.", format=format, key=key)


def find_sources(
    paths: Sequence[str],
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[SourceSpec]:
    """Say of which format each file is, guessing where nobody tells.

    Args:
        paths: Files, folders, patterns or archives.
        format: The family of all of them; None guesses each.
        options: Settings for all of them, such as an encoding.
        say: Takes a line for each guess, and for each file that is passed over.
    """
    options = dict(options or {})
    if format is not None:
        return [SourceSpec(format, {"files": tuple(paths), **options})]
    found = _Finder(options, say).find(paths)
    if not found:
        what = _("{names}: no file of a known format.", names=listed(paths))
        raise UserError(joined(what, _advice()))
    return found


def _advice() -> str:
    return _("See `python -m data_builders formats`, and name the format with --format.")


def _refusal(name: str, guess: GuessedFormat | None) -> str:
    file = next(source_files([name]))
    if not file.head(1):
        return _("{name} is empty. Check where it is from.", name=name)
    if guess is not None and guess.format in _PAIRED:
        two = _("{one} and {other}", one=_PAIRED[guess.format][0], other=_PAIRED[guess.format][1])
        return _(
            "{name}: {format} is two files, {two}, and this is one. Name both.",
            name=name,
            format=guess.format,
            two=two,
        )
    sample = sample_of(file)
    if names := row_names(sample):
        return unknown_sentence(name, names)
    if sample.layout is None and sample.suffix in (".csv", ".tsv", ".tab"):
        delimiter, header, share = look(sample.lines)
        if delimiter is not None and share > _TABLE:
            return _table_refusal(name, header)
    if sample.layout is None and sample.suffix in JSON_SUFFIXES:
        return _(
            "{name}: most of its beginning is no JSON. Write one whole object a line, or one "
            "array; with --format json what can be read is read, and the rest is listed.",
            name=name,
        )
    if sample.layout is None and (mark := bare_separator(sample.lines)):
        return _(
            "{name}: `{mark}` stands once in nearly every line. If it parts question and "
            "reply: `separated FILE --separator '{mark}'` instead of `build FILE`; if "
            "question and reply are two lines: `alternating FILE`.",
            name=name,
            mark=mark,
        )
    if sample.suffix == ".md":
        return _(
            "{name}: Markdown in which neither names nor marks tell the turns. If each line is a "
            "turn: `alternating FILE`, or `blocks FILE` where blank lines end a dialogue, instead "
            "of `build FILE`.",
            name=name,
        )
    return joined(_("{name}: no known format of dialogues.", name=name), _advice())


def _table_refusal(name: str, header: Sequence[str]) -> str:
    """Say what to do about a table whose first row is a row, or names that are not known."""
    if all(len(cell.split()) == 1 and cell.isascii() for cell in header):
        return unknown_sentence(name, header)
    return _(
        "{name}: a table whose first row names no columns that are known. If it has no names, "
        "number the columns from 1: `csv FILE --no-header --columns question=1 reply=2` "
        "instead of `build FILE`. Else name them: --columns question=NAME reply=NAME.",
        name=name,
    )


class _Kind(NamedTuple):
    """Files that are taken for the same, and what was seen of the first of them.

    Attributes:
        names: Paths, or "archive.zip/member".
        guess: What they are like, if anything.
        encoding: What is to be said of the encoding of the first.
        error: Why that cannot be read.
        archive: The archive they are in; "" of files on the disk.
    """

    names: list[str]
    guess: GuessedFormat | None = None
    encoding: str = ""
    error: Exception | None = None
    archive: str = ""

    def is_archive(self) -> bool:
        """Say whether it is all that is in an archive."""
        return self.names == [self.archive]

    def title(self) -> str:
        """Name it as the user sees it in a folder."""
        folder = str(Path(self.archive or self.names[0]).parent)
        name = self.names[0][len(folder) + 1 if folder != "." else 0 :]
        if len(self.names) == 1:
            return shown(name)
        return _("{names} and {number} more", names=shown(name), number=len(self.names) - 1)


class _Finder:
    """One search: the settings for all files, and who listens."""

    def __init__(self, options: dict[str, Any], say: Callable[[str], None]) -> None:
        self.options = options
        self.say = say
        # Archives of which every file is taken, and is of one kind.
        self.sizes: dict[str, int] = {}
        self.paths: Sequence[str] = ()

    def find(self, paths: Sequence[str]) -> list[SourceSpec]:
        self.paths = paths
        for path in paths:
            if is_saved(Path(path)):
                raise UserError(
                    "{path} is a dataset that was built already: train on it as it is. To mix it "
                    "with others, name the corpora it was built from.",
                    path=path,
                )
        files = files_on_disk(paths)
        for one in files:
            if one.unread:
                self.say(_passed_over(shown(Path(one.path).name), one.unread))
        kinds = [kind for group in _groups(files) for kind in self.kinds(group)]
        both = {**self.parallel(kinds), **self.cornell(kinds)}
        found: dict[Any, SourceSpec] = {}
        for kind in self.merged([kind for kind in kinds if kind.names[0] not in both]):
            if _is_together(kind) and not _has_dialogues(kind):
                kind = kind._replace(error=_unread(kind.names[0], _(_UNANSWERED)))
            if kind.error or kind.guess is None or kind.guess.format in _PAIRED:
                self.pass_over(kind, paths)
            elif kind.guess.guess.alone and (kind.is_archive() or kind.names[0] not in paths):
                self.say(_only_perhaps(kind))
            else:
                found[kind.names[0]] = self.single(kind)
                said = _(", read as {encoding}", encoding=kind.encoding) if kind.encoding else ""
                self.say(kind.guess.sentence(kind.title()) + said)
        for spec in {id(spec): spec for spec in both.values()}.values():
            names = [str(spec.options[key]) for key in _PAIRED[spec.format]]
            titles = " + ".join(shown(Path(name).name) for name in names)
            self.say(_("{name}: format {format}", name=titles, format=spec.format))
        order = {kind.names[0]: place for place, kind in enumerate(kinds)}
        found |= both
        names = sorted(found, key=lambda name: order.get(name, -1))
        return list({id(found[name]): found[name] for name in names}.values())

    def kinds(self, group: list[str]) -> list[_Kind]:
        """Look at files of one folder and suffix: at each, or of many at a few."""
        if len(group) == 1:
            return self.look(group[0])
        looks = (self.look(group[place]) for place in _few(len(group)))
        best = next((look for look in looks if look[0].guess or look[0].archive), None)
        if best is None:
            return [_Kind(group)]
        if not best[0].archive:
            return [best[0]._replace(names=group)]
        each = self.merged([kind for name in group for kind in self.look(name)])
        alike = all(kind.is_archive() and kind.guess == each[0].guess for kind in each)
        return [each[0]._replace(names=group, archive="")] if alike else each

    def look(self, name: str) -> list[_Kind]:
        """Look at one file; of an archive at each member, of many like ones at the first."""
        groups: dict[tuple[str, str], list[_Kind]] = {}
        archive = _archive_of(name)
        try:
            for file in source_files([name]):
                if file.name == shown(archive):
                    return [self.seen(file)._replace(names=[name])]
                member = archive + file.name[len(shown(archive)) :]
                group = groups.setdefault((str(Path(member).parent), file.suffix), [])
                kind = self.seen(file) if len(group) <= MANY_FILES else group[0]
                group.append(kind._replace(names=[member], archive=archive))
        except (UserError, OSError) as error:
            # What comes before damage is found; the rest is said when the rows are read.
            if not any(kind.guess for group in groups.values() for kind in group):
                return [_Kind([name], error=error)]
        self.sizes[name] = sum(map(len, groups.values()))
        return [kind for group in groups.values() for kind in _alike(group)]

    def seen(self, file: SourceFile) -> _Kind:
        if error := file.failure():
            return _Kind([], error=error)
        try:
            sample = sample_of(file, self.options.get("encoding"))
            if any(family.is_marked(sample) for family in TABLE_FAMILIES):
                # The columns of a table may stand at its end.
                with file.on_disk() as path:
                    guess = guess_format(sample._replace(path=path), self.options)
            else:
                guess = guess_format(sample, self.options)
        except (UserError, OSError) as error:
            return _Kind([], error=error)
        doubt = _unread(file.name, sample.doubt) if sample.doubt else None
        return _Kind([], guess, sample.encoding, doubt)

    def merged(self, kinds: list[_Kind]) -> list[_Kind]:
        """Put together the files of one assistant, and the members of an archive read alike."""
        found: dict[Any, _Kind] = {}
        homes = {Path(kind.names[0]).parent for kind in kinds if _is_together(kind)}
        for kind in kinds:
            key: Any = kind.names[0]
            if _is_together(kind):
                # `data/nlu.yml` below `domain.yml`: the outermost folder that has such files.
                key = next(home for home in reversed(Path(key).parents) if home in homes)
            elif kind.archive and kind.guess and not kind.error:
                settings = tuple(sorted(kind.guess.guess.options.items()))
                key = (kind.archive, kind.guess.format, settings, kind.guess.guess.alone)
            known = found.get(key)
            found[key] = known._replace(names=known.names + kind.names) if known else kind
        return [
            kind._replace(names=[kind.archive])
            if len(kind.names) == self.sizes.get(kind.archive) and not kind.error
            else kind
            for kind in found.values()
        ]

    def pass_over(self, kind: _Kind, paths: Sequence[str]) -> None:
        """Say that a file is not read, or raise that if it was named by itself."""
        name = kind.names[0]
        if name in paths:
            raise kind.error or UserError(_refusal(name, kind.guess))
        before = str(_unread(shown(name), ""))
        why = str(kind.error).removeprefix(before).rstrip(_(".")) if kind.error else ""
        self.say(_passed_over(kind.title(), why or _("no known format of dialogues")))

    def single(self, kind: _Kind) -> SourceSpec:
        assert kind.guess is not None
        options = {"files": tuple(kind.names), **kind.guess.guess.options, **self.options}
        name = None
        if kind.archive and not kind.is_archive():
            many = len(kind.names) > 1
            name = (
                f"{shown(Path(kind.archive).name)} ({kind.guess.format})" if many else kind.title()
            )
        elif len(kind.names) > 1:
            name = shown(Path(kind.names[0]).resolve().parent.name)
        return SourceSpec(kind.guess.format, options, name, lenient=self.lenient(*kind.names))

    def lenient(self, *names: str) -> bool:
        """Say whether files were found, and not named one by one."""
        return not set(names) <= set(self.paths)

    def parallel(self, kinds: Sequence[_Kind]) -> dict[str, SourceSpec]:
        """Join files named like questions and replies that have equally many lines."""
        plain = [
            kind.names[0]
            for kind in kinds
            if len(kind.names) == 1
            and not kind.error
            and (kind.guess is None or kind.guess.format in _PLAIN)
        ]
        joined: dict[str, SourceSpec] = {}
        for pair in find_pairs(plain):
            with suppress(UserError):  # of a damaged file, which says so where it is read
                if len(set(map(self.count_lines, pair))) == 1:
                    joined |= self.joined("parallel", *pair)
        return joined

    def cornell(self, kinds: Sequence[_Kind]) -> dict[str, SourceSpec]:
        """Join lines and conversations of one folder, the ones named most alike."""
        found = [(n, k.guess.guess.options) for k in kinds if k.guess for n in k.names]
        roles = _PAIRED["cornell"]
        lines, conversations = ([n for n, told in found if role in told] for role in roles)
        joined: dict[str, SourceSpec] = {}
        for name in conversations:
            if near := [n for n in lines if Path(n).parent == Path(name).parent]:
                (best,) = get_close_matches(name, near, n=1, cutoff=0)
                joined |= self.joined("cornell", best, name)
        return joined

    def joined(self, format: str, *names: str) -> dict[str, SourceSpec]:
        """Make one source of two files, by the name of each."""
        options = {**dict(zip(_PAIRED[format], names, strict=True)), **self.options}
        spec = SourceSpec(format, options, lenient=self.lenient(*names))
        return dict.fromkeys(names, spec)

    def count_lines(self, name: str) -> int:
        lines = text_lines(next(source_files([name])), BuildReport(), self.options.get("encoding"))
        return sum(1 for _line in lines)


def _is_together(kind: _Kind) -> bool:
    return bool(kind.guess and not kind.error and FILE_FAMILIES[kind.guess.format].TOGETHER)


_UNANSWERED = marked("no question in it is answered. Name the files of the assistant together.")


def _unread(name: str, why: str) -> UserError:
    return UserError("{file}: {reason}", file=name, reason=why)


def _passed_over(title: str, why: str) -> str:
    return _("{name}: passed over, {why}", name=title, why=why)


def _only_perhaps(kind: _Kind) -> str:
    """Say of a file that it may hold dialogues, and how it is taken all the same."""
    assert kind.guess is not None
    why = _("it only might be of dialogues ({why}).", why=kind.guess.guess.why or _("few marks"))
    if len(kind.names) == 1 and not kind.is_archive():
        way = _("Name it by itself to take it: {name}", name=shown(kind.names[0]))
    else:
        way = _("--format {format} takes it", format=kind.guess.format)
    return _passed_over(kind.title(), joined(why, way))


def _has_dialogues(kind: _Kind) -> bool:
    assert kind.guess is not None
    family = FILE_FAMILIES[kind.guess.format]
    config = family.BUILDER_CONFIG_CLASS(files=tuple(kind.names))
    try:
        return next(iter(family.read_sources(config, BuildReport())), None) is not None
    except UserError:
        return True  # said when it is read


def _archive_of(name: str) -> str:
    """Give the file on the disk that a name is, or is in."""
    archive = name
    while not os.path.exists(archive) and archive != os.path.dirname(archive):
        archive = os.path.dirname(archive)
    return archive if os.path.isfile(archive) else name


def _groups(files: Sequence[Found]) -> list[list[str]]:
    """Put the many like files of one folder together, and leave the others alone, in order."""
    kinds: dict[tuple[str, str], list[str]] = {}
    place: dict[str, int] = {}
    for file in files:
        if file.unread:
            continue
        folder, name = os.path.split(file.path)
        names = [f"{file.path}/{member}" for member in sorted(file.members)] or [file.path]
        kinds.setdefault((folder, os.path.splitext(name)[1]), []).extend(names)
        place.update((name, len(place)) for name in names)
    many = [group for group in kinds.values() if len(group) > MANY_FILES]
    few = [[name] for group in kinds.values() if len(group) <= MANY_FILES for name in group]
    return sorted(many + few, key=lambda group: place[group[0]])


def _few(count: int) -> list[int]:
    """Choose some of many places, the first first."""
    return sorted({count * part // _TO_SEE for part in range(_TO_SEE)})


def _alike(group: list[_Kind]) -> list[_Kind]:
    """Take many members of one folder and suffix for one kind, as of a folder."""
    if len(group) <= MANY_FILES:
        return group
    best = next((kind for kind in group if kind.guess), group[0])
    return [best._replace(names=[name for kind in group for name in kind.names])]

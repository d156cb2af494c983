# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What people wrote to each other, as the apps export it.

    [03/05/24, 09:00:12] Ann: Is it dry?          WhatsApp of iOS, Signal (signal-export)
    03/05/24, 09:00 - Ann: Is it dry?             WhatsApp of Android
    2023-01-01 12:00:00 小明(10000)               QQ and WeChat: the text in the lines below
    2023-01-01 12:00:00 小明: 到了吗              WeChat, and others
    [小明] [오후 3:12] 到了吗                     KakaoTalk
    15:12<TAB>小明<TAB>到了吗                     LINE
    [15:12] 小明: 到了吗                          transcripts
    [03/05/2024 9:00 AM] ann                      DiscordChatExporter: the text in the lines below
    JSON of Telegram, Discord, Slack and Messenger, and tables (`chat_rows`)

Names, numbers and times are taken off, mentions (`@Ann`) are taken out of the texts. A line without
a stamp goes on with the message above it. What one person writes in a row is one turn. A pause of
four hours (`pause`) ends a dialogue. Pictures, voice messages, deleted ones and the like have no
words: where a turn has no others, the dialogue is cut there. What the app itself says (who joined,
who renamed the group) is left out, as are bots. All this is counted.

In a group the next message often answers somebody else. So a dialogue is cut where a third speaker
comes in; `speakers: 0` lets all in. A thread of Slack is a dialogue of its own, whatever stands
between its messages, and no pause ends it.

Lines with times in none of these layouts are refused: they may be a log as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess
from data_builders.formats.chat_rows import (
    MENTION,
    Message,
    Moments,
    app_messages,
    app_of_sample,
    chat_table,
    moments_of,
)
from data_builders.formats.plain_text import Said, gather, is_json, is_stamped, speeches
from data_builders.formats.speakers import share
from data_builders.reading import Reading, Sample
from data_builders.reading.sample import MAX_LINES
from data_builders.report import FileReport, shorten
from data_builders.translation import _

_DATE = r"(?P<date>\d{1,4}(?:\. ?|[/年-])\d{1,2}(?:\. ?|[/月-])\d{1,4}[日.]?)"
_TIME = (
    r"(?P<time>(?:(?:上午|下午|凌晨|早上|中午|晚上|午前|午後|오전|오후)\s?)?\d{1,2}[:.]\d{2}"
    r"(?:[:.]\d{2})?(?:\.\d{3})?(?:\s?[AaPp]\.?\s?[Mm]\.?)?)"
)
_STAMP = rf"{_DATE}[,\sT]{{1,3}}(?:at |um |à )?{_TIME}"
_SAID = r"(?P<name>[^:：“\"]{1,80})[:：](?:\s|$)"
# An app writes invisible marks of direction before what it says itself.
_MARKS = "\u200e\u200f\u202a\u202c\ufeff"
# Each may match a line of the one before it. Without a name it is the app that speaks.
_LAYOUTS = [
    re.compile(rf"[{_MARKS}]?" + layout + "$")
    for layout in (
        rf"\[{_STAMP}\]\s(?:{_SAID})?(?P<text>.*)",
        rf"{_STAMP}\s[-–]\s(?:{_SAID})?(?P<text>.*)",
        rf"\(?{_STAMP}\)?,?\s{{1,8}}{_SAID}(?P<text>.*)",
        rf"{_STAMP}\t(?P<name>[^\t]{{1,80}})\t(?P<text>.*)",
        rf"{_STAMP}\s{{1,8}}(?P<name>\S.{{0,79}}?)(?P<text>)\s*",
        rf"(?P<name>\S.{{0,79}}?)[:：]?\s{{1,8}}\(?{_STAMP}\)?(?P<text>)\s*",
        rf"\[(?P<name>[^\[\]]{{1,40}})\] \[{_TIME}\] (?P<text>.*)",
        rf"{_TIME}\t(?P<name>[^\t]{{0,80}})(?:\t(?P<text>.*))?",
        rf"[\[(]?{_TIME}[\])]?\s{{1,8}}(?![<*]){_SAID}(?P<text>.*)",
    )
]
# Elsewhere the app itself speaks so: this layout is taken only below the head of such a file.
_DISCORD = re.compile(rf"\[{_STAMP}\] (?P<name>\S.{{0,79}}?)(?: \(pinned\))?(?P<text>)\s*$")
_DAY = re.compile(rf"\W*(?:\w+,? )?{_DATE}\W*.{{0,12}}$")
_LEVEL = re.compile(
    r"(?i).*\b(?:info|debug|warn|warning|error|trace|fatal|notice|critical|date|time)\b"
)
_SYSTEM = frozenset(["系统消息", "系統消息", "System", "system"])
_NO_WORDS = re.compile(
    rf"[{_MARKS}].*|<[^<>]{{2,60}}>|.*\.\w{{3,4}} \([^()]+\)|null|<(?:\?xml|msg)\b(?s:.*)|"
    r"(?i:(?:image|video|audio|sticker|gif|document|contact card|media)s? omitted)|"
    r"(?i:(?:this message was|you) deleted(?: this message)?\.?|missed (?:voice|video) call.*)|"
    r"\[(?:图片|视频|语音|表情|动画表情|文件|链接|位置|名片|红包|转账|通话|圖片|照片|貼圖|影片|사진|"
    r"동영상|이모티콘|Photo|Video|Sticker|Voice|File|Image)[^\[\]]{0,30}\]|此消息已撤回|.{0,40}撤回了一条消息",
    re.DOTALL,
)
_PARTS = re.compile(
    rf"\[(?:图片|表情|动画表情|语音|视频)\]|[{_MARKS}]?<[^<>]{{0,60}}\b(?:edited|bearbeitet|已编辑)[^<>]{{0,60}}>$"
    r"|(?:^|\n)\{(?:Attachments|Embed|Stickers|Reactions)\}\n(?s:.*)"
)
# What Discord itself says stands in its text under the name of who did it.
_DONE = re.compile(
    r"Joined the server\.|Left the group\.|Pinned a message\.|Started a thread\.|"
    r"Started a call that lasted .+ minutes\.|Changed the channel (?:icon\.|name: .+)|"
    r"Added .+ to the group\.|Removed .+ from the group\."
)
_RULE = re.compile(r"={5,}|-{5,}")


@dataclass
class ChatExportConfig(FilesConfig):
    """Settings of exported chats.

    Attributes:
        pause: Hours of silence after which a new dialogue begins.
        speakers: How many may speak in a dialogue before it is cut; 0 lets all in.
    """

    pause: float = 4.0
    speakers: int = 2

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        for name in ("pause", "speakers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise UserError(
                    "`{name}` must be a number of at least 0 (got {value!r}).",
                    name=name,
                    value=value,
                )
        if self.speakers == 1:
            raise UserError(
                "`speakers` must be 0 or at least 2: one alone has no dialogue (got 1)."
            )


class ChatExportCorpus(FileCorpus):
    """Dialogues of an exported chat."""

    FORMAT = "chat_export"
    TITLE = (
        "a chat as WhatsApp, Signal, QQ, WeChat, Telegram, Discord, Slack or Messenger export it"
    )
    BUILDER_CONFIG_CLASS = ChatExportConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether messages have a stamp of a known layout, or the keys of an app."""
        if is_json(sample):
            app = app_of_sample(sample)
            return Guess(0.97, why=_("messages of {app}", app=app)) if app else None
        if table := chat_table(sample):
            return Guess(
                0.96,
                why=_("a table of messages: {columns}", columns=table.said),
                alone=table.kind is None,
            )
        lines = [line for line in sample.lines if line.strip()]
        if layout := _layout_of(lines):
            found = [layout.match(line[:500]) for line in lines]
            one = len({match["name"] for match in found if match and match["name"]}) < 2
            if one and len(sample.lines) < MAX_LINES:
                return None
            # A time of day and a word with a colon may be of a log too.
            doubt = one or layout is _LAYOUTS[-1]
            return Guess(0.95, why=_("lines with a time and a name"), alone=doubt)
        is_table = sample.suffix in (".csv", ".tsv")  # Whose columns may be told.
        if is_table or not is_stamped(lines) or "-->" in sample.text[:5_000]:
            return None
        return Guess(0.36, why=_("lines with times of no known layout"), alone=True)

    @classmethod
    def read_file(cls, file: Reading, config: ChatExportConfig) -> Iterator[RawDialogue]:
        """Yield the dialogues between pauses."""
        sample = file.sample()
        messages: Iterable[Message | None]
        if is_json(sample):
            messages = app_messages(sample, file)
        elif table := chat_table(sample):
            messages = table.messages(file.lines(), file)
        else:
            lines = [line for line in sample.lines if line.strip()]
            layout = _layout_of(lines)
            if layout is None and not lines:
                return
            if layout is None:
                shown = shorten(lines[0])
                raise UserError(
                    "{file}: the times in its lines are of no known layout of a chat (found "
                    "{found!r}). Write them as `[2024-05-03 09:00] Ann: text`.",
                    file=file.name,
                    found=shown,
                )
            messages = _text_messages(file, layout)
            if layout is _DISCORD:
                messages = _of_people(messages, file)
        yield from gather(speeches(_said(messages, config, file), file, config.speakers), file)


def _said(
    messages: Iterable[Message | None], config: ChatExportConfig, report: FileReport
) -> Iterator[Said | None]:
    """Take out what is no word of anybody, and cut at pauses."""
    last: Moments = ()
    for message in messages:
        if message is None:
            yield None
            continue
        if last and message.moments and _hours(last, message.moments) > config.pause:
            yield None
        last = message.moments or last
        text = _PARTS.sub("", message.text.strip()).strip()
        if not text or _NO_WORDS.fullmatch(text):
            report.note("messages without words (pictures, voice, deleted) left out")
            text = ""
        if "@" in text:
            text, count = MENTION.subn("", text)
            report.note("mentions of people taken out", count) if count else None
        yield Said(message.line, message.speaker, text.strip())


def _hours(before: Moments, after: Moments) -> float:
    """Say how long a pause is; of two readings of a date that is the shorter one."""
    gaps = [abs(b - a) for a, b in zip(before, after, strict=False) if a == a and b == b]
    return min(gaps, default=float("inf")) / 3_600


def _layout_of(lines: list[str]) -> re.Pattern[str] | None:
    """Find the layout that most lines have, if there are names in it."""
    if len(lines) > 1 and _RULE.match(lines[0]) and lines[1].startswith("Guild: "):
        return _DISCORD
    others = [line for line in lines if not _LAYOUTS[4].match(line)]
    if share(others, lambda line: line[:1] == "\t") > 0.6:
        return None  # The list of changes of a program.
    best, most = None, 1
    for layout in _LAYOUTS:
        found = [match for line in lines if (match := layout.match(line[:500]))]
        names = [match["name"] for match in found if match["name"]]
        again = len(set(names)) <= 0.7 * len(names) + 1
        if layout is _LAYOUTS[-1] and len(found) < 0.5 * len(lines):
            continue
        if len(found) > most and names and again and share(names, _LEVEL.match) < 0.2:
            best, most = layout, len(found)
    return best if most >= 0.08 * len(lines) else None


def _text_messages(file: Reading, layout: re.Pattern[str]) -> Iterator[Message | None]:
    message: Message | None = None
    for number, line in file.lines():
        found = layout.match(line)
        if not found and message and not _RULE.match(line) and not _is_day(line, layout):
            message = message._replace(text=f"{message.text}\n{line.rstrip()}")
            continue
        if message:
            yield message
        message = None
        if found and found["name"] and found["name"].strip() not in _SYSTEM:
            named = found.groupdict()
            moments = moments_of(named.get("date") or "2000-01-01", named["time"])
            message = Message(number, found["name"].strip(), found["text"] or "", moments)
        elif found:
            file.note("messages of the app itself left out")
        elif line.strip() and _is_day(line, layout):
            yield None
        elif line.strip():
            file.note("lines outside messages left out")
    if message:
        yield message


def _of_people(messages: Iterable[Message | None], report: FileReport) -> Iterator[Message | None]:
    """Leave out what Discord itself says under the name of who did it."""
    for message in messages:
        if message and _DONE.fullmatch(_PARTS.sub("", message.text.strip()).strip()):
            report.note("messages of the app itself left out")
        else:
            yield message


def _is_day(line: str, layout: re.Pattern[str]) -> bool:
    return "date" not in layout.groupindex and bool(_DAY.match(line[:80]))

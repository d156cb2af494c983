# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Messages of exported chats that are rows: the JSON of the apps, and tables with a header.

{"from": ..., "date": ..., "text": ...}             Telegram (result.json)
{"author": ..., "timestamp": ..., "content": ...}   DiscordChatExporter
{"type": "message", "user": ..., "ts": ..., "text": ...}    Slack, a file a day
{"sender_name": ..., "timestamp_ms": ..., "content": ...}   Messenger
date,name,message                                   any app
Type,IsSender,CreateTime,StrContent,Sender,...      WeChat (MemoTrace, PyWxDump, WeFlow)
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from data_builders.formats.speakers import share
from data_builders.reading import Reading, Sample
from data_builders.reading.json_rows import is_json
from data_builders.reading.sample import MAX_ROWS
from data_builders.report import BuildReport, FileReport, shorten
from data_builders.rows import tables
from data_builders.rows.csv_records import CsvRecords
from data_builders.rows.vocabulary import fold

_AFTERNOON = re.compile(r"(?i)p\.?\s?m|下午|晚上|午後|오후")
_FORENOON = re.compile(r"(?i)a\.?\s?m|上午|凌晨|早上|午前|오전")
MENTION = re.compile(
    r"<[@#!][^<>\s]{1,80}>|@[\u2068\u2069][^\u2068\u2069]{1,80}\u2069|(?<![\w.@/])@\+?[\w.-]+\u2005?"
)
_SLACK_LINK = re.compile(r"<(https?://[^<>|]+|mailto:[^<>|]+)(?:\|([^<>]*))?>")
_ALL_CHATS = re.compile(r'"chats":\s*\{[^\[\]]{0,2000}"list":\s*\[')
# The columns of a table: when, who, what.
_COLUMNS = [
    frozenset(names.split())
    for names in (
        "time timestamp date datetime date_time sent_at created_at sent createtime strtime "
        "时间 日期 发送时间 時間 發送時間",
        "name sender user author from speaker nickname username sender_name user_name from_name "
        "talker 发送人 发送者 昵称 姓名 用户 发言人 發送人 發送者 暱稱 用戶",
        "message text content body msg strcontent 内容 消息 消息内容 文本 內容 訊息",
    )
]
# Whether the owner of the account wrote it; in which chat; and what: text, a picture, a call.
_OWNER = frozenset("issender is_sender issend is_send is_self".split())
_CHAT = frozenset("talkerid talker_id room_name".split())
_KIND = frozenset("类型 type type_name".split())
_APP_KIND = re.compile("1000[0-9]|system.*|.*(?:系统|撤回|拍一拍).*", re.IGNORECASE)
_WORDLESS_KIND = re.compile(
    "3|34|4[2378]|50|image|picture|photo|voice|audio|video|sticker|emoji|location|contact|card|file|link|call|"
    ".*(?:图片|语音|视频|表情|位置|名片|通话|文件|链接|红包|转账|音乐|小程序|聊天记录).*",
    re.IGNORECASE,
)
_WHEN = re.compile(r"(\d{1,4}\D{1,2}\d{1,2}\D{1,2}\d{1,4}[日.]?)\D{1,4}(.{0,4}\d{1,2}[:.]\d{2}.*)")

_SINCE_1970 = re.compile(r"\d{9,}(?:\.\d+)?")

Moments = tuple[float, ...]


class Message(NamedTuple):
    """What somebody wrote.

    Attributes:
        line: Where it stands.
        speaker: Who wrote it.
        text: The words, and what stands for pictures.
        moments: When, with the day before the month and after it; empty if nobody knows.
    """

    line: int
    speaker: str
    text: str
    moments: Moments


def moments_of(date: str, time: str) -> Moments:
    """Read a stamp, whichever of its numbers is the day."""
    first, second, third = map(int, re.findall(r"\d+", date)[:3])
    orders = [(first, second, third)]
    if first < 100:
        year = third + 2_000 if third < 100 else third
        orders = [(year, second, first), (year, first, second)]
    hour, minute, *rest = map(int, re.findall(r"\d+", time)[:3])
    if _AFTERNOON.search(time):
        hour = hour % 12 + 12
    elif _FORENOON.search(time):
        hour %= 12
    return tuple(_seconds(*order, hour, minute, *rest) for order in orders)


def _seconds(*parts: int) -> float:
    try:
        return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]
    except ValueError:
        return float("nan")


def when(value: Any) -> Moments:
    """Read a time of ISO 8601, in seconds or milliseconds since 1970, or a date with a time."""
    text = str(value or "").strip()
    if _SINCE_1970.fullmatch(text):
        return (float(text) / (1_000 if float(text) >= 1e11 else 1),)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        parts = _WHEN.match(text)
        return moments_of(parts[1], parts[2]) if parts else ()
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp(),)


# What a row says of a message: who, what, when; None where it is the app itself that speaks.
_Told = tuple[str, str, Moments] | None


def _telegram(row: dict[str, Any]) -> _Told:
    if row["type"] != "message":
        return None
    text, parts = "", row["text"] if isinstance(row["text"], list) else [row["text"]]
    for part in parts:
        kind = part.get("type", "") if isinstance(part, dict) else ""
        if not kind.startswith("mention"):
            text += str(part.get("text", "")) if isinstance(part, dict) else str(part)
    sent = when(row.get("date_unixtime")) or when(row.get("date"))
    return str(row.get("from_id") or row.get("from")), text, sent


def _discord(row: dict[str, Any]) -> _Told:
    author = row["author"] if isinstance(row["author"], dict) else {"id": row["author"]}
    if row["type"] not in ("Default", "Reply", 0, 19, "0", "19") or author.get("isBot"):
        return None
    text = str(row["content"] or "")
    for mention in row.get("mentions") or []:
        for name in (mention.get("nickname"), mention.get("name")):
            text = text.replace(f"@{name}", "") if name else text
    return str(author.get("id") or author.get("name")), text, when(row["timestamp"])


def _slack(row: dict[str, Any]) -> _Told:
    said = row.get("subtype") in (None, "thread_broadcast", "me_message")
    if row["type"] != "message" or not said or "user" not in row or "bot_id" in row:
        return None
    text = _SLACK_LINK.sub(lambda found: found[2] or found[1], str(row.get("text") or ""))
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    sent = () if row.get("thread_ts") else when(row["ts"])
    return str(row["user"]), MENTION.sub("", text), sent


def _messenger(row: dict[str, Any]) -> _Told:
    text = str(row.get("content") or "")
    with suppress(UnicodeError):
        # UTF-8 written as if each byte were a character.
        text = text.encode("latin-1").decode("utf-8")
    return str(row["sender_name"]), text, when(row["timestamp_ms"])


_APPS: list[tuple[str, set[str], Callable[[dict[str, Any]], _Told]]] = [
    ("Discord", {"type", "timestamp", "content", "author"}, _discord),
    ("Telegram", {"type", "date_unixtime", "text"}, _telegram),
    ("Telegram", {"type", "date", "text", "id"}, _telegram),
    ("Slack", {"type", "ts", "text"}, _slack),
    ("Slack", {"type", "ts", "user"}, _slack),
    ("Messenger", {"sender_name", "timestamp_ms"}, _messenger),
]


def _app_of(row: Any) -> tuple[str, Callable[[dict[str, Any]], _Told]] | None:
    keys = row.keys() if isinstance(row, dict) else set()
    return next(((app, read) for app, needed, read in _APPS if needed <= keys), None)


def app_of_sample(sample: Sample) -> str:
    """Name the app that wrote a file of JSON, or give ""."""
    if _ALL_CHATS.search(sample.text):
        return "Telegram"
    rows = [row.value for row in sample.rows if row.key in (None, "messages")]
    fitting = [app for row in rows if (app := _app_of(row))]
    if not fitting or len(fitting) < 0.8 * len(rows) or _is_alone(rows, sample):
        return ""
    return fitting[0][0]


def app_messages(sample: Sample, file: Reading) -> Iterator[Message | None]:
    """Read the messages of a file of JSON in their order; None where a chat ends."""
    found = _rows(file)
    slack = any((app := _app_of(row.value)) and app[0] == "Slack" for row in sample.rows)
    messages = _read_rows(_threads(found) if slack else found, file)
    # A file of Messenger has at most 10,000.
    return reversed(list(messages)) if _newest_first(sample) else messages


def _newest_first(sample: Sample) -> bool:
    rows = [row.value for row in sample.rows]
    stamps = [
        row["timestamp_ms"] for row in rows if (app := _app_of(row)) and app[0] == "Messenger"
    ]
    return len(stamps) > 1 and when(stamps[0]) > when(stamps[-1])


def _is_alone(rows: list[Any], sample: Sample) -> bool:
    """Say whether fewer than two people wrote messages with words, and no more come."""
    told = [app[1](row) for row in rows if (app := _app_of(row))]
    if len({said[0] for said in told if said and said[1].strip()}) > 1:
        return False
    goes_on = len(sample.rows) == MAX_ROWS or not is_json(sample.text)
    return not goes_on


# A message with its line, as the file has it; None where a chat ends.
_Row = tuple[int, Any] | None


def _rows(file: Reading) -> Iterator[_Row]:
    for row in file.json_rows():
        if row.key in (None, "messages"):
            yield row.line, row.value
        elif row.key == "chats" and isinstance(row.value, dict):
            for chat in row.value.get("list") or []:
                for value in chat.get("messages") or [] if isinstance(chat, dict) else []:
                    yield row.line, value
                yield None


def _threads(rows: Iterable[_Row]) -> Iterator[_Row]:
    """Put the threads of Slack together where each begins, those within messages too."""
    flat, threads = [], defaultdict[str, dict[str, _Row]](dict)
    for line, row in filter(None, rows):
        replies = row.get("slackdump_thread_replies") if isinstance(row, dict) else None
        flat += [(line, one) for one in (row, *(replies or []))]
    flat.sort(key=lambda found: when(_stamp(found[1], "ts")))
    for line, row in flat:
        if thread := _stamp(row, "thread_ts"):
            threads[thread].setdefault(_stamp(row, "ts"), (line, row))
    for line, row in flat:
        thread = _stamp(row, "thread_ts")
        if not thread:
            yield line, row
        elif found := threads.pop(thread, None):
            yield from (None, *found.values(), None)


def _stamp(row: Any, name: str) -> str:
    return str(row.get(name) or "") if isinstance(row, dict) else ""


def _read_rows(rows: Iterable[_Row], report: FileReport) -> Iterator[Message | None]:
    for found in rows:
        if found is None:
            yield None
            continue
        line, row = found
        if (app := _app_of(row)) is None:
            report.reject(line, "missing field", shorten(row))
        elif said := app[1](row):
            yield Message(line, *said)
        else:
            report.note("messages of the app itself left out")


class ChatTable(NamedTuple):
    """A table with a message a row.

    Attributes:
        delimiter: What stands between its cells.
        time: Where the time stands.
        names: Where stands what tells one speaker from the other.
        text: Where the text stands.
        said: The names of these columns.
        chat: Where the chat stands, if there may be several.
        kind: Where stands whether it is text at all.
    """

    delimiter: str
    time: int
    names: tuple[int, ...]
    text: int
    said: str
    chat: int | None = None
    kind: int | None = None

    def messages(
        self, lines: Iterable[tuple[int, str]], report: FileReport
    ) -> Iterator[Message | None]:
        """Yield the messages below the header; None where a chat ends."""
        records = CsvRecords(iter(lines), self.delimiter)
        used = {self.time, *self.names, self.text, self.chat, self.kind} - {None}
        chats = defaultdict[str, list[Message]](list)  # They may alternate.
        for place, record in enumerate(records):
            if not place:
                records.width = len(record.cells)
                if others := records.width - len(used):
                    report.note("columns beside time, name and text left out", others)
            elif len(record.cells) != records.width:
                shown = record.broken or self.delimiter.join(record.cells)
                report.reject(record.line, "wrong number of columns", shown)
            else:
                cells = record.cells
                kind = "" if self.kind is None else cells[self.kind].strip()
                if _APP_KIND.fullmatch(kind):
                    report.note("messages of the app itself left out")
                    continue
                name = " ".join(cells[place].strip() for place in self.names).strip()
                text = "" if _WORDLESS_KIND.fullmatch(kind) else _words(cells[self.text])
                message = Message(record.line, name, text, when(cells[self.time]))
                if self.chat is None:
                    yield message
                else:
                    chats[cells[self.chat]].append(message)
        for messages in chats.values():
            yield from messages
            yield None


def _words(text: str) -> str:
    """Take the words out of the JSON that older versions of PyWxDump write."""
    if text.startswith("{") and '"msg"' in text:
        with suppress(ValueError, RecursionError):
            found = json.loads(text).get("msg")
            return found if isinstance(found, str) else text
    return text


def chat_table(sample: Sample) -> ChatTable | None:
    """Say where the columns of a chat are: time, name and text; names come again."""
    first = sample.lines[0].casefold() if sample.lines else ""
    needed = (_COLUMNS[0], _COLUMNS[1] | _OWNER, _COLUMNS[2])
    if not all(any(name in first for name in known) for known in needed):
        return None
    delimiter, header, _ = tables.look(sample.lines)
    if delimiter is None:
        return None
    names = [fold(name) for name in header]
    times, people, texts, owner, chats, kinds = (
        [place for place, name in enumerate(names) if name in known]
        for known in (*_COLUMNS, _OWNER, _CHAT, _KIND)
    )
    if not times or not people + owner or len(texts) != 1 or (len(times) > 1 and not owner):
        return None
    said = ", ".join(header[place].strip() for place in (times[0], *owner, *people, *texts))
    # A column `type` of another app may hold numbers that mean something else.
    kinds = [place for place in kinds if names[place] != "type" or "strcontent" in names]
    chat, kind = (next(iter(places), None) for places in (chats, kinds))
    table = ChatTable(delimiter, times[0], (*owner, *people), texts[0], said, chat, kind)
    lines = enumerate(sample.lines[:-1] or sample.lines, 1)
    rows = [row for row in table.messages(lines, FileReport("", BuildReport())) if row]
    speakers = [row.speaker for row in rows if row.speaker]
    again = 1 < len(set(speakers)) <= 0.7 * len(speakers) + 1
    return table if again and share(rows, lambda row: row.moments) > 0.8 else None

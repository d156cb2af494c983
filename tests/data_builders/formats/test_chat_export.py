# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Exported chats lose names, numbers and times, and are never read as lines."""

from __future__ import annotations

import json

import pytest

from data_builders.errors import UserError
from data_builders.formats.chat_export import ChatExportConfig, ChatExportCorpus
from data_builders.formats.registry import guess_format
from data_builders.reading import sample_of
from tests.data_builders.formats.text_formats import guess_of, read_text, rejected, source_of


def turns_of(text, **settings):
    found, report = read_text(ChatExportCorpus, text, **settings)
    return [raw.turns for raw in found], report


IOS = "[03/05/24, {:02}:00:12] {}: {}\n"
TALK = (("Ann", "Is it dry?"), ("Bob", "Yes, but\nthe door is stuck."), ("Ann", "那就好"))
SAID = tuple(text for _, text in TALK)


@pytest.mark.parametrize(
    "layout",
    [
        "[03/05/24, 09:0{}:12] {}: {}\n",
        "\u200e[3/5/24, 9:0{}:12\u202fPM] {}: {}\n",
        "[2024-05-03 09:0{}] {}: {}\n",
        "03/05/24, 09:0{} - {}: {}\n",
        "5/3/24, 9:0{}\u202fPM - {}: {}\n",
        "03.05.2024, 9:0{} p. m. - {}: {}\n",
        "2023-01-01 12:0{}:00 {}(10000)\n{}\n\n",
        "2023-01-01 12:0{}:00 {}<a@b.example>\n{}\n\n",
        "{1} 2023/1/1 12:0{0}:00\n{2}\n\n",
        "2023年1月1日 上午9:0{} {}: {}\n",
        "[{1}] [오후 3:0{0}] {2}\n",
        "15:0{}\t{}\t{}\n",
        "2023-01-01 12:0{}\t{}\t{}\n",
    ],
)
def test_layouts_of_text(layout):
    text = "".join(layout.format(number, *said) for number, said in enumerate(TALK))
    assert turns_of(text)[0] == [SAID]
    guess = guess_of(ChatExportCorpus, text)
    assert guess.score > 0.9 and not guess.alone
    assert guess_format(sample_of(source_of(text))).format == "chat_export"


def messages(*rows):
    return [dict(row) for row in rows]


def telegram(number, who, text):
    return {
        "id": number,
        "type": "message",
        "date": f"2024-05-03T09:0{number}:00",
        "from": who,
        "from_id": f"user{who}",
        "text": [{"type": "mention", "text": "@cat"}, {"type": "bold", "text": text[:2]}, text[2:]],
    }


def discord(number, who, text):
    return {
        "id": str(number),
        "type": "Default",
        "timestamp": f"2024-05-03T09:0{number}:00.000+00:00",
        "content": f"@Cat Smith {text}",
        "author": {"id": who, "name": who, "isBot": False},
        "mentions": [{"name": "cat", "nickname": "Cat Smith"}],
    }


def slack(number, who, text):
    stamp = f"170000000{number}.000200"
    return {"type": "message", "user": who, "ts": stamp, "text": f"<@U7> {text}"}


def messenger(number, who, text):
    broken = text.encode().decode("latin-1")
    return {"sender_name": who, "timestamp_ms": 1_700_000_000_000 + number, "content": broken}


@pytest.mark.parametrize(
    ("write", "wrap", "app"),
    [
        (telegram, lambda rows: {"name": "x", "id": 1, "messages": rows}, ("type", "service")),
        (telegram, lambda rows: {"chats": {"list": [{"messages": rows}]}}, ("type", "service")),
        (
            discord,
            lambda rows: {"guild": {"id": "1"}, "messages": rows},
            ("type", "GuildMemberJoin"),
        ),
        (slack, lambda rows: rows, ("subtype", "channel_join")),
        (messenger, lambda rows: {"participants": [], "messages": rows[::-1]}, None),
    ],
)
def test_layouts_of_json(write, wrap, app):
    rows = [write(number, *said) for number, said in enumerate(TALK)]
    if app:
        rows.insert(2, {**rows[1], app[0]: app[1]})
    text = json.dumps(wrap(rows))
    found, report = turns_of(text)
    assert found == [SAID] and not report.rejected
    assert report.notes.get("messages of the app itself left out", 0) == bool(app)
    assert guess_format(sample_of(source_of(text, "a.json"))).format == "chat_export"


def test_neighbours_are_joined_and_what_the_app_says_is_left_out():
    text = (
        "03/05/24, 09:00 - Messages are end-to-end encrypted.\n"
        "03/05/24, 09:00 - Ann: Is it dry?\n03/05/24, 09:01 - Ann: the shed\n"
        "03/05/24, 09:02 - Bob: <Media omitted>\n"
        "03/05/24, 09:02 - Bob: Yes <This message was edited>\n"
        "03/05/24, 09:03 - Cat joined\n03/05/24, 09:03 - Ann: ok\n"
    )
    found, report = turns_of(text)
    assert found == [("Is it dry?\nthe shed", "Yes", "ok")]
    assert report.notes == {
        "messages of the app itself left out": 2,
        "messages without words (pictures, voice, deleted) left out": 1,
    }


def test_a_turn_without_words_cuts():
    texts = ["One?", "Two.", "\u200eimage omitted", "Nice!", "Yes."]
    text = "".join(IOS.format(9, "AB"[n % 2], said) for n, said in enumerate(texts))
    found, report = turns_of(text)
    assert found == [("One?", "Two."), ("Nice!", "Yes.")]
    assert report.notes["turns without words, where a dialogue was cut"] == 1


@pytest.mark.parametrize(("pause", "parts"), [(4.0, [2, 2]), (24, [4])])
def test_a_pause_cuts(pause, parts):
    hours = (9, 9, 15, 15)
    text = "".join(IOS.format(hour, "AB"[n % 2], f"t{n}") for n, hour in enumerate(hours))
    assert [len(turns) for turns in turns_of(text, pause=pause)[0]] == parts


@pytest.mark.parametrize(
    ("before", "after", "together"),
    [
        ("31/12/23, 23:59", "01/01/24, 00:01", True),
        ("03/05/24, 23:59", "04/05/24, 00:01", True),
        ("5/31/24, 11:59 PM", "6/1/24, 12:01 AM", True),
        ("03/05/24, 12:30", "03/05/24, 17:30", False),
        ("03/05/24, 11:30 AM", "03/05/24, 12:30 PM", True),
    ],
)
def test_dates_of_both_orders(before, after, together):
    text = f"{before} - Ann: One?\n{after} - Bob: Two.\n"
    assert bool(turns_of(text)[0]) == together


def test_a_third_speaker_cuts_unless_let_in():
    who = ("Ann", "Bob", "Cat", "Ann")
    text = "".join(IOS.format(9, name, f"text {n}") for n, name in enumerate(who))
    found, report = turns_of(text)
    assert found == [("text 0", "text 1"), ("text 2", "text 3")]
    assert report.notes == {"dialogues cut where one more speaker came in": 1}
    assert len(turns_of(text, speakers=0)[0][0]) == 4
    for settings in ({"speakers": 1}, {"pause": -1}, {"pause": True}):
        with pytest.raises(UserError, match=f"`{next(iter(settings))}`"):
            ChatExportConfig(**settings)


def test_mentions_and_numbers_of_people_go_and_addresses_stay():
    said = ["hi @491711234567, ok?", "@\u2068Ann Smith\u2069 yes", "write a@b.example"]
    text = "".join(IOS.format(9, "AB"[n % 2], one) for n, one in enumerate(said))
    found, report = turns_of(text)
    assert found == [("hi , ok?", "yes", "write a@b.example")]
    assert report.notes == {"mentions of people taken out": 2}


def test_the_header_of_qq_is_left_out():
    head = "消息记录（此消息记录为文本格式）\n\n=====\n消息对象:小明\n=====\n\n"
    body = "2023-01-01 12:00:00 小明(1)\n到了吗\n\n2023-01-01 12:00:09 我\n[图片]快了\n\n"
    system = "2023-01-01 12:00:10 系统消息(10000)\n你们已是好友\n"
    assert turns_of(head + body + body + system)[0] == [("到了吗", "快了", "到了吗", "快了")]


RULE = "=" * 62 + "\n"
GUILD = f"{RULE}Guild: Sheds\nChannel: Text / dry\nTopic: Tools: all of them\n{RULE}\n"


@pytest.mark.parametrize(
    "stamp",
    ["03/05/2024 9:0{}\u202fAM", "2024-05-03 09:0{}", "2024/5/3 上午9:0{}", "03.05.2024 9:0{}"],
)
def test_the_text_of_discord(stamp):
    said = [
        ("Ann: the 1st", "Is it dry?\n"),
        ("Ann: the 1st (pinned)", "[x] 9:00\n\nthe shed\n"),
        ("bob", "\n{Attachments}\nhttps://a.example/door.png\nhttps://a.example/b.png\n"),
        ("bob", "Yes\n\n{Embed}\nA door\n\nof wood\n\n{Reactions}\n👍 (2)\n"),
        ("cat", "Joined the server.\n\n{Reactions}\n👋\n"),
        ("Ann: the 1st", "那就好\n"),
        ("bob", "See you\n"),
    ]
    text = GUILD + "".join(
        f"[{stamp.format(n)}] {who}\n{one}\n" for n, (who, one) in enumerate(said)
    )
    text += f"{RULE}Exported 7 message(s)\n{RULE}"
    found, report = turns_of(text)
    assert found == [("Is it dry?\n[x] 9:00\n\nthe shed", "Yes", "那就好", "See you")]
    assert not report.rejected
    assert report.notes == {
        "messages without words (pictures, voice, deleted) left out": 1,
        "messages of the app itself left out": 1,
        "lines outside messages left out": 8,
    }
    guess = guess_format(sample_of(source_of(text)))
    assert guess.format == "chat_export" and not guess.guess.alone


def test_stamps_over_lines_are_of_discord_only_below_its_head():
    text = "".join(f"[2024-05-03 09:00:{n:02}] started {n % 2}\nall is well\n\n" for n in range(20))
    assert guess_format(sample_of(source_of(text))).guess.alone
    with pytest.raises(UserError, match="no known layout"):
        turns_of(text)


@pytest.mark.parametrize(
    "line",
    [
        "2024-05-03 09:00:{:02} INFO: started\n",
        "[2024-05-03 09:00:{:02}] app.ERROR: it went wrong\n",
        "[00:{:02}.10]la la la it goes\n",
        "{{{}}}{{99}}Who is it?\n",
        "2024-05-03  09:{:02}  Ann <a@b.example>\n\n\t* a.c: it is dry\n\n"
        "2024-05-03  09:10  Bob <b@b.example>\n\n\t* b.c: it is wet\n\n",
        "Start-Date: 2024-05-03  09:00:{:02}\nDone: a\nEnd-Date: 2024-05-03  09:00:59\n",
    ],
)
def test_times_of_no_known_layout_are_refused_and_never_lines(line):
    text = "".join(line.format(n) for n in range(20))
    guessed = guess_format(sample_of(source_of(text)))
    assert guessed is None or (guessed.format == "chat_export" and guessed.guess.alone)
    with pytest.raises(UserError, match=r"a.txt: the times in its lines are of no known layout"):
        turns_of(text)


def test_rows_of_no_app_are_rejected():
    rows = [telegram(n, *said) for n, said in enumerate(TALK)]
    _, report = turns_of(json.dumps({"messages": [{"type": "x"}, *rows]}))
    assert rejected(report) == [(1, "missing field")]


def slack_row(number, who, text, thread=None, **more):
    row = {"type": "message", "user": who, "ts": f"17000{number:05}.0002", **more}
    row |= {} if text is None else {"text": text}
    return row | ({"thread_ts": f"17000{thread:05}.0002"} if thread else {})


def test_threads_of_slack_are_dialogues_of_their_own():
    rows = [
        slack_row(1, "A", "Is it dry?"),
        slack_row(2, "B", "It is."),
        slack_row(3, "A", "Who has the key?", thread=3),
        slack_row(4, "B", "Tea, anyone?", thread=4),
        slack_row(5, "B", "I have.", thread=3),
        slack_row(6, "A", "Yes, please.", thread=4),
        slack_row(7, "A", "Bring milk."),
        slack_row(8, "B", None, files=[{"id": 1}]),
        slack_row(9, "B", "I will."),
        slack_row(80_000, "A", "Keep it.", thread=3, subtype="thread_broadcast"),
    ]
    expected = [
        ("Is it dry?", "It is."),
        ("Who has the key?", "I have.", "Keep it."),
        ("Tea, anyone?", "Yes, please."),
        ("Bring milk.", "I will."),
    ]
    for found, report in (turns_of(json.dumps(rows)), turns_of(json.dumps(rows[::-1]))):
        assert found == expected and not report.rejected
        assert report.notes == {"messages without words (pictures, voice, deleted) left out": 1}


def test_replies_within_a_message_of_slack_are_its_thread():
    replies = [slack_row(2, "B", "I have.", thread=1), slack_row(9, "A", "Good.", thread=1)]
    root = slack_row(1, "A", "Who has the key?", thread=1, slackdump_thread_replies=replies)
    rows = [root, slack_row(3, "B", "Tea?"), slack_row(4, "A", "Yes.")]
    found, report = turns_of(json.dumps({"channel_id": "C", "name": "x", "messages": rows}))
    assert found == [("Who has the key?", "I have.", "Good."), ("Tea?", "Yes.")]
    assert not report.rejected and not report.notes


@pytest.mark.parametrize("write", [telegram, discord, slack, messenger])
def test_messages_of_one_person_are_no_dialogues(write):
    rows = [write(number, "Ann", text) for number, (_, text) in enumerate(TALK)]
    guessed = guess_format(sample_of(source_of(json.dumps({"messages": rows}), "a.json")))
    assert guessed is None
    text = "".join(IOS.format(9, "Ann", said) for _, said in TALK)
    assert guess_format(sample_of(source_of(text))) is None
    assert guess_of(ChatExportCorpus, text * 150).alone
    many = [write(number % 9, "Ann", "hello you") for number in range(60)]
    assert guess_of(ChatExportCorpus, json.dumps({"messages": many}), "a.json").score > 0.9


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("date,name,message", "2024-05-03 09:0{}:10,{},{}"),
        ("Timestamp;Sender;Text", '2024-05-03T09:0{}:10Z;{};"{}"'),
        ("name,id,time,content", "{1},{0},03.05.2024 9:0{0},{2}"),
        ("user\tbody\tsent", "{1}\t{2}\t171472680{0}"),
        ("时间,发送人,内容", '2024年5月3日 9:0{},{},"{}"'),
    ],
)
def test_tables_of_messages(header, row):
    said = [("Ann", "Is it dry?"), ("Ann", "Is it?"), ("Bob", "It is."), ("Ann", "那就好")]
    lines = [row.format(number, *one) for number, one in enumerate(said)]
    text = "\n".join([header, *lines]) + "\n"
    found, report = turns_of(text)
    assert found == [("Is it dry?\nIs it?", "It is.", "那就好")] and not report.rejected
    guessed = guess_format(sample_of(source_of(text, "a.csv")))
    assert guessed.format == "chat_export" and guessed.guess.alone
    assert guessed.guess.why.startswith("a table of messages: ")


@pytest.mark.parametrize(
    "text",
    [
        "date,name,message\n" + "".join(f"2024-05-0{n},u{n},it is dry\n" for n in range(1, 8)),
        "date,name,message\n" + "2024-05-03 09:00,Ann,it is dry\n" * 5,
        "date,name,message\n" + "Ann,dry,yes\nBob,wet,no\n" * 5,
        "date,name,price\n" + "2024-05-03 09:00,Ann,1\n2024-05-03 09:00,Bob,2\n" * 5,
    ],
)
def test_tables_that_are_no_chats(text):
    assert guess_of(ChatExportCorpus, text, "a.csv") is None


def test_a_pause_cuts_the_messages_of_a_table():
    text = "time,user,text,n\n" + "".join(
        f"2024-05-03 {hour:02}:00,{who},it is {hour},1\n"
        for hour, who in zip((1, 2, 9, 10), "ABAB", strict=True)
    )
    found, report = turns_of(text + "broken\n")
    assert found == [("it is 1", "it is 2"), ("it is 9", "it is 10")]
    assert rejected(report) == [(6, "wrong number of columns")]
    assert report.notes == {"columns beside time, name and text left out": 1}


# What each exporter of WeChat writes: the kinds of text, picture and app, and a row.
MEMOTRACE = (
    "localId,TalkerId,Type,SubType,IsSender,CreateTime,Status,StrContent,StrTime,Remark,NickName,"
    "Sender"
)
WECHAT = {
    MEMOTRACE: (
        ("1", "3", "10000"),
        "{n},7,{kind},0,{mine},168317280{n},2,{text},2023-05-04 12:00:0{n},阿花,小花,wxid_flower",
    ),
    "id,MsgSvrID,type_name,is_sender,talker,room_name,msg,src,CreateTime": (
        ("文本", "图片", "系统通知"),
        "{n},1{n},{kind},{mine},wxid_flower,wxid_flower,{text},,2023-05-04 12:00:0{n}",
    ),
    "id,MsgSvrID,type_name,is_sender,talker,room_name,content,CreateTime": (
        ("文本", "动画表情", "消息撤回1"),
        '{n},1{n},{kind},{mine},wxid_flower,,"{{""src"": """", ""msg"": ""{text}""}}",168317280{n}',
    ),
    "id,MsgSvrID,type_name,is_sender,talker,msg,src,CreateTime": (
        ("text", "image", "system"),
        "{n},1{n},{kind},{mine},小花,{text},,2023-05-04T12:00:0{n}.000Z",
    ),
    "消息ID,类型,发送人,时间,内容,备注,昵称,更多信息": (
        ("文本", "图片", "系统消息"),
        "{n},{kind},{who},2023-05-04 12:00:0{n},{text},{who},{who},更多",
    ),
}


@pytest.mark.parametrize(("header", "written"), WECHAT.items())
def test_tables_of_wechat(header, written):
    (words, picture, app), row = written
    said = [(app, 0, "以上是打招呼的消息"), (words, 0, "周末去爬山吗"), (words, 1, "好啊")]
    said += [(words, 1, "几点出发"), (picture, 0, "x.jpg"), (words, 0, "七点"), (words, 1, "行")]
    text = (
        header
        + "\n"
        + "".join(
            row.format(n=n, kind=kind, mine=mine, who="我" if mine else "小花", text=one) + "\n"
            for n, (kind, mine, one) in enumerate(said)
        )
    )
    found, report = read_text(ChatExportCorpus, text.encode("utf-8-sig"))
    assert [raw.turns for raw in found] == [("周末去爬山吗", "好啊\n几点出发", "七点", "行")]
    assert not report.rejected
    assert report.notes["messages of the app itself left out"] == 1
    assert report.notes["messages without words (pictures, voice, deleted) left out"] == 1
    guessed = guess_format(sample_of(source_of(text.encode("utf-8-sig"), "a.csv")))
    assert guessed.format == "chat_export" and not guessed.guess.alone


def memotrace(*rows):
    row = WECHAT[MEMOTRACE][1]
    return (
        MEMOTRACE
        + "\n"
        + "".join(
            row.format(n=n, kind=kind, mine=mine, text=text).replace(",7,", f",{chat},", 1) + "\n"
            for n, (kind, mine, text, chat) in enumerate(rows)
        )
    )


def test_xml_of_wechat_has_no_words_over_however_many_lines():
    picture = '"<?xml version=""1.0""?>\n<msg>\n\t<img md5=""1,2"" />\n</msg>"'
    rows = [(1, 0, "在吗", 7), (1, 1, "在", 7), (49, 0, picture, 7), (1, 1, "收到", 7)]
    found, report = turns_of(memotrace(*rows, (1, 0, picture, 7), (1, 1, "好", 7), (1, 0, "嗯", 7)))
    assert found == [("在吗", "在"), ("好", "嗯")]
    assert report.rejected == {"fewer than two turns": 1}
    assert report.notes["messages without words (pictures, voice, deleted) left out"] == 2


def test_chats_of_one_table_are_never_answers_to_each_other():
    rows = [(1, 0, "谁的猫", 7), (1, 1, "几点到", 8), (1, 0, "八点", 8), (1, 1, "邻居的", 7)]
    assert turns_of(memotrace(*rows))[0] == [("谁的猫", "邻居的"), ("几点到", "八点")]


def test_kinds_that_are_not_known_leave_nothing_out():
    rows = [(20, 0, "谁的猫", 7), (20, 1, "邻居的", 7), (21, 0, "真好看", 7), (21, 1, "是的", 7)]
    found, report = turns_of(memotrace(*rows))
    assert found == [("谁的猫", "邻居的", "真好看", "是的")]


@pytest.mark.parametrize(
    ("header", "kinds"),
    [
        ("timestamp,user,is_sender,type,text", ("1", "3")),
        ("时间,发送者,备注,类型,内容", ("文本消息", "引用消息")),
    ],
)
def test_kinds_with_words_keep_them(header, kinds):
    rows = [
        f"2024-05-03 09:0{n},{'Ann' if n % 2 else 'Bob'},{n % 2},{kinds[n % 2]},it is {n}\n"
        for n in range(6)
    ]
    found, report = turns_of(header + "\n" + "".join(rows))
    assert found == [tuple(f"it is {n}" for n in range(6))] and not report.rejected


@pytest.mark.parametrize(
    "cell", ['{""data"": {""msg"": ""hi""}}', '{""msg"": null}', '{""msg"": 1}']
)
def test_a_text_that_looks_like_json_stays_as_it_is(cell):
    rows = f'2024-05-03 09:00,Ann,"{cell}"\n2024-05-03 09:01,Bob,"{cell}"\n' * 2
    found, _ = turns_of("time,user,text\n" + rows)
    assert found == [(cell.replace('""', '"'),) * 4]


def test_the_words_of_discord_are_anybodys_elsewhere():
    said = "Added milk and eggs to the group."
    rows = f"2024-05-03 09:00,Ann,{said}\n2024-05-03 09:01,Bob,Yes\n" * 2
    assert turns_of("time,user,text\n" + rows)[0] == [(said, "Yes") * 2]


@pytest.mark.parametrize("stamp", ["[09:0{}]", "00:09:0{}", "(09:0{})"])
def test_a_time_of_day_and_a_name_may_be_of_a_log(stamp):
    text = "".join(f"{stamp.format(n)} {who}: {said}\n" for n, (who, said) in enumerate(TALK))
    assert turns_of(text)[0] == [SAID] and guess_of(ChatExportCorpus, text).alone


def test_a_channel_of_irc_is_refused_aloud():
    text = "".join(f"[09:0{n}] <ann> bob: is it {n}?\n[09:0{n}] <bob> it is\n" for n in range(9))
    with pytest.raises(UserError, match="no known layout"):
        turns_of(text)

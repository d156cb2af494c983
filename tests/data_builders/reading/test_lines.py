# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Lines come out of any bytes, in any encoding, with their numbers, or are rejected."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.reading import SourceFile, sample_of, source_files, text_lines
from data_builders.reading import lines as lines_module
from data_builders.reading.encodings import guess_encoding, is_east_asian_utf8
from data_builders.report import BuildReport

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import text_encodings  # noqa: E402

CHINESE = (
    "今天天气很好，我们去公园走走吧。",
    "你吃饭了吗？我还没有。",
    "这本书是谁的？是我妹妹的，她昨天忘在这里了！",
    "明天早上八点开会，请大家不要迟到。",
    "他说他不知道，可是我觉得他知道。",
    "火车几点到站？",
    "好的，谢谢您。",
    "祝你生日快乐",
)
TRADITIONAL = ("這個問題我們還沒有討論過。", "請問車站怎麼走？", "謝謝，我覺得很好吃！")
EUROPEAN = (
    "Le café près de la gare est fermé aujourd'hui.",
    "Où est la bibliothèque ? À gauche, après l'église.",
    "Señor Núñez, ¿dónde está la estación?",
    "Die Straße führt über die Brücke nach Köln.",
    "São Paulo não é a capital, então é Brasília.",
    "Ångström åt en smörgås på ön.",
    "ÉTÉ À LA PLAGE, FÊTE DU VILLAGE",
    "It’s a naïve “cliché”… – he said",
)
EXACT = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030")

# Any characters that can be encoded; NULs and carriage returns have tests of their own.
line_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0\ufeff"))
line_lists = st.lists(line_text, max_size=30)


class Trickle(io.RawIOBase):
    """A stream that gives few bytes at once."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._data.read(min(len(buffer), self._size))
        buffer[: len(data)] = data
        return len(data)


def file_of(data: bytes, size: int = 1 << 20, name: str = "a.txt") -> SourceFile:
    return SourceFile(name, name, Trickle(data, size))


def lines_of(data: bytes, encoding: str | None = None, size: int = 1 << 20):
    report = BuildReport()
    return list(text_lines(file_of(data, size), report, encoding)), report


def texts_of(data: bytes, encoding: str | None = None) -> list[str]:
    return [line for _, line in lines_of(data, encoding)[0]]


def test_lines_are_numbered_and_blank_ones_count():
    assert lines_of(b"a\n\n\nb")[0] == [(1, "a"), (2, ""), (3, ""), (4, "b")]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_has_no_lines(data):
    assert lines_of(data)[0] == []


def test_mixed_line_ends():
    assert texts_of(b"a\r\nb\nc\r\n\r\nd") == ["a", "b", "c", "", "d"]


def test_a_lone_carriage_return_ends_a_line_only_without_newlines():
    assert texts_of(b"a\rb\rc\r") == ["a", "b", "c"]
    assert texts_of(b"a\rb\nc") == ["a\rb", "c"]


def test_unicode_separators_end_no_line():
    text = "a\u2028b\x85c\x0bd\x0ce\x1ef"
    assert texts_of(text.encode()) == [text]


def test_nul_characters_are_removed_and_counted():
    lines, report = lines_of("a\0b\n\0\n好\0\0\n".encode())
    assert [line for _, line in lines] == ["ab", "", "好"]
    assert report.notes == {"NUL characters removed": 4}


@given(lines=line_lists, encoding=st.sampled_from(EXACT), end=st.sampled_from(["\n", "\r\n"]))
def test_any_text_in_any_encoding_round_trips(lines, encoding, end):
    data = "".join(line + end for line in lines).encode(encoding)
    read, report = lines_of(data, encoding)
    assert read == list(enumerate(lines, 1))
    assert not report.rejected


@given(lines=line_lists, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_utf8_and_byte_order_marks_need_no_setting(lines, encoding):
    data = "".join(line + "\n" for line in lines).encode(encoding)
    assert lines_of(data)[0] == list(enumerate(lines, 1))


@given(text=st.lists(st.text(st.characters(codec="latin-1", exclude_characters="\n\r\0"))))
def test_latin1_round_trips_when_it_is_named(text):
    assert texts_of("".join(line + "\n" for line in text).encode("latin-1"), "latin-1") == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "gb18030", "utf-16"])
@given(lines=st.lists(st.sampled_from(CHINESE + TRADITIONAL[1:]), min_size=1, max_size=20))
def test_chinese_is_told_by_its_content(encoding, lines):
    data = "".join(line + "\n" for line in lines).encode(encoding)
    assert texts_of(data) == lines


@given(lines=st.lists(st.sampled_from(TRADITIONAL), min_size=1, max_size=20))
def test_traditional_chinese_in_big5_is_told_by_its_content(lines):
    assert texts_of("".join(line + "\n" for line in lines).encode("big5")) == lines


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16-le", "utf-16-be"])
@given(lines=st.lists(st.sampled_from(EUROPEAN), min_size=1, max_size=20))
def test_european_text_is_told_by_its_content(encoding, lines):
    data = "".join(line + "\n" for line in lines).encode(encoding)
    assert texts_of(data) == lines


JOINED = "lines in another encoding than their file, read as such ({} in {})"


@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from(["utf-8", "gb18030"]),
            st.lists(st.sampled_from(CHINESE + ("plain words", "")), max_size=20),
        ),
        min_size=1,
        max_size=6,
    ),
    size=st.integers(1, 400),
    encoding=st.sampled_from([None, "utf-8", "gb18030"]),
)
def test_parts_in_utf8_and_gb18030_are_both_read(parts, size, encoding):
    lines = [line for _, part in parts for line in part]
    data = b"".join((line + "\n").encode(codec) for codec, part in parts for line in part)
    read, report = lines_of(data, encoding, size)
    assert read == list(enumerate(lines, 1)) and not report.rejected
    told = encoding or guess_encoding(data).codec
    counts = {
        codec: sum(not x.isascii() for one, part in parts for x in part if one == codec)
        for codec in ("utf-8", "gb18030")
    }
    other = "gb18030" if told == "utf-8" else "utf-8"
    assert report.notes == ({JOINED.format(other, told): counts[other]} if counts[other] else {})


@pytest.mark.parametrize("size", [4 << 10, 1 << 18])
def test_a_part_in_another_encoding_may_come_after_the_head(size):
    lines = list(CHINESE) * (size // 40)
    for first, second in (("utf-8", "gb18030"), ("gb18030", "utf-8"), ("big5", "utf-8")):
        these = list(TRADITIONAL) * (size // 40) if first == "big5" else lines
        data = "".join(line + "\n" for line in these).encode(first)
        data += "".join(line + "\n" for line in lines[:9]).encode(second)
        read, report = lines_of(data)
        assert [line for _, line in read] == these + lines[:9]
        assert report.notes == {JOINED.format(second, first): 9}


@pytest.mark.parametrize(
    "line", ["Привет, как дела", "déjà vu à la café", "今天28°C", "28°C", "ñandú"]
)
def test_utf8_goes_on_below_a_line_in_gb18030(line):
    data = f"{line}\n{CHINESE[0]}\n".encode() + f"{CHINESE[0]}\n".encode("gb18030")
    data += f"{line}\n".encode() * 3
    assert texts_of(data) == [line, CHINESE[0], CHINESE[0], *[line] * 3]


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("cp949", "내일 뭐 해"),
        ("koi8-r", "ты где"),
        ("shift_jis", "こんにちは"),
        ("latin-1", "déjà vu"),
    ],
)
def test_a_part_in_another_language_is_rejected_and_never_read_as_chinese(encoding, line):
    data = f"{CHINESE[0]}\n".encode() * 9 + f"{line}\n".encode(encoding) * 9
    lines, report = lines_of(data)
    assert len(lines) == 9 and report.rejected == {"wrong encoding": 9} and not report.notes


def test_what_could_be_both_is_as_the_line_above_it():
    # In GB18030 these bytes are thanks, in UTF-8 two Cyrillic letters.
    thanks = "谢谢"
    assert thanks.encode("gb18030").decode() == "лл"
    before, after = "今天天气很好\n", "我们去公园走走吧\n"
    data = (before + "лл\n").encode() + (after + thanks + "\n茉莉\n").encode("gb18030")
    assert texts_of(data) == [before[:-1], "лл", after[:-1], thanks, "茉莉"]


@given(line=st.sampled_from(CHINESE), place=st.integers(0, 60))
def test_a_line_of_utf8_that_lost_a_byte_is_no_part_in_gb18030(line, place):
    raw = line.encode()
    raw = raw[: place % len(raw)] + raw[place % len(raw) + 1 :]
    lines, report = lines_of("你好\n早上好\n".encode() + raw + "\n再见\n".encode())
    assert [text for _, text in lines] == ["你好", "早上好", "再见"]
    assert report.rejected == {"wrong encoding": 1} and not report.notes


def test_chinese_lines_are_not_taken_for_utf8():
    folder = Path(lines_module.__file__).parents[1] / "corpora" / "small_talk" / "zh"
    texts = [
        text
        for path in folder.glob("*.jsonl")
        for row in map(json.loads, path.open(encoding="utf-8"))
        for text in row.get("dialogue") or (row["question"], row["reply"])
    ]
    assert len(texts) > 10_000
    assert not any(is_east_asian_utf8(text.encode("gb18030")) for text in texts)
    others = [x for x in texts if not x.isascii() and not is_east_asian_utf8(x.encode())]
    assert others == ["3×4=?"]


@given(english=st.integers(1, 300), chinese=st.sampled_from(CHINESE))
def test_one_chinese_line_among_english_ones_is_told(english, chinese):
    lines = ["How are you today?"] * english + [chinese]
    assert texts_of("\n".join(lines).encode("gb18030")) == lines


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "cp1252"])
def test_the_encoding_shows_only_after_the_head(encoding):
    late = EUROPEAN[0] if encoding == "cp1252" else CHINESE[0]
    lines = ["plain words"] * 100_000 + [late] * 3
    data = "\n".join(lines).encode(encoding)
    assert guess_encoding(data[: 1 << 18]).sure is False
    assert texts_of(data) == lines


@given(
    data=st.binary(max_size=300),
    size=st.integers(1, 50),
    encoding=st.sampled_from(
        [
            None,
            "utf-8",
            "gb18030",
            "utf-16-le",
            "utf-32-be",
            "cp1252",
            "shift_jis",
            "utf-7",
            "cp037",
        ]
    ),
)
def test_any_bytes_give_lines_or_rejects_or_are_asked_about(data, size, encoding):
    try:
        lines, report = lines_of(data, encoding, size)
    except UserError as error:
        assert encoding is None and "a.txt: its encoding cannot be told" in str(error)
        return
    numbers = sorted([n for n, _ in lines] + [reject.line for reject in report.rejects])
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(isinstance(line, str) and "\0" not in line for _, line in lines)
    "".join(line for _, line in lines).encode("utf-8")  # No lone surrogates get out.


@given(data=st.binary(max_size=400), size=st.integers(1, 400))
def test_the_size_of_the_chunks_does_not_show(data, size):
    for encoding in ("utf-8", "utf-16-le"):
        whole, report = lines_of(data, encoding)
        pieces, other = lines_of(data, encoding, size)
        assert (pieces, other.rejects, other.notes) == (whole, report.rejects, report.notes)


@given(data=st.lists(st.sampled_from([b"\r", b"\n", b"a"])).map(b"".join), size=st.integers(1, 4))
def test_line_ends_cut_by_chunks(data, size):
    assert lines_of(data, None, size)[0] == lines_of(data)[0]


@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_a_line_that_does_not_decode_is_rejected_with_its_number(encoding):
    data = "你好\n早上好\n".encode() + b"caf\xe9 \xff\n" + "再见\n".encode()
    lines, report = lines_of(data, encoding)
    assert lines == [(1, "你好"), (2, "早上好"), (4, "再见")]
    (reject,) = report.rejects
    assert (reject.file, reject.line, reject.rule) == ("a.txt", 3, "wrong encoding")
    assert reject.text == "not valid utf-8: caf\\xe9 \\xff"


def test_a_lone_surrogate_in_utf16_is_rejected():
    data = "a\n".encode("utf-16") + b"\x00\xd8\n\x00" + "b\n".encode("utf-16-le")
    lines, report = lines_of(data)
    assert lines == [(1, "a"), (3, "b")]
    assert [(reject.line, reject.rule) for reject in report.rejects] == [(2, "wrong encoding")]


def test_each_broken_line_of_utf32_is_rejected():
    broken = b"\xff\xff\xff\x7f" + "x\n".encode("utf-32-le")
    data = "a\n".encode("utf-32-le") + (broken + "b\n".encode("utf-32-le")) * 3
    lines, report = lines_of(data * 3000, "utf-32-le")
    assert {line for _, line in lines} == {"a", "b"} and report.rejected == {"wrong encoding": 9000}


def test_strict_stops_at_the_line():
    with pytest.raises(UserError, match=r"a\.txt:2: wrong encoding"):
        list(text_lines(file_of("好\n".encode() + b"\xff\n"), BuildReport(strict=True), "utf-8"))


@pytest.mark.parametrize("encoding", ["klingon", "hex", "rot13", "utf-8\0", ""])
def test_an_unknown_encoding_is_said(encoding):
    if not encoding:
        assert texts_of(b"a", encoding) == ["a"]
        return
    with pytest.raises(UserError, match="`encoding` must be an encoding"):
        lines_of(b"a", encoding)


@pytest.mark.parametrize("name", ["gbk", "GB2312", "gb18030"])
def test_older_names_of_gb18030_read_all_of_it(name):
    text = "这个字很少见：㐀𠀀"
    assert texts_of(text.encode("gb18030"), name) == [text]


def test_lines_that_are_too_long_are_rejected(monkeypatch):
    monkeypatch.setattr(lines_module, "MAX_LINE", 3 << 20)
    long = b"x" * (5 << 20)
    lines, report = lines_of(b"a\n" + long + b"\nb\n" + long)
    assert lines == [(1, "a"), (3, "b")]
    assert [(reject.line, reject.rule) for reject in report.rejects] == [
        (2, "line too long"),
        (4, "line too long"),
    ]


def test_a_long_line_below_the_limit_is_read(monkeypatch):
    monkeypatch.setattr(lines_module, "MAX_LINE", 6 << 20)
    assert texts_of(b"x" * (5 << 20) + b"\nb") == ["x" * (5 << 20), "b"]


@pytest.mark.parametrize(
    "case", list(text_encodings.cases()), ids=lambda case: "-".join(map(str, case))
)
def test_the_table_of_encodings(case):
    assert text_encodings.ours(case) == "right"


LATIN = {
    "cp850": "Où va le bus numéro 8 ?\tÀ la bibliothèque, puis à la gare.\n",
    "iso8859_15": "Combien ça coûte ?\tCinq €, pas très cher.\n",
    "cp1254": "Otobüs nereye gidiyor?\tÖnce kütüphaneye, ışıkları açık.\n",
    "cp1253": "Πού πάει το λεωφορείο;\tΣτη βιβλιοθήκη και μετά στον σταθμό.\n",
    "cp1255": "לאן נוסע אוטובוס?\tלספרייה ואחר כך לתחנה.\n",
    "cp1256": "إلى أين تذهب الحافلة؟\tإلى المكتبة ثم إلى المحطة.\n",
    "cp874": "รถเมล์สายไหนไปสถานี\tไปห้องสมุดแล้วก็ไปสถานี\n",
    "iso8859_5": "Куда идёт автобус?\tДо библиотеки, а потом на вокзал.\n",
}


@pytest.mark.parametrize(("encoding", "text"), LATIN.items())
def test_other_languages_are_told_and_said_to_be_a_guess(encoding, text):
    lines, report = lines_of((text * 8).encode(encoding))
    assert "".join(f"{line}\n" for _, line in lines) == text * 8
    (note,) = report.notes
    assert note.startswith("files read as ") and note.endswith(", a guess")


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("cp1253", "Άσε το κλειδί στην πόρτα."),
        ("iso8859_7", "Καλημέρα, τι κάνεις;"),
        ("cp1250", "Dziękuję, proszę bardzo."),
        ("cp1250", "Ile to kosztuje? Pięć złotych."),
        ("iso8859_2", "Idę na pocztę po paczkę."),
        ("cp1250", "Nem tudom, kérdezd meg Pétert."),
        ("cp1254", "Akşam ne yapıyorsun? Sinemaya gidiyorum."),
        ("cp1252", "La fenêtre est fermée, là-bas."),
        ("cp1252", "Perché non vieni? È tardi."),
        ("cp1252", "Weißt du, wo die Brücke ist?"),
    ],
)
def test_one_line_of_a_language_is_told_by_its_letters(encoding, line):
    assert texts_of(line.encode(encoding) + b"\n") == [line]


def test_one_broken_line_among_ascii_costs_that_line():
    data = b"how are you?\tfine\n" * 40 + b"oh \xff\xfe\tno\n" + b"and you?\tfine too\n"
    lines, report = lines_of(data)
    assert len(lines) == 41 and report.rejected == {"wrong encoding": 1}
    assert report.rejects[0].line == 41 and not report.notes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("一二三\n".encode(), ""),
        ("一二三\n".encode("utf-8-sig"), "utf-8"),
        ("今天天气很好\n".encode("gb18030"), "gb18030"),
        ("une clé à côté\n".encode("cp1252"), "cp1252, a guess"),
    ],
)
def test_a_sample_says_the_encoding(data, said):
    assert sample_of(file_of(data)).encoding == said


def test_what_gives_no_language_asks_for_the_encoding():
    data = bytes(range(128, 256)) * 4 + b"\n"
    with pytest.raises(UserError, match=r"a\.txt: its encoding cannot be told .* --encoding"):
        lines_of(data)
    assert "cannot be told" in sample_of(file_of(data)).doubt
    assert lines_of(data, "latin-1")[0][0][1] == data.decode("latin-1")[:-1]


def test_doubt_comes_too_late_behind_much_ascii_and_costs_a_line():
    data = b"plain words\n" * 30_000 + b"\x81\x8d\x8f\xa0\xff\x90\n" + b"more\n"
    lines, report = lines_of(data)
    assert len(lines) == 30_001 and report.rejected == {"wrong encoding": 1}


@given(lines=line_lists, cut=st.integers(0, 300))
def test_a_sample_shows_whole_lines(lines, cut):
    data = "".join(line + "\n" for line in lines).encode()
    sample = sample_of(file_of(data))
    assert sample.lines == lines
    assert sample.text == data.decode()


@given(data=st.binary(max_size=500), encoding=st.sampled_from([None, "utf-8", "nonsense"]))
def test_a_sample_of_anything(data, encoding):
    file = file_of(data)
    sample_of(file, encoding)
    assert file.stream.read() == data


def test_a_sample_is_cut_at_400_lines_and_the_rest_is_left():
    file = file_of(b"line\n" * 200_000)
    sample = sample_of(file)
    assert len(sample.lines) == 400
    assert len(sample.text) < 300_000
    assert sum(1 for _ in text_lines(file, BuildReport())) == 200_000


def test_the_real_gb18030_file(shared_data):
    path = shared_data / "zh_community_qa" / "toyhom_internal_medicine_sample.csv.gz"
    (first, *_) = (sample_of(file) for file in source_files([str(path)]))
    assert first.lines[0].split(",")[1:] == ["title", "ask", "answer"]
    report = BuildReport()
    lines = [line for file in source_files([str(path)]) for _, line in text_lines(file, report)]
    hanzi = sum("一" <= char <= "鿿" for line in lines for char in line)
    assert hanzi > 0.7 * sum(map(len, lines))
    assert not report.rejected


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("en_dialogue/cornell/movie_titles_metadata.txt", 617),
        pytest.param("en_dialogue/cornell/movie_lines.txt.gz", 234_628, marks=pytest.mark.slow),
        ("zh_chitchat/chicken_and_gossip.txt", 20_149),
        ("zh_chitchat/kenhenry_zh/test.enc", 27_739),
        ("zh_community_qa/egret_wenda_lines.txt", 5_816),
    ],
)
def test_the_lines_of_real_files(shared_data, path, count):
    report = BuildReport()
    files = source_files([str(shared_data / path)])
    assert sum(1 for file in files for _ in text_lines(file, report)) == count
    assert not report.rejected


def test_the_real_latin1_file(shared_data):
    path = shared_data / "en_dialogue" / "cornell" / "movie_titles_metadata.txt"
    files = source_files([str(path)])
    read = [line for file in files for _, line in text_lines(file, BuildReport())]
    assert read == path.read_text("latin-1").replace("\r", "").split("\n")[:-1]

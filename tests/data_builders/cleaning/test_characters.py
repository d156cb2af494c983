# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The steps on single characters: mojibake, what shows nothing, one way to write each."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.cleaning.characters import (
    is_damaged,
    mend_mojibake,
    normal_forms,
    remove_control_characters,
)
from data_builders.cleaning.pipeline import Cleaner, CleaningSettings


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\x00b\x07c\x9bd", "abcd"),
        ("a\tb\nc", "a\tb\nc"),
        ("一\r\n二\r三\u2028四\x0b五\x0c六", "一\n二\n三\n四\n五\n六"),
        ("零\u200b宽\ufeff度\u2060\u00ad", "零宽度"),
        ("\u202eabc\u202c \u2067x\u2069", "abc x"),
        ("👩\u200d🚀 ❤\ufe0f 1\ufe0f\u20e3", "👩\u200d🚀 ❤\ufe0f 1\ufe0f\u20e3"),
        ("好\ufe0f 呀\u200d", "好 呀"),
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),
        ("a\u200cb", "ab"),
        (
            "🏴\U000e0067\U000e0062\U000e007f x\U000e0067",
            "🏴\U000e0067\U000e0062\U000e007f x",
        ),
        ("\ue000私\uf8ff用\U000f0000", "私用"),
        ("\ufdd0非\uffff字\U0001ffff", "非字"),
    ],
)
def test_control_characters_go_and_emoji_and_scripts_stay(text: str, cleaned: str) -> None:
    assert remove_control_characters(text) == cleaned


def test_no_control_private_or_unassigned_noncharacter_is_left() -> None:
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    left = {unicodedata.category(c) for c in remove_control_characters(everything)}
    assert not left & {"Cc", "Co", "Zl", "Zp"} - {"Cc"}
    controls = [c for c in remove_control_characters(everything) if unicodedata.category(c) == "Cc"]
    assert set(controls) == {"\n", "\t"}


def test_lost_characters_are_seen() -> None:
    assert is_damaged(remove_control_characters("你\ufffd好"))
    assert not is_damaged("你好")


@pytest.mark.parametrize(
    ("text", "damaged"),
    [
        ("今天锟斤拷去哪儿", True),
        ("锟斤拷锟斤拷锟斤拷", True),
        ("锟斤拷是什么意思", False),
        ("网页上都是乱码：锟斤拷", False),
        ("他叫王锟", False),
    ],
)
def test_lost_characters_read_as_gbk_are_damage(text: str, damaged: bool) -> None:
    assert is_damaged(text) is damaged
    found = Cleaner(CleaningSettings()).clean((text, "好"))
    assert found.rule == ("damaged characters" if damaged else "")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Ｈｅｌｌｏ，　１２３！", "Hello， 123！"),
        ("１＋１＝２，５０％＆＂ａ＂", '1+1=2，50%&"a"'),
        ("，。！？：；（）～「」《》…—、", "，。！？：；（）～「」《》…—、"),
        ("ｶﾀｶﾅ｡｢好｣", "ｶﾀｶﾅ。「好」"),
        ("e\u0301 \u212b", "é Å"),
        ("\uf900", "豈"),
        ("  a\u00a0\u2003b\tc \t", "a b c"),
        ("①㎡½", "①㎡½"),
        # Several lines, tables and code keep their blanks.
        ("if x:\n    y = 1\n\tz = 2  # no", "if x:\n    y = 1\n\tz = 2  # no"),
        ("    x = 1 \n    y = 2\t\n", "    x = 1\n    y = 2"),
        (" Sure!\n1. One\n   more\n\n\n\nEnd", "Sure!\n1. One\n   more\n\nEnd"),
        ("```\na = 1\n\n\n\nb = 2\n```\n\n\n\nEnd", "```\na = 1\n\n\n\nb = 2\n```\n\nEnd"),
        ("name  | size\n----  | ----\nant   | 1", "name  | size\n----  | ----\nant   | 1"),
        ("a  | b", "a  | b"),
        ("Type `ls  -l`", "Type `ls  -l`"),
        ("床前明月光\n    疑是地上霜", "床前明月光\n    疑是地上霜"),
        ("\u3000\u3000从前有座山\n\u3000\u3000山里有座庙\u3000", "从前有座山\n山里有座庙"),
        ("a\n\u00a0\u00a0b", "a\n  b"),
    ],
)
def test_normal_forms_keep_chinese_punctuation(text: str, normal: str) -> None:
    assert normal_forms(text) == normal


@pytest.mark.parametrize("encoding", ["latin-1", "iso8859_2"])
@given(text=st.text("你我他好的是在有人这中大来上国，。！？abc ", min_size=1, max_size=20))
def test_mojibake_is_mended_whatever_was_written(encoding: str, text: str) -> None:
    assert mend_mojibake(text.encode("utf-8").decode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("Itâ€™s", "It’s"),
        ("cafÃ©", "café"),
        ("donâ€™t be naÃ¯ve", "don’t be naïve"),
        ("他说：ä½\xa0å¥½", "他说：你好"),
        ("Ã¼ber â€œallesâ€\x9d", "über “alles”"),
        ("PÅ™Ã\xadliÅ¡", "Příliš"),
        ("ĺ¤§ĺŽśĺĽ˝", "大家好"),
    ],
)
def test_mojibake_is_mended_in_a_part_of_a_text_too(text: str, mended: str) -> None:
    assert mend_mojibake(text) == mended


@pytest.mark.parametrize(
    "text",
    (
        "déjà vu|été à Zürich|ŻÓŁĆ ćwierć|Ã|naïve café|“Â£5”|Ångström|São Paulo|l’été…|ÉTÉ|"
        "Tiếng Việt|français – oui|Größe™"
    ).split("|"),
)
def test_accents_are_no_mojibake(text: str) -> None:
    assert mend_mojibake(text) == text.replace("Â£", "£")

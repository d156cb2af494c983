# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The language of a dialogue, on short lines in twenty languages."""

from __future__ import annotations

import pytest

from data_builders.language import guess_language
from data_builders.output.card_header import _claimed

LINES = {
    "en": (
        "ok|haha|lol|thx bro|idk tbh|wanna grab lunch?|Where is the boat?|gonna b late|nope|u ok?|"
        "Good morning!|Yes, please.|Nice weather today|omg no way|Pizza|Mr. Jones's car|I do n't .|"
        "The café is closed on Sunday.|I met José yesterday.|No, Ben."
    ),
    "zh": (
        "你好|哈哈哈|好的，明天见|今天吃什么？|你吃飯了嗎|這本書很好看|东京大学很有名|ok好的|"
        "我用iPhone听Taylor Swift的歌|我用iPhone听Taylor Swift|iPhone 15 Pro Max多少钱|"
        "你看过Harry Potter吗|今晚去shopping，然后have dinner好不好"
    ),
    "mixed": (
        "Hello my World 你好吗|用macbook跑pytorch和jupyter|I love 你们 very much|"
        "Please say 再见 to them"
    ),
    "other": (
        # French, German, Spanish, Vietnamese
        "Où est la gare ?|Je ne sais pas.|Bonjour, ça va ?|C'est bon|merci beaucoup|"
        "Wo ist der Bahnhof?|Ich weiß es nicht.|Guten Morgen|Das ist gut|"
        "¿Dónde está la estación?|No lo sé|Hola, ¿qué tal?|muchas gracias|"
        "Bạn có khỏe không?|Tôi không biết|cam on ban|"
        # Italian, Portuguese, Indonesian, Dutch, Polish, Turkish, Swedish
        "Dov'è la stazione?|Non lo so|grazie mille|Onde fica a estação?|Não sei|"
        "Di mana stasiun kereta?|Saya tidak tahu|Waar is het station?|Ik weet het niet|"
        "Gdzie jest dworzec?|Nie wiem|İstasyon nerede?|Bilmiyorum|"
        "Var ligger stationen?|Jag vet inte|"
        # pinyin; Japanese, Korean, Russian, Ukrainian, Arabic, Thai, Hindi, Greek, Hebrew
        "ni hao ma|wo hen hao xie xie|駅はどこですか|ありがとう|カレーを食べたい|"
        "안녕하세요|밥 먹었어?|"
        "Где вокзал?|де вокзал, скажіть|أين المحطة؟|สถานีอยู่ที่ไหน|स्टेशन कहाँ है?|"
        # Russian and Korean that were read in a wrong encoding; no words at all
        "Πού είναι ο σταθμός;|איפה התחנה?|Êóäà èä¸ò àâòîáóñ|Ïðèâåò|123 456|😀|"
        "Bonjour mes amis, je dis 你好"
    ),
}


@pytest.mark.parametrize(
    ("text", "language"), [(text, key) for key, texts in LINES.items() for text in texts.split("|")]
)
def test_a_line_of_twenty_languages_is_never_taken_for_english(text: str, language: str) -> None:
    assert guess_language((text,)) == language


def test_one_foreign_word_does_not_make_an_english_dialogue_foreign() -> None:
    assert guess_language(("What is French for yes?", "Oui.")) == "en"


@pytest.mark.parametrize(
    ("counts", "claimed"),
    [
        ({"zh": 96, "en": 4}, ["zh"]),
        ({"zh": 95, "en": 5}, ["en", "zh"]),
        ({"other": 97, "mixed": 3}, []),
        ({"other": 90, "en": 4, "mixed": 6}, ["en", "zh"]),
        ({}, []),
    ],
)
def test_a_card_claims_no_language_of_less_than_a_twentieth(
    counts: dict[str, int], claimed: list[str]
) -> None:
    assert _claimed(counts) == claimed

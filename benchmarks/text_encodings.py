# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which encodings are read right, asked about, or read wrong: ours and charset-normalizer alone.

    python benchmarks/text_encodings.py

Writes the same invented questions and replies in 24 encodings and two sizes, and reads each file
both ways. "Asked" is a file that is refused with a sentence that asks for --encoding.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from charset_normalizer import from_bytes

from data_builders.errors import UserError
from data_builders.reading import SourceFile, text_lines
from data_builders.report import BuildReport

SIZES = (20, 600)
TEXTS = {
    "zh": (
        "{i}号线的公交车什么时候来？|大概还要等{i}分钟，别着急。",
        "你昨天晚上睡得好吗？|不太好，隔壁的狗叫了{i}次。",
        "第{i}个书架上有没有童话书？|有，在最下面那一层。",
        "要不要一起去湖边走走？|好啊，我先把碗洗了，{i}分钟就好。",
        "这件毛衣是谁织的？|是我奶奶织的，花了{i}天。",
    ),
    "hant": (
        "請問{i}號月台的火車開了嗎？|還沒有，您還有{i}分鐘可以買票。",
        "這張舊照片是在哪裡拍的？|在海邊，那時候我們才{i}歲。",
        "晚飯想吃什麼？|吃麵吧，樓下開了{i}家新店。",
        "你會說幾種語言？|兩種，不過第{i}課我還沒學會。",
        "窗戶關好了沒有？|關好了，燈也關了{i}盞。",
    ),
    "ja": (
        "{i}番のバスはどこへ行きますか。|図書館の前を通って駅へ行きますよ。",
        "昨日は何時に寝ましたか。|本を{i}ページ読んでから寝ました。",
        "この傘は誰のですか。|たぶん隣の山田さんの傘だと思います。",
        "夕飯は何を食べたいですか。|カレーがいいな、じゃがいもを{i}個入れてね。",
        "明日の天気はどうでしょう。|雨が降るかもしれないので、コートを持って行こう。",
    ),
    "ko": (
        "{i}번 버스는 어디로 가나요?|도서관을 지나서 역까지 갑니다.",
        "어제는 잘 잤어요?|아니요, 옆집 개가 {i}번이나 짖었어요.",
        "이 우산은 누구의 것입니까?|아마 우리 할머니 우산일 거예요.",
        "저녁에 무엇을 먹고 싶어요?|국수가 좋아요, {i}분만 기다려 주세요.",
        "내일 날씨는 어떨까요?|비가 올지도 모르니까 장화를 신으세요.",
    ),
    "ru": (
        "Куда идёт автобус номер {i}?|До библиотеки, а потом на вокзал.",
        "Ты хорошо спал этой ночью?|Не очень, соседская собака лаяла {i} раз.",
        "Чей это зонтик стоит у двери?|Кажется, его забыла наша бабушка.",
        "Что будем есть на ужин?|Давай сварим суп, мне нужно {i} минут.",
        "Какая завтра погода?|Говорят, пойдёт снег, надень тёплую шапку.",
    ),
    "fr": (
        "Où va le bus numéro {i} ?|À la bibliothèque, puis jusqu'à la gare.",
        "Tu as bien dormi cette nuit ?|Pas très bien, le chien a aboyé {i} fois.",
        "À qui est ce parapluie près de la fenêtre ?|Je crois que ma grand-mère l'a oublié.",
        "Qu'est-ce qu'on mange ce soir ?|Des pâtes, ça sera prêt dans {i} minutes.",
        "Il fera beau demain ?|Peut-être, mais garde ton bonnet bleu foncé à côté de toi.",
    ),
    "pl": (
        "Dokąd jedzie autobus numer {i}?|Do biblioteki, a potem na dworzec główny.",
        "Dobrze spałaś tej nocy?|Nie bardzo, pies sąsiada szczekał {i} razy.",
        "Czyj jest ten parasol przy oknie?|Myślę, że zostawiła go moja babcia.",
        "Co będziemy jeść na kolację?|Zróbmy żurek, potrzebuję {i} minut.",
        "Jaka będzie jutro pogoda?|Może śnieżyć, więc włóż ciepłą czapkę i wełniane rękawiczki.",
    ),
}
ENCODINGS = (
    *(("utf-8", "zh"), ("utf-8-sig", "zh"), ("gb18030", "zh"), ("hz", "zh"), ("utf-16", "zh")),
    *(("utf-16-le", "zh"), ("utf-16-be", "zh"), ("utf-32", "zh"), ("utf-32-le", "zh")),
    *(("big5", "hant"), ("cp950", "hant"), ("euc_jp", "ja"), ("shift_jis", "ja")),
    *(("iso2022_jp", "ja"), ("utf-16-le", "ja"), ("euc_kr", "ko"), ("cp1251", "ru")),
    *(("koi8_r", "ru"), ("cp866", "ru"), ("utf-16-le", "ru"), ("cp1252", "fr")),
    *(("mac_roman", "fr"), ("cp1250", "pl"), ("iso8859_2", "pl")),
)


class Case(NamedTuple):
    """A file: its encoding, language and number of rows."""

    codec: str
    language: str
    rows: int

    def lines(self) -> list[str]:
        """Give its text, a question, a tab and a reply a line."""
        texts = TEXTS[self.language]
        return [texts[i % len(texts)].format(i=i + 2).replace("|", "\t") for i in range(self.rows)]

    def data(self) -> bytes:
        """Give its bytes."""
        return "".join(f"{line}\n" for line in self.lines()).encode(self.codec)


def cases() -> Iterator[Case]:
    """Give all files."""
    return (Case(codec, language, rows) for codec, language in ENCODINGS for rows in SIZES)


def ours(case: Case) -> str:
    """Read a file as a build does: "right", "asked" or "wrong"."""
    report = BuildReport()
    try:
        file = SourceFile("a.tsv", "a.tsv", io.BytesIO(case.data()))
        lines = [line for _, line in text_lines(file, report)]
    except UserError as error:
        return "asked" if "--encoding" in str(error) else "wrong"
    return "right" if lines == case.lines() and not report.rejected else "wrong"


def alone(case: Case) -> str:
    """Read a file as charset-normalizer says: "right", "asked" (it finds nothing) or "wrong"."""
    best = from_bytes(case.data()).best()
    if best is None:
        return "asked"
    return "right" if str(best).lstrip("\ufeff").split("\n")[:-1] == case.lines() else "wrong"


def main() -> None:
    """Print the table and its sums."""
    sums = {"ours": Counter[str](), "alone": Counter[str]()}
    print(
        "| encoding | language | rows | ours | charset-normalizer alone |\n|---|---|---:|---|---|"
    )
    for case in cases():
        found = {"ours": ours(case), "alone": alone(case)}
        for way, result in found.items():
            sums[way][result] += 1
        cells = (case.codec, case.language, str(case.rows), *found.values())
        print(f"| {' | '.join(cells)} |")
    for way, counts in sums.items():
        print(
            f"{way}: " + ", ".join(f"{counts[name]} {name}" for name in ("right", "asked", "wrong"))
        )


if __name__ == "__main__":
    main()

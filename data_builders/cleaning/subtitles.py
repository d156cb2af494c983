# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Takes out what subtitle files leave in their lines: overrides, times, credits, titles, songs."""

from __future__ import annotations

import re

from data_builders.cleaning.settling import cut, settled

_TIME = r"\d{1,2}:\d{2}:\d{2}[,.]\d{2,3}"
_WITHIN = re.compile(
    # {\an8}, {\pos(1,2)\fs16}; formats of SRT; times with their fractions ("12:29:13" is talk).
    r"\{\\[^{}]*\}"
    r"|(?i:</?(?:i|b|u|s|font)(?:\s[^<>]*)?>)"
    rf"|(?:(?m:^)\d{{1,5}}\n)?{_TIME}(?: ?-->? ?{_TIME})?"
    rf"|(?m:^)Dialogue: ?\d+,{_TIME},{_TIME},(?:[^,\n]*,){{6}}"
    # Which language was spoken: [西班牙语], (意大利语...), （注 西班牙语）.
    r"|[\[(（【](?:注[:： ]?)?[\u4e00-\u9fff]{1,4}语[.。…]*[\])）】]"
    r"|[♪♫♬♩]+"
)
_LINE_MARK = re.compile(r"\\N|\\n(?![A-Za-z])")
_NOT_PLAIN = re.compile(r"[{<\[(（【♪♫♬♩\\]|\d:\d\d:\d\d|--")

_ROLES = (
    r"翻译|翻譯|校对|校對|校译|总校|時間軸|时间轴|听译|聽譯|听写|字幕|特效|后期|後期|压制|壓制|监制|总监|片源|"
    r"协调|审核|轴|文字|精校|初校|编剧|編劇|导演|導演"
)
_NUMBER = r"[0-9０-９一二三四五六七八九十百零]{1,4}"
_NO_TALK = re.compile(
    # Credits: 校对：甲 乙   时间轴：丙
    rf"(?:{_ROLES})(?:[/／、&和 ](?:{_ROLES}))* ?[:：].*"
    r"|(?:本|中文|中英)字幕.{0,30}|字幕由.*"
    r"|[^我你您他她，。！？]{0,12}字幕[组組社](?: .*|出品.*|制作.*|荣誉.*)?"
    r"|.{0,16}(?:荣誉出品|仅供(?:个人)?(?:学习|交流|试看)|请勿用于商业|不得用于商业).{0,30}"
    r"|(?i:(?:subtitles?|subs|translat(?:ed|ion)|sync(?:ed|hronized)?|timing|corrected|ripped|"
    r"encoded)\s*(?:and \w+ )?(?:by\b|:).*)"
    # Titles: 第七集; 《某剧》第二季 第03集 名字; S01E02.
    rf"|第 ?{_NUMBER} ?[季集]"
    rf"|[^，。！？,.!?(（\[]{{0,16}}第 ?{_NUMBER} ?季[ ，,]?(?:第 ?{_NUMBER} ?集 ?){{1,2}}"
    r"[^，。！？,.!?\n]{0,20}"
    r"|[^，。！？\n]{0,16}\b[Ss]\d{1,2}[Ee]\d{1,2}\b[ A-Za-z0-9._-]{0,30}"
    r"|(?i:season \d+,? episode \d+.{0,30})"
    # Songs: ♪ ... or # ... #.
    r"|[♪♫♬♩] .*|[♪♫♬♩].*[♪♫♬♩]|# [^#\n]*#"
    # A line that is one note in brackets; nothing but ornaments; what a spreadsheet made of "-..."
    r"|[\[【](?=[^\]】]*[\u4e00-\u9fff])[^\[\]【】\n]{1,20}[\]】]"
    r"|[■□◆◇●○★☆▲△▼▽＊*\-–—=_.·~ ]*[■□◆◇●○★☆▲△▼▽][■□◆◇●○★☆▲△▼▽ ]*"
    r"|#(?:NAME|VALUE|REF|DIV/0|N/A)[?!]?"
)
# One of these is in each line that is no talk.
_NO_TALK_HINT = re.compile(r"[:：季集幕供品商♪♫♬♩#\[【■□◆◇●○★☆▲△▼▽yY0-9]")
# A dash before each speaker; "-5" is a number and "-_-" a face.
_SPEAKER = re.compile(r"(?m)^(?:[-－–—] ?){1,2}(?=[^\W\d_]|[“\"'《「…])")
_SECOND_SPEAKER = re.compile(r" +[-－–—] ?(?=[^\W\d_]|[“\"'《「…])")
_DASHES = ("-", "－", "–", "—")
# More lines than a screen shows are a list, whose dashes are its own.
_SCREEN_LINES = 3


@settled
def remove_subtitle_residue(text: str) -> str:
    r"""Take out what is no speech in the lines of subtitles.

    Override tags, times, `\N`, the dashes before speakers, notes of the language spoken; whole
    lines that are credits, episode titles, songs or notes. A turn may end up empty.

    Args:
        text: One turn.

    Returns:
        r"{\an8}－你好 －再见" gives "你好 再见", "校对：甲  时间轴：乙" gives "".
    """
    if _NO_TALK_HINT.search(text):
        lines = text.split("\n")
        text = "\n".join(line for line in lines if not _NO_TALK.fullmatch(line.strip()))
    if _NOT_PLAIN.search(text):
        text = cut(_WITHIN, _LINE_MARK.sub("\n", text))
    if any(dash in text for dash in _DASHES) and text.count("\n") < _SCREEN_LINES:
        marked = _SPEAKER.sub("", text)
        text = _SECOND_SPEAKER.sub(" ", marked) if marked != text else text
    return text

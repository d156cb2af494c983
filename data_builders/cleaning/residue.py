# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The steps on what kinds of corpora leave in their turns; all are off by default.

Faces drawn with characters, the overrides, times, credits and titles of subtitles, marks that
stand for lost characters, the blanks of tokenised English.
"""

from __future__ import annotations

import re

from data_builders.cleaning.settling import cut, settled

# A face is two like eyes with a mouth between. That tells "(^o^)" from "(a+b)", "(*)" and "(-/+)".
_MOUTH = (
    r"[_＿.。·・,，oOｏ0vVwWxX3uUεωдДз∀▽△∇□口皿﹏︿︶︹︸^＾\-ー—~～〜⌒‵′'´｀`人益ロヘ○◇┏ェ﹃"
    r"∪∩ㅂㅅ⊥〇┴│¬∠ㄥ▿◡‿ᴗ⌣]"
)
_PAIRS = (
    "≧≦ ≥≤ ^^ ＾＾ >< ＞＜ ╯╰ ╯╯ ╥╥ ┬┬ ￣￣ ¯¯ ︶︶ ﹀﹀ ︿︿ °° ºº ˚˚ ⊙⊙ ◎◎ ●● ○○ ・・ ･･ "
    "•• ◕◕ ʘʘ ಠಠ ಥಥ ˘˘ ´｀ ´` `´ ｀´ ˋˊ ˊˋ ˇˇ ‵′ ′‵ ‾‾ ∩∩ ◡◡ ⌒⌒ ;; ；； →→ ←← ＝＝ == ~~ ～～ ** "
    "@@ ＠＠ ── —— ùú òó óò ŎŎ ☉☉ ✧✧ ♥♥ ❤❤"
)
# Eyes that are letters, + or - take few mouths: "(TXT)" and "(-v-)" are no faces.
_PLAIN_EYES = (
    r"[TＴ][_＿.oO0﹏∇△ω^]+[TＴ]|[oO][_＿.﹏ω^~]{1,3}[oO]|Q[_＿.ωwWAo]+Q|[-－][_＿.﹏]+[-－]|\+_+\+"
)
_EYES = _PLAIN_EYES + "".join(
    f"|{re.escape(left)}{_MOUTH}{{1,3}}{re.escape(right)}"
    for left, right in map(tuple, _PAIRS.split())
)
_CHEEK = r"[*＊;；:：。.｡・･~～≧≦/#'\"+=`´｀゜ﾟ°|｜!！ 　＿╯╰づつノ_oO^=๑ง٩۶ˆ⁄⺣•̀́]"
# Eyes with the mouth left out, only in brackets: (^^) (><) (≧≦) (=^=).
_BARE = r"\^\^|＾＾|><|＞＜|≧≦|⊙⊙|﹏|´▽|｀▽|￣|T＿T|\u0361° \u035cʖ \u0361°"
_ARM_LEFT = r"(?:╭∩╮|[\\＼/╮╭╯╰ヾヽψつ┗┐ヘ٩ლ凸ε୧ᕙづ]{1,2}|(?<![A-Za-z])[oOYyqd]|[~～])?"
_ARM_RIGHT = r"(?:╭∩╮|[/／\\＼╮╭╯╰ノﾉゞシσ┛┌~～۶ง୨ᕗ彡ヽつづ旦]{1,3}|[oOYybp](?![A-Za-z]))?"
_TABLE = r"(?: ?︵? ?┻━?━┻)?"
_BRACKETED = (
    rf"{_ARM_LEFT}[(（]{_CHEEK}{{0,4}}(?:{_EYES}|{_BARE}){_CHEEK}{{0,4}}{_ARM_RIGHT}[)）]"
    rf"{_ARM_RIGHT}{_TABLE}"
)
# Faces without brackets: those of signs must not run on into more signs ("a ^ _ ^= b"), those of
# letters not into a name either ("size_t_t").
_SIGNS = (
    r"#?\^[_＿.\-oOωv~﹏]{0,4}\^#?|＾[_＿.ω▽]{0,2}＾|>[_＿.﹏]+<|＞[_＿.﹏]+＜|≧[_＿.▽∇ωД﹏]+≦|"
    r";_+;|=[_＿.。]+=|＝[_＿.]+＝|-[_＿.﹏]+-\|{0,3}|－[_＿.]+－|@[_＿]+@|\$[_＿]+\$|\*_+\*|~_+~|"
    r"￣[^\w\s]{1,3}￣|⊙[_＿.﹏oO]{1,2}⊙|╯[^\w\s]{1,3}[╰╯]|[→←]_[→←]"
)
_LETTERS = r"T[_＿.﹏]+T|Ｔ[_＿.]+Ｔ|t_+t|Q[_＿.]+Q|[oO0][_＿]{1,3}[oO0]|[oO]\.[oO]|x_x|X_X|n_n|u_u"
_SIGN = r"_^=+*@$~.\-/\\"
_KAOMOJI = re.compile(
    rf"{_BRACKETED}|┻━+┻"
    # "-.-" between more of them is Morse code.
    rf"|(?<![{_SIGN}])(?<![.\-/] )(?:{_SIGNS})(?![{_SIGN}])(?! [.\-/])"
    rf"|(?<![A-Za-z0-9{_SIGN}])(?:{_LETTERS})(?![A-Za-z0-9{_SIGN}])"
)
# One of these is in every face.
_HINT = re.compile(r"[(（_＿^＾>＞≧=＝￣⊙╯→←┻\-－]|T[.﹏]T|Q\.Q|[oO0]\.[oO0]")


@settled
def remove_kaomoji(text: str) -> str:
    """Take faces drawn with characters out of a turn.

    "好的(≧▽≦)/~ ^_^" gives "好的"; "f(a+b)", "2^3" and "😀" stay.
    """
    return cut(_KAOMOJI, text) if _HINT.search(text) else text


_TIME = r"\d{1,2}:\d{2}:\d{2}[,.]\d{2,3}"
_WITHIN = re.compile(
    # {\an8}, {\pos(1,2)\fs16}; formats of SRT; times with their fractions ("12:29:13" is talk).
    r"\{\\[^{}]*\}"
    r"|(?i:</?(?:i|b|u|s|font)(?:\s[^<>]*=[^<>]*)?>)"
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
    r"|(?=[^■□◆◇●○★☆▲△▼▽]*[■□◆◇●○★☆▲△▼▽])[■□◆◇●○★☆▲△▼▽＊*\-–—=_.·~ ]*"
    r"|#(?:NAME|VALUE|REF|DIV/0|N/A)[?!]?"
)
# One of these is in each line that is no talk.
_NO_TALK_HINT = re.compile(r"[:：季集幕供品商♪♫♬♩#\[【■□◆◇●○★☆▲△▼▽yY0-9]")
# A dash before each speaker; "-5" is a number and "-_-" a face.
_SPEAKER = re.compile(r"(?m)^(?:[-－–—] ?){1,2}(?=[^\W\d_]|[“\"'《「…])")
_SECOND_SPEAKER = re.compile(r"(?<! ) +[-－–—] ?(?=[^\W\d_]|[“\"'《「…])")
_DASHES = ("-", "－", "–", "—")
# More lines than a screen shows are a list, whose dashes are its own.
_SCREEN_LINES = 3


@settled
def remove_subtitle_residue(text: str) -> str:
    r"""Take out what is no speech in the lines of subtitles; a turn may end up empty.

    Override tags, times, `\N`, the dashes before speakers, notes of the language spoken, and whole
    lines that are credits, titles, songs or notes: r"{\an8}－你好 －再见" gives "你好 再见".
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


_HAN_LETTER = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
# "-_-" and "^-^" are faces, "-5度" is a number, and "`ls`" is code.
_TRAILING = re.compile(r"(?:(?<=[^\W_])|(?<=[。，！？；：…”」』》）)~～?!,.])) ?(?:[`-] ?)*[`-]$")
_LEADING = re.compile(r"^[`-](?: ?[`-])* ?(?=[^\W\d_])")
_CODE = re.compile(r"`[^`\nA-Za-z]*[A-Za-z][^`\n]*`")


@settled
def remove_stray_marks(text: str) -> str:
    """Take single back-ticks and hyphens from both ends of a turn with Chinese, but not of code.

    "- 你笑了嗎 ` -" gives "你笑了嗎".
    """
    if not text.endswith(("`", "-")) and not text.startswith(("`", "-")):
        return text
    if not _HAN_LETTER.search(text) or _CODE.search(text):
        return text
    return _LEADING.sub("", _TRAILING.sub("", text))


_ENDINGS = "(?:s|t|m|d|re|ve|ll)"
_AFTER = r"[\s\"'’”)\]]|$"
# In order; each pattern begins with something rare, so that most cost a scan and no more.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.ASCII), replacement)
    for pattern, replacement in (
        # Quotes of the Penn Treebank; "```" begins code.
        (r"(?<![^\s(])`` ?(?=[A-Za-z0-9'(])", '"'),
        (r"(?<=[\w.,!?]) ?''(?=[\s.,!?)]|$)", '"'),
        # "do n't", "don ’ t", "I ’ m", "that 's", "o ' clock".
        (r"(?<=[A-Za-z]) ?n ?['’] ?t\b", "n't"),
        (rf"(?<=[A-Za-z])(?: ['’] ?|['’] )({_ENDINGS})(?![\w'’])", r"'\1"),
        (r"(?<=[A-Za-z]) ['’] (am|all)\b", r"'\1"),
        (r"\b([Oo]) ?['’] ?clock\b", r"\1'clock"),
        # One apostrophe for both.
        (r"(?<=[A-Za-z])’(?=[A-Za-z])", "'"),
        # Words the Treebank splits.
        (r"\b([Gg]on|[Ww]an) na\b", r"\1na"),
        (r"\b([Gg]ot) ta\b", r"\1ta"),
        (r"\b([Gg]im|[Ll]em) me\b", r"\1me"),
        # "7 p . m ." before the full stops are seen to.
        (r"\b([AaPp]) ?\. ?([Mm]) \.", r"\1.\2."),
        # Numbers: "10 : 30", "1 , 000", "2 . 5", "$ 20", "5 %" ("15 % 3" is a sum).
        (r"(?<=\d) ?: (?=\d\d\b)|(?<=\d) :(?=\d\d\b)", ":"),
        (r"(?<=\d) , (?=\d{3}\b)", ","),
        (r"(?<=\d) \. (?=\d)", "."),
        (r"\$ (?=\d)", "$"),
        (rf"(?<=\d) +(?=%(?:[.,;!?]|{_AFTER})(?! ?[\d(]))", ""),
        # Brackets, but for ":(", and straight quotes in pairs.
        (r"(?<=[(\[])(?<![:;=\-].) +|(?<! ) +(?=[)\]])", ""),
        (r'(?<![^\s(])" ([^"\n]*[^"\s]) "(?!\w)', r'"\1"'),
        # A mark that closes follows its word; ":)" and ".5" are something else.
        (rf"(?<=[\w)\]\"'’”%,!?;:]) +(?=[,.!?]+(?:{_AFTER})|[;:](?:[\s\"’”]|$))", ""),
        (rf"(?<=\.) +(?=[.,!?](?:{_AFTER}))", ""),
        (r"(?<=[“‘]) +(?=\w)|(?<=[\w.,!?]) +(?=”)|(?<=[.,!?]) +(?=’(?:\s|$))", ""),
    )
)
_LETTER = re.compile("[A-Za-z]")
# One of these is in every text that a rule changes.
_TRACES = (
    *(" ,", " .", " !", " ?", " ;", " :", " %", " )", " ]", " '", " ’", " ”", " n't", " n’t"),
    *("( ", "[ ", "$ ", "“ ", "‘ ", '" ', "``", "''", "’", " na", " ta", " me"),
)


@settled
def rejoin_english(text: str) -> str:
    """Put the tokens of English text together as people write them.

    "I do n't know , Bob ( yet ) ." gives "I don't know, Bob (yet).".
    """
    if not _LETTER.search(text) or not any(trace in text for trace in _TRACES):
        return text
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text

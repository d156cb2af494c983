# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What all steps of cleaning promise, and what those on markup and residue take out."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.cleaning.block_list import BlockList
from data_builders.cleaning.characters import mend_mojibake, normal_forms, remove_control_characters
from data_builders.cleaning.chinese import join_segmented, unify_punctuation
from data_builders.cleaning.markup import remove_links, remove_markup
from data_builders.cleaning.residue import (
    rejoin_english,
    remove_kaomoji,
    remove_stray_marks,
    remove_subtitle_residue,
)
from data_builders.placeholders import find_placeholder, is_missing_turn

STEPS = [
    mend_mojibake,
    remove_control_characters,
    normal_forms,
    join_segmented,
    remove_markup,
    remove_links,
    remove_kaomoji,
    remove_subtitle_residue,
    rejoin_english,
    remove_stray_marks,
    unify_punctuation,
]

# Pieces the steps look for, to be put together in every way.
PIECES = (
    "我 你好 吃 饭 了 吗 ， 。 ！ ab Bob 12 3 . , ! ? ' \" ’ “ ” n't ( ) [ ] [[ ]] < > "
    "</b> <b> <br> & &amp; &lt; amp; ; : http:// www. a.example/x @ @小明 // //@amy: ^_^ "
    "(^o^) T_T = _ - -- — ♪ # \\N {\\an8} 第二季 第3集 校对： ■ ` `` '' {br} {face:1} "
    "[偷笑] ㎡ Ａ １ ＂ ｡ ﾞ ｶ é e\u0301 \u0301 \u212b \uf900 \u200b \u200d \ufe0f 👩 🚀 "
    "🏴 \U000e0067 \U000e007f \x00 \x85 \ue000 \ufeff \u00ad می \u200c ä½ å¥½ ĺĽ˝ 臺灣 著"
).split(" ") + [" ", "  ", "\u3000", "\n", "\r\n", "\r", "\u2028", "\t", "\u00a0"]

TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=30)

# What made a step read a text again from each of its places, or could.
REPEATED = (
    "<!--|<script>|<b |<b a=|<<b>|[b]|[quote]|[b][/b|[a](http://|http://(|[[|a |a c | |-a  |`a|■|♪|"
    'a.b|@a|T_|(^_|“ |" |, |?, |&amp;|{a|*|=|Ã©|ĺ|🏴\U000e0067|\u3000\n|xx|你-|回复 @a:'
).split("|")


def cost(step: Callable[[str], object], text: str, times: int = 1) -> float:
    """Return the seconds of a processor that a step takes, the least of so many times."""
    seconds = []
    for _ in range(times):
        begin = time.process_time()
        step(text)
        seconds.append(time.process_time() - begin)
    return min(seconds)


@pytest.mark.parametrize("unit", REPEATED)
def test_four_times_the_text_takes_no_step_nine_times_the_work(unit: str) -> None:
    # Processor time, which a busy machine hardly changes; four times is linear, sixteen is not.
    # Below a fortieth of a second it is both too short to measure and fast enough.
    find = BlockList(["a b", "a.b c", "你好吗"]).find
    for step in (*STEPS, find, find_placeholder, is_missing_turn):
        for begin, end in (("", ""), ("-a你。?", "x你")):
            texts = [begin + unit * (size // len(unit)) + end for size in (20_000, 5_000)]
            if cost(step, texts[0]) > 0.025:
                long, short = (cost(step, text, times=3) for text in texts)
                assert long < 9 * short, step.__name__


def test_all_marks_of_whom_a_turn_is_to_go_at_once() -> None:
    assert remove_markup.__wrapped__("回复 @a:\n回复@张三：" * 9 + "好") == "好"  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
@given(text=TEXTS)
def test_each_step_leaves_alone_what_it_gave_back(step: Callable[[str], str], text: str) -> None:
    once = step(text)
    assert step(once) == once


@pytest.mark.parametrize(
    "step", [step for step in STEPS if step is not join_segmented], ids=lambda step: step.__name__
)
@pytest.mark.parametrize(
    "text",
    [
        "你好，请问图书馆几点关门？",
        "爸爸 你昨天几点回来的",
        "Well, I'd like 2 tickets (and a map), please.",
        "他说：“没关系……”——然后走了。",
        "用《红楼梦》第三回做例子，x^2 + y_1 = (a+b) 也行😀",
        "约翰.史密斯说3.5比1,000小，11:30到a.example:80看看",
    ],
)
def test_plain_text_goes_through_every_step_untouched(
    step: Callable[[str], str], text: str
) -> None:
    assert step(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("你笑了嗎`", "你笑了嗎"),
        ("- ` - 你笑了嗎 ` -", "你笑了嗎"),
        ("好。-", "好。"),
        ("去玩BBQ`", "去玩BBQ"),
        ("好吧-_-", "好吧-_-"),
        ("-5度", "-5度"),
        ("运行`ls`", "运行`ls`"),
        ("well -", "well -"),
        ("-", "-"),
    ],
)
def test_stray_marks_go_from_the_ends_of_chinese(text: str, cleaned: str) -> None:
    assert remove_stray_marks(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("<b>好</b>&amp;快{face:12}[偷笑]", "好&快"),
        ("一<br/>二{br}三【换行】四", "一\n二\n三\n四"),
        ("<script>x < 1</script>你好<!-- 注 -->", "你好"),
        ("答：<noinput> [face98]", "答："),
        ('好["face",98]{r+}', "好"),
        ("[url=http://a.example]站[/url][b]粗[/b]", "站粗"),
        ("[[汉字|字]]和[[词]]，'''粗'''", "字和词，粗"),
        ("说得对//@小红:同意//@小刚:好", "说得对"),
        ("回复@amy:好的", "好的"),
        ("回复 amy_1 :好的", "好的"),
        ("回复小明：好的", "好的"),
        ("回复 amy1978 你来吗", "你来吗"),
        ("回复如下：可以", "回复如下：可以"),
        ("回复得很快 我喜欢：好", "回复得很快 我喜欢：好"),
        ("你好[次数:随机]", "你好"),
        ("@小明 你来吗", "你来吗"),
        ("@你不理我", "@你不理我"),
        ("amy@mail.example", "amy@mail.example"),
        ("[西班牙语]你好", "[西班牙语]你好"),
        ("a[i] = b[j]; if x < y and y > z", "a[i] = b[j]; if x < y and y > z"),
        ("if a<b and c>d then", "if a<b and c>d then"),
        ("i<p && q>r, s<a or b>c", "i<p && q>r, s<a or b>c"),
        ("<font color=red size='2'>红</font><input disabled><a href=\"x\" >看</a >", "红看"),
        ("<!-- 没完 <b>好</b>", "<!-- 没完 好"),
        ("[b][i]粗[/i][/b][b]半", "粗[b]半"),
        ("?a=1&tid=3 &nosuch; &#xD800;", "?a=1&tid=3 &nosuch; &#xD800;"),
    ],
)
def test_markup_goes_and_text_in_brackets_stays(text: str, cleaned: str) -> None:
    assert remove_markup(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("看 https://a.example/b?c=1&d=%20#e 吧", "看 吧"),
        ("见https://a.example/b，谢谢", "见，谢谢"),
        ("See http://a.example/x.", "See."),
        ("www.abc.example 打不开", "打不开"),
        ("short t.cn/abc1 link", "short link"),
        ("写信到 amy.b@mail.example 。", "写信到。"),
        ("[这里](http://a.example/b) ![图](https://a.example/c.png)", "这里"),
        ("and/or 1/2 node.js/x example.com", "and/or 1/2 node.js/x example.com"),
        ("www. that is funny", "www. that is funny"),
    ],
)
def test_links_go_and_bare_names_stay(text: str, cleaned: str) -> None:
    assert remove_links(text) == cleaned


@pytest.mark.parametrize(
    "face",
    (
        "(╯°□°)╯︵┻━┻ ^_^ T_T =_= -_-|| >_< (≧▽≦)/~ (^o^) (*^__^*) o(╯□╰)o ╮(╯▽╰)╭ （￣︶￣）／ "
        "(⊙o⊙) (-_-) (ToT) (｡･ω･｡) →_→ ^^ (づ￣3￣)づ"
    ).split(),
)
def test_faces_go(face: str) -> None:
    assert remove_kaomoji(f"好的{face}") == "好的"
    assert remove_kaomoji(face) == ""


@pytest.mark.parametrize(
    "text",
    [
        "f(a+b) = (x-y) * (-1)",
        "HBsAg(-)，(+)，(*)",
        "__init__ size_t_t a^b^c",
        "(TXT) （笑）(?) (!!!) (12:30) :)",
        "😀👩\u200d🚀",
        "-- / -..- -.-- -.- .-",
        "if (a == b) or (c >= d): pass",
    ],
)
def test_code_brackets_and_emoji_are_no_faces(text: str) -> None:
    assert remove_kaomoji(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (r"{\an8}{\fs16}你好", "你好"),
        ("1\n00:01:02,500 --> 00:01:04,000\n<i>你好</i>", "你好"),
        ("－你来了？ －来了", "你来了？ 来了"),
        (r"你好\N再见", "你好\n再见"),
        ("走吧[法语]", "走吧"),
        ("校对：甲乙  时间轴：丙", ""),
        ("《某剧》第二季 第03集 重逢", ""),
        ("第七集", ""),
        ("♪ la la la ♪", ""),
        ("■", ""),
        ("#NAME?", ""),
        ("-5度，真冷", "-5度，真冷"),
        ("停在12:29:13", "停在12:29:13"),
        ("在第三季最后一集他走了", "在第三季最后一集他走了"),
        ("翻译得不错", "翻译得不错"),
        ("-_-", "-_-"),
    ],
)
def test_subtitle_residue_goes_and_talk_about_series_stays(text: str, cleaned: str) -> None:
    assert remove_subtitle_residue(text) == cleaned


@pytest.mark.parametrize(
    ("text", "rejoined"),
    [
        ("I do n't know , Bob ( yet ) .", "I don't know, Bob (yet)."),
        ("isn ’ t it ? I ’ m sure !", "isn't it? I'm sure!"),
        ("`` Hi '' , he said .", '"Hi", he said.'),
        ('he said " go away " .', 'he said "go away".'),
        ("at 5 p . m . or 10 : 30 , for $ 20", "at 5 p.m. or 10:30, for $20"),
        ("five o ' clock , gon na be late . . .", "five o'clock, gonna be late..."),
        ("1 , 000 and 2 . 5", "1,000 and 2.5"),
        ("a smile :) and a frown :( there", "a smile :) and a frown :( there"),
        ("some of 'em", "some of 'em"),
        ("```\nx = ''\n```", "```\nx = ''\n```"),
        ("15 % 3 == 0", "15 % 3 == 0"),
        ("中文 ， 不 变 。", "中文 ， 不 变 。"),
    ],
)
def test_tokenised_english_is_put_together(text: str, rejoined: str) -> None:
    assert rejoin_english(text) == rejoined

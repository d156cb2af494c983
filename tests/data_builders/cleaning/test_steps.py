# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The steps of cleaning, one by one: what each takes out, and what it must leave alone."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.cleaning.block_list import BlockList
from data_builders.cleaning.characters import (
    is_damaged,
    mend_mojibake,
    normal_forms,
    remove_control_characters,
)
from data_builders.cleaning.chinese import (
    join_segmented,
    load_simplifier,
    looks_segmented,
    unify_punctuation,
)
from data_builders.cleaning.markup import remove_links, remove_markup
from data_builders.cleaning.pipeline import Cleaner, CleaningSettings
from data_builders.cleaning.residue import (
    rejoin_english,
    remove_kaomoji,
    remove_stray_marks,
    remove_subtitle_residue,
)
from data_builders.placeholders import (
    find_placeholder,
    is_missing_turn,
    is_placeholder,
    placeholder_filler,
)

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


def cost(step: Callable[[str], object], text: str) -> float:
    begin = time.process_time()
    step(text)
    return time.process_time() - begin


@pytest.mark.parametrize("unit", REPEATED)
def test_four_times_the_text_takes_no_step_nine_times_the_work(unit: str) -> None:
    # Processor time, which a busy machine hardly changes; four times is linear, sixteen is not.
    # Below a tenth of a second it is both too short to measure and fast enough.
    find = BlockList(["a b", "a.b c", "你好吗"]).find
    for step in (*STEPS, find, find_placeholder, is_missing_turn):
        for begin, end in (("", ""), ("-a你。?", "x你")):
            long = cost(step, begin + unit * (40_000 // len(unit)) + end)
            if long > 0.1:
                short = cost(step, begin + unit * (10_000 // len(unit)) + end)
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
    ("text", "joined"),
    [
        ("我 用 iPhone 12 手机 听 Taylor Swift 。", "我用iPhone 12手机听Taylor Swift。"),
        ("早 上 好 ~ ~ ~ 新 年 快 乐 ！ ！", "早上好~~~新年快乐！！"),
        ("这个 价格 涨 了 2 . 5 倍 , 真的 ?", "这个价格涨了2.5倍,真的?"),
        ("他 说 hello , my friend ! 对 吧", "他说hello, my friend!对吧"),
        ("O K 啦 1 8 岁", "OK啦18岁"),
        ("iPhone ( 新 的 ) 好", "iPhone (新的)好"),
        ("It is fine , really .", "It is fine , really ."),
        ("He said “yes” “no” and left", "He said “yes” “no” and left"),
        ("It cost “ten” … “twelve” pounds", "It cost “ten” … “twelve” pounds"),
        ("他 说 He said “yes” “no” and left 。", "他说He said “yes” “no” and left。"),
        ("他 说 “ 好 的 ” ， 走 了", "他说“好的”，走了"),
        ("今天  天气 好", "今天天气好"),
    ],
)
def test_segmented_chinese_is_joined_and_english_spacing_kept(text: str, joined: str) -> None:
    assert join_segmented(text) == joined


@given(words=st.lists(st.text("天地人山水火木金", min_size=1, max_size=3), min_size=2, max_size=12))
def test_joining_undoes_segmentation_by_words_and_characters(words: list[str]) -> None:
    text = "".join(words)
    assert join_segmented(" ".join(words)) == text
    assert join_segmented(" ".join(text)) == text


@pytest.mark.parametrize(
    ("texts", "segmented"),
    [
        (["我 们 走 吧", "好 的 ， 等 我 一 下"], True),
        (["我们 今天 去 公园 ， 好 吗", "好的", "下午 三点 见"], True),
        (["選 A 還 是 選 B", "台 北 好 玩 嗎 -"], True),
        (["爸爸  你吃饭了没有", "我早就吃过了 谢谢你", "那就好"], False),
        (["第一季 第二集", "他们在岛上找到了一架飞机"], False),
        (["How are you ?", "Fine , thanks ."], False),
        ([], False),
    ],
)
def test_segmentation_is_told_from_pauses(texts: list[str], segmented: bool) -> None:
    assert looks_segmented(texts) is segmented


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


@pytest.mark.parametrize(
    ("text", "unified"),
    [
        ("在吗?在的,好!是;不:对", "在吗？在的，好！是；不：对"),
        ("你好, 你呢. 我很好.", "你好，你呢。我很好。"),
        ("那...好吧..", "那……好吧……"),
        ("...你说呢?!", "……你说呢？！"),
        ("我有3.5米,他有1,000米", "我有3.5米，他有1,000米"),
        ("约翰.史密斯上了百度.com,对吧", "约翰.史密斯上了百度.com，对吧"),
        ("八点半到11:30,好吗", "八点半到11:30，好吗"),
        ("网址是http://a.example/?a=1,b;c 好吗?", "网址是http://a.example/?a=1,b;c 好吗？"),
        ("你会说English?我用iPhone,很好", "你会说English？我用iPhone，很好"),
        ("好(笑)吧（啊) f(好) (-皿-) (John)", "好（笑）吧（啊） f(好) (-皿-) (John)"),
        ("开心:D 难过:( 眨眼;)", "开心:D 难过:( 眨眼;)"),
        ("好。?", "好。？"),
        ("写成```print(你好,吗)```", "写成```print(你好,吗)```"),
        ("Yes！I am， really。", "Yes! I am, really."),
        ("A（b）c：1，000 at 12：30", "A (b) c: 1,000 at 12:30"),
        ("The word 好, they say， is good", "The word 好, they say， is good"),
        ("3?", "3?"),
        ("そうですか?はい,元気です", "そうですか?はい,元気です"),
    ],
)
def test_marks_have_the_width_of_their_language(text: str, unified: str) -> None:
    assert unify_punctuation(text) == unified


@given(text=st.text("你好ab1 ?!,.:;()？，。（）…'\"", max_size=16))
def test_unified_marks_stay_unified(text: str) -> None:
    once = unify_punctuation(text)
    assert unify_punctuation(once) == once


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%robotname%很好", "%robotname%"),
        ("告诉XXX吧", "XXX"),
        ("比如xx呢", "xx"),
        ("Dear {first_name}, hi", "{first_name}"),
        ("你好@[wname]", "@[wname]"),
        ("我是******", "******"),
        ("是Ḉ，你认识吗", "Ḉ"),
        ("有`號", "`"),
        ("XXL的衣服打5%到10%折", ""),
        ("**bold** {br} f(xx) ooxx", ""),
        ("Việt Nam在哪，pinyin是ǹ", ""),
    ],
)
def test_placeholders_are_told_from_words(text: str, found: str) -> None:
    assert find_placeholder(text) == found


MISSING = (
    "#N/A|#REF!|#NAME?|NULL|null|nan|NaN|N/A|[deleted]|[removed]|<image>|&lt;image&gt;|[图片]|"
    "<noinput>|<Media omitted>|=VLOOKUP(A2,B:C,2,0)|=A1+B1|=-B2|如题|RT|同上"
)
WORDS = "Nan|Removed|deleted it|图片|image|=_=|= 3|=)|=D|N|5/10|题|nanny|#1|A1"


@pytest.mark.parametrize("text", MISSING.split("|"))
def test_what_stands_for_nothing_is_known_as_a_cell_and_as_a_turn(text: str) -> None:
    assert is_placeholder(text) and is_missing_turn(text) and is_missing_turn(text, ("怎么办",))


@pytest.mark.parametrize("text", "|无|没有|None|暂无|无输入|-|nil|\\N| ".split("|"))
def test_what_fills_a_field_may_answer_a_question(text: str) -> None:
    assert is_placeholder(text)
    assert not is_missing_turn(text)


@pytest.mark.parametrize("text", WORDS.split("|"))
def test_words_are_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)
    assert not is_missing_turn(text)


@pytest.mark.parametrize("asked", ["Write an Excel formula.", "求和的公式怎么写？"])
def test_a_formula_that_was_asked_for_is_a_reply(asked: str) -> None:
    assert not is_missing_turn("=SUM(A1:A9)", (asked,))
    assert is_missing_turn("=SUM(A1:A9)", (asked, "And then?"))


def test_longer_placeholders_are_filled_first() -> None:
    fill = placeholder_filler({"XX": "某人", "XX先生": "老王"})
    assert fill("XX先生和XX") == "老王和某人"
    assert fill("XXL") == "XXL"


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


def test_traditional_becomes_simplified_and_simplified_stays() -> None:
    pytest.importorskip("opencc")
    simplify = load_simplifier()
    assert simplify("我看著妳的頭髮，這本著作很顯著") == "我看着你的头发，这本著作很显著"
    assert simplify("这是什么？显著的著作。") == "这是什么？显著的著作。"

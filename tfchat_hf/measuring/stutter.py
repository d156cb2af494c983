# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Replies that stutter: a word or a phrase said twice where nobody would. Plain text, no model.

    跑跑好跑跑跑      我不知道我也不知道我不知道      the the dog      I want to I want to

Chinese doubles many words on purpose (看看, 慢慢, 高高兴兴), and laughs. What is ordinary is a
list, made from the doubled characters of 380,000 replies of people; all others are a stutter. Of
people's replies 0.1 % (English films), 0.3 % (Chinese ones) to 3 % (a forum that plays with words)
count as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..text.overlap import metric_tokens

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_IS_HAN = re.compile(f"[{_HAN}]")
# A blank beside a Chinese character stands for a comma; between words it is just a blank.
_PAUSE = re.compile(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])")
# Sounds and numbers stand in a row as often as one likes, calls (好好好) four times.
_SOUNDS = set(
    "哈呵嘿嘻嗯哦噢喔啊阿啦呀哇呜嗚哼咳嘎汪喵咩嗷嘟咕吼嘘呼唉哎哟呦呃额嘤咯咔啪哒叽唧嗡吱喳"
    "嘭咚滴叮噗啧嘛耶呸嗨轰嗒喂咦欸唔砰嚯呱嗝噁嘔零一二三四五六七八九十〇"
)
_CALLS = set("好对對来來行走快等别停谢謝拜大最太早棒赞吃顶滚")
_CALLS_FIRST = set("是不沒没")
_MOST_CALLS = 4
_TWICE = set(
    # Family, pets, the speech of children.
    "妈媽爸哥姐弟妹爷爺奶叔舅姑婶婆公太姥娘伯爹妞娃宝寶狗猫貓鸡猪鸭兔熊羊猩星乖豆果花包饭肉便尿屁痘觉画怕羞棒泡圈蛋萌"
    "糖饺粑瓜牛马虎鹅鱼虫球车"
    # What one does a little of.
    "看试試谈談想问問说說聊听聽点點抱尝帮找查开求摸玩吹亲哄猜瞧学做逛散吃讲講洗揉教睡坐笑念练歇读写改擦数算喝陪换晒闻"
    "聚搜挑记翻敲睁醒按拍碰转动動见爱夸瞅劝扫查骂捏抓补混打按刷翘补跳躲搬翻泡"
    # How, how many, of what kind.
    "慢刚剛天常仅僅往人明渐漸大小多深般轻輕偷默静靜满滿远遠偏悄高圆胖恰悠美怪年事处處种種万萬甜细早久狠真通统纷紧緊暖"
    "重香软红白黑亮蓝绿黄青苦酸热冷平安清净薄厚淡茫微缓样家个個件句步时時日夜月朵条颗顆层次遍节代世粒页斤声片串块排双张"
    "铺沙照忍嫩漱测捂压装填解考垫消落透踩敷伸跺收松里单忙长短矮整下光毛冰急累臭贱安比弯尖瘦笨傻坏满匆频暗独独足稍略区口牢死活统徐默历断屡依楚连最老心笑呆痒晕懒帅丑酷爽乐萌生面形色头眼国"
    # Behind another character: 亮晶晶, 懒洋洋.
    "洋彤晶荡油眯冲乎茸溜沉腾漉淋蒙茫融盈灿滔兮翼耿兢栩绰翩勃洽源济奕孜欣赫哄麻恩利顺京东西盼妥滋苍碌努佼迢咪卡格飞雯丹露春甲廠幹科當軟錢車國歐"
)
# Where one word ends as the next begins: 现在在家. One of the two characters is dropped.
_SEAMS = re.compile(
    "(?<=[现現存正所])在(?=在)|(?<=[不为完除得到])了(?=了)|(?<=[所可])以(?=以)|(?<=[晚早])上(?=上)"
    "|(?<![什怎那这這多甚])么(?=么)|(?<=[可才])能(?=能)|(?<=[只真就都也])是(?=是[不否])|觉得(?=得)"
)
# Of these not even AABB is ordinary.
_FUNCTION = set("我你他她它的了在有也都就和与这那吗呢们很没要会能为")
# 爱看什么看什么，一小步一小步，迟到了就迟到了: ordinary twice.
_CORRELATIVE = set("一么谁哪多几半就")
_WORDS_TWICE = set(
    "ha haha he heh hee ho la lala na no nope yes yeah yep ya ok okay bye very so really too much"
    " many that had hey hi hello oh ah uh um er please well wait now there here go come true nice"
    " cool good blah boo knock sir right sorry thanks wow long far big never always chop tick night"
    " why what yay yum aye tsk hm hmm mm meow woof".split()
)
_PHRASES_TWICE = {
    "thank you",
    "come on",
    "bye bye",
    "go on",
    "oh no",
    "good night",
    "no way",
    "same old",
}


def has_stutter(reply: str) -> bool:
    """Tell whether a reply says something twice where nobody would.

    Within a stretch without punctuation that is: a Chinese character or a word twice in a row,
    except ordinary ones; a sound three times is ordinary, another character is not; a phrase of
    two tokens two and a half times (of two words: twice); a longer phrase twice, also with one
    token between. A phrase said again behind a comma is emphasis.

    >>> [has_stutter(text) for text in ("跑跑好跑跑跑", "哈哈哈，看看吧", "the the dog")]
    [True, False, True]
    """
    return any(map(_stutters, _stretches(reply)))


def stutter_share(replies: Sequence[str]) -> float:
    """Return the share of replies that stutter."""
    return sum(map(has_stutter, replies)) / len(replies) if replies else 0.0


def _stretches(reply: str) -> Iterator[list[str]]:
    """Yield the tokens between two marks of punctuation."""
    text = _SEAMS.sub("", _PAUSE.sub("，", reply.casefold()))
    stretch: list[str] = []
    for token in [*metric_tokens(text), "."]:
        if token[0].isalnum():
            stretch.append(token)
        elif stretch:
            yield stretch
            stretch = []


def _stutters(tokens: list[str]) -> bool:
    """Look for anything that is said twice in a stretch."""
    if any(_doubled(tokens, place) for place in range(len(tokens) - 1)):
        return True
    # With one token between, a phrase of n tokens comes again after n + 1.
    for period in range(2, len(tokens) // 2 + 2):
        same = 0
        for place in range(len(tokens) - period):
            same = same + 1 if tokens[place] == tokens[place + period] else 0
            first = place - same + 1
            if same and _is_phrase(tokens[first : place + period + 1], period, same):
                return True
    return False


def _doubled(tokens: list[str], place: int) -> bool:
    """Tell whether a token comes twice in a row, and should not."""
    token = tokens[place]
    if token != tokens[place + 1] or token.isdigit():
        return False
    if not _IS_HAN.match(token):
        return token not in _WORDS_TWICE
    begin, end = place, place + 2
    while begin and tokens[begin - 1] == token:
        begin -= 1
    while end < len(tokens) and tokens[end] == token:
        end += 1
    if token in _SOUNDS:
        return False
    if token in _CALLS or (begin == 0 and token in _CALLS_FIRST):
        return end - begin > _MOST_CALLS
    if end - begin == 2 and token not in _FUNCTION:
        beside = (tokens[begin - 2 : begin] if begin > 1 else [], tokens[end : end + 2])
        paired = [two for two in beside if len(two) == 2 and two[0] == two[1]]
        if any(two[0] not in _FUNCTION and _IS_HAN.match(two[0]) for two in paired):
            return False  # 高高兴兴
    return token not in _TWICE or end - begin > 2


def _is_phrase(run: list[str], period: int, same: int) -> bool:
    """Tell whether a run of tokens that recur after `period`, `same` of them, is a stutter."""
    if len(set(run)) == 1:  # one token alone: `_doubled` has looked at it
        return False
    if period == 2:
        if all(map(_IS_HAN.match, run)):
            return same >= 3 and not set(run) <= _SOUNDS
        return same >= 2 and not run[0].isdigit() and " ".join(run[:2]) not in _PHRASES_TWICE
    if same <= period and _CORRELATIVE.intersection(run[:period]):
        return False
    return same >= max(3, period - 1) and not set(run) <= _SOUNDS

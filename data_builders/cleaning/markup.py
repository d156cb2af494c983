# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The steps on what was written for machines: HTML, emoticon tags, BBCode, mentions, addresses.

For talk. Text *about* code loses its code: leave them off for instruction data.
"""

from __future__ import annotations

import html
import re

from data_builders.cleaning.settling import cut, settled
from data_builders.dialogue import trimmed

# The names that Weibo, QQ and WeChat write in brackets for an emoticon.
_EMOTICONS = (
    "微笑 嘻嘻 哈哈 可爱 可怜 挖鼻屎 挖鼻 吃惊 害羞 挤眼 闭嘴 鄙视 爱你 泪 偷笑 亲亲 生病 "
    "太开心 懒得理你 白眼 右哼哼 左哼哼 嘘 衰 委屈 吐 打哈欠 哈欠 打哈气 抱抱 怒 疑问 "
    "馋嘴 拜拜 思考 汗 困 睡觉 睡 钱 失望 酷 色 花心 哼 鼓掌 晕 悲伤 抓狂 黑线 阴险 怒骂 "
    "互粉 心 伤心 猪头 熊猫 兔子 ok OK 耶 good NO 赞 来 弱 草泥马 神马 囧 浮云 给力 围观 "
    "威武 奥特曼 礼物 钟 话筒 蜡烛 蛋糕 doge 二哈 笑cry 笑哭 允悲 跪了 费解 摊手 吃瓜 "
    "并不简单 捂脸 呲牙 发呆 得意 流泪 撇嘴 大哭 尴尬 发怒 调皮 惊讶 难过 冷汗 傲慢 饥饿 "
    "惊恐 流汗 憨笑 悠闲 大兵 奋斗 咒骂 疯了 折磨 骷髅 敲打 再见 擦汗 抠鼻 糗大了 坏笑 "
    "快哭了 亲吻 吓 菜刀 西瓜 啤酒 篮球 乒乓 咖啡 饭 玫瑰 凋谢 示爱 爱心 心碎 闪电 炸弹 "
    "刀 足球 瓢虫 便便 月亮 太阳 拥抱 强 握手 胜利 抱拳 勾引 拳头 差劲 爱情 飞吻 跳跳 "
    "发抖 怄火 转圈 磕头 回头 跳绳 挥手 激动 街舞 献吻 左太极 右太极 嘿哈 奸笑 机智 皱眉 "
    "红包 摸摸 推荐 最右 飞个吻 转发 喵喵 江南style 群体围观 偷乐 笑 鲜花 haha 酸 囧囧 污 "
    "舔屏 感冒 顶 握爪 作揖 鬼脸 悲催 许愿 给你小心心"
).split()

_ENTITY = re.compile(r"&(?:amp;)*(#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_DOCTYPE = re.compile(r"(?i)<!doctype[^<>]*>")
_HIDDEN = re.compile(r"(?i)<(?:!--|(script|style)\b[^<>]*>)")
_HIDDEN_ENDS = {
    name: re.compile(end, re.I)
    for name, end in (("", "-->"), ("script", r"</script\s*>"), ("style", r"</style\s*>"))
}
# Attributes have values, or are among those that need none: "a<b and c>d" is no tag.
_ATTRIBUTES = (
    r"(?:\s+(?:[a-z][a-z0-9:_-]*\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+)|disabled|checked|"
    r"selected|readonly|required|controls|autoplay|loop|muted|hidden|nowrap|async|defer|"
    r"multiple))*\s*"
)
_BREAK = re.compile(rf"(?i)</?(?:br|p|div|li|tr|h[1-6]){_ATTRIBUTES}/?>|\{{br\}}|【换行】")
_TAG = re.compile(
    r"(?i)</?(?:a|abbr|article|b|big|blockquote|body|button|center|code|dd|del|dl|dt|em|font|form|"
    r"head|header|footer|hr|html|i|iframe|img|input|ins|label|link|main|mark|meta|nav|ol|option|"
    r"pre|q|s|section|select|small|span|strike|strong|sub|sup|table|tbody|td|textarea|tfoot|th|"
    rf"thead|title|tt|u|ul|video){_ATTRIBUTES}/?>"
    # Marks that stand for no text, as instruction data and tokenizers have them.
    r"|<\|?/?(?:no[ _]?input|no[ _]?output|unk|pad|bos|eos|eou|eot|sos|go|sep|cls|mask|url|num|"
    r"user|number|endoftext|im_start|im_end)\|?>"
)
# Emoticons by number (QQ: {face:12}, [face12], ["face",12], {r+} a rose) ...
_NUMBERED = re.compile(
    r'\{(?:face:?\d{1,3}|[a-z][+-])\}|\\?\[\\?"?(?:face|pic|em|e_)\\?"?[:,_]?\d{1,6}\\?\]|/f\d{3}\b'
    # How often a robot may give this reply.
    r"|\[次数[:：](?:\d{1,3}|随机)\]"
)
# ... and by name: those of Weibo, QQ and WeChat. Others in brackets ("[西班牙语]") are text.
_NAMED = re.compile(r"\\?\[(?:" + "|".join(sorted(_EMOTICONS, key=len)[::-1]) + r")\\?\]")
_PAIRED_CODE = re.compile(
    r"(?i)\[(/?)(b|i|u|s|url|quote|code|color|size|font|align|list|email|table|tr|td|th|hide|free|"
    r"backcolor|left|center|right)(?:=[^\[\]\n]{0,200})?\]"
)
_PICTURE_CODE = re.compile(
    r"(?is)\[(img|flash|media|audio|video|attach|attachimg)(?:=[^\[\]\n]{0,60})?\][^\[\]]*\[/\1\]"
)
_STRAY_CODE = re.compile(
    r"(?i)\[(?:/(?:b|i|u|s|url|img|quote|code|color|size|font|align|list|email|table|tr|td|hide|"
    r"backcolor)|(?:url|color|size|font|align|backcolor|quote|list)=[^\[\]\n]{0,200})\]"
)
_WIKI_LINK = re.compile(r"\[\[(?:[^\[\]|\n]*\|)?([^\W\d_][^\[\]|\n]*)\]\]")
_WIKI_BOLD = re.compile(r"'''(?=[^\s'])([^'\n]+?)(?<=\S)'''(?!')")
_WIKI_HEADING = re.compile(r"(?m)^(={2,6}) ?([^=\n]*[^=\s]) ?\1$")
# "so it is//@amy: is it //@bob: ..." : what follows the first mark was said by others.
_FORWARDED = re.compile(r"(?s)(?://|\|\|)\s?@[^\s:：@]{1,30}\s?[:：].*")
# "回复 amy_1 :" names whom it is to; "回复如下：" does not.
_REPLY_TO = re.compile(
    r"^(?:回[复覆](?!如下|时间|内容|[率是]|速度)(?: ?@?[^\s:：,，。！？!?@]{1,20} ?[:：]"
    r"| @?[A-Za-z0-9_-]{2,20}(?= [\u4e00-\u9fff]))\s*)++"
)
# A name ends with a blank, a colon or the text; "@你不理我" alone and "我@不了你" are rather talk.
_MENTION = re.compile(
    r"(?:回复 ?)?(?<![A-Za-z0-9._%+\-/])@[\w\-·]{2,30}(?:\(\*+\)[:：]?|[:：]|(?=\s))"
    r"|(?<=[\s，。！？…~～、,.!?)）】\]])@[\w\-·]{2,30}$"
)


@settled
def remove_markup(text: str) -> str:
    """Take out tags and mentions, and write entities as the characters they stand for.

    "<b>好</b>&amp;快{face:12}[偷笑]" gives "好&快"; `<br>` and `{br}` become newlines.
    """
    if "&" in text:
        text = _ENTITY.sub(_unescaped, text)
    if "<" in text or "{" in text or "【" in text:
        text = _without_hidden(cut(_DOCTYPE, text))
        if _BREAK.search(text):
            text = "\n".join(part.strip() for part in _BREAK.split(text)).strip()
        text = cut(_TAG, text)
    if "[" in text or "{" in text or "/f" in text:
        text = cut(_NAMED, cut(_NUMBERED, text))
    if "[" in text:
        text = _without_pairs(cut(_PICTURE_CODE, text))
        text = _WIKI_LINK.sub(r"\1", cut(_STRAY_CODE, text))
    if "'''" in text or "==" in text:
        text = _WIKI_HEADING.sub(r"\2", _WIKI_BOLD.sub(r"\1", text))
    if text.startswith(("回复", "回覆")):
        text = cut(_REPLY_TO, text)
    if "@" in text:
        text = cut(_MENTION, cut(_FORWARDED, text))
    return text


def _without_hidden(text: str) -> str:
    """Take out comments and scripts; an end that is not there is looked for once."""
    pieces, place = [], 0
    missing = set()
    for match in _HIDDEN.finditer(text):
        name = (match[1] or "").lower()
        if match.start() < place or name in missing:
            continue
        if end := _HIDDEN_ENDS[name].search(text, match.end()):
            pieces.append(text[place : match.start()])
            place = end.end()
        else:
            missing.add(name)
    return trimmed("".join(pieces) + text[place:]) if place else text


def _without_pairs(text: str) -> str:
    """Take the marks of BBCode from around what they mark, where both are there."""
    gone: list[tuple[int, int]] = []
    opened: dict[str, list[tuple[int, int]]] = {}
    for match in _PAIRED_CODE.finditer(text):
        before = opened.setdefault(match[2].lower(), [])
        if not match[1]:
            before.append(match.span())
        elif before and "=" not in match[0]:
            gone += [before.pop(), match.span()]
    gone.sort()
    ends, begins = [0, *(end for _, end in gone)], [*(begin for begin, _ in gone), len(text)]
    return "".join(text[end:begin] for end, begin in zip(ends, begins, strict=True))


def _unescaped(match: re.Match[str]) -> str:
    text = html.unescape(f"&{match[1]};")
    # A number that is no character, or a name that is none: leave what was written.
    return match[0] if "\ufffd" in text or text.startswith("&") and len(text) > 1 else text


# ASCII only, for Chinese goes on right after an address; the last one is no punctuation, for
# that belongs to the sentence.
_ADDRESS = r"[A-Za-z0-9\-._~:/?#@!$&*+,;=%|^()\[\]]*[A-Za-z0-9/_\-=&#%~+@$]"
_TOP_LEVEL = (
    "ac|ai|app|biz|br|ca|cc|ch|cn|co|com|de|dev|edu|es|eu|fr|gl|gov|hk|in|info|io|it|jp|kr|ly|me|"
    "mil|mobi|net|nl|org|ru|sg|site|top|tv|tw|uk|us|vip|xyz"
)
_URL = (
    rf"(?:https?|ftp|ed2k|thunder)://{_ADDRESS}"
    rf"|(?<![A-Za-z0-9@.])www\.[A-Za-z0-9\-]+\.[A-Za-z](?:{_ADDRESS})?"
    rf"|(?<![A-Za-z0-9@.\-/])(?:[A-Za-z0-9\-]{{1,63}}\.){{1,4}}(?:{_TOP_LEVEL})(?::\d+)?/"
    rf"(?:{_ADDRESS})?"
)
_MAIL = (
    r"(?<![A-Za-z0-9_.+\-])[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9\-]{1,63}\.){1,4}[A-Za-z]{2,10}"
    r"(?![A-Za-z0-9])"
)
# Without brackets but pairs of its own, so that no address is read from each "[" again.
_NO_BRACKETS = r"[^\s()\[\]<>]*"
_IN_BRACKETS = (
    rf"\((?:(?:https?|ftp)://|www\.){_NO_BRACKETS}(?:\({_NO_BRACKETS}\){_NO_BRACKETS}){{0,3}}\)"
)
_PICTURE = re.compile(rf"!\[[^\[\]\n]*\]{_IN_BRACKETS}", re.ASCII)
_NAMED_LINK = re.compile(rf"\[([^\[\]\n]*)\]{_IN_BRACKETS}", re.ASCII)
_LINK = re.compile(rf"<(?:{_URL}|{_MAIL})>|\((?:{_URL})\)|{_URL}|{_MAIL}", re.ASCII)


@settled
def remove_links(text: str) -> str:
    """Take out URLs (http, www., a domain with a path) and e-mail addresses.

    Of `[words](address)` the words stay. A bare domain ("example.com") is a name and stays.
    """
    # One of these is in each, and they are rare in talk.
    if "/" not in text and "@" not in text and "www." not in text.lower():
        return text
    if "](" in text:
        text = _NAMED_LINK.sub(r"\1", cut(_PICTURE, text))
    return cut(_LINK, text)

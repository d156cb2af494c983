# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Takes out markup: HTML, emoticon tags of Chinese sites, BBCode, a little of wikis, mentions.

For talk. Text *about* code loses its code: leave the step off for instruction data.
"""

from __future__ import annotations

import html
import re

from data_builders.cleaning.emoticons import EMOTICON_NAMES
from data_builders.cleaning.settling import cut, settled

_ENTITY = re.compile(r"&(?:amp;)*(#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_HIDDEN = re.compile(r"(?is)<!--.*?-->|<!doctype[^<>]*>|<(script|style)\b[^<>]*>.*?</\1\s*>")
_BREAK = re.compile(r"(?i)\s*(?:</?(?:br|p|div|li|tr|h[1-6])(?:\s[^<>]*)?/?>|\{br\}|【换行】)\s*")
_TAG = re.compile(
    r"(?i)</?(?:a|abbr|article|b|big|blockquote|body|button|center|code|dd|del|dl|dt|em|font|form|"
    r"head|header|footer|hr|html|i|iframe|img|input|ins|label|link|main|mark|meta|nav|ol|option|"
    r"pre|q|s|section|select|small|span|strike|strong|sub|sup|table|tbody|td|textarea|tfoot|th|"
    r"thead|title|tt|u|ul|video)(?:\s[^<>]*)?/?>"
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
_NAMED = re.compile(r"\\?\[(?:" + "|".join(sorted(EMOTICON_NAMES, key=len)[::-1]) + r")\\?\]")
_PAIRED_CODE = re.compile(
    r"(?is)\[(b|i|u|s|url|quote|code|color|size|font|align|list|email|table|tr|td|th|hide|free|"
    r"backcolor|left|center|right)(?:=[^\[\]\n]{0,200})?\](.*?)\[/\1\]"
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
_FORWARDED = re.compile(r"(?s)\s*(?://|\|\|)\s?@[^\s:：@]{1,30}\s?[:：].*")
# "回复 amy_1 :" names whom it is to; "回复如下：" does not.
_REPLY_TO = re.compile(
    r"^回[复覆](?!如下|时间|内容|[率是]|速度)(?: ?@?[^\s:：,，。！？!?@]{1,20} ?[:：]"
    r"| @?[A-Za-z0-9_-]{2,20}(?= [\u4e00-\u9fff]))"
)
# A name ends with a blank, a colon or the text; "@你不理我" alone and "我@不了你" are rather talk.
_MENTION = re.compile(
    r"(?:回复 ?)?(?<![A-Za-z0-9._%+\-/])@[\w\-·]{2,30}(?:\(\*+\)[:：]?|[:：]|(?=\s))"
    r"|(?<=[\s，。！？…~～、,.!?)）】\]])@[\w\-·]{2,30}$"
)


@settled
def remove_markup(text: str) -> str:
    """Take out tags and mentions, and write entities as the characters they stand for.

    Args:
        text: One turn.

    Returns:
        "<b>好</b>&amp;快{face:12}[偷笑]" gives "好&快"; `<br>` and `{br}` become newlines.
    """
    if "&" in text:
        text = _ENTITY.sub(_unescaped, text)
    if "<" in text or "{" in text or "【" in text:
        text = _BREAK.sub("\n", cut(_HIDDEN, text)).strip() if _BREAK.search(text) else text
        text = cut(_TAG, cut(_HIDDEN, text))
    if "[" in text or "{" in text or "/f" in text:
        text = cut(_NAMED, cut(_NUMBERED, text))
        text = _without_codes(text) if "[" in text else text
    if "'''" in text or "==" in text:
        text = _WIKI_HEADING.sub(r"\2", _WIKI_BOLD.sub(r"\1", text))
    if text.startswith(("回复", "回覆")):
        text = cut(_REPLY_TO, text)
    if "@" in text:
        text = cut(_MENTION, cut(_FORWARDED, text))
    return text


def _without_codes(text: str) -> str:
    text = _PAIRED_CODE.sub(r"\2", cut(_PICTURE_CODE, text))
    return _WIKI_LINK.sub(r"\1", cut(_STRAY_CODE, text))


def _unescaped(match: re.Match[str]) -> str:
    text = html.unescape(f"&{match[1]};")
    # A number that is no character, or a name that is none: leave what was written.
    return match[0] if "\ufffd" in text or text.startswith("&") and len(text) > 1 else text

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The steps on Chinese: joins what blanks have split, one width for each mark, one script.

"?" beside "？" is one thing in two tokens. What is no mark of the sentence stays: numbers, times,
addresses, names in file:line, code, faces, and the dot that parts a name (约翰.史密斯).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from data_builders.cleaning.residue import remove_kaomoji
from data_builders.cleaning.settling import settled
from data_builders.errors import UserError
from data_builders.language import guess_language, is_latin

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# What needs no space beside it: Han, kana, bopomofo, CJK and full-width marks, —…·.
_WIDE = rf"{_HAN}\u2014\u2026\u00b7\u3001-\u30ff\u3100-\u312f\uff01-\uffef"
# Words keep a space between each other; anything else is a mark.
_MARK = r"(?:[^\w\s]|_)"
_SPACES = re.compile("  +")
_HAS_WIDE = re.compile(f"[{_HAN}\u3001-\u30ff\u3100-\u312f\uff01-\uffef]")
_JOINED = re.compile(
    " (?:"
    # Beside Chinese, on either side.
    rf"(?<=[{_WIDE}] )|(?=[{_WIDE}])"
    # Inside quotes, for outside of them Latin words keep theirs: He said “yes” “no” and left.
    r"|(?<=[“‘] )|(?=[”’])|(?<=’ )(?=(?:s|t|m|d|re|ve|ll)\b)"
    # Between two marks ("! ! !"), before one that closes, after one that opens.
    rf"|(?:(?<=[^\w\s] )|(?<=_ ))(?<![A-Za-z0-9][”’] )(?={_MARK})|(?=[,.!?;:%)\]}}])|(?<=[(\[{{] )"
    # A decimal point, or a colon in a time: the space before it is gone by the rule above.
    r"|(?<=\d[.:] )(?=\d)|(?<=\d [.:] )(?=\d)"
    ")"
)
_HAN_PAIR = re.compile(f"(?=[{_HAN}]( *)[{_HAN}])")
# Words of Chinese have 1.5 to 1.7 characters, so about 0.6 of the gaps between characters hold a
# space (0.57 to 0.66 over four corpora split by words, 1.0 over those split by characters).
# Where a space stands for a pause it is below 0.05.
_SEGMENTED_SHARE = 0.35
_PAIRS_ENOUGH = 20_000


def looks_segmented(texts: Sequence[str]) -> bool:
    """Say whether the Chinese of a file was split by spaces, into characters or words.

    Over a third of the places between two Chinese characters then hold a space, in some hundred
    turns. False where a space is but a pause ("爸爸  你喝了多少酒").
    """
    split = pairs = 0
    for text in texts:
        for match in _HAN_PAIR.finditer(text):
            pairs += 1
            split += bool(match[1])
        if pairs >= _PAIRS_ENOUGH:
            break
    return split > _SEGMENTED_SHARE * pairs


def join_segmented(text: str) -> str:
    """Take the spaces out of a turn whose Chinese was split into characters or words.

    "我 用 iPhone 12 听 Taylor Swift 。" gives "我用iPhone 12听Taylor Swift。". A turn without
    Chinese stays, unless *every* token is one character: in "O K 啦" and "我 1 8 岁" letters and
    digits were split too.
    """
    if " " not in text:
        return text
    if _all_single(text):
        return text.replace(" ", "")
    if not _HAS_WIDE.search(text) or "```" in text:
        return text
    return _JOINED.sub("", _SPACES.sub(" ", text))


def _all_single(text: str) -> bool:
    tokens = [token for token in text.split(" ") if token]
    # Sorted out first: nearly all turns have more characters than that.
    return len(text) < 2 * len(tokens) + 2 and all(len(token) == 1 for token in tokens)


_HAN_CLASS = r"\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAN_LETTER = re.compile(f"[{_HAN_CLASS}]")
_ASCII_MARK = re.compile(r"[?!,.;:()]")
_WIDE_MARK = re.compile("[！（），：；？。、]")
_TO_WIDE = str.maketrans("?!,;:", "？！，；：")
_ASCII = str.maketrans("！（），：；？。、", "!(),:;?.,")

# Their marks are their own; a face (":D", ";-)") is drawn with some.
_ADDRESS = r"(?:https?://|ftp://|www\.)[!-~]+|(?<![\w.+-])[\w.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+"
_FACE = r"[:;][-'^o]?[()DPpOo/\\\[\]](?![A-Za-z0-9])"
# What a mark of a Chinese sentence may follow: a character, or another such mark.
_BEFORE = rf"[{_HAN_CLASS}。，、！？；：）」』》】”’…～〉〕~]"
_ADDRESSES = re.compile(_ADDRESS)
# A blank after a half-width mark is part of it: "你好, 你呢".
_CHINESE = re.compile(
    rf"(?P<kept>{_ADDRESS}|{_FACE})"
    r"|(?P<bracket>(?<![A-Za-z0-9_])\([^()（）\n]*[)）]|（[^()（）\n]*\))"
    rf"|(?P<marks>(?<={_BEFORE})[?!,.;:]+) ?"
    rf'|(?P<between>(?<=[A-Za-z0-9%"])[?!,]+|(?<!\.)\.{{2,}}) ?(?=[{_HAN_CLASS}])'
    r'|(?P<last>(?<=[A-Za-z0-9%"])[?!]+$)'
)
_IN_BRACKETS = re.compile(rf"[{_HAN_CLASS}\w][{_HAN_CLASS}\w，。！？：；、…·“”《》 ,.?!:;%/~～-]*")
_ONE_MARK = re.compile(r"\.{2,}|.")
_LATIN = re.compile("（|[！），：；？。、]+")


def is_unified(text: str) -> bool:
    """Say at a glance whether no mark can be of the other width; False is no more than a doubt."""
    if text.isascii():
        return True
    return not (_ASCII_MARK if _HAN_LETTER.search(text) else _WIDE_MARK).search(text)


@settled
def unify_punctuation(text: str) -> str:
    """Write the marks of Chinese in full width, and those of Latin letters in half width.

    "在吗?在的,3.5米..." gives "在吗？在的，3.5米……", "Yes！I am。" gives "Yes! I am.". A turn of
    neither, or with a block of code, stays.
    """
    if is_unified(text) or "```" in text:
        return text
    words = _ADDRESSES.sub("", text)
    if is_latin(words) and not _HAN_LETTER.search(text):
        return _LATIN.sub(_half_width, text)
    return _CHINESE.sub(_full_width, text) if guess_language((words,)) == "zh" else text


def _full_width(match: re.Match[str]) -> str:
    if match["kept"] is not None:
        return match[0]
    if match["bracket"] is not None:
        return _bracket(match[0])
    marks = match["marks"] or match["between"] or match["last"]
    widened = "".join(_widened(mark) for mark in _ONE_MARK.findall(marks))
    # "约翰.史密斯", "百度.com": a dot with no blank after it ends no sentence.
    if widened.endswith("。") and match[0] == marks and _goes_on(match):
        return widened[:-1] + "."
    return widened


def _widened(mark: str) -> str:
    if mark == ".":
        return "。"
    return "……" if mark.startswith(".") else mark.translate(_TO_WIDE)


def _goes_on(match: re.Match[str]) -> bool:
    return match.string[match.end() : match.end() + 1].isalnum()


def _bracket(text: str) -> str:
    inner = text[1:-1]
    if not _HAN_LETTER.search(inner) or not _IN_BRACKETS.fullmatch(inner):
        return text
    return f"（{inner}）" if remove_kaomoji(text) == text else text


def _half_width(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()] if match.start() else ""
    after = match.string[match.end() : match.end() + 1]
    if match[0] == "（":
        return " (" if before.isalnum() else "("
    marks = match[0].translate(_ASCII)
    number = before.isdigit() and after.isdigit()
    return f"{marks} " if after.isalnum() and not number else marks


# OpenCC's `t2s` leaves 著 alone, which Taiwan writes for 着 ("看著你"); its `tw2s` takes care of
# that, but spoils text that is simplified already (么 -> 幺, 显著 -> 显着). So `t2s` it is, and 著
# is turned unless it belongs to one of the words in which simplified Chinese has it too. 妳 and 牠
# OpenCC leaves alone as well.
_ASPECT = re.compile("(?<![原名巨专土显卓昭编译遗拙合论所撰])著(?![作名称者述书录]|有《|《)")
_PRONOUNS = str.maketrans("妳牠", "你它")


def load_simplifier() -> Callable[[str], str]:
    """Give the function that turns traditional Chinese into simplified."""
    try:
        from opencc import OpenCC
    except ImportError:
        raise UserError(
            "`to_simplified` needs the package OpenCC, which is not installed. Install it with "
            '`pip install "tfchat-hf[opencc]"`, or leave `to_simplified` off.'
        ) from None
    convert = OpenCC("t2s").convert

    def to_simplified(text: str) -> str:
        if text.isascii():
            return text
        text = convert(text).translate(_PRONOUNS)
        return _ASPECT.sub("着", text) if "著" in text else text

    return to_simplified

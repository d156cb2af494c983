# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How far two texts are apart: nothing that changes what is said may differ in a copy.

A copy differs in spelling, particles, politeness, or in a few words of many. A number, a negation,
"left" for "right" or "he" for "she" makes another text, however long both are; so does a word in
the place of another where a text has few.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

from data_builders.selecting.splits import SIGNS, signed

# Up to these distances two questions are the same, short and long ones, and a held-out question is
# known to whoever was asked the other one. Chosen on pairs labelled by hand (docs/splits.md).
SAME_QUESTION, SAME_LONG_QUESTION, LEAKS = 0.11, 0.15, 0.19
_LONG_QUESTION = 20
# Replies to the same question may differ a little more, the longer they are.
_SAME_REPLY, _REPLY_TOKENS, _SAME_LONG_REPLY = 0.1, 200, 0.4

# What a token costs that stands in one text alone; in the place of another one; spelt otherwise.
_LIGHT_COST, _MORE_COST, _INSTEAD_COST, _SPELLING_COST = 0.2, 1.0, 2.2, 0.3
_MOVED_COST = 0.3
# So many words of content, and no light ones counted, are a phrase.
_PHRASE = 4
# A long dialogue is reworded, as by a second translator, if many small places differ as well.
_REWORDED, _REWORDED_TOKENS, _REWORDED_PLACES = 0.3, 40, 4
# More than this share of other tokens is not looked at closely.
_HOPELESS = 0.5
# Comparing costs the product of the lengths: beyond it, tokens are only counted.
_MOST_COMPARED = 250_000
_SPELT_WITH = 5

Edit = tuple[tuple[str, ...], tuple[str, ...]]
_LIGHT = frozenset(
    "的了吗嘛呢啊呀吧哦噢喔啦咯哈嘿哎唉诶欸呃嗯恩哇呗哟嘞滴噻喽地得着过个一就那请才把都很太真好挺已经在是所其中于与和并将以之该此这耶哩咧呦么而但且却还也为"
) | frozenset(
    "a an the is are am was were be been do does did s re m ve ll d t u please pls well oh so just "
    "hi hey hello um uh hmm haha ok okay and that this of to for in there then really very now "
    "following given".split()
)
# Where these stand says little; "to" and 在 say what stands before and behind them.
_STRAY = _LIGHT - frozenset("to of in for and that 过 得 把 才 就 在 于 与 和 并 将 以 个".split())
_ASKING = frozenset("哪谁吗么几怎何呢")
_NEGATIONS = frozenset("不没别无未非莫勿") | frozenset(
    "not no never none nobody nothing neither nor without hardly".split()
)
# One of these in the place of another one of its line says something else.
_GROUPS = """
左 右; 上 下; 前 后; 里 外 内; 大 小; 多 少; 高 低 矮; 长 短; 早 晚
冷 热; 快 慢; 好 坏; 对 错; 真 假; 开 关; 来 去; 买 卖; 增 减; 升 降
胖 瘦; 新 旧; 远 近; 生 死 活; 爱 恨; 哭 笑; 男 女; 爸 妈 父 母
哥 姐 弟 妹; 儿 女; 我 你 他 她 它 谁; 这 那 哪; 春 夏 秋 冬; 东 南 西 北
红 黄 蓝 绿 黑 白; 年 月 日 周 时 分 秒; 百 千 万 亿 半; on off
up down; in out; left right; yes no; true false; more less fewer; most least
before after; always never sometimes; with without; start stop end begin finish
open close open shut; buy sell; first second third fourth fifth last next
increase decrease; day night morning evening afternoon; good bad; best worst
big small large little; long short; fast slow; early late; high low
hot cold warm cool; old new young; love hate; like dislike; happy sad
man woman boy girl; men women boys girls; male female; mother father mom dad
brother sister; son daughter; husband wife; i you he she it we they
me you him her us them; my your his her its our their; north south east west
black white red green blue yellow; minimum maximum min max; import export
input output; encrypt decrypt; ascending descending; horizontal vertical
positive negative; internal external; direct indirect; hypertension hypotension
who what when where why how which; can could should must will would
one two three four five six seven eight nine ten hundred thousand million
monday tuesday wednesday thursday friday saturday sunday
january february march april may june july august september october november december
hi hey hello; desert dessert; trial trail; diary dairy; angel angle; compliment complement
this that these those it
"""
_GROUPS_OF: dict[str, set[int]] = {}
for _number, _line in enumerate(_GROUPS.replace("\n", ";").split(";")):
    for _word in _line.split():
        _GROUPS_OF.setdefault(_word, set()).add(_number)

# Characters that are taken for each other, by sound or by shape.
_LOOKALIKES = (
    "的地得底 个份支种项 在再 做作 坐座 象像 帐账 你您妳 它牠 着著 "
    "裡里裏 吗嘛么麼 和跟与同 绘画 以已"
)
_ALIKE = {c: line[0] for line in _LOOKALIKES.split() for c in line}
_SPELLINGS = """
not dont cant cannot wont didnt doesnt isnt arent wasnt werent wouldnt couldnt shouldnt havent aint;
what whats wut; how hows; it its; that thats; i im ive; you youre ya u; who whos; where wheres
"""
_SPELT = {word: line.split()[0] for line in _SPELLINGS.split(";") for word in line.split()}

# Words of one meaning, one in the place of the other in most sentences.
_SAME_WORDS = """
下 以下 下列 下面; 找 找到 找出 查找 求 求出; 列 列出 列举 说出 命名 举出;
给 给定 给出 所给 特定; 因 因此 所以 因而; 如何 怎样 怎么; 无法 不能; 使 使得 让; 树 树木;
从而 以便; 或 或者; 和 以及 并且 而且; 显示 展示; 创建 生成 制作 产生; 写 编写 撰写 写出;
包含 包括 包含有; 何时 什么时候; 想 想要; 表 表格; 例子 示例; 概括 总结;
谢谢 多谢 感谢 谢谢你 谢谢您 谢谢啦 谢谢了;
转换 转换成 转换为 转化成 转化为 转成 转为; 优点 优势; 特征 特点; 影响 作用; 功能 功用;
世上 世界上; 这么 那么; 它们 他们; 需要 需; 应该 应当; 常见 普遍; 表示 代表; 首先 第一步;
例如 比如 譬如;
但 但是; 如果 要是 假如; 关于 有关; 进行 做; 帮助 帮; 很 非常; 讲 说; 最佳 最好;
客气 谢; 不客气 不用客气; 啥 啥子 什么;
"""
_SYNONYMS = {word: line.split()[0] for line in _SAME_WORDS.split(";") for word in line.split()}
_SYNONYM = re.compile("|".join(sorted(_SYNONYMS, key=len, reverse=True)))
_POLITE = re.compile(
    r"^(?:请问(?:一下)?|(?:好的?呀?|[嗯恩]+呢?|哦+了?|收到|您好|你好|谢谢[你您]?[了啦啊]?|是的|对|haha|oh|wow|ok(?:ay)?)[，,。.!！\s~]+)+(?=\w)"
    r"|(?<=[^\s，,。.!！])[，,。.!！\s]+"
    r"(?:谢谢[你您]?[了啦啊]?|再见|thanks|thank you|please)[。.!！\s]*$"
)
# In these 别 is no "do not".
_NO_NEGATION = re.compile("(?<=[识特区分类性级])别|别(?=[人的])")
_NUMERALS = str.maketrans(
    {c: str(n) for n, c in enumerate("二三四五六七八九", start=2)} | {"两": "2"}
)
_TENS = re.compile("(?<![0-9百千万])([2-9])?十([1-9一])?(?![0-9百千万])")
_CONTRACTED = re.compile(r"n['’]t(?![a-z])|['’](?=(?:s|re|m|ve|ll|d)(?![a-z]))")
# A word of one letter alone, such as hhh, keeps more than one: unit AA is not unit A.
_DRAWN_OUT = re.compile(
    r"(?<![a-z])(([a-z])\2\2)\2*(?![a-z])"
    r"|([a-z])\3{2,}|(([^\W\d])\5)\5+|(?<=[a-z])([aiuy])\6+(?![a-z])"
)
# Capitals that name something and are written as a light word: option A, unit AS; no first "A".
_NAMING = re.compile(
    r"(?<![A-Za-z'’])(?!(?:(?:^|(?<=[.!?。！？\n])\s?)|(?<=[.!?。！？\n]\s))A\s+[a-z])[ASMDTU](?![A-Za-z'’])"
    r"|(?<=[a-z] )(?!(?:OK|NEVER|NONE|NOTHING)[^A-Za-z])[A-Z]{2,}(?![A-Za-z'’])"
)
_SHOUTED = re.compile("[A-Z]{2}")
_BOLD = {c: chr(0x1D400 + c - ord("A")) for c in range(ord("A"), ord("Z") + 1)}
_EAST = "\u2e80-\ud7ff\U00020000-\U0003ffff"
_TOKEN = re.compile(
    rf"\u2212?\u22c5?\d+(?:[{re.escape(SIGNS)}]+\d+)*\u2052?"
    rf"|[^\W\d_{_EAST}]+(?:\u2223[^\W\d_{_EAST}])*(?:\u266f|\+\+)?|[^\W_]|[+=<>$€£¥\u2299{re.escape(SIGNS)}]"
)
_NUMBER = re.compile(
    rf"[\d十百千万亿毫]|[+=<>$€£¥\u2299{re.escape(SIGNS)}]|^[ivxlcdm]*[ivx][ivxlcdm]+$"
)


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[str, ...]:
    """Cut a text into what is compared: words, whole numbers, single Chinese characters and signs.

    Args:
        text: Any text.

    Returns:
        The folded tokens, such as "10∶30"; "don't" is "do" and "not".
    """
    text = unicodedata.normalize("NFKC", signed(text))
    if not (text.isupper() and _SHOUTED.search(text)):
        text = _NAMING.sub(_as_name, text)
    text = text.casefold()
    text = _SYNONYM.sub(lambda found: _SYNONYMS[found.group()], _POLITE.sub("", text))
    text = _NO_NEGATION.sub("另", text.replace("第一", "第1").translate(_NUMERALS))
    text = _TENS.sub(lambda found: f"{found[1] or 1}{(found[2] or '0').replace('一', '1')}", text)
    text = _CONTRACTED.sub(lambda found: " not" if len(found.group()) > 1 else " ", text)
    text = _DRAWN_OUT.sub(r"\1\3\4\6", text)
    return tuple(_SPELT.get(token, token) for token in _TOKEN.findall(text))


def _as_name(found: re.Match[str]) -> str:
    word = found.group()
    folded = word.casefold()
    code = word[-1] == word[-2:-1] or (len(word) > 3 and folded not in _GROUPS_OF)
    return word.translate(_BOLD) if folded in _LIGHT or code else word


def _plain(token: str) -> str:
    return unicodedata.normalize("NFKC", token).casefold()


def alike(first: Sequence[str], later: Sequence[str]) -> float:
    """Measure whether a dialogue says again what another one said.

    Another reply to the same question is a second reference, and another question with the same
    reply is another way to ask: both stay.

    Args:
        first: The turns of a dialogue.
        later: Those of another.

    Returns:
        1 for equal ones, 0 for those that are no copies, and between them what they share.
    """
    if len(first) != len(later):
        return 0.0
    asked = _difference(*("\n".join(turns[:-1]) for turns in (first, later)))
    said = asked and _difference(first[-1], later[-1])
    if asked is None or said is None or asked.content & said.content:
        return 0.0
    most = SAME_LONG_QUESTION if asked.shorter >= _LONG_QUESTION else SAME_QUESTION
    more = min(_SAME_LONG_REPLY, _SAME_REPLY + said.size / _REPLY_TOKENS)
    if asked.share <= most and said.share <= more:
        return 1 - max(asked.share, said.share)
    share = (asked.cost + said.cost) / (asked.size + said.size)
    places = asked.places - asked.filled + said.places - said.filled
    long = asked.size + said.size >= _REWORDED_TOKENS and places >= _REWORDED_PLACES
    near = share <= _REWORDED and max(asked.phrase, said.phrase) < _PHRASE
    return 1 - share if long and near and said.cost <= _SAME_LONG_REPLY * said.size else 0.0


class _Difference(NamedTuple):
    """What differs between two texts that may say the same.

    Attributes:
        cost: The weights of all places.
        size: Tokens of the longer one.
        shorter: Those of the shorter one.
        places: At so many places the texts differ.
        filled: In so many of them, each counted once, words stand in the place of others.
        phrase: Most words of content that stand together in one text alone.
        content: The places where words of content differ. What differs alike in question and
            reply is what both speak about, and no slip.
    """

    cost: float
    size: int
    shorter: int
    places: int = 0
    filled: int = 0
    phrase: int = 0
    content: frozenset[Edit] = frozenset()

    @property
    def share(self) -> float:
        """Say what differs as a share, or 1: what is filled in or added is said alone."""
        if self.phrase >= _PHRASE or self.filled > self.places - self.filled:
            return 1.0
        return min(1.0, self.cost / max(1, self.size))


def apart(one: str, other: str) -> float:
    """Measure how far two texts are apart.

    Args:
        one: A text.
        other: Another.

    Returns:
        0 for texts that fold to the same, 1 for those that say different things, and between them
        what differs as a share of the longer one.
    """
    difference = _difference(one, other)
    return 1.0 if difference is None else difference.share


def _difference(one: str, other: str) -> _Difference | None:
    """Weigh what differs; nothing if it makes another text."""
    first, second = tokens(one), tokens(other)
    size, shorter = max(len(first), len(second)), min(len(first), len(second))
    if "".join(first) == "".join(second):
        same = bool(first) or set("".join(one.split())) == set("".join(other.split()))
        return _Difference(0.0, size, shorter) if same else None
    counts, others = Counter(first), Counter(second)
    more, less = _without(counts, others), _without(others, counts)
    heavy = max(sum(n for t, n in side.items() if t not in _LIGHT) for side in (more, less))
    if heavy > max(1, _HOPELESS * size) or _differ(more, less):
        return None
    begin, end = _shared_ends(first, second)
    first, second = first[begin : len(first) - end], second[begin : len(second) - end]
    if len(first) * len(second) > _MOST_COMPARED:
        total = sum(more.values()) + sum(less.values())
        return _Difference(total * _MORE_COST, size, shorter)
    places = SequenceMatcher(None, first, second, autojunk=False).get_opcodes()
    edits = [(first[i:j], second[k:m]) for kind, i, j, k, m in places if kind != "equal"]
    if _swapped(edits) and len(_without_moved(edits)[0]) < _REWORDED_PLACES:
        return None
    if begin == 0 and _no_subject(edits[0], counts):
        edits[0] = (("了",), ())
    return _weighed(edits, size, shorter)


def _without(some: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    """Give what `Counter`s have of `-`, which takes twice as long."""
    return {
        token: n - others.get(token, 0) for token, n in some.items() if n > others.get(token, 0)
    }


def _weighed(edits: Sequence[Edit], size: int, shorter: int) -> _Difference:
    edits, moved = _without_moved(edits)
    cost = sum(_cost(*edit) for edit in edits) + moved * _MOVED_COST
    filled = {edit for edit in edits if _replaced(*edit)}
    alone = [_heavy([*gone, *new]) for gone, new in edits if not (gone and new)]
    places = len(filled) + sum(edit not in filled for edit in edits)
    phrase = max(map(len, alone), default=0)
    content = frozenset((one, other) for one, other in edits if _heavy([*one, *other]))
    return _Difference(cost, size, shorter, places, len(filled), phrase, content)


def _without_moved(edits: Sequence[Edit]) -> tuple[list[Edit], int]:
    """Take out what stands in both texts, at another place, and count it."""
    gone, new = (Counter(t for edit in edits for t in edit[side]) for side in (0, 1))
    moved = Counter({t: n for t, n in (gone & new).items() if t not in _LIGHT})
    left = (moved.copy(), moved.copy())
    rest = [tuple(map(_subtract, edit, left)) for edit in edits]
    return [(one, other) for one, other in rest if one or other], moved.total()


def _subtract(side: Sequence[str], moved: Counter[str]) -> tuple[str, ...]:
    """Leave out the tokens that are counted still, and count them down."""
    kept = []
    for token in side:
        moved[token] -= 1
        if moved[token] < 0:
            kept.append(token)
    return tuple(kept)


def _shared_ends(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """Count the tokens that two texts have in common at the beginning, and then at the end."""
    most = min(len(one), len(other))
    begin = next((i for i in range(most) if one[i] != other[i]), most)
    left = most - begin
    return begin, next((i for i in range(left) if one[-1 - i] != other[-1 - i]), left)


def _no_subject(edit: Edit, words: Counter[str]) -> bool:
    """Say whether one of two texts leaves its subject out: "你坐下", "坐下"."""
    subject = edit[0] + edit[1]
    return subject == ("你",) or (subject == ("我",) and not _ASKING & words.keys())


def _swapped(edits: Sequence[Edit]) -> bool:
    """Say whether words have changed places around another one: from A to B, from B to A."""
    gone, new = ([t for edit in edits for t in edit[side]] for side in (0, 1))
    both = Counter(gone) & Counter(new)
    orders = [[t for t in side if t in both and t not in _STRAY] for side in (gone, new)]
    return orders[0] != orders[1]


def _heavy(side: Sequence[str]) -> list[str]:
    return [token for token in side if token not in _LIGHT]


def _differ(more: Mapping[str, int], less: Mapping[str, int]) -> bool:
    """Say whether what stands in one text alone makes it another text."""
    if any(map(_is_number, more)) or any(map(_is_number, less)):
        return True
    negations = [sum(n for t, n in side.items() if t in _NEGATIONS) for side in (more, less)]
    return negations[0] != negations[1] or _opposed(more, less)


@lru_cache(maxsize=100_000)
def _is_number(token: str) -> bool:
    return _NUMBER.search(token) is not None


def _opposed(some: Collection[str], others: Iterable[str]) -> bool:
    here = set().union(*(_GROUPS_OF.get(token, ()) for token in some))
    return bool(here) and any(here & _GROUPS_OF.get(t, set()) and t not in some for t in others)


def _replaced(gone: Sequence[str], new: Sequence[str]) -> bool:
    """Say whether content stands in the place of other content."""
    if len(gone) == len(new) == 1:
        return not (_misspelt(gone[0], new[0]) or (gone[0] in _LIGHT and new[0] in _LIGHT))
    heavy = [_heavy(side) for side in (gone, new)]
    spelt = len(heavy[0]) == len(heavy[1]) and all(map(_misspelt, *heavy))
    return bool(heavy[0] and heavy[1]) and not spelt


def _cost(gone: Sequence[str], new: Sequence[str]) -> float:
    """Weigh one place where two texts differ."""
    if _opposed(gone, new):
        return float("inf")
    if len(gone) == len(new) == 1:
        if len(gone[0]) > 1 and _misspelt(gone[0], new[0]):
            return _SPELLING_COST
        if _replaced(gone, new):
            return _INSTEAD_COST
    heavy = [_heavy(side) for side in (gone, new)]
    light = abs(len(gone) - len(heavy[0]) - len(new) + len(heavy[1])) * _LIGHT_COST
    if not heavy[0] or not heavy[1]:
        return max(light, _LIGHT_COST) + _MORE_COST * (len(heavy[0]) + len(heavy[1]))
    if len(heavy[0]) == len(heavy[1]) and all(map(_misspelt, *heavy)):
        return light + _SPELLING_COST * len(heavy[0])
    return light + _INSTEAD_COST * max(map(len, heavy))


def _misspelt(one: str, other: str) -> bool:
    """Say whether two words are one, spelt in two ways: a letter more, less, or two swapped."""
    if len(one) == len(other) == 1:
        same = one in _ALIKE and _ALIKE[one] == _ALIKE.get(other)
        return same or _plain(one) == _plain(other)
    ends = [re.sub(r"(.)\1+$", r"\1", word) for word in (one, other)]
    if ends[0] == ends[1] and min(map(len, ends)) > 1:
        return True
    if "\U0001d400" <= max(one[0], other[0]) <= "\U0001d419":
        return _plain(one) == _plain(other)
    if one[0] != other[0] or min(len(one), len(other)) < _SPELT_WITH - 1:
        return False
    short, long = sorted((one, other), key=len)
    if len(short) < len(long):
        return len(long) >= _SPELT_WITH and any(
            long[:i] + long[i + 1 :] == short for i in range(1, len(long))
        )
    places = [i for i in range(len(one)) if one[i] != other[i]]
    return len(places) == 2 and sorted(one) == sorted(other) and places[1] - places[0] == 1

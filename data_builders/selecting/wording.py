# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What of a text is compared: its tokens, folded, and what is known of single words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import xxhash

from data_builders.selecting.splits import SIGNS, signed

LIGHT = frozenset(
    "的了吗嘛呢啊呀吧哦噢喔啦咯哈嘿哎唉诶欸呃嗯恩哇呗哟嘞滴噻喽地得着过个一就那请才把都很太真好挺已经在是所其中于与和并将以之该此这耶哩咧呦么而但且却还也为"
) | frozenset(
    "a an the is are am was were be been do does did s re m ve ll d t u please pls well oh so just "
    "hi hey hello o um uh hmm haha ok okay and that this of to for in there then really very now "
    "following given".split()
)
# Where these stand says little; "to" and 在 say what stands before and behind them.
STRAY = LIGHT - frozenset("to of in for and that 过 得 把 才 就 在 于 与 和 并 将 以 个".split())
ASKING = frozenset("哪谁吗么几怎何呢")
NEGATIONS = frozenset("不没别无未非莫勿") | frozenset(
    "not no never none nobody nothing neither nor without hardly".split()
)
# One of these in the place of another one of its line says something else.
_GROUPS = """
左 右; 上 下; 前 后; 里 外 内; 大 小; 多 少; 高 低 矮; 长 短; 早 晚
冷 热; 快 慢; 好 坏; 对 错; 真 假; 开 关; 来 去; 买 卖; 增 减; 升 降
胖 瘦; 新 旧; 远 近; 生 死 活; 爱 恨; 哭 笑; 男 女; 爸 妈 父 母
哥 姐 弟 妹; 儿 女; 我 你 他 她 它 谁; 这 那 哪; 春 夏 秋 冬; 东 南 西 北
红 黄 蓝 绿 黑 白; 同 异; 年 月 日 周 时 分 秒; 百 千 万 亿 半; on off
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
GROUPS_OF: dict[str, set[int]] = {}
for _number, _line in enumerate(_GROUPS.replace("\n", ";").split(";")):
    for _word in _line.split():
        GROUPS_OF.setdefault(_word, set()).add(_number)

# Characters that are taken for each other, by sound or by shape.
_LOOKALIKES = (
    "的地得底 个份支种项 在再 做作 坐座 象像 帐账 你您妳 它牠 着著 "
    "裡里裏 吗嘛么麼 和跟与同 绘画 以已"
)
ALIKE = {c: line[0] for line in _LOOKALIKES.split() for c in line}
_SPELLINGS = """
not dont cant cannot wont didnt doesnt isnt arent wasnt werent wouldnt couldnt shouldnt havent aint;
what whats wut; how hows; it its; that thats; i im ive; you youre ya u; who whos; where wheres;
hey heyo heya heey
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
许多 很多 好多; 使用 应用 运用 采用; 更改 改变 变更; 单词 词语; 潮流 趋势;
获得 得到 取得; 随后 然后 接着; 马上 立刻 立即; 仍然 依然 仍旧; 也许 或许 可能; 大约 大概;
经常 常常 时常; 现在 目前 当前; 必须 不得不; 困难 艰难; 某些 一些; 从前 很久以前 曾几何时;
异 不同 差异; 将来 未来; $ 美元; € 欧元; £ 英镑; km 公里 千米; kg 公斤 千克;
"""
_SYNONYMS = {word: line.split()[0] for line in _SAME_WORDS.split(";") for word in line.split()}
_SYNONYM = re.compile("|".join(map(re.escape, sorted(_SYNONYMS, key=len, reverse=True))))
_POLITE_FIRST = re.compile(
    r"(?:请问(?:一下)?[，,\s]*|(?:好的?呀?|[嗯恩]+呢?|哦+了?|收到|您好|你好|(?:真是)?太?谢谢[你您]?[了啦啊]?|我?(?:知道|明白|了解)了|是的|对|haha|oh|wow|ok(?:ay)?)[，,。.!！\s~]+)+(?=\w)"
)
_POLITE_WORDS = ("谢谢", "再见", "thank", "please")
_POLITE_LAST = re.compile(
    r"(?<=[^\s，,。.!！?？])(?:[，,。.!！?？\s]+"
    r"(?:谢谢[你您]?[了啦啊]?|再见|thanks|thank you|please)){1,3}[。.!！\s]*$"
)
# In these 别 is no "do not", and 们 makes no other person.
_NO_NEGATION = re.compile("(?<=[识特区分类性级])别|别(?=[人的])")
_PLURAL = re.compile("(?<![我你您他她它牠咱人])们")
_NUMERALS = str.maketrans(
    {c: str(n) for n, c in enumerate("二三四五六七八九", start=2)} | {"两": "2"}
)
_NUMERAL = re.compile("[两二三四五六七八九]")
_TENS = re.compile("(?<![0-9百千万])([2-9])?十([1-9一])?(?![0-9百千万])")
_CONTRACTED = re.compile(r"n['’]t(?![a-z])|['’](?=(?:s|re|m|ve|ll|d)(?![a-z]))")
# A word of one letter alone, such as hhh, keeps more than one: unit AA is not unit A.
_DRAWN_OUT = re.compile(
    r"(?<![a-z])(([a-z])\2\2)\2*(?![a-z])"
    r"|([a-z])\3{2,}|(([^\W\d])\5)\5+|(?<=[a-z])([aiuy])\6+(?![a-z])"
)
# What is drawn out has one of these.
_REPEATED, _TWICE = re.compile(r"([^\W\d])\1\1"), ("aa", "ii", "uu", "yy")
# Capitals that name something and are written as a light word: option A, unit AS; no first "A".
_NAMING = re.compile(
    r"(?<![A-Za-z'’])(?!(?:(?:^|(?<=[.!?。！？\n])\s?)|(?<=[.!?。！？\n]\s))A\s+[a-z])[ASMDTU](?![A-Za-z'’])"
    r"|(?<=[a-z] )(?!(?:OK|NEVER|NONE|NOTHING)[^A-Za-z])[A-Z]{2,}(?![A-Za-z'’])"
)
_SHOUTED, _CAPITALS = re.compile("[A-Z]{2}"), re.compile("[ASMDTU](?![A-Za-z'’])|[A-Z]{2}")
_BOLD = {c: chr(0x1D400 + c - ord("A")) for c in range(ord("A"), ord("Z") + 1)}
_EAST = "\u2e80-\ud7ff\U00020000-\U0003ffff"
_TOKEN = re.compile(
    rf"\u2212?\u22c5?\d+(?:[{re.escape(SIGNS)}]+\d+)*\u2052?"
    rf"|[^\W\d_{_EAST}]+(?:\u2223[^\W\d_{_EAST}])*(?:\u266f|\+\+)?|[^\W_]|[+=<>$€£¥\u2299{re.escape(SIGNS)}]"
)
_NUMBER = re.compile(
    rf"[\d十百千万亿毫]|[+=<>$€£¥\u2299{re.escape(SIGNS)}]|^[ivxlcdm]*[ivx][ivxlcdm]+$"
)

_LONGEST_SKELETON = 40
_WORD = re.compile(r"[^\W_]+")


def tokens(text: str) -> tuple[str, ...]:
    """Cut a text into what is compared: words, whole numbers, single Chinese characters and signs.

    Args:
        text: Any text.

    Returns:
        The folded tokens, such as "10∶30"; "don't" is "do" and "not".
    """
    # Everything here looks first, in a microsecond, whether there is something to do.
    text = signed(text)
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    folded = text.casefold()
    if folded != text and _CAPITALS.search(text) and not (text.isupper() and _SHOUTED.search(text)):
        folded = _NAMING.sub(_as_name, text).casefold()
    folded = _without_politeness(folded)
    if not folded.isascii():
        folded = _as_in_chinese(folded)
    if "'" in folded or "’" in folded:
        folded = _CONTRACTED.sub(lambda found: " not" if len(found.group()) > 1 else " ", folded)
    if _REPEATED.search(folded) or any(twice in folded for twice in _TWICE):
        folded = _DRAWN_OUT.sub(r"\1\3\4\6", folded)
    found = _TOKEN.findall(folded)
    return tuple([_SPELT.get(token, token) for token in found])


def _without_politeness(text: str) -> str:
    first = _POLITE_FIRST.match(text)
    text = text[first.end() :] if first else text
    return _POLITE_LAST.sub("", text) if any(word in text for word in _POLITE_WORDS) else text


def _as_in_chinese(text: str) -> str:
    """Write words of one meaning, plurals and numerals in one way."""
    text = _SYNONYM.sub(lambda found: _SYNONYMS[found.group()], text)
    if "们" in text:
        text = _PLURAL.sub("", text)
    text = text.replace("第一", "第1")
    if _NUMERAL.search(text):
        text = text.translate(_NUMERALS)
    if "别" in text:
        text = _NO_NEGATION.sub("另", text)
    if "十" in text:
        text = _TENS.sub(_tens, text)
    return text


def _tens(found: re.Match[str]) -> str:
    return f"{found[1] or 1}{(found[2] or '0').replace('一', '1')}"


def _as_name(found: re.Match[str]) -> str:
    word = found.group()
    folded = word.casefold()
    code = word[-1] == word[-2:-1] or (len(word) > 3 and folded not in GROUPS_OF)
    return word.translate(_BOLD) if folded in LIGHT or code else word


def plain(token: str) -> str:
    """Give a token without the mark that it names something."""
    return unicodedata.normalize("NFKC", token).casefold()


@lru_cache(maxsize=100_000)
def is_number(token: str) -> bool:
    """Say whether a token is a number, a sign, or a word that counts."""
    return _NUMBER.search(token) is not None


def skeleton(turns: Sequence[str]) -> int:
    """Give a number that short dialogues share which differ in light words and order alone.

    Too little of them is left for the search by n-grams.

    Args:
        turns: The turns of a dialogue.

    Returns:
        64 bits, or 0 for a long dialogue and for one of light words.
    """
    if sum(map(len, turns)) > _LONGEST_SKELETON:
        return 0
    kept = []
    for turn in turns:
        words = _WORD.findall(turn.casefold())
        heavy = [word for word in words if _SPELT.get(word, word) not in LIGHT]
        kept.append("".join(sorted(set("".join(heavy)) - LIGHT)))
    return xxhash.xxh3_64_intdigest("\x1f".join(kept).encode()) if any(kept) else 0

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which encoding a text is in, told from its beginning."""

from __future__ import annotations

import codecs
from collections import Counter
from typing import NamedTuple

from data_builders.errors import UserError

# UTF-32 first: its mark begins with that of UTF-16.
BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
# The standard ones contain the older ones, and files often hold more than their name allows.
SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "ascii": "utf-8", "utf-8-sig": "utf-8"}
FALLBACK = "cp1252"
# Chinese text scores about 0.6, accented words read as Chinese below 0.
MIN_PLAUSIBILITY = 0.15

# Some 300 characters that make up over half of any Chinese text, and traditional forms of them.
_COMMON = frozenset(
    "的一是了我不在人们有来他这上着个地到大里说就去子得也和那要下看天时过出小么起你都把好还多没为"
    "又可家学只以主会样年想生同老中十从自面前头道它后然走很像见两用她国动进成回什边作对开而己些现山"
    "民候经发工向事命给长水几三声于高手知理眼点心二问但身方实吃做叫当住听打呢真全才四已所之最光情路"
    "分总条白话东如被花口放儿常气五第使写吧文再果怎定许快明行因别外物活部门无新带先力完却站代员机更"
    "您每跟笑啊少直意夜比车重便哪化太指变社似者干日百原各本思解立难早论吗让相今其书坐接应关信觉反处"
    "记将找或师结谁字加爱等怕月半火法题位女件感张离色片科世且由送星晚表认场该并平提确近讲告名清照此"
    "必内识业形量体通合友度术饭公房极南读岁线空收算至特教热包数性音答受系何取入种急息句区般报慢请谢"
    "您症状治疗患者医生药病"
    "們來這個時過說還沒為會樣後國動開對現經發給長幾聲於問實當聽麼真話東氣樣無帶員機變題應關覺處記將"
    "師結誰愛張離該認場講業體麗數讓請謝"
)
_MARKS = frozenset("，。？！、：；“”‘’（）《》【】…—·～「」『』　")
# Codec, the older set whose first level holds the frequent characters, and its lead bytes.
_CHINESE = (("gb18030", "gb2312", range(0xB0, 0xD8)), ("big5", "big5", range(0xA4, 0xC7)))


class Encoding(NamedTuple):
    """How the bytes of a text are to be read.

    Attributes:
        codec: Name of the codec in Python.
        bom: Bytes of the byte order mark, to be skipped.
        sure: False if nothing but ASCII was seen, so that anything may follow.
    """

    codec: str
    bom: int = 0
    sure: bool = True


def named_encoding(name: str, head: bytes) -> Encoding:
    """Look up the encoding a user asks for.

    Args:
        name: Any name Python knows.
        head: The beginning of the file, for its byte order mark.

    Returns:
        The encoding.

    Raises:
        UserError: If there is no such encoding of text.
    """
    try:
        codec = codecs.lookup(name).name
        "".encode(codec)  # Refuses codecs that are not of text, such as hex.
        codecs.getincrementaldecoder(codec)
    except (LookupError, UnicodeError, ValueError, TypeError):
        raise UserError(
            f"`encoding` must be an encoding known to Python (got {name!r}). "
            "Try utf-8, gb18030, utf-16 or latin-1, or leave it out."
        ) from None
    codec = SUPERSETS.get(codec, codec)
    for bom, marked in BOMS:
        if head.startswith(bom) and marked.startswith(codec):
            return Encoding(marked, len(bom))
    if codec in ("utf-16", "utf-32"):
        return Encoding(_wide(head) or codec + "-le")
    return Encoding(codec)


def guess_encoding(head: bytes) -> Encoding:
    """Find out the encoding of a text.

    Args:
        head: Its beginning, perhaps cut within a character.

    Returns:
        The likeliest encoding; `cp1252` if there is no better.
    """
    for bom, codec in BOMS:
        if head.startswith(bom):
            return Encoding(codec, len(bom))
    wide = _wide(head)
    if wide:
        return Encoding(wide)
    if head.isascii():
        return Encoding("utf-8", sure=False)
    if _is_utf8(head):
        return Encoding("utf-8")
    scores = {chinese[0]: _plausibility(head, *chinese) for chinese in _CHINESE}
    best = max(scores, key=scores.__getitem__)
    return Encoding(best if scores[best] > MIN_PLAUSIBILITY else FALLBACK)


def _is_utf8(head: bytes) -> bool:
    # By the majority: one broken character does not make a file Latin-1.
    text = head.decode("utf-8", "replace")
    broken = text.count("\ufffd") - head.count("\ufffd".encode())
    whole = len(text) - len(text.encode("ascii", "ignore")) - broken
    # A character cut off by the end of the head is no error.
    return whole > broken or not _breaks(head)


def _breaks(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return True
    return False


def _wide(head: bytes) -> str | None:
    if b"\0" not in head:
        return None
    zeros = [head[start::4].count(0) for start in range(4)]
    quarter = max(1, len(head) // 4)
    if len(head) >= 8 and min(zeros[2:]) > 0.9 * quarter and zeros[0] < 0.1 * quarter:
        return "utf-32-le"
    if len(head) >= 8 and min(zeros[:2]) > 0.9 * quarter and zeros[3] < 0.1 * quarter:
        return "utf-32-be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if odd > 0.6 * quarter and even < 0.1 * odd:
        return "utf-16-le"
    if even > 0.6 * quarter and odd < 0.1 * even:
        return "utf-16-be"
    if _is_utf8(head):
        return None
    # Chinese in UTF-16 has zeros only in its line ends and ASCII.
    for codec in ("utf-16-le", "utf-16-be"):
        if _wide_text_share(head, codec) > 0.9:
            return codec
    return None


def _wide_text_share(head: bytes, codec: str) -> float:
    text = head.decode(codec, "replace")
    usual = sum(
        count
        for char, count in Counter(text).items()
        if char in "\t\r\n" or " " <= char <= "~" or "一" <= char <= "鿿" or char in _MARKS
    )
    return usual / max(1, len(text))


def _plausibility(head: bytes, codec: str, levels: str, frequent: range) -> float:
    counts = Counter(char for char in head.decode(codec, "replace") if char > "\x7f")
    score = sum(count * _weight(char, levels, frequent) for char, count in counts.items())
    return score / max(1, counts.total())


def _weight(char: str, levels: str, frequent: range) -> float:
    if char in _COMMON:
        return 1.0
    if char in _MARKS:
        return 0.5
    if "一" <= char <= "鿿":
        raw = char.encode(levels, "ignore")
        if not raw:
            return -0.5  # Only in the extension: what accented letters come out as.
        return 0.4 if raw[0] in frequent else 0.0
    if "\u3040" <= char <= "\u30ff" or "\uff01" <= char <= "\uffe5":
        return 0.3
    return -1.0 if char == "\ufffd" or char > "\ud7ff" or char < "\xa0" else 0.0

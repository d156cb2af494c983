# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which encoding a text is in, told from its beginning.

What is told for sure comes first: byte order marks, UTF-16 and UTF-32, UTF-8, then Chinese by its
commonest characters and the Western languages by their alphabets, at both of which
charset-normalizer fails with few lines. The rest is its guess, which must look like a language.
"""

from __future__ import annotations

import codecs
import math
import re
from collections import Counter
from functools import cache
from itertools import pairwise
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
# What stands for an encoding nobody can tell, where only the beginning is looked at.
FALLBACK = "cp1252"

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
    # And as many syllables of Korean.
    "이다는을를가에고하지의은도로기리사서어나아라시으인자대해한그니요까습입게만들있없것수안했"
    "們來這個時過說還沒為會樣後國動開對現經發給長幾聲於問實當聽麼真話東氣樣無帶員機變題應關覺處記將"
    "師結誰愛張離該認場講業體麗數讓請謝"
)
_WITHIN_WORD = re.compile(r"[a-z][\u4e00-\u9fff][ ,.]?[a-z]")
_GB = "gb18030"
CHINESE = (_GB, "big5", "cp950", "big5hkscs")
# Share of common characters: Chinese 0.4 to 0.8; Korean, Japanese, Russian read as it below 0.2.
_SURE_COMMON, _MIN_COMMON = 0.25, 0.15
# What a language writes besides a to z: each line of a text has the letters of one of them.
_ALPHABETS = tuple(
    map(
        frozenset,
        (
            *("àâæçéèêëîïôœùûüÿ", "äöüßé", "áéíñóúüçïª", "áâãàçéêíóôõúüª", "àèéìíòóùúîª"),
            *("åäöéü", "æøåéèêóòôâ", "áðéíóúýþæö", "éëïóöüáèêíú", "ąćęłńóśźż", "áčďéěíňóřšťúůýž"),
            *("áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "çğıöşüâîû", "ăâîșțşţ", "čćđšž", "ąčęėįšųūž"),
            *("āčēģīķļņšūž", "äöõüšž"),
        ),
    )
)
# How much less likely each is than the first.
_LATIN = {
    **{"cp1252": 0.0, "cp1250": 0.05, "cp1254": 0.05, "iso8859_15": 0.1, "iso8859_2": 0.1},
    **{"mac_roman": 0.15, "cp850": 0.2, "cp852": 0.2},
}
# Marks that stand where a letter belongs.
_MISPLACED = re.compile(r"(?<![\w«])[’·\xa0](?=[^\W\d_])|(?<=\w)[—–](?=\s)|(?<!l)·|·(?!l)")
_OTHERS = (
    *("cp1251", "koi8_r", "cp866", "iso8859_5", "cp1253", "iso8859_7", "cp1255", "cp1256"),
    "cp874",
)
# Of a letter that is not among the 26 of a language.
_RARE = -6.0
# Few and many letters of Greek, Russian, Hebrew, Arabic and Thai have -2.5 to -2.0.
_ALIKE, _UNLIKE, _TELLING = -2.5, -3.0, 8
_ANYWHERE, _AT_WORDS = "’‘–—·\xad", "“”„‚…«»‹›¿¡€£§°º®©™•†\xa0"
_INSIDE = re.compile(f"[^\\W\\d_][{_AT_WORDS}][^\\W\\d_]")
# What the library takes short texts for, and nobody writes any more.
_MISTAKEN = (
    *("mac_greek", "mac_cyrillic", "mac_latin2", "mac_iceland", "mac_turkish", "cp1006", "cp1125"),
    *("hp_roman8", "ptcp154", "kz1048", "cp037", "cp1026", "cp1140", "cp273", "cp424", "cp500"),
)
_FITTING = 0.8
_WIDE_MARKS = frozenset("，。？！、：；“”‘’（）《》【】…—·～「」『』　")
_SCRIPTS = {
    "Latin": "\xc0-\u024f\u1e00-\u1eff",
    "Greek": "\u0384-\u03ce",
    "Cyrillic": "\u0401-\u045f\u0490\u0491",
    "Hebrew": "\u05b0-\u05ea",
    "Arabic": "\u060c-\u06d3",
    "Thai": "\u0e01-\u0e5b",
    "kana": "\u3041-\u30fe",
    "hangul": "\uac00-\ud7a3",
    "han": "\u4e00-\u9fff",
    "marks": f"{_ANYWHERE}{_AT_WORDS}\t\r\n -~\u3000-\u303f\uff01-\uff5e\uffe5№",
}
_SCRIPT = re.compile("|".join(f"(?P<{name}>[{those}])" for name, those in _SCRIPTS.items()))
# Of another script than most: names, quotations.
_STRANGE = 0.1
_LOOK, _FEW = 1 << 16, 60
# What takes three bytes in UTF-8, and emoji. In GBK such bytes are characters that never stand
# together: of 21,593 lines of small talk none is read as UTF-8, of 349,046 words two.
_THREE_BYTES = re.compile("[\u0800-\uffff\U0001f000-\U0001ffff]")
_ONE, _TWO = rb"[^\n\x80-\xff]", rb"[\xc2-\xdf][\x80-\xbf]"
_THREE, _FOUR = rb"[\xe0-\xef][\x80-\xbf]{2}", rb"[\xf0-\xf4][\x80-\xbf]{3}"
_UTF8_LINE = re.compile(
    rb"(?m)^(?:%b|%b)*+(?:%b|%b)(?:%b|%b|%b|%b)*+$"
    % (_ONE, _TWO, _THREE, _FOUR, _ONE, _TWO, _THREE, _FOUR)
)


class Encoding(NamedTuple):
    """How the bytes of a text are to be read.

    Attributes:
        codec: Name of the codec in Python.
        bom: Bytes of the byte order mark, to be skipped.
        sure: False if nothing but ASCII was seen, so that anything may follow.
        guessed: Whether it is the likeliest of several.
        plausible: False if what comes out of it is no language that is known here.
    """

    codec: str
    bom: int = 0
    sure: bool = True
    guessed: bool = False
    plausible: bool = True


def named_encoding(name: str, head: bytes) -> Encoding:
    """Look up the encoding a user asks for; the beginning of the file has its byte order mark."""
    try:
        codec = codecs.lookup(name).name
        "".encode(codec)  # Refuses codecs that are not of text, such as hex.
        codecs.getincrementaldecoder(codec)
    except (LookupError, UnicodeError, ValueError, TypeError):
        raise UserError(
            "`encoding` must be an encoding known to Python (got {name!r}). Try utf-8, gb18030, "
            "utf-16 or latin-1, or leave it out.",
            name=name,
        ) from None
    codec = SUPERSETS.get(codec, codec)
    for bom, marked in BOMS:
        if head.startswith(bom) and marked.startswith(codec):
            return Encoding(marked, len(bom))
    if codec in ("utf-16", "utf-32"):
        return Encoding(_wide(head) or codec + "-le")
    return Encoding(codec)


def guess_encoding(head: bytes) -> Encoding:
    """Find the likeliest encoding of a text by its beginning, perhaps cut within a character."""
    for bom, codec in BOMS:
        if head.startswith(bom):
            return Encoding(codec, len(bom))
    wide = _wide(head)
    if wide:
        return Encoding(wide)
    if head.isascii():
        escaped = _escaped(head)
        return Encoding(escaped) if escaped else Encoding("utf-8", sure=False)
    if _is_utf8(head):
        return Encoding("utf-8")
    others = (line for line in head.split(b"\n") if not line.isascii())
    lines = b"\n".join(line for line in others if not is_east_asian_utf8(line))[:_LOOK]
    # A character cut in two would rule the right one out.
    lines = lines[: lines.rfind(b"\n") + 1] or lines if len(lines) > 1024 else lines
    shares = {codec: _common_share(lines.decode(codec, "replace")) for codec in CHINESE}
    best = max(shares, key=shares.__getitem__)
    if shares[best] > _SURE_COMMON:
        return Encoding(best)
    fits = {codec: _fit(lines.decode(codec, "replace")) for codec in _LATIN}
    if max(fits.values()) > _FITTING:
        # Of equal ones the commoner: those of Windows, then of Unix, of Apple and of DOS.
        alike = [codec for codec in _LATIN if fits[codec] == max(fits.values())]
        likely = {c: _likeness(lines.decode(c, "replace")) - _LATIN[c] for c in alike}
        return Encoding(max(likely, key=likely.__getitem__), guessed=True)
    found = _guess_of_library(lines)
    if found is None or not found.plausible or found.codec in _OTHERS:
        found = _of_one_script(lines) or found
    if (found is None or not found.plausible) and _is_nearly_ascii(head):
        return Encoding("utf-8")
    return found or Encoding(FALLBACK, guessed=True, plausible=False)


def is_utf8(line: bytes) -> bool:
    """Say whether a whole line is UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_east_asian_utf8(line: bytes) -> bool:
    """Say whether a line is UTF-8 of such characters as no Chinese encoding makes by chance."""
    if line.isascii() or not is_utf8(line):
        return False
    text = line.decode("utf-8")
    return 2 * len(_THREE_BYTES.findall(text)) > sum(char > "\x7f" for char in text)


def is_chinese(lines: bytes, codec: str) -> bool:
    """Say whether what is no UTF-8 is Chinese in another encoding, and not damaged UTF-8."""
    share, as_utf8 = (_common_share(lines[:_LOOK].decode(c, "replace")) for c in (codec, "utf-8"))
    return share > max(_SURE_COMMON, as_utf8)


def other_encoding(block: bytes, codec: str) -> str | None:
    """Say how those lines of a block are written that are not written as their file is.

    Args:
        block: Whole lines.
        codec: How the file is written.

    Returns:
        UTF-8 in a file of a Chinese encoding, GB18030 in one of UTF-8; None where there are none,
        or they are something else.
    """
    if codec in CHINESE:
        found = map(re.Match.group, _UTF8_LINE.finditer(block))
        return "utf-8" if any(map(is_east_asian_utf8, found)) else None
    if codec != "utf-8":
        return None
    # All together: of another language a short line may look like Chinese.
    broken = b"\n".join(line for line in block.split(b"\n") if not is_utf8(line))
    return _GB if broken and is_chinese(broken, _GB) else None


def _of_one_script(lines: bytes) -> Encoding | None:
    """Choose among the encodings of Greek, Russian, Hebrew, Arabic and Thai.

    A text of one of these languages that is read as another is full of its rare letters.
    """
    texts = {codec: lines.decode(codec, "replace") for codec in _OTHERS}
    texts = {codec: text for codec, text in texts.items() if _is_language(text)}
    if sum(byte > 0x7F for byte in lines) < _TELLING:
        return None
    best = max(texts, key=lambda codec: _likeness(texts[codec]), default=None)
    if best is None or _likeness(texts[best]) < (_ALIKE if len(lines) < _FEW else _UNLIKE):
        return None
    return Encoding(best, guessed=True)


def _likeness(text: str) -> float:
    """Say how much the letters of a text are those of the language it is likest to."""
    counts = Counter(char for char in text.lower() if char.isalpha() or char > "\x7f")
    for mark in _ANYWHERE + _AT_WORDS:
        del counts[mark]
    counts["\ufffd"] += len(_MISPLACED.findall(text))
    if not (total := counts.total()):
        return _RARE
    return max(
        sum(count * weights.get(char, _RARE) for char, count in counts.items()) / total
        for weights in _letters()
    )


@cache
def _letters() -> list[dict[str, float]]:
    from charset_normalizer.constant import FREQUENCIES

    weights = [
        {letter: -math.log(rank) for rank, letter in enumerate(letters, 2)}
        for letters in FREQUENCIES.values()
    ]
    # Romanian with a cedilla, as it was written before Unicode.
    return [one | {"ţ": one["ț"], "ş": one["ț"]} if "ț" in one else one for one in weights]


def _is_nearly_ascii(head: bytes) -> bool:
    lines = head.split(b"\n")
    broken = sum(not line.isascii() for line in lines)
    return broken <= max(1, len(lines) // 100) and len(lines) > 2 * broken


def _is_utf8(head: bytes) -> bool:
    # By the majority: one broken character does not make a file Latin-1.
    text = head.decode("utf-8", "replace")
    broken = text.count("\ufffd") - head.count("\ufffd".encode())
    whole = len(text) - len(text.encode("ascii", "ignore")) - broken
    # A character cut off by the end of the head is no error.
    return whole > broken or not _breaks(head, "utf-8")


def _breaks(head: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)().decode(head)
    except UnicodeDecodeError:
        return True
    return False


def _escaped(head: bytes) -> str | None:
    """Tell the encodings that write all in ASCII, with marks where it stands for more."""
    marks = {"iso2022_jp_2": b"\x1b$", "iso2022_kr": b"\x1b$)C", "hz": b"~{"}
    for codec, mark in marks.items():
        if mark in head:
            text = codecs.getincrementaldecoder(codec)("replace").decode(head)
            if not text.isascii() and "\ufffd" not in text:
                return codec
    return None


def _guess_of_library(lines: bytes) -> Encoding | None:
    from charset_normalizer import from_bytes

    best = from_bytes(lines, cp_exclusion=list(_MISTAKEN)).best()
    # What is wide or UTF-8 has been told already, by sharper signs.
    if best is None or best.encoding.startswith(("ascii", "utf_")):
        return None
    codec, text = codecs.lookup(best.encoding).name, str(best)
    # A handful of rare characters could be anything.
    few = len(lines) < _FEW and not (lines.isascii() or _scripts(text)["kana"])
    plausible = _is_language(text) and not (few and not _breaks(lines, "gb2312"))
    return Encoding(SUPERSETS.get(codec, codec), guessed=True, plausible=plausible)


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
    # Other languages have zeros only in blanks and ASCII, and half their bytes are 3 to 14.
    controls = sum(map(head.count, range(1, 9)), head.count(14))
    if controls < 0.1 * len(head) and _is_utf8(head):
        return None
    texts = {codec: head[:_LOOK].decode(codec, "replace") for codec in ("utf-16-le", "utf-16-be")}
    usual = {codec: _scripts(text).total() / max(1, len(text)) for codec, text in texts.items()}
    best = max(usual, key=usual.__getitem__)
    return best if usual[best] > 0.9 and _is_language(texts[best]) else None


def _common_share(text: str) -> float:
    counts = Counter(char for char in text if char > "\x7f" and char not in _WIDE_MARKS)
    # Two letters of another language that make one character stand within a word of it.
    bad = counts["\ufffd"] + len(_WITHIN_WORD.findall(text))
    common = sum(count for char, count in counts.items() if char in _COMMON)
    return common / max(1, counts.total() + 3 * bad)


def _fit(text: str) -> float:
    """Give the share of lines that are written with the letters of one Latin alphabet."""
    lines = [line for line in text.split("\n") if not line.isascii()]
    return sum(map(_fits, lines)) / max(1, len(lines))


def _fits(line: str) -> bool:
    letters = {char for char in line.lower() if char > "\x7f"} - set(_ANYWHERE + _AT_WORDS)
    turned = any(b > "\x7f" and b.isupper() and a.islower() for a, b in pairwise(line))
    known = any(letters <= alphabet for alphabet in _ALPHABETS)
    return known and not turned and not _INSIDE.search(line)


def _scripts(text: str) -> Counter[str]:
    return Counter(match.lastgroup or "" for match in _SCRIPT.finditer(text))


def _is_language(text: str) -> bool:
    """Say whether a text is written in one script, and not in letters put together by chance."""
    other = "".join(char for char in text if char > "\x7f")
    counts = _scripts(other)
    del counts["marks"]
    known = counts.total()
    if counts["kana"] or counts["hangul"]:
        counts[max("kana", "hangul", key=counts.__getitem__)] += counts.pop("han", 0)
    main = max(counts, key=counts.__getitem__, default="")
    turned = sum(b.isupper() and a.islower() for a, b in pairwise(other))
    strange = len(other) - sum(_scripts(other).values()) + known - counts[main] + turned
    if strange > _STRANGE * max(1, known):
        return False
    if main == "Latin":
        return _fit(text) > _FITTING
    return main not in ("han", "hangul") or _common_share(text) > _MIN_COMMON

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Takes out faces drawn with characters: (╯°□°)╯︵ ┻━┻, ^_^, T_T, =_=; emoji and code stay."""

from __future__ import annotations

import re

from data_builders.cleaning.settling import cut, settled

# A face is two like eyes with a mouth between. That tells "(^o^)" from "(a+b)", "(*)" and "(-/+)".
_MOUTH = (
    r"[_＿.。·・,，oOｏ0vVwWxX3uUεωдДз∀▽△∇□口皿﹏︿︶︹︸^＾\-ー—~～〜⌒‵′'´｀`人益ロヘ○◇┏ェ﹃"
    r"∪∩ㅂㅅ⊥〇┴│¬∠ㄥ▿◡‿ᴗ⌣]"
)
_PAIRS = (
    "≧≦ ≥≤ ^^ ＾＾ >< ＞＜ ╯╰ ╯╯ ╥╥ ┬┬ ￣￣ ¯¯ ︶︶ ﹀﹀ ︿︿ °° ºº ˚˚ ⊙⊙ ◎◎ ●● ○○ ・・ ･･ "
    "•• ◕◕ ʘʘ ಠಠ ಥಥ ˘˘ ´｀ ´` `´ ｀´ ˋˊ ˊˋ ˇˇ ‵′ ′‵ ‾‾ ∩∩ ◡◡ ⌒⌒ ;; ；； →→ ←← ＝＝ == ~~ ～～ ** "
    "@@ ＠＠ ── —— ùú òó óò ŎŎ ☉☉ ✧✧ ♥♥ ❤❤"
)
# Eyes that are letters, + or - take few mouths: "(TXT)" and "(-v-)" are no faces.
_PLAIN_EYES = (
    r"[TＴ][_＿.oO0﹏∇△ω^]+[TＴ]|[oO][_＿.﹏ω^~]{1,3}[oO]|Q[_＿.ωwWAo]+Q|[-－][_＿.﹏]+[-－]|\+_+\+"
)
_EYES = _PLAIN_EYES + "".join(
    f"|{re.escape(left)}{_MOUTH}{{1,3}}{re.escape(right)}"
    for left, right in map(tuple, _PAIRS.split())
)
_CHEEK = r"[*＊;；:：。.｡・･~～≧≦/#'\"+=`´｀゜ﾟ°|｜!！ 　＿╯╰づつノ_oO^=๑ง٩۶ˆ⁄⺣•̀́]"
# Eyes with the mouth left out, only in brackets: (^^) (><) (≧≦) (=^=).
_BARE = r"\^\^|＾＾|><|＞＜|≧≦|⊙⊙|﹏|´▽|｀▽|￣|T＿T|\u0361° \u035cʖ \u0361°"
_ARM_LEFT = r"(?:╭∩╮|[\\＼/╮╭╯╰ヾヽψつ┗┐ヘ٩ლ凸ε୧ᕙづ]{1,2}|(?<![A-Za-z])[oOYyqd]|[~～])?"
_ARM_RIGHT = r"(?:╭∩╮|[/／\\＼╮╭╯╰ノﾉゞシσ┛┌~～۶ง୨ᕗ彡ヽつづ旦]{1,3}|[oOYybp](?![A-Za-z]))?"
_TABLE = r"(?: ?︵? ?┻━?━┻)?"
_BRACKETED = (
    rf"{_ARM_LEFT}[(（]{_CHEEK}{{0,4}}(?:{_EYES}|{_BARE}){_CHEEK}{{0,4}}{_ARM_RIGHT}[)）]"
    rf"{_ARM_RIGHT}{_TABLE}"
)
# Faces without brackets: those of signs must not run on into more signs ("a ^ _ ^= b"), those of
# letters not into a name either ("size_t_t").
_SIGNS = (
    r"#?\^[_＿.\-oOωv~﹏]{0,4}\^#?|＾[_＿.ω▽]{0,2}＾|>[_＿.﹏]+<|＞[_＿.﹏]+＜|≧[_＿.▽∇ωД﹏]+≦|"
    r";_+;|=[_＿.。]+=|＝[_＿.]+＝|-[_＿.﹏]+-\|{0,3}|－[_＿.]+－|@[_＿]+@|\$[_＿]+\$|\*_+\*|~_+~|"
    r"￣[^\w\s]{1,3}￣|⊙[_＿.﹏oO]{1,2}⊙|╯[^\w\s]{1,3}[╰╯]|[→←]_[→←]"
)
_LETTERS = r"T[_＿.﹏]+T|Ｔ[_＿.]+Ｔ|t_+t|Q[_＿.]+Q|[oO0][_＿]{1,3}[oO0]|[oO]\.[oO]|x_x|X_X|n_n|u_u"
_SIGN = r"_^=+*@$~.\-/\\"
_KAOMOJI = re.compile(
    rf"{_BRACKETED}|┻━+┻"
    # "-.-" between more of them is Morse code.
    rf"|(?<![{_SIGN}])(?<![.\-/] )(?:{_SIGNS})(?![{_SIGN}])(?! [.\-/])"
    rf"|(?<![A-Za-z0-9{_SIGN}])(?:{_LETTERS})(?![A-Za-z0-9{_SIGN}])"
)
# One of these is in every face.
_HINT = re.compile(r"[(（_＿^＾>＞≧=＝￣⊙╯→←┻\-－]|T[.﹏]T|Q\.Q|[oO0]\.[oO0]")


@settled
def remove_kaomoji(text: str) -> str:
    """Take out faces drawn with characters.

    Args:
        text: One turn.

    Returns:
        "好的(≧▽≦)/~ ^_^" gives "好的"; "f(a+b)", "2^3" and "😀" stay.
    """
    return cut(_KAOMOJI, text) if _HINT.search(text) else text

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How far two texts are apart: nothing that changes what is said may differ in a copy.

A copy differs in spelling, particles, politeness, or in a few words of many. A number, a negation,
"left" for "right" or "he" for "she" makes another text, however long both are; so does a word in
the place of another where a text has few.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from math import inf
from typing import NamedTuple

from data_builders.selecting.wording import (
    ALIKE,
    ASKING,
    GROUPS_OF,
    LIGHT,
    NEGATIONS,
    STRAY,
    is_number,
    plain,
    tokens,
)

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

_CHEAP = ALIKE.keys() | set("那你我")

Edit = tuple[tuple[str, ...], tuple[str, ...]]


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
    asked = _difference("\n".join(first[:-1]), "\n".join(later[:-1]))
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


def apart(one: str, other: str, most: float = inf) -> float:
    """Measure how far two texts are apart.

    Args:
        one: A text.
        other: Another.
        most: Beyond it no more is measured, and they are as far apart as can be.

    Returns:
        0 for texts that fold to the same, 1 for those that say different things, and between them
        what differs as a share of the longer one.
    """
    difference = _difference(one, other, most)
    return 1.0 if difference is None else difference.share


def _difference(one: str, other: str, most: float = inf) -> _Difference | None:
    """Weigh what differs; nothing if it makes another text, or is surely more than a share."""
    (first, counts, joined), (second, others, joined_too) = _counted(one), _counted(other)
    size, shorter = max(len(first), len(second)), min(len(first), len(second))
    if joined == joined_too:
        same = bool(first) or set("".join(one.split())) == set("".join(other.split()))
        return _Difference(0.0, size, shorter) if same else None
    more, less = _without(counts, others), _without(others, counts)
    if _hopeless(more, less, size, most) or _differ(more, less):
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


@lru_cache(maxsize=4096)
def _counted(text: str) -> tuple[tuple[str, ...], Counter[str], str]:
    found = tokens(text)
    return found, Counter(found), "".join(found)


def _hopeless(more: Mapping[str, int], less: Mapping[str, int], size: int, most: float) -> bool:
    """Say whether texts share too little, whatever the order of their tokens."""
    allowed = max(1, _HOPELESS * size)
    sides = [[(t, n) for t, n in side.items() if t not in LIGHT] for side in (more, less)]
    if any(sum([n for _, n in side]) > allowed for side in sides):
        return True
    # No slip of spelling, nor a subject left out: each costs at least what a token more does.
    costly = [n for side in sides for t, n in side if len(t) == 1 and t not in _CHEAP]
    return sum(costly) * _MORE_COST > most * size


def _without(some: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    """Give what `Counter`s have of `-`, which takes twice as long."""
    get = others.get
    return {token: n - have for token, n in some.items() if n > (have := get(token, 0))}


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
    moved = Counter({t: n for t, n in (gone & new).items() if t not in LIGHT})
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
    if not all(edit) and "是" not in subject and subject[0] in "那你" and "你" in subject:
        return all(token in LIGHT for token in subject if token not in ("那", "你"))
    return subject == ("我",) and not ASKING & words.keys()


def _swapped(edits: Sequence[Edit]) -> bool:
    """Say whether words have changed places around another one: from A to B, from B to A."""
    gone, new = ([t for edit in edits for t in edit[side]] for side in (0, 1))
    both = Counter(gone) & Counter(new)
    orders = [[t for t in side if t in both and t not in STRAY] for side in (gone, new)]
    return orders[0] != orders[1]


def _heavy(side: Sequence[str]) -> list[str]:
    return [token for token in side if token not in LIGHT]


def _differ(more: Mapping[str, int], less: Mapping[str, int]) -> bool:
    """Say whether what stands in one text alone makes it another text."""
    if any(map(is_number, more)) or any(map(is_number, less)):
        return True
    negations = [sum(n for t, n in side.items() if t in NEGATIONS) for side in (more, less)]
    return negations[0] != negations[1] or _opposed(more, less)


def _opposed(some: Collection[str], others: Iterable[str]) -> bool:
    here = set().union(*(GROUPS_OF.get(token, ()) for token in some))
    return bool(here) and any(here & GROUPS_OF.get(t, set()) and t not in some for t in others)


def _replaced(gone: Sequence[str], new: Sequence[str]) -> bool:
    """Say whether content stands in the place of other content."""
    if len(gone) == len(new) == 1:
        return not (_misspelt(gone[0], new[0]) or {gone[0], new[0]} <= LIGHT - {"那"})
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
        same = one in ALIKE and ALIKE[one] == ALIKE.get(other)
        return same or plain(one) == plain(other)
    ends = [re.sub(r"(.)\1+$", r"\1", word) for word in (one, other)]
    if ends[0] == ends[1] and min(map(len, ends)) > 1:
        return True
    if "\U0001d400" <= max(one[0], other[0]) <= "\U0001d419":
        return plain(one) == plain(other)
    if one[0] != other[0] or min(len(one), len(other)) < _SPELT_WITH - 1:
        return False
    short, long = sorted((one, other), key=len)
    if len(short) < len(long):
        return len(long) >= _SPELT_WITH and any(
            long[:i] + long[i + 1 :] == short for i in range(1, len(long))
        )
    places = [i for i in range(len(one)) if one[i] != other[i]]
    return len(places) == 2 and sorted(one) == sorted(other) and places[1] - places[0] == 1

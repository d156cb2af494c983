# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""sacreBLEU over chat replies: the tokenisation of their language, any number of references."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sacrebleu.metrics import BLEU

TOKENIZATIONS = {"zh": "zh", "en": "13a"}
# A language with fewer of the replies is scored with the other one: a Chinese corpus answers
# "OK" now and then, and that makes no second language of it.
MINOR_SHARE = 0.05
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class BleuScore(NamedTuple):
    """BLEU-4 from 0 to 100, what makes it reproducible, and its parts where there are two."""

    score: float
    signature: str
    by_language: dict[str, float]


def corpus_bleu(replies: Sequence[str], references: Sequence[Sequence[str]]) -> BleuScore:
    """Gives BLEU as sacreBLEU computes it (Papineni et al., 2002; Post, 2018).

    Chinese replies are cut into characters (`zh`), all others into words (`13a`). In a set of
    both languages each is scored by itself, as the `sacrebleu` command would on its lines alone;
    the score of the set is their mean, weighted by the number of replies, and the signature names
    both.

    Args:
        replies: one text a question.
        references: right answers to each question, at least one; their number may vary.

    Returns:
        The score, 0.0 for no replies.
    """
    languages = languages_of(references)
    rows = list(zip(languages, replies, references, strict=True))
    scores: dict[str, float] = {}
    signatures: dict[str, str] = {}
    for language in sorted(set(languages)):
        chosen = [(reply, known) for own, reply, known in rows if own == language]
        scores[language], signatures[language] = _score(language, *zip(*chosen, strict=True))
    total = sum(scores[language] for language in languages)
    if len(scores) < 2:
        return BleuScore(total / max(len(rows), 1), "".join(signatures.values()), {})
    named = [f"{key} {languages.count(key)} replies: {signatures[key]}" for key in scores]
    return BleuScore(total / len(rows), "; ".join(named), scores)


def languages_of(references: Sequence[Sequence[str]]) -> list[str]:
    """Names the language of each question, by whether its right answers hold a Han character."""
    languages = ["zh" if any(map(_HAN.search, known)) else "en" for known in references]
    for minor, major in (("zh", "en"), ("en", "zh")):
        if languages.count(minor) < MINOR_SHARE * len(languages):
            return [major] * len(languages)
    return languages


def _score(
    language: str, replies: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, str]:
    """Scores replies of one language; gives sacreBLEU's signature too."""
    most = max(map(len, references))
    # sacreBLEU takes the first reference of every reply, then the second, None where there is none.
    streams = [[known[i] if i < len(known) else None for known in references] for i in range(most)]
    # force=True: no warning for replies that end in " .", as those of tokenised corpora do.
    metric = BLEU(tokenize=TOKENIZATIONS[language], force=True)
    return metric.corpus_score(list(replies), streams).score, str(metric.get_signature())

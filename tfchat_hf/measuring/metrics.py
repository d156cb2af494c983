# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Numbers about replies: likeness to references, variety, faults. Plain text in, no model."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sacrebleu import BLEU

from data_builders.language import guess_language

from ..examples.questions import Question
from ..text.overlap import metric_tokens, plain_words, token_f1
from .stutter import stutter_share

PHRASE_REPEATS = 3
CHARACTER_REPEATS = 5
DISTINCT_REPLIES = 200
TOKENIZATIONS = {"zh": "zh", "en": "13a"}
# A language with fewer of the replies is scored with the other one: a Chinese corpus answers
# "OK" now and then, and that makes no second language of it.
MINOR_SHARE = 0.05
# Three words in a row are hardly said twice by chance. Three Chinese characters are ("你是不"),
# for a word is one or two of them: there it takes four.
COPIED_WORDS = 3
COPIED_CHARACTERS = 4
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Said to anything, in any corpus. Without punctuation and in lower case.
_ALWAYS_DULL = {
    "".join(text.split())
    for text in (
        "我不知道|不知道|我也不知道|不知道啊|我也是|我也不是|是的|是啊|是吗|对|对啊|好|好的|好吧|嗯|嗯嗯|"
        "哦|啊|哈哈|哈哈哈|呵呵|谢谢|谢谢你|不客气|没有|没有啊|没事|没关系|不会|不是|不用|什么|为什么|"
        "真的吗|怎么了|我知道|我知道了|知道了|可以|当然|i don't know|i dont know|i'm not sure|"
        "i have no idea|yes|yeah|yep|no|nope|ok|okay|sure|of course|me too|me neither|thanks|"
        "thank you|you're welcome|what|why|really|oh|oh ok|i see|i know|i think so|that's good|"
        "that's great|that's cool|that's nice|nice|cool|good|great|lol|haha|right|well|maybe"
    ).split("|")
}


def describe_answers(
    replies: Sequence[str],
    questions: Sequence[Question],
    frequent: Collection[str] = (),
    references: Sequence[Sequence[str]] | None = None,
) -> dict[str, float | int | str]:
    """Return the figures of `describe_replies`, and `stutter`, `dull` and `language_mismatch`.

    Args:
        replies: one text a question.
        questions: that they answer.
        frequent: replies that training has most often (`questions.frequent_replies`).
        references: right answers to each; those of the questions by default.
    """
    known = [question.references for question in questions] if references is None else references
    faults = {
        "stutter": stutter_share(replies),
        "dull": dull_share(replies, frequent),
        "language_mismatch": language_mismatch(replies, [one.context[-1] for one in questions]),
    }
    return {**describe_replies(replies, known), **faults}


def describe_replies(
    replies: Sequence[str],
    references: Sequence[Sequence[str]],
    distinct_sample: int = DISTINCT_REPLIES,
) -> dict[str, float | int | str]:
    """Return what compares replies with references and with each other, for metrics.json.

    Args:
        replies: one text a question.
        references: right answers to each question. Replies to questions without any are left out
            of exact match, BLEU and F1; `scored_replies` counts those that are in, and where it
            is 0 the three are left out altogether.
        distinct_sample: distinct-1 and distinct-2 look at the first so many replies, so that they
            can be compared between sets of different size; `distinct_replies` says how many.
    """
    scored = [pair for pair in zip(replies, references, strict=True) if pair[1]]
    first = replies[:distinct_sample]
    return {
        "replies": len(replies),
        "scored_replies": len(scored),
        **(_likeness(*map(list, zip(*scored, strict=True))) if scored else {}),
        "distinct_1": distinct(first, 1),
        "distinct_2": distinct(first, 2),
        "distinct_replies": len(first),
        "repetition": repetition_share(replies),
        "top_reply_share": top_reply_share(replies),
        "mean_length": mean_length(replies),
    }


def _likeness(
    replies: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float | str]:
    """Compare replies with references."""
    bleu = corpus_bleu(replies, references)
    return {
        "exact_match": exact_match(replies, references),
        "bleu": bleu.score,
        "bleu_signature": bleu.signature,
        **{f"bleu_{language}": score for language, score in bleu.by_language.items()},
        "f1": mean_f1(replies, references),
    }


# ---------------------------------------------------------------------------------- one figure each


def _ngrams(tokens: Sequence[str], order: int) -> list[tuple[str, ...]]:
    """List the runs of `order` neighbouring tokens."""
    return [tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1)]


def perplexity(loss: float) -> float:
    """Return e to the power of a cross-entropy in nats a token."""
    # exp(700) is close to the largest float: a diverged model must not end the run.
    return math.exp(min(loss, 700.0))


def bits_per_character(loss: float, tokens: int, characters: int) -> float:
    """Spread a cross-entropy over characters, which makes tokenizers comparable.

    Args:
        loss: nats a token.
        tokens: tokens that the loss is the mean of, the one that ends a reply among them.
        characters: Unicode characters of the same replies.
    """
    return loss * tokens / math.log(2) / max(characters, 1)


def distinct(replies: Sequence[str], order: int) -> float:
    """Return distinct-n: different n-grams over all n-grams of all replies (Li et al., 2016).

    It falls as replies grow in number, so compare only over equally many.
    """
    grams = [gram for reply in replies for gram in _ngrams(metric_tokens(reply), order)]
    return len(set(grams)) / len(grams) if grams else 0.0


def has_repetition(reply: str) -> bool:
    """Tell whether a reply loops.

    That is a phrase (two tokens or more, or one word) three times in a row, or a single
    character five times in a row: a laugh of three or four characters is ordinary chat.
    """
    tokens = metric_tokens(reply)
    for length in range(1, len(tokens) // PHRASE_REPEATS + 1):
        same = 0
        for i in range(len(tokens) - length):
            same = same + 1 if tokens[i] == tokens[i + length] else 0
            single = length == 1 and len(tokens[i]) == 1
            repeats = CHARACTER_REPEATS if single else PHRASE_REPEATS
            if same >= length * (repeats - 1):
                return True
    return False


def repetition_share(replies: Sequence[str]) -> float:
    """Return the share of replies that loop."""
    return sum(map(has_repetition, replies)) / len(replies) if replies else 0.0


def top_reply_share(replies: Sequence[str]) -> float:
    """Return the share of the most frequent reply: 1.0 says one thing to everybody."""
    return Counter(replies).most_common(1)[0][1] / len(replies) if replies else 0.0


def mean_length(replies: Sequence[str]) -> float:
    """Return the mean number of tokens of a reply."""
    return sum(len(metric_tokens(reply)) for reply in replies) / len(replies) if replies else 0.0


def exact_match(replies: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return the share of replies that are one of their references."""
    hits = sum(reply in known for reply, known in zip(replies, references, strict=True))
    return hits / len(replies) if replies else 0.0


def mean_f1(replies: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return the mean of `token_f1` over the replies."""
    scores = [token_f1(reply, known) for reply, known in zip(replies, references, strict=True)]
    return sum(scores) / len(scores) if scores else 0.0


# --------------------------------------------------------------------------------------------- BLEU


class BleuScore(NamedTuple):
    """BLEU-4 from 0 to 100, what makes it reproducible, and its parts where there are two."""

    score: float
    signature: str
    by_language: dict[str, float]


def corpus_bleu(replies: Sequence[str], references: Sequence[Sequence[str]]) -> BleuScore:
    """Return BLEU as sacreBLEU computes it (Papineni et al., 2002; Post, 2018).

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
    """Name the language of each question, by whether its right answers hold a Han character."""
    languages = ["zh" if any(map(_HAN.search, known)) else "en" for known in references]
    for minor, major in (("zh", "en"), ("en", "zh")):
        if languages.count(minor) < MINOR_SHARE * len(languages):
            return [major] * len(languages)
    return languages


def _score(
    language: str, replies: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, str]:
    """Score replies of one language; return sacreBLEU's signature too."""
    most = max(map(len, references))
    # sacreBLEU takes the first reference of every reply, then the second, None where there is none.
    streams: list[list[Any]] = [
        [known[i] if i < len(known) else None for known in references] for i in range(most)
    ]
    # force=True: no warning for replies that end in " .", as those of tokenised corpora do.
    metric = BLEU(tokenize=TOKENIZATIONS[language], force=True)
    return metric.corpus_score(list(replies), streams).score, str(metric.get_signature())


# ------------------------------------------------------------------------------------------- faults


def dull_share(replies: Sequence[str], frequent: Collection[str] = ()) -> float:
    """Return the share of replies that would fit any question.

    A reply is dull if it is nothing but one of about eighty that are said to anything (我不知道,
    是的, I don't know), or one that training has most often, whatever the punctuation and case.

    Args:
        replies: the texts.
        frequent: what training has most often.
    """
    dull = _ALWAYS_DULL | {"".join(plain_words(reply)) for reply in frequent}
    return sum("".join(plain_words(reply)) in dull for reply in replies) / max(len(replies), 1)


def language_mismatch(replies: Sequence[str], questions: Sequence[str]) -> float:
    """Return the share of replies that are English to a Chinese question, or the other way round.

    Mixed texts, and those of signs and digits alone, are no mismatch.

    Args:
        replies: one text a question.
        questions: the newest turns.
    """
    other = {"zh": "en", "en": "zh"}
    pairs = zip(replies, questions, strict=True)
    wrong = sum(guess_language([reply]) == other.get(guess_language([ask])) for reply, ask in pairs)
    return wrong / max(len(replies), 1)


# --------------------------------------------------------------------------- copies of the question


def copy_rate(replies: Sequence[str], contexts: Sequence[Sequence[str]]) -> float:
    """Return the share of all words of the replies that are copied from their contexts.

    Words are `metric_tokens` in lower case without punctuation. Copied is a run of three or
    more that stands in one turn of the context too; of four, where all are Chinese characters.

    Args:
        replies: one text a question.
        contexts: the turns before each of them.
    """
    marks = [_copied(*pair) for pair in zip(replies, contexts, strict=True)]
    words = sum(map(len, marks))
    return sum(map(sum, marks)) / words if words else 0.0


def echo_share(replies: Sequence[str], contexts: Sequence[Sequence[str]]) -> float:
    """Return the share of replies that say the newest turn again, whatever the punctuation.

    Args:
        replies: one text a question.
        contexts: the turns before each of them, the newest last.
    """
    pairs = [
        (plain_words(reply), plain_words(turns[-1]))
        for reply, turns in zip(replies, contexts, strict=True)
        if turns
    ]
    return sum(bool(own) and own == asked for own, asked in pairs) / max(len(replies), 1)


def _copied(reply: str, turns: Sequence[str]) -> list[bool]:
    """Mark the words of a reply that are copied, `(words,)`."""
    words = plain_words(reply)
    marks = [False] * len(words)
    asked = [plain_words(turn) for turn in turns]
    for size in (COPIED_WORDS, COPIED_CHARACTERS):
        known = {run for turn in asked for run in _ngrams(turn, size)}
        for place, run in enumerate(_ngrams(words, size)):
            if run in known and (size == COPIED_CHARACTERS or not all(map(_HAN.fullmatch, run))):
                marks[place : place + size] = [True] * size
    return marks

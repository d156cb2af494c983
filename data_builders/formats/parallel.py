# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Two files of which line n of one is replied to by line n of the other.

    src-train.txt        tgt-train.txt
    你 吃 了 吗          吃 过 了
    Where are you?       At home.

Known corpora: PTT_charactors (src-train, tgt-train), stc_weibo_train_post and _response, and the
.enc and .dec files of many tutorials (those of tensorflow-seq2seq-chatbot-zh are not: each of
them alternates by itself).

A line that is empty or cannot be decoded on one side costs its partner on the other and nothing
else: lines are matched by their numbers. Lines beyond the end of the other file are rejected one
by one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from data_builders.dialogue import RawDialogue
from data_builders.errors import UserError
from data_builders.formats.base import FileCorpus, FilesConfig, Guess, without_images
from data_builders.formats.plain_text import unmarked_lines_of
from data_builders.reading import Progress, Reading, Sample, source_files
from data_builders.report import BuildReport
from data_builders.translation import _, listed

logger = logging.getLogger(__name__)

# What stands in the name of the questions, and what in that of the replies; likeliest first.
_SURE = [
    pair.split("/")
    for pair in "src/tgt src/trg source/target sources/targets post/response posts/responses "
    "post/reply post/comment question/answer questions/answers question/reply questions/replies "
    "question/response query/reply query/response query/answer ask/answer context/response "
    "prompt/response message/response input/output".split()
]
# Also the names of files that are whole corpora each.
_UNSURE = [pair.split("/") for pair in "enc/dec encode/decode from/to q/a in/out".split()]
_WORD = re.compile(r"[A-Za-z]+")


def _partner_words(pairs: Sequence[Sequence[str]], replies: bool) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for question, reply in pairs:
        key, value = (reply, question) if replies else (question, reply)
        words.setdefault(key, []).append(value)
    return words


_REPLY_WORDS = _partner_words(_SURE + _UNSURE, replies=False)
_QUESTION_WORDS = _partner_words(_SURE + _UNSURE, replies=True)
_UNSURE_WORDS = frozenset(word for pair in _UNSURE for word in pair)


@dataclass
class ParallelConfig(FilesConfig):
    """Settings of two parallel files.

    Attributes:
        questions: The file of questions, or a folder or pattern of several.
        replies: The file of replies, or as many of them in the same order.
            `files` may name the two instead: questions first, unless their names say otherwise.
    """

    questions: str | None = None
    replies: str | None = None

    def __post_init__(self) -> None:
        """Check the settings before anything is read."""
        super().__post_init__()
        if bool(self.questions) != bool(self.replies):
            missing = "replies" if self.questions else "questions"
            raise UserError(
                "`{missing}` is not set: parallel text needs a file of questions and a file of "
                "replies. Set `{missing}`.",
                missing=missing,
            )
        if self.questions and self.files:
            raise UserError(
                "Set either `files` or `questions` and `replies`, not both (got {files} too).",
                files=listed(self.files),
            )

    def paths(self) -> tuple[str, str]:
        """Say which file is which: the questions and the replies."""
        if self.questions and self.replies:
            return str(self.questions), str(self.replies)
        if len(self.files) != 2:
            raise UserError(
                "Parallel text needs two files, questions and replies (got {number}). Set "
                "`questions` and `replies`, or name both in `files`.",
                number=len(self.files),
            )
        first, second = self.files
        if find_pairs(self.files) == [(second, first)]:
            logger.info("%s holds the questions, by its name", second)
            return second, first
        return first, second


class ParallelCorpus(FileCorpus):
    """Pairs of two files, matched line by line."""

    FORMAT = "parallel"
    TITLE = "two files; line n of the second replies to line n of the first"
    BUILDER_CONFIG_CLASS = ParallelConfig

    @classmethod
    def resembles(cls, sample: Sample) -> Guess | None:
        """Say whether a sample is plain lines of a file named like one of two.

        0.6, or 0.3 for names that are also in use for files of another kind; whoever has both
        files should see whether they have equally many lines.
        """
        partner = parallel_partner(sample.name)
        if partner is None or not unmarked_lines_of(sample):
            return None
        score = 0.6 if is_well_named(sample.name) else 0.3
        return Guess(
            score, why=_("named like one of two files (the other one: {partner})", partner=partner)
        )

    @classmethod
    def read_sources(
        cls, config: ParallelConfig, report: BuildReport, progress: Progress | None = None
    ) -> Iterator[RawDialogue]:
        """Yield the pairs."""
        sides = config.paths()
        files = (source_files([side], progress=progress) for side in sides)
        for questions, replies in zip_longest(*files):
            if questions is None or replies is None:
                extra = (questions or replies).name
                raise UserError(
                    "{extra} has no partner: {questions} and {replies} must name equally many "
                    "files, in the same order. Name two single files.",
                    extra=extra,
                    questions=sides[0],
                    replies=sides[1],
                )
            two = [Reading(file, report, config.encoding) for file in (questions, replies)]
            for raw in without_images(_read_two(*two), two[0]):
                yield raw._replace(
                    file=questions.name, lang=config.language, source=questions.label
                )


def _read_two(questions: Reading, replies: Reading) -> Iterator[RawDialogue]:
    for question, reply in zip_longest(questions.lines_and_gaps(), replies.lines_and_gaps()):
        number = (question or reply)[0]
        texts = [(line[1] or "").strip() if line else "" for line in (question, reply)]
        if all(texts):
            yield RawDialogue((texts[0], texts[1]), line=number)
        elif any(texts):
            present, missing = (questions, reply) if texts[0] else (replies, question)
            # An empty partner differs from one that was rejected or is not in the file.
            rule = "empty text" if missing and missing[1] is not None else "missing line"
            present.reject(number, rule, texts[0] or texts[1])


def parallel_partner(name: str) -> str | None:
    """Give the likeliest name of the other one of two parallel files, or None."""
    for words in (_REPLY_WORDS, _QUESTION_WORDS):
        for partner in _renamed(name, words):
            return partner
    return None


def is_well_named(name: str) -> bool:
    """Say whether a name is hardly given to anything but one of two parallel files."""
    found = next(_found_words(name, _REPLY_WORDS | _QUESTION_WORDS), None)
    return found is not None and found.group().lower() not in _UNSURE_WORDS


def find_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Find the pairs of parallel files among the files of a folder, by their names.

    Questions and replies in the order of `names`, no name twice; the lines are not counted here.
    """
    free, pairs = dict.fromkeys(names), []
    for name in names:
        if name not in free:
            continue
        for partner in _renamed(name, _REPLY_WORDS):
            if partner in free and partner != name:
                pairs.append((name, partner))
                del free[name], free[partner]
                break
    return pairs


def _found_words(name: str, words: dict[str, list[str]]) -> Iterator[re.Match[str]]:
    # From the right: the file's own name tells more than its folder's.
    begin = max(name.rfind("/"), name.rfind("\\")) + 1
    found = [match for match in _WORD.finditer(name) if match.group().lower() in words]
    for match in reversed(found):
        # One letter is no more than the end of a name: "chat.q", but not "chat/a/1.txt".
        if len(match.group()) > 1 or (match.start() > begin and name[match.start() - 1] == "."):
            yield match


def _renamed(name: str, words: dict[str, list[str]]) -> Iterator[str]:
    for match in _found_words(name, words):
        for word in words[match.group().lower()]:
            yield name[: match.start()] + _cased_like(word, match.group()) + name[match.end() :]


def _cased_like(word: str, model: str) -> str:
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word.capitalize() if model[:1].isupper() else word

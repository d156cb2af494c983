# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a sheet is made from: the questions, and the systems that answer them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_builders.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from ..chat.session import ChatSession
    from ..text.dialogue import DialogueExample

# So many dialogues are read at a time.
_ROWS_AT_ONCE = 1000
_NAME = re.compile(r"[\w.+ -]+")
_PRESET = re.compile(r"[\w-]+")


# ------------------------------------------------------------------------------------ the questions


@dataclass
class Asked:
    """Questions, and the corpus whose replies they may be answered with.

    Attributes:
        rows: of a file of questions, as `chat_hf.py --input` reads it.
        turns: of each question, the newest last.
        replies: what a person said in the corpus; None where the questions are not its own.
        train: its training dialogues; None without a corpus.
    """

    rows: list[dict[str, Any]]
    turns: list[list[str]]
    replies: list[str] | None = None
    train: Dataset | None = None


def questions_of_file(path: Path) -> Asked:
    """Read questions.

    Raises:
        UserError: A row has no question.
    """
    from ..chat.question_file import read_rows

    check_questions(path)
    rows = read_rows(path)
    for row in rows:
        if row.error:
            raise UserError(
                "{path}:{line}: {error}. Mend the row or take it out.",
                path=path,
                line=row.line,
                error=row.error,
            )
    return Asked([row.row for row in rows], [row.turns for row in rows])


def check_questions(path: Path) -> None:
    """Refuse a file of questions that is not there."""
    if not path.is_file():
        raise UserError("`--input` {path} is not a file. Give a .jsonl or .txt file.", path=path)


def read_corpus(dataset: str) -> DatasetDict:
    """Build the dialogues of a dataset, or take them from the cache."""
    from data_builders import build_dialogues

    return build_dialogues(dataset).dataset


def corpus_questions(
    corpus: DatasetDict, dataset: str, split: str | None, limit: int, turns: int, seed: int
) -> Asked:
    """Draw questions that a corpus keeps back from training.

    Args:
        corpus: of `read_corpus`.
        dataset: its name, for what is said.
        split: "test" or "validation"; None is the test split where there is one.
        limit: how many to draw; all where there are fewer.
        turns: the most turns of a question.
        seed: of the draw.

    Raises:
        UserError: There is none.
        UserError: There is no such split.
    """
    from ..examples.evaluation_split import choose_split

    chosen = choose_split(corpus, split, dataset)
    known: dict[tuple[str, ...], str] = {}
    for example in _examples(corpus[chosen], turns):
        known.setdefault(example.context, example.reply)
    for example in _examples(corpus["train"], turns):
        known.pop(example.context, None)
    if not known:
        raise UserError(
            "`--dataset` {dataset}: each question of its {chosen} split is in the "
            "training split too. Give questions with `--input`.",
            dataset=dataset,
            chosen=chosen,
        )
    drawn = random.Random(seed).sample(list(known), min(limit, len(known)))
    rows = [{"question": one[0]} if len(one) == 1 else {"dialogue": list(one)} for one in drawn]
    return Asked(rows, [list(one) for one in drawn], [known[one] for one in drawn])


def _human(asked: Asked, seed: int) -> list[str]:
    """Give what people said."""
    if asked.replies is None:
        raise UserError(
            "`--baselines human` is known only for questions of `--dataset`. Leave out `--input`, "
            "or the baseline."
        )
    return asked.replies


def _random(asked: Asked, seed: int) -> list[str]:
    """Draw training replies; each one of the corpus is as likely as any other."""
    draw, kept = random.Random(seed), []
    for number, example in enumerate(_examples(asked.train, 1)):
        if number < len(asked.turns):
            kept.append(example.reply)
        elif (place := draw.randrange(number + 1)) < len(kept):
            kept[place] = example.reply
    draw.shuffle(kept)
    return [kept[place % len(kept)] for place in range(len(asked.turns))]


def _nearest(asked: Asked, seed: int) -> list[str]:
    """Look up the training question that shares most with the newest turn, and give its reply."""
    from ..memory.index import QuestionIndex

    examples = list(_examples(asked.train, 1))
    index = QuestionIndex.build([example.context[-1] for example in examples])
    found = [index.nearest(turns[-1], 1) for turns in asked.turns]
    return [examples[near[0][0]].reply if near else "" for near in found]


BASELINES: dict[str, Callable[[Asked, int], list[str]]] = {
    "human": _human,
    "nearest": _nearest,
    "random": _random,
}


def _examples(split: Dataset, turns: int) -> Iterator[DialogueExample]:
    """Yield every context of a split with its reply."""
    from ..text.dialogue import examples_from_dialogue

    for batch in split.select_columns(["turns", "roles"]).iter(_ROWS_AT_ONCE):
        for said, roles in zip(batch["turns"], batch["roles"], strict=True):
            yield from examples_from_dialogue(said, roles, turns)


# -------------------------------------------------------------------------------------- who answers


@dataclass(frozen=True)
class System:
    """Who answers.

    Attributes:
        name: in the key and in the tables.
        source: a file of replies, the folder of a run, or the id of a model on the Hub.
        preset: of a model; None for its default.
    """

    name: str
    source: str
    preset: str | None = None

    @property
    def is_file(self) -> bool:
        """Tell whether the replies are there already."""
        return Path(self.source).suffix in (".jsonl", ".txt") or Path(self.source).is_file()


def read_system(text: str) -> System:
    """Read NAME=REPLIES.jsonl or NAME=MODEL[:preset].

    Raises:
        UserError: It is neither.
    """
    name, equals, source = text.partition("=")
    if not equals or not source or not _NAME.fullmatch(name):
        raise UserError(
            "`--system` must be NAME=REPLIES.jsonl or NAME=MODEL[:preset], the name of "
            "letters, digits, blanks and . + - (got {given!r}).",
            given=text,
        )
    model, colon, preset = source.rpartition(":")
    if colon and model and _PRESET.fullmatch(preset) and not Path(source).exists():
        return System(name, model, preset)
    return System(name, source)


def check_replies(path: Path) -> None:
    """Refuse a file of replies that is not there."""
    if not path.is_file():
        raise UserError(
            "{path} is not there. Make it with `chat_hf.py --input ... --output`.", path=path
        )


def replies_of_file(path: Path, questions: Sequence[Sequence[str]]) -> list[str]:
    """Read replies as `chat_hf.py --input ... --output` writes them.

    Args:
        path: the file.
        questions: the turns of each question; the file must answer them in this order.

    Raises:
        UserError: It does not.
    """
    from ..chat.question_file import row_turns

    check_replies(path)
    replies: list[str] = []
    for line, text in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            row = json.loads(text.decode("utf-8-sig"))
            reply = row.pop("reply")
            row.pop("from", None)  # the memory, or the model
            turns = row_turns(row)
            reply.encode("utf-8")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            found = f"{type(error).__name__}: {error}"
            raise UserError(
                "{path}:{line}: not a question with its `reply` ({found}). Make the file "
                "with `chat_hf.py --input ... --output`.",
                path=path,
                line=line,
                found=found,
            ) from error
        if len(replies) < len(questions) and turns != list(questions[len(replies)]):
            asked = questions[len(replies)][-1]
            raise UserError(
                "{path}:{line}: must answer question {number}, {asked!r} (got {turns!r}). "
                "Answer the same list in the same order.",
                path=path,
                line=line,
                number=len(replies) + 1,
                asked=asked,
                turns=turns[-1],
            )
        replies.append(reply.strip())
    if len(replies) != len(questions):
        raise UserError(
            "{path}: {replies} replies to {questions} questions.",
            path=path,
            replies=len(replies),
            questions=len(questions),
        )
    return replies


def open_model(system: System, device: str) -> ChatSession:
    """Load a model. With a preset its memory is left out: it would say the same under each.

    Raises:
        UserError: There is no such model or preset.
    """
    from ..chat.session import load_session

    session = load_session(system.source, device, memory=system.preset is None)
    if system.preset is not None:
        session.settings.set("preset", system.preset)
    return session


def replies_of_model(
    session: ChatSession, source: Path, output: Path, say: Callable[[str], None]
) -> None:
    """Answer a file of questions into a file of replies; stopped, it goes on from there."""
    from ..chat.question_file import answer_file

    report = answer_file(session, source, output, overwrite=True)
    say(report.sentence(output))

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The pairs that every contender trains on: the same ids, so that real tokens are the same.

A workload is a folder: `dialogues` (a saved dataset, for ours), `tokenizer` (one token a
character), `statistics.json` (its numbers) and `pairs.json` (texts and ids, for the others).
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HAN_SHARE = 0.3
# Fill a vocabulary up to its size, so that it costs what a vocabulary of that size costs.
_FILLERS = [chr(code) for code in range(0x4E00, 0x9FA6)]
DEFAULT_SOURCE = "chatterbot"


class Encoded(NamedTuple):
    """One pair as ids, both sides with their end token."""

    source: list[int]
    reply: list[int]


@dataclass
class WorkloadStatistics:
    """Numbers of a workload.

    Attributes:
        pairs: How many.
        tokens: Source and reply tokens of all of them.
        longest: Tokens of the longest side.
        vocabulary: Number of ids.
        pad, start: Ids of special tokens.
    """

    pairs: int
    tokens: int
    longest: int
    vocabulary: int
    pad: int
    start: int

    @property
    def mean(self) -> float:
        """Tokens of a pair."""
        return self.tokens / self.pairs


@dataclass
class Workload:
    """What `load_workload` reads back.

    Attributes:
        folder: Where it lies.
        statistics: Its numbers.
        texts: Questions and replies.
        pairs: The same as ids.
    """

    folder: Path
    statistics: WorkloadStatistics
    texts: list[tuple[str, str]]
    pairs: list[Encoded]


def read_texts(source: str, count: int, max_characters: int) -> list[tuple[str, str]]:
    """Draw pairs from a corpus, always the same ones.

    Args:
        source: A saved build, corpus files, or the name of an installed corpus.
        count: How many, at most.
        max_characters: Both sides are shorter than this.

    Returns:
        Distinct pairs, over 30 % Chinese unless the corpus has none such.
    """
    from data_builders import build_dialogues

    rows = build_dialogues(source, validation_fraction=0.0).dataset["train"]
    found = dict.fromkeys(
        (question, reply)
        for turns in rows["turns"]
        for question, reply in zip(turns[:-1], turns[1:], strict=True)
        if 0 < len(question) < max_characters and 0 < len(reply) < max_characters
    )
    chinese = [pair for pair in found if _han_share("".join(pair)) > HAN_SHARE]
    pool = chinese or list(found)
    return random.Random(0).sample(pool, min(count, len(pool)))


def _han_share(text: str) -> float:
    return sum("\u4e00" <= sign <= "\u9fff" for sign in text) / len(text)


def invented_texts(count: int, max_characters: int) -> list[tuple[str, str]]:
    """Put clauses of the ChatterBot corpus together anew where there is no corpus of that size."""
    from data_building import clauses, pairs

    found: dict[tuple[str, str], None] = {}
    for question, reply in pairs(clauses([])):
        if max(len(question), len(reply)) < max_characters:
            found[question, reply] = None
        if len(found) >= count:
            return list(found)
    return list(found)


def lengthened(texts: list[tuple[str, str]], characters: int) -> list[tuple[str, str]]:
    """Put the replies of the pairs that follow behind each reply, up to so many characters."""
    made = []
    for place, (question, reply) in enumerate(texts):
        for _, more in texts[place + 1 :]:
            if len(reply) + len(more) >= characters:
                break
            reply += more
        made.append((question, reply))
    return made


def save_workload(folder: Path, texts: list[tuple[str, str]], vocabulary: int) -> Workload:
    """Write a workload and read it back.

    Args:
        folder: A folder that is not there yet.
        texts: Questions and replies.
        vocabulary: Number of ids of the tokenizer.

    Returns:
        The workload.
    """
    from tfchat_hf.text.dialogue import encode_context, encode_reply

    tokenizer = save_tokenizer(folder, texts, vocabulary)
    longest = max(len(text.encode()) for pair in texts for text in pair) + 1
    pairs = [
        Encoded(
            encode_context(tokenizer, [question], longest).input_ids,
            encode_reply(tokenizer, reply),
        )
        for question, reply in texts
    ]
    statistics = WorkloadStatistics(
        pairs=len(pairs),
        tokens=sum(len(pair.source) + len(pair.reply) for pair in pairs),
        longest=max(len(side) for pair in pairs for side in pair),
        vocabulary=len(tokenizer),
        pad=tokenizer.pad_token_id,
        start=tokenizer.bos_token_id,
    )
    (folder / "statistics.json").write_text(json.dumps(asdict(statistics)))
    (folder / "pairs.json").write_text(json.dumps({"texts": texts, "ids": pairs}))
    save_dialogues(folder, texts)
    return load_workload(folder)


def save_tokenizer(
    folder: Path, texts: Iterable[tuple[str, str]], vocabulary: int
) -> PreTrainedTokenizerBase:
    """Make the tokenizer of a workload, with a token for each of the texts' characters."""
    from tfchat_hf.text.tokenizer_training import train_tokenizer

    folder.mkdir(parents=True)
    tokenizer = train_tokenizer(_with_fillers(texts), "char", vocabulary)
    tokenizer.save_pretrained(str(folder / "tokenizer"))
    return tokenizer


def _with_fillers(texts: Iterable[tuple[str, str]]) -> Iterable[str]:
    for question, reply in texts:
        # Twice, so that a filler never takes the place of a real character.
        yield from (question, reply, question, reply)
    yield from _FILLERS


def save_dialogues(folder: Path, texts: Iterable[tuple[str, str]]) -> None:
    """Write the pairs as a build that train_hf.py reads; nothing is held out."""
    from datasets import Dataset, DatasetDict

    from data_builders import DIALOGUE_FEATURES

    empty = {
        name: [] if "List" in type(kind).__name__ else ""
        for name, kind in DIALOGUE_FEATURES.items()
    }

    def rows() -> Iterator[dict[str, object]]:
        for place, pair in enumerate(texts):
            yield empty | {"id": f"{place:016x}-1", "turns": list(pair), "lang": "zh"}

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        train = Dataset.from_generator(
            rows, DIALOGUE_FEATURES, cache_dir=scratch, fingerprint=folder.name
        )
        DatasetDict({"train": train}).save_to_disk(str(folder / "dialogues"))


def load_statistics(folder: Path) -> WorkloadStatistics:
    """Read what is to be known of a workload without its pairs."""
    return WorkloadStatistics(**json.loads((folder / "statistics.json").read_text()))


def load_workload(folder: Path) -> Workload:
    """Read a workload."""
    kept = json.loads((folder / "pairs.json").read_text())
    texts = [(question, reply) for question, reply in kept["texts"]]
    pairs = [Encoded(*pair) for pair in kept["ids"]]
    return Workload(folder, load_statistics(folder), texts, pairs)

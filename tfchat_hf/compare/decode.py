# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The rows of a comparison, presets and settings of one's own, and the replies of each, kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from data_builders.command_line import did_you_mean
from data_builders.errors import UserError
from data_builders.translation import _, joined, listed
from data_builders.writing import write_whole

from ..chat.settings import IMPLIES_SAMPLING
from ..examples.questions import Question, decode_reply
from ..fast import FastDecoder
from ..fast.decoding import preset, preset_names
from ..fast.replies import ReplyBatch, batches_by_length, reply_to_questions
from ..fast.reranking import RERANK_SETTINGS
from ..measuring.baselines import BASELINES
from ..model.generation_tfchat import OWN_SETTINGS

# All others are compared with it.
BASE_ROW = "greedy"
# Beside settings a configuration holds these, and all presets of its model.
_NO_SETTINGS = ("_", "presets", "transformers_version", "output_")
# What the rows have in common, or what would give more than one reply a question.
_NOT_HERE = ("max_length", "num_return_sequences", "return_dict_in_generate")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_EXAMPLE = '--setting "mine: temperature=0.7,top_p=0.9"'
# Batches of different seeds must not draw alike.
_SEED_STEP = 1_000_003


@dataclass(frozen=True)
class Row:
    """One way of decoding.

    Attributes:
        name: Of the preset or setting.
        config: Complete, for `generate()`.
        is_preset: Whether the model knows it by this name.
    """

    name: str
    config: GenerationConfig
    is_preset: bool

    @property
    def sampled(self) -> bool:
        """Tell whether another seed gives other replies."""
        return bool(self.config.do_sample)

    @property
    def needs_reverse_model(self) -> bool:
        """Tell whether its candidates are ranked by a second model."""
        return getattr(self.config, "rerank_by", None) == "reverse"

    def settings(self) -> dict[str, Any]:
        """Return the settings that differ from transformers' defaults."""
        found = self.config.to_diff_dict()
        return {key: found[key] for key in sorted(found) if not key.startswith(_NO_SETTINGS)}


def plan_rows(
    model: PreTrainedModel,
    presets: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    has_reverse_model: bool = False,
) -> tuple[list[Row], list[str]]:
    """List the rows to decode.

    Args:
        model: Knows its presets.
        presets: Names of those to take; None for all. The greedy one is always there.
        settings: Rows as `read_setting` takes them.
        has_reverse_model: Whether rows that need one can be decoded.

    Returns:
        The rows, the greedy one first, and the names of presets that need a reverse model.

    Raises:
        UserError: A preset or setting cannot be.
    """
    known = preset_names(model)
    rows = [Row(name, preset(model, name), True) for name in _chosen_presets(known, presets)]
    for text in settings:
        row = read_setting(model, text)
        if row.name in [*known, *BASELINES, *(other.name for other in rows)]:
            raise UserError(
                "`--setting` {name!r} is the name of another row. Give it a name of its own.",
                name=row.name,
            )
        if row.needs_reverse_model and not has_reverse_model:
            raise UserError(
                "`--setting` {name!r} has rerank_by=reverse, which needs a second model. Add "
                "--reverse-model with the folder of a run trained with `swap_sides: true`.",
                name=row.name,
            )
        rows.append(row)
    left_out = [row for row in rows if row.needs_reverse_model and not has_reverse_model]
    return [row for row in rows if row not in left_out], [row.name for row in left_out]


def _chosen_presets(known: Sequence[str], chosen: Sequence[str] | None) -> list[str]:
    """Order the presets to take, the greedy one first."""
    for name in chosen or ():
        if name not in known:
            raise UserError(
                "`--presets` must be among {known} (got {name!r}). Other settings go into a "
                "row of their own: {example}",
                known=listed(known),
                name=name,
                example=_EXAMPLE,
            )
    if BASE_ROW not in known:
        raise UserError(
            "The model has no preset {base_row!r}, with which all others are compared "
            "(it has {known}). Add it to `presets` in its generation_config.json.",
            base_row=BASE_ROW,
            known=listed(known) or _("none"),
        )
    return list(dict.fromkeys([BASE_ROW, *(known if chosen is None else chosen)]))


def read_setting(model: PreTrainedModel, text: str) -> Row:
    """Make a row from "name: key=value,key=value".

    The values stand on top of the greedy preset, or on top of another one with `preset=name`.
    Settings of sampling turn it on, as they do in chat.

    Raises:
        UserError: Something is wrong with the text.
    """
    name, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon or not _NAME.fullmatch(name):
        raise UserError(
            "`--setting` must be a name of ASCII letters, digits and .-_, a colon and "
            "settings (got {given!r}). Write {example}.",
            given=text,
            example=_EXAMPLE,
        )
    values = dict(_values(name, rest))
    base, known = str(values.pop("preset", BASE_ROW)), preset_names(model)
    if base not in known:
        raise UserError(
            "`--setting` {name!r}: `preset` must be one of {known} (got {base!r}).",
            name=name,
            known=listed(known),
            base=base,
        )
    config = preset(model, base)
    for key, value in values.items():
        _check_key(name, key, config)
        setattr(config, key, value)
    if any(key in values for key in IMPLIES_SAMPLING) and "do_sample" not in values:
        config.do_sample = True
    return Row(name, config, False)


def _values(name: str, text: str) -> Iterator[tuple[str, Any]]:
    """Yield the settings of a row; values are spelled as in YAML."""
    for part in filter(None, (part.strip() for part in re.split(r",(?=\s*\w+\s*=)", text))):
        key, _, value = (piece.strip() for piece in part.partition("="))
        if not value:
            raise UserError(
                "`--setting` {name!r}: settings are written key=value (got {part!r}). Write "
                "{example}.",
                name=name,
                part=part,
                example=_EXAMPLE,
            )
        try:
            read = yaml.safe_load(value)
            # `1e-3` is a string for YAML.
            number = isinstance(read, str) and re.match(r"[-+.\d]", value)
            yield key, float(read) if number else read
        except (yaml.YAMLError, ValueError):
            raise UserError(
                "`--setting` {name!r}: `{key}` has a value that cannot be read (got "
                "{value!r}). Write numbers, true, false or a word.",
                name=name,
                key=key,
                value=value,
            ) from None


def _check_key(name: str, key: str, config: GenerationConfig) -> None:
    """Refuse a setting that `generate()` does not know, and one that a row cannot have."""
    if key in _NOT_HERE:
        raise UserError(
            "`--setting` {name!r}: `{key}` is the same for all rows. Leave it out.",
            name=name,
            key=key,
        )
    public = {one for one in vars(config) if one[0] != "_"}
    known = sorted(public | {*OWN_SETTINGS, *RERANK_SETTINGS})
    if key not in known:
        nearest = [one for one in known if one.startswith(key)]
        what = _("`--setting` {name!r}: unknown setting `{key}`.", name=name, key=key)
        none_near = _("generate() has no such setting.")
        raise UserError(joined(what, did_you_mean(key, nearest or known, none_near)))


# --------------------------------------------------------------------------------- the replies


@dataclass
class Replies:
    """What a row answered with one seed.

    Attributes:
        texts: One reply a question.
        tokens: Of all of them, the one that ends each among them.
        seconds: That decoding took: of CPU time, or of the clock on a GPU.
    """

    texts: list[str]
    tokens: int
    seconds: float


class Decoder:
    """Answers the same questions under any settings.

    Args:
        model: In evaluation mode.
        tokenizer: Of the model.
        questions: What to answer.
        batch_size: How many at a time.
        reverse_model: Ranks candidates for rows that want it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        questions: Sequence[Question],
        batch_size: int,
        reverse_model: PreTrainedModel | None = None,
    ) -> None:
        """Sort the questions into batches of like length."""
        self.model, self.tokenizer, self.reverse_model = model, tokenizer, reverse_model
        self.questions = questions
        self.ids = [question.input_ids for question in questions]
        self.batches = batches_by_length(self.ids, batch_size)
        self.fast = FastDecoder()

    def try_out(self, row: Row) -> None:
        """Answer one question, so that settings that cannot be are refused at once."""
        next(self._reply(row, [(0, self.batches[0][:1])]))

    def answer(self, row: Row, seed: int, progress: Callable[[int], None]) -> Replies:
        """Answer all questions.

        Args:
            row: The settings.
            seed: Equal ones give equal replies.
            progress: Told after each batch how many questions it had.
        """
        texts: dict[int, str] = {}
        tokens, seconds = 0, 0.0
        next(self._reply(row, [(0, self.batches[0])]))  # what is made once is not the row's speed
        numbered = [(_SEED_STEP * seed + i, places) for i, places in enumerate(self.batches)]
        for batch in self._reply(row, numbered):
            for place, ids in zip(batch.places, batch.ids, strict=True):
                texts[place] = decode_reply(self.tokenizer, ids)
                tokens += self._length(ids)
            seconds += batch.seconds
            progress(len(batch.places))
        return Replies([texts[place] for place in sorted(texts)], tokens, seconds)

    def _reply(self, row: Row, batches: Sequence[tuple[int, list[int]]]) -> Iterator[ReplyBatch]:
        """Decode some batches."""
        asked = (self.model, self.tokenizer, self.ids, batches)
        return reply_to_questions(*asked, row.config, self.fast, self.reverse_model)

    def _length(self, ids: Sequence[int]) -> int:
        """Count the tokens of a reply: without the start token, up to the one that ends it."""
        eos, made = self.tokenizer.eos_token_id, list(ids[1:])
        return made.index(eos) + 1 if eos in made else len(made)


class ReplyStore:
    """Keeps replies in files named by all that they depend on: a rerun decodes only what is new.

    Args:
        folder: Of the files.
        depends_on: What all rows have in common: the weights, the questions, the code.
    """

    def __init__(self, folder: Path, depends_on: dict[str, Any]) -> None:
        """Keep where and for what; nothing is written yet."""
        self.folder = folder
        self.depends_on = depends_on

    def path(self, row: Row, seed: int) -> Path:
        """Name the file of a row and a seed."""
        whole = {**self.depends_on, "settings": row.settings(), "seed": seed}
        text = json.dumps(whole, sort_keys=True, default=str)
        return self.folder / f"{row.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.jsonl"

    def read(self, row: Row, seed: int, count: int) -> Replies | None:
        """Read what an earlier call has kept; None if there is nothing, or not all of it."""
        try:
            lines = self.path(row, seed).read_text(encoding="utf-8").splitlines()
            head = json.loads(lines[0])
            texts = [json.loads(line)["reply"] for line in lines[1:]]
            found = Replies(texts, head["tokens"], head["seconds"])
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        return found if len(texts) == count else None

    def write(self, row: Row, seed: int, replies: Replies) -> None:
        """Write a file of a line about all replies and a line for each."""
        path = self.path(row, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = {"row": row.name, "settings": row.settings(), "seed": seed, **asdict(replies)}
        lines = [*({"reply": text} for text in head.pop("texts"))]
        # Escaped: a reply may hold what `splitlines` takes for the end of a line.
        write_whole(path, "".join(json.dumps(one, default=str) + "\n" for one in [head, *lines]))

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The memory in a conversation: asked before the network, and able to say where a reply is from."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_builders.errors import UserError
from data_builders.translation import _, counted_text, marked

from ..memory import Memory, MemoryAnswer, has_memory
from ..memory.memory import Origin
from ..memory.ranking import Scorer

logger = logging.getLogger(__name__)

_SHOWN = 3


class Recall:
    """A model's memory, whether it is asked, and where the last reply came from.

    Args:
        memory: The memory, None where the model has none.
        turns_read: How many of the newest turns it looks at.
        scorer: The model, asked about what is found (`ModelScorer`); None where it cannot be.

    Attributes:
        on: Whether it is asked.
        last: The last reply that was given at the keyboard, and what was found for it.
    """

    def __init__(
        self, memory: Memory | None = None, turns_read: int = 1, scorer: Scorer | None = None
    ) -> None:
        """Begin with nothing said."""
        self.memory = memory
        self.turns_read = turns_read
        self.scorer = scorer
        self.on = memory is not None
        self.last: MemoryAnswer | None = None

    def reply_to(self, turns: Sequence[str]) -> str | None:
        """Return the remembered reply to a conversation, None where the model shall answer.

        Args:
            turns: The conversation, the turn to answer last.
        """
        if self.memory is None or not self.on:
            self.last = MemoryAnswer("", "model")
            return None
        found = self.memory.look_up(list(turns)[-self.turns_read :], scorer=self.scorer)
        knows = self.memory.answers(found)
        origin: Origin = "memory" if knows else "model"
        self.last = MemoryAnswer(found[0].reply if knows else "", origin, found)
        return self.last.reply if knows else None

    @property
    def threshold(self) -> float:
        """The score from which on a remembered reply is the answer."""
        config = self._known().config
        return config.threshold if self.scorer is None else config.threshold_with_model

    def switch(self, on: bool) -> None:
        """Ask the memory from now on, or no longer.

        Raises:
            UserError: There is none.
        """
        self._known()
        self.on = on

    def _known(self) -> Memory:
        """Return the memory, or refuse what nobody can do without one."""
        if self.memory is None:
            raise UserError(
                "This model has no memory. Write one with `python -m tfchat_hf.memory build "
                "FOLDER`, or train with `memory: true`."
            )
        return self.memory

    def state(self) -> dict[str, object]:
        """Return what replies depend on, for the note beside a file of them."""
        if self.memory is None or not self.on:
            return {"memory": None}
        digest = hashlib.sha256(repr(self.memory.config).encode())
        for rows in self.memory.pairs.iter(10_000):
            digest.update(repr(rows).encode())
        return {marked("memory"): [self.threshold, digest.hexdigest()]}

    def describe(self) -> str:
        """Say in a line how the memory stands.

        Raises:
            UserError: There is none.
        """
        values = {"pairs": pairs(len(self._known())), "threshold": self.threshold}
        if self.on:
            return _("memory on: {pairs}, answers from a score of {threshold:.2f} on", **values)
        return _("memory off: {pairs}, answers from a score of {threshold:.2f} on", **values)

    def explain(self) -> Iterator[str]:
        """Say in lines where the last reply came from."""
        if self.last is None:
            yield _("Nothing has been said yet.")
            return
        found = self.last.remembered
        is_remembered = self.last.source == "memory"
        if is_remembered:
            best, *found = found
            yield _(
                "Remembered, score {score:.2f} (from {threshold:.2f} on):",
                score=best.score,
                threshold=self.threshold,
            )
            yield f"  {best.question} -> {best.reply}  ({best.source})"
        else:
            yield self._why_own_words(bool(found))
        if found:
            yield _("Also near:") if is_remembered else _("Nearest:")
        for one in found[:_SHOWN]:
            yield f"  {one.score:.2f}  {one.question} -> {one.reply}"

    def _why_own_words(self, found: bool) -> str:
        """Say why the network answered."""
        if self.memory is None:
            return _("The network's own words; this model has no memory.")
        if found:
            return _(
                "The network's own words: nothing remembered reaches a score of {threshold:.2f}.",
                threshold=self.threshold,
            )
        if self.on:
            return _("The network's own words; the memory knows nothing near.")
        return _("The network's own words; the memory is off.")


def pairs(number: int) -> str:
    """Count pairs of a question and a reply."""
    return counted_text("{number:,} pair", "{number:,} pairs", number)


def load_recall(
    name: str, turns_read: int, use: bool = True, scorer: Scorer | None = None
) -> Recall:
    """Load the memory that lies beside a model, if there is one.

    Args:
        name: The model's folder, or its id on the Hub.
        turns_read: How many of the newest turns the model reads.
        use: Whether it is wanted.
        scorer: The model, asked about what is found; None where it cannot be.

    Raises:
        UserError: It is there, and cannot be read.
    """
    if not use:
        return Recall()
    try:
        return Recall(Memory.from_pretrained(name), turns_read, scorer)
    except UserError as error:
        if has_memory(Path(name).expanduser()):
            raise UserError("{error} Or leave it out with --no-memory.", error=error) from error
        logger.debug("no memory", exc_info=True)
        return Recall()

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Logits processors against loops and against copying the question. They look at token ids alone.

None keeps anything from one step to the next, so beam search may reorder its rows as it likes.
Names of axes: rows = batch * beams (or returned sequences); length = tokens of the reply so far,
the start token first; source = tokens of the question.
"""

import torch
from transformers import LogitsProcessor

# No loop that was seen has a longer period, and the work at a step stays the same at any length.
LONGEST_PHRASE = 32
# More tokens in a row make the penalty no larger: by then it is far beyond any logit.
LONGEST_MATCH = 16


class PhraseRepeatLogitsProcessor(LogitsProcessor):
    """Forbids the token that would say a phrase more than `max_repeats` times in a row.

    A phrase is 1 to 32 tokens: a single character, a word, a sentence, a list of items.

    Args:
        max_repeats: 1 forbids any immediate repetition, 2 allows "no, no".
    """

    def __init__(self, max_repeats: int) -> None:
        """Remember the limit."""
        self.max_repeats = max_repeats

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` `(rows, vocab_size)` with the forbidden tokens at minus infinity."""
        reply = input_ids[:, 1:]
        length, times = reply.shape[1], self.max_repeats
        longest = min((length + 1) // (times + 1), LONGEST_PHRASE)
        if longest < 1:
            return scores
        device = reply.device
        period = torch.arange(1, longest + 1, device=device)[:, None]  # (longest, 1)
        back = torch.arange(1, times * longest, device=device)[None]  # (1, places)
        places, needed = length - back, back < times * period
        if places.shape[1]:
            same = reply[:, places] == reply[:, (places - period).clamp(min=0)]
            loops = (same | ~needed).all(-1)  # (rows, longest)
        else:  # max_repeats 1 and one token so far
            loops = reply.new_ones(reply.shape[0], longest, dtype=torch.bool)
        if not loops.any():
            return scores
        tokens = reply[:, length - period[:, 0]]
        barred = torch.zeros_like(scores, dtype=torch.int8)
        barred.scatter_reduce_(1, tokens, loops.to(torch.int8), "amax")
        return _unless_nothing_is_left(scores, scores.masked_fill(barred.bool(), -torch.inf))


class CharacterRunLogitsProcessor(LogitsProcessor):
    """Forbids tokens that would make one character stand more than `longest` times in a row.

    A vocabulary has "哈", "哈哈" and "哈哈哈" as tokens of their own, so that repeated tokens and
    repeated characters are not the same: "哈哈哈" twice is no phrase too many, but six of a kind.

    Args:
        runs: `[id, character, times]` of each token that is one character, once or several times.
        longest: Most times in a row.
    """

    def __init__(self, runs: list, longest: int) -> None:
        """Tabulate characters and times by token."""
        self.longest = longest
        characters = sorted({character for _, character, _ in runs})
        self.ids = torch.tensor([run[0] for run in runs], dtype=torch.long)
        self.kinds = torch.tensor([characters.index(run[1]) for run in runs], dtype=torch.long)
        self.times = torch.tensor([run[2] for run in runs], dtype=torch.long)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` `(rows, vocab_size)` with the forbidden tokens at minus infinity."""
        if not len(self.ids):
            return scores
        if self.ids.device != scores.device:
            self.ids, self.kinds, self.times = (
                part.to(scores.device) for part in (self.ids, self.kinds, self.times)
            )
        newest = input_ids[:, -self.longest :]
        held = newest[..., None] == self.ids  # (rows, tokens, runs)
        kinds = torch.where(held.any(-1), self.kinds[held.int().argmax(-1)], -1)
        times = torch.where(held.any(-1), self.times[held.int().argmax(-1)], 0)
        unbroken = (kinds == kinds[:, -1:]).flip(1).cumprod(1).flip(1)
        so_far = (times * unbroken).sum(1, keepdim=True)  # (rows, 1), 0 after anything else
        again = self.kinds == kinds[:, -1:]  # (rows, runs)
        barred = torch.where(again, so_far + self.times, self.times) > self.longest
        if not barred.any():
            return scores
        without = scores.clone()
        without[:, self.ids] = scores[:, self.ids].masked_fill(barred, -torch.inf)
        return _unless_nothing_is_left(scores, without)


class DryLogitsProcessor(LogitsProcessor):
    """Makes it dear to go on with a sequence of tokens that the reply holds already.

    "Don't repeat yourself" as text-generation-webui and llama.cpp know it: where the last n
    tokens stand earlier in the reply too, the token that followed there costs
    `multiplier * base ** (n - allowed_length)` from n = `allowed_length` on. Unlike
    `repetition_penalty` it leaves single frequent tokens alone, which in Chinese are half of any
    sentence; unlike `no_repeat_ngram_size` it may be paid.

    Args:
        multiplier: In logits; 0.8 is the usual value.
        base: How fast the cost grows.
        allowed_length: Tokens that may be repeated for nothing.
    """

    def __init__(self, multiplier: float, base: float = 1.75, allowed_length: int = 2) -> None:
        """Tabulate the cost of each length."""
        self.allowed_length = allowed_length
        self.costs = [0.0] * allowed_length
        self.costs += [
            multiplier * base ** (n - allowed_length)
            for n in range(allowed_length, LONGEST_MATCH + 1)
        ]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` `(rows, vocab_size)` with the costs taken off."""
        reply = input_ids[:, 1:]
        length = reply.shape[1]
        if length <= self.allowed_length:
            return scores
        matched = suffix_matches(reply[:, :-1], reply)  # (rows, length - 1)
        if int(matched.max()) < self.allowed_length:
            return scores
        costs = scores.new_tensor(self.costs)[matched.clamp(max=len(self.costs) - 1)]
        # The token after each earlier place, and the dearest of its costs.
        total = torch.zeros_like(scores)
        total.scatter_reduce_(1, reply[:, 1:], costs, "amax")
        return scores - total


class CopyPenaltyLogitsProcessor(LogitsProcessor):
    """Makes it dear to go on copying the question.

    Where the last n tokens of the reply stand in the question, the token that follows there is
    the (n + 1)st of a copy, and costs `penalty` for each token beyond `allowed_length`. The
    question's end counts as a token: a bare echo costs once more than its words.

    Args:
        question: `(batch, source)` ids the encoder reads, `</s>` included.
        penalty: In logits, a token.
        allowed_length: Tokens in a row that may be copied for nothing: names, "you" for "I".
        ignored: Ids that are no part of a text: padding, separators.
    """

    def __init__(
        self,
        question: torch.LongTensor,
        penalty: float,
        allowed_length: int = 2,
        ignored: tuple[int | None, ...] = (),
    ) -> None:
        """Mark what cannot be copied."""
        unreal = torch.zeros_like(question, dtype=torch.bool)
        for token in ignored:
            if token is not None:
                unreal |= question == token
        self.question = question.masked_fill(unreal, -1)
        self.penalty = penalty
        self.allowed_length = allowed_length

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        """Return `scores` `(rows, vocab_size)` with the costs taken off."""
        reply = input_ids[:, 1:]
        if reply.shape[1] < self.allowed_length or self.question.shape[1] < 2:
            return scores
        question = self.question.repeat_interleave(len(scores) // len(self.question), dim=0)
        matched = suffix_matches(question[:, :-1], reply)  # (rows, source - 1)
        excess = (matched + 1 - self.allowed_length).clamp(min=0)
        following = question[:, 1:]
        excess = excess.masked_fill(following < 0, 0)
        if not excess.any():
            return scores
        total = torch.zeros_like(scores)
        total.scatter_reduce_(1, following.clamp(min=0), excess * self.penalty, "amax")
        return scores - total


def _unless_nothing_is_left(scores: torch.Tensor, without: torch.Tensor) -> torch.Tensor:
    """Keep the old scores of a row where another processor has barred all that is left."""
    nothing = (without == -torch.inf).all(-1, keepdim=True)
    return torch.where(nothing, scores, without)


def suffix_matches(text: torch.LongTensor, reply: torch.LongTensor) -> torch.LongTensor:
    """Count, at each place of `text`, how many tokens up to it end the reply.

    Args:
        text: `(rows, places)`; may be the reply itself.
        reply: `(rows, length)`.

    Returns:
        `(rows, places)`: 3 where the last three tokens of the reply end at that place of the
        text, at most `LONGEST_MATCH`.
    """
    deep = min(LONGEST_MATCH, reply.shape[1], text.shape[1])
    if deep == 0:
        return text.new_zeros(text.shape)
    padded = torch.nn.functional.pad(text, (deep - 1, 0), value=-1)
    windows = padded.unfold(1, deep, 1)  # (rows, places, deep): the tokens up to each place
    same = (windows == reply[:, None, -deep:]).flip(-1)
    return same.long().cumprod(-1).sum(-1)


__all__ = [
    "CharacterRunLogitsProcessor",
    "CopyPenaltyLogitsProcessor",
    "DryLogitsProcessor",
    "PhraseRepeatLogitsProcessor",
]

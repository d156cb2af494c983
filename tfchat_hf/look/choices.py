# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How a reply is chosen, token by token: likelihoods, what changed them, and the roads not taken.

The processors are those that `generate()` makes from the settings, and they are called with what
it calls them with; none keeps anything from one step to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor

from ..model.modeling_tfchat import TFChatForConditionalGeneration
from .recording import Recording

CANDIDATES = 8
# Branches of the tree, how far each is followed, and how likely its first token must be.
_BRANCHES, _BRANCH_TOKENS, _LEAST = 6, 10, 0.01
# Tokens that are named where a processor changed something, and how much is a change.
_NAMED, _VISIBLE = 4, 5e-3


@dataclass(frozen=True)
class Candidate:
    """A token that could come next: the network's logit and softmax, and what was left of that."""

    id: int
    logit: float
    probability: float
    decided: float


@dataclass(frozen=True)
class Change:
    """What one processor did at one step.

    Attributes:
        processor: The name of its class.
        barred: How many tokens it made impossible.
        moved: Of the tokens whose probability changed most: id, probability before and after.
    """

    processor: str
    barred: int
    moved: list[tuple[int, float, float]]


@dataclass(frozen=True)
class Step:
    """One token of the reply, its rank among all by the network's own word, and its rivals."""

    taken: Candidate
    rank: int
    candidates: list[Candidate]
    changes: list[Change]


@dataclass(frozen=True)
class Branch:
    """What would have been said if at `step` the next best token had been taken."""

    step: int
    ids: list[int]
    probabilities: list[float]


def reply_to(
    model: TFChatForConditionalGeneration, question: Sequence[int], config: GenerationConfig
) -> list[int]:
    """Let `generate()` answer; gives the ids without the start token."""
    source = torch.tensor([question], device=model.device)
    made = model.generate(source, config, attention_mask=torch.ones_like(source))
    return made[0, 1:].tolist()


def processors_of(
    model: TFChatForConditionalGeneration, question: Sequence[int], config: GenerationConfig
) -> list[LogitsProcessor]:
    """Return what changes the scores under these settings, in the order in which it acts."""
    found: list[LogitsProcessor] = []

    def keep(model: Any, input_ids: Tensor, logits_processor: Any, **rest: Any) -> Tensor:
        found.extend(logits_processor)
        return input_ids

    source = torch.tensor([question], device=model.device)
    mask = torch.ones_like(source)
    model.generate(source, config, attention_mask=mask, custom_generate=keep)
    return found


@torch.no_grad()
def weigh(
    recording: Recording,
    reply: Sequence[int],
    processors: Sequence[LogitsProcessor],
    config: GenerationConfig,
    device: torch.device,
) -> Iterator[Step]:
    """Yield what stood to choose at each token of a reply.

    Args:
        recording: Of this reply.
        reply: Its ids, without the start token.
        processors: From `processors_of`.
        config: The settings; beam search lets processors see logarithms of probabilities.
        device: Where the model is.
    """
    begun = recording.decoder.ids
    for place, token in enumerate(reply):
        logits = recording.logits[place]
        prefix = torch.tensor([begun[: place + 1]], device=device)
        scores = logits[None].to(device)
        if (config.num_beams or 1) > 1:
            scores = scores.log_softmax(-1)
        changes = []
        for processor in processors:
            changed = processor(prefix, scores)
            if not torch.equal(changed, scores):
                changes.append(_change(processor, scores[0], changed[0]))
            scores = changed
        yield _step(token, logits, scores[0].cpu(), changes)


def _step(token: int, logits: Tensor, scores: Tensor, changes: list[Change]) -> Step:
    """Sum up one step: logits of the network, scores after the processors, `(vocab_size,)` both."""
    said, decided = logits.softmax(-1), scores.softmax(-1)
    # Those that count before or after, in the network's own order.
    left = [one for one in decided.topk(3).indices.tolist() if decided[one] > 0]
    shown = {*said.topk(CANDIDATES).indices.tolist(), *left, token}
    order = sorted(shown, key=lambda one: -float(logits[one]))

    def candidate(one: int) -> Candidate:
        return Candidate(one, float(logits[one]), float(said[one]), float(decided[one]))

    return Step(
        candidate(token),
        1 + int((logits > logits[token]).sum()),
        [candidate(one) for one in order],
        changes,
    )


def _change(processor: LogitsProcessor, scores: Tensor, changed: Tensor) -> Change:
    """Compare the scores `(vocab_size,)` that a processor was given with those it gave."""
    before, after = scores.softmax(-1), changed.softmax(-1)
    barred = int(((changed == -torch.inf) & (scores != -torch.inf)).sum())
    most = (after - before).abs().topk(_NAMED).indices.tolist()
    moved = [(one, float(before[one]), float(after[one])) for one in most]
    moved = [row for row in moved if abs(row[1] - row[2]) > _VISIBLE]
    return Change(type(processor).__name__, barred, moved)


def roads_not_taken(
    model: TFChatForConditionalGeneration,
    question: Sequence[int],
    reply: Sequence[int],
    steps: Sequence[Step],
    config: GenerationConfig,
) -> list[Branch]:
    """Follow the likeliest of the tokens that were second best, greedily, under the same settings.

    Returns:
        At most six branches in the order of the reply.
    """
    rivals = []
    for place, step in enumerate(steps):
        others = [one for one in step.candidates if one.id != step.taken.id]
        best = max(others, key=lambda one: one.decided)
        if best.decided >= _LEAST:
            rivals.append((best.decided, place, best))
    likeliest = sorted(rivals, key=lambda row: -row[0])[:_BRANCHES]
    return [
        _branch(model, question, [*reply[:place], rival.id], rival.probability, config)
        for _, place, rival in sorted(likeliest, key=lambda row: row[1])
    ]


def _branch(
    model: TFChatForConditionalGeneration,
    question: Sequence[int],
    begun: list[int],
    probability: float,
    config: GenerationConfig,
) -> Branch:
    """Go on from the beginning of a reply, whose last token is the rival."""
    source = torch.tensor([question], device=model.device)
    prefix = torch.tensor([[model.config.decoder_start_token_id, *begun]], device=model.device)
    room = model.config.max_position_embeddings - prefix.shape[1] + 1
    branch = Branch(len(begun) - 1, [begun[-1]], [probability])
    if begun[-1] == model.config.eos_token_id or room < 1:
        return branch
    made = model.generate(
        source,
        config,
        attention_mask=torch.ones_like(source),
        decoder_input_ids=prefix,
        max_new_tokens=min(_BRANCH_TOKENS, room),
        do_sample=False,
        num_beams=1,
        return_dict_in_generate=True,
        output_logits=True,
    )
    for token, logits in zip(
        made.sequences[0, prefix.shape[1] :].tolist(), made.logits, strict=True
    ):
        branch.ids.append(token)
        branch.probabilities.append(float(logits[0].float().softmax(-1)[token]))
    return branch

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The limits on a model card: what not to expect, each from the numbers of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...settings.arguments import RunArguments

# A row of results, or an empty one.
Row = Mapping[str, Any]
FEW_QUESTIONS = 200
LANGUAGE_NAMES = {"zh": "Chinese", "en": "English"}


def languages(metrics: Mapping[str, Any]) -> list[str]:
    """Lists the languages of the training data that the Hub has a code for."""
    known = set((metrics.get("data") or {}).get("languages") or [])
    if "mixed" in known:  # dialogues of both
        known |= LANGUAGE_NAMES.keys()
    return sorted(known & LANGUAGE_NAMES.keys())


def limits(run: RunArguments, metrics: Mapping[str, Any]) -> str:
    """Lists what not to expect of the model, as Markdown."""
    train, held_out = metrics.get("train") or {}, metrics.get("validation") or {}
    baselines = metrics.get("baselines") or {}
    human = baselines.get("human") or {}
    checks: list[Callable[[], str]] = [
        lambda: _learned_by_heart(train, held_out),
        lambda: _dull(held_out, human),
        lambda: _one_reply(held_out, human),
        lambda: _loops(held_out, human),
        lambda: _no_better_than_chance(held_out, baselines.get("random_training_reply") or {}),
        lambda: _short(held_out, human),
        lambda: _uncertain(held_out),
    ]
    found = [line for line in (check() for check in checks) if line]
    return "\n".join(f"- {line}" for line in [*found, *_always(run, metrics)])


def _learned_by_heart(train: Row, held_out: Row) -> str:
    """Compares exact answers to questions that were and were not trained on."""
    learned, known = train.get("exact_match") or 0, held_out.get("exact_match")
    if learned <= 0.5 or known is None or not held_out.get("replies") or known > learned / 2:
        return ""
    return (
        f"It has learned its pairs by heart: {100 * learned:.0f} % of training questions get a "
        f"corpus reply, of held-out questions {100 * known:.0f} %. To anything it was not trained "
        "on it mostly gives a reply that belongs to another question."
    )


def _dull(held_out: Row, human: Row) -> str:
    """Compares variety with that of people."""
    ours, theirs = held_out.get("distinct_2"), human.get("distinct_2")
    if ours is None or not theirs or ours >= 0.5 * theirs:
        return ""
    return (
        f"Its replies are far less varied than those of people (distinct-2 {ours:.3f} against "
        f"{theirs:.3f}). Sampling makes them more varied, and more often wrong."
    )


def _one_reply(held_out: Row, human: Row) -> str:
    """Says if one reply goes to very many questions."""
    ours, theirs = held_out.get("top_reply_share") or 0, human.get("top_reply_share") or 0
    if ours <= max(0.05, 2 * theirs):
        return ""
    return f"It gives one and the same reply to {100 * ours:.0f} % of held-out questions."


def _loops(held_out: Row, human: Row) -> str:
    """Says if replies loop more often than those of people."""
    ours, theirs = held_out.get("repetition") or 0, human.get("repetition") or 0
    if ours <= theirs + 0.01:
        return ""
    return (
        f"{100 * ours:.1f} % of its replies repeat a phrase again and again; "
        "`max_phrase_repeats=2` and `dry_multiplier=0.8` in `generate` keep that down."
    )


def _no_better_than_chance(held_out: Row, random: Row) -> str:
    """Compares likeness to the references with that of replies drawn blindly."""
    for name, words in (("f1", "F1"), ("bleu", "BLEU")):
        ours, chance = held_out.get(name), random.get(name)
        if ours is not None and chance is not None:
            if ours > chance:
                return ""
            return (
                "Its replies to held-out questions are no more like those of people than a random "
                f"reply of the training data ({words} {ours:.3g} against {chance:.3g})."
            )
    return ""


def _short(held_out: Row, human: Row) -> str:
    """Compares lengths with those of people."""
    ours, theirs = held_out.get("mean_length"), human.get("mean_length")
    if ours is None or not theirs or 0.5 <= ours / theirs <= 2:
        return ""
    kind = "shorter" if ours < theirs else "longer"
    return f"Its replies are much {kind} than those of people ({ours:.1f} and {theirs:.1f} tokens)."


def _uncertain(held_out: Row) -> str:
    """Says if the figures stand on little or nothing."""
    asked = held_out.get("replies")
    if not asked:
        return "Nothing is known of how it answers questions that it was not trained on."
    if asked >= FEW_QUESTIONS:
        return ""
    return f"The figures above stand on {asked} held-out questions only: take them as rough."


def _always(run: RunArguments, metrics: Mapping[str, Any]) -> list[str]:
    """Says what holds for every model of this kind."""
    named = [LANGUAGE_NAMES[lang] for lang in languages(metrics)]
    turns = run.data.max_context_turns
    reads = "the last turn alone" if turns == 1 else f"the last {turns} turns"
    lines = [
        f"It reads {reads}, at most {run.data.max_source_length} tokens, and forgets the rest.",
        *_system_messages(run, metrics),
        "It knows nothing beyond its training pairs and states wrong things with confidence. "
        "Do not use it for advice.",
        "It repeats whatever opinions, names and mistakes its training data hold; training "
        "filters nothing for offence.",
    ]
    if named:
        lines.insert(1, f"It was trained on {' and '.join(named)}; expect nothing of any other.")
    return lines


def _system_messages(run: RunArguments, metrics: Mapping[str, Any]) -> list[str]:
    """Says that system messages are left out, if training had none and a client may send some."""
    train = (metrics.get("data") or {}).get("train") or {}
    if run.data.swap_sides or train.get("reads_system") is not False:
        return []
    return [
        "Its training data had no system messages for it to read, so the chat template leaves "
        "them out: instructions change nothing."
    ]

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the card says of the finished model: figures, the checkpoint kept, samples, weak points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data_builders.output.markdown import one_line, table
from data_builders.translation import _, joined, listed, marked

if TYPE_CHECKING:
    from transformers import TrainerState

    from ..settings.arguments import TFChatTrainingArguments

# The figures of one set of replies, or none.
Row = Mapping[str, Any]
# The content of metrics.json; a part that it lacks is empty.
Metrics = Mapping[str, Mapping[str, Any]]
# Each metric: its heading, how it is written, and what it says.
_METRICS = {
    "perplexity": (marked("perplexity"), "{:.1f}", ""),
    "bits_per_character": (
        marked("bits/char"),
        "{:.2f}",
        marked("bits to guess one character of a human reply"),
    ),
    "bleu": ("BLEU", "{:.1f}", ""),
    "bleu_zh": ("BLEU zh", "{:.1f}", ""),
    "bleu_en": ("BLEU en", "{:.1f}", ""),
    "f1": ("F1", "{:.3f}", marked("words shared with the nearest reference")),
    "exact_match": (
        marked("exact match"),
        "{:.1%}",
        marked("share of distinct questions answered with a reply that the corpus gives to them"),
    ),
    "distinct_1": ("distinct-1", "{:.3f}", marked("different words over all words")),
    "distinct_2": ("distinct-2", "{:.3f}", marked("different pairs of words over all pairs")),
    "repetition": (marked("repetition"), "{:.1%}", marked("share of replies that loop")),
    "stutter": (
        marked("stutter"),
        "{:.1%}",
        marked("share that double a word or phrase where nobody would"),
    ),
    "dull": (marked("dull"), "{:.1%}", marked("share of replies that would fit any question")),
    "language_mismatch": (
        marked("wrong language"),
        "{:.1%}",
        marked("English to Chinese, or the other way"),
    ),
    "top_reply_share": (marked("top reply"), "{:.1%}", marked("share of the most frequent reply")),
    "mean_length": (marked("tokens"), "{:.1f}", marked("mean length of a reply")),
}
_REPLIES_OF = {
    "train": marked("model, training questions"),
    "validation": marked("model, held-out questions"),
    "human": marked("human replies (held-out)"),
    "nearest_question": marked("the reply to the nearest training question"),
    "random_training_reply": marked("a random training reply"),
    "most_frequent_reply": marked("the most frequent training reply"),
}
SAMPLE_ROWS = 8
_TEXT_WIDTH = 60
_FEW_QUESTIONS = 200


def evaluation(metrics: Metrics) -> str:
    """Table the figures of the model beside those of replies that need no model."""
    parts = {"train": metrics["train"], "validation": metrics["validation"], **metrics["baselines"]}
    measured = {key: row for key, row in parts.items() if row}
    names = [name for name in _METRICS if any(name in row for row in measured.values())]
    if not {"bleu_zh", "bleu_en"} <= set(names):
        # Of one language alone the BLEU of all replies says the same.
        names = [name for name in names if not name.startswith("bleu_")]
    if not names:
        return _("Nothing was measured: there were no held-out questions.")
    # A column each for the six kinds of replies: fifteen columns of metrics fit on no page.
    head = [_("replies of")]
    for key, row in measured.items():
        name = _(_REPLIES_OF.get(key, key.replace("_", " ")))
        if row.get("replies"):
            name = _("{what} ({more})", what=name, more=f"{row['replies']:,}")
        head.append(f">{name}")
    cells = [[_(_METRICS[m][0]), *(_number(row, m) for row in measured.values())] for m in names]
    told = [table(head, cells), _legend(names, measured), _relevance(metrics["validation"])]
    return "\n\n".join(filter(None, told))


def _number(row: Row, name: str) -> str:
    """Write one figure of the table; empty where it was not measured."""
    value = row.get(name)
    known = isinstance(value, (int, float))
    return _METRICS[name][1].format(value).replace("%", " %") if known else ""


def _legend(names: Sequence[str], rows: Mapping[str, Row]) -> str:
    """Explain the metrics, and what the figures may be compared with."""
    words = [
        _("*{name}*: {what}", name=_(_METRICS[name][0]), what=_(_METRICS[name][2]))
        for name in names
        if _METRICS[name][2]
    ]
    lines = [
        _("Replies come from the default generation settings; their number stands in brackets.")
    ]
    if words:
        lines.append(_("{sentence}.", sentence=listed(words, are_long=True)))
    drawn = {row["distinct_replies"] for row in rows.values() if row.get("distinct_replies")}
    if len(drawn) == 1:
        lines.append(
            _(
                "Distinct-n is counted over {number:,} replies in every column.",
                number=drawn.pop(),
            )
        )
    elif "distinct_2" in names:
        lines.append(
            _("Distinct-n falls as replies grow in number: compare columns of equally many.")
        )
    signatures = {str(row["bleu_signature"]) for row in rows.values() if row.get("bleu_signature")}
    if signatures:
        named = ", ".join(f"`{one_line(text, 200)}`" for text in sorted(signatures))
        lines.append(_("BLEU by sacreBLEU, signature {named}.", named=named))
    scored = rows.get("human", {}).get("scored_replies")
    if scored:
        lines.append(
            _(
                "Human replies are compared with the other human replies to the same question, "
                "which {number:,} of the questions have.",
                number=scored,
            )
        )
    elif scored is not None:
        lines.append(
            _(
                "No question has two human replies, so how much people agree with each other is "
                "not known."
            )
        )
    return joined(*lines)


def _relevance(row: Row) -> str:
    """Say how much the model listens, where that was measured."""
    if not isinstance(row.get("mrr_pmi"), (int, float)):
        return ""
    shares = {name: f"{100 * row[name]:.1f} %" for name in ("hits_at_1", "hits_at_1_pmi")}
    found = _(
        "Among {candidates:.1f} replies of the same source and like length, the true one among "
        "them, the model finds the true one in {hits_at_1} of {relevance_questions:,.0f} held-out "
        "questions by likelihood (MRR {mrr:.3f}), in {hits_at_1_pmi} by likelihood less that of "
        "the reply alone (MRR {mrr_pmi:.3f}).",
        **{**row, **shares},
    )
    if row.get("question_gain") is None:
        return found
    heard = _(
        "After its own question a human reply is {gain:.3f} nats a token likelier than after "
        "another question of the same source (0: the model does not listen).",
        gain=row["question_gain"],
    )
    return joined(heard, found)


def describe_selection(state: TrainerState, args: TFChatTrainingArguments) -> dict[str, Any]:
    """Say which checkpoint the finished model is and by which rule, for `metrics["selection"]`.

    Args:
        state: Of the trainer after training.
        args: The training settings.

    Returns:
        `rule` ("last" or the name of the metric), `step`, and for a metric its `value`,
        `greater_is_better` and `relevance_weight`.
    """
    if not args.load_best_model_at_end or not state.best_model_checkpoint:
        return {"rule": "last", "step": state.global_step}
    value = state.best_metric
    return {
        "rule": f"eval_{(args.metric_for_best_model or 'loss').removeprefix('eval_')}",
        "step": state.best_global_step,
        "value": value if value is not None and math.isfinite(value) else None,
        "greater_is_better": bool(args.greater_is_better),
        "relevance_weight": args.selection_relevance_weight,
    }


def selection(chosen: Mapping[str, Any]) -> str:
    """Tell what `describe_selection` found."""
    step = _("update {step:,}", step=chosen["step"])
    if chosen["rule"] == "last":
        return _("These are the weights of the last update ({step}); none was selected.", step=step)
    rule, value = chosen["rule"].removeprefix("eval_"), chosen["value"]
    named = {"loss": _("validation loss"), "selection_score": _("selection score")}
    best = {
        "step": step,
        "metric": named.get(rule, f"`{rule}`"),
        "number": "" if value is None else _(" ({what})", what=f"{value:.3f}"),
    }
    told = (
        _("These are the weights of {step}, with the highest {metric}{number}.", **best)
        if chosen["greater_is_better"]
        else _("These are the weights of {step}, with the lowest {metric}{number}.", **best)
    )
    if rule != "selection_score":
        return told
    score = _(
        "The score is validation loss − {times} × MRR, where MRR says at which rank the model "
        "finds the true reply among others, so that a model which says what fits anything does "
        "not win.",
        times=f"{chosen['relevance_weight']:g}",
    )
    return joined(told, score)


def choose_samples(rows: Iterable[Row], count: int = SAMPLE_ROWS) -> list[dict[str, Any]]:
    """Choose rows of samples.jsonl at even distances: nobody picked the good ones."""
    rows = list(rows)
    chosen = (
        range(len(rows)) if len(rows) <= count else (i * len(rows) // count for i in range(count))
    )
    return [dict(rows[i]) for i in chosen]


def sample_table(samples: Sequence[Row]) -> str:
    """Table questions with what the model and a human said; empty without any."""
    if not samples:
        return ""
    rows = [
        [
            one_line(text, _TEXT_WIDTH)
            for text in (row["context"][-1], row["reply"], row["reference"])
        ]
        for row in samples
    ]
    held_out = all(row["split"] == "validation" for row in samples)
    said = [
        _("Held-out questions, taken at even distances and not picked.")
        if held_out
        else _("Questions of the training data, taken at even distances and not picked.")
    ]
    if any(len(row["context"]) > 1 for row in samples):
        said.append(_("Only the last turn of the context is shown."))
    head = [_("question"), _("this model"), _("the corpus")]
    return f"{joined(*said)}\n\n{table(head, rows)}"


def weak_points(metrics: Metrics) -> list[str]:
    """List what not to expect of the model, as far as its figures show it."""
    train, ours = metrics["train"], metrics["validation"]
    human = metrics["baselines"].get("human") or {}
    random = metrics["baselines"].get("random_training_reply") or {}
    asked = ours.get("replies")
    found = [_learned_by_heart(train, ours), *_unlike_people(ours, human), _chance(ours, random)]
    if not asked:
        found.append(_("Nothing is known of how it answers questions that it was not trained on."))
    elif asked < _FEW_QUESTIONS:
        found.append(
            _(
                "The figures above stand on {number} held-out questions only: take them as rough.",
                number=asked,
            )
        )
    return [line for line in found if line]


def _learned_by_heart(train: Row, ours: Row) -> str:
    """Compare exact answers to questions that were and were not trained on."""
    learned, known = train.get("exact_match") or 0, ours.get("exact_match")
    if learned <= 0.5 or known is None or not ours.get("replies") or known > learned / 2:
        return ""
    return _(
        "It has learned its pairs by heart: {learned:.0f} % of training questions get a corpus "
        "reply, of held-out questions {known:.0f} %. To anything it was not trained on it mostly "
        "gives a reply that belongs to another question.",
        learned=100 * learned,
        known=100 * known,
    )


def _unlike_people(ours: Row, human: Row) -> Iterable[str]:
    """Yield where replies are duller, looser or of other length than those of people."""
    variety, theirs = ours.get("distinct_2"), human.get("distinct_2")
    if variety is not None and theirs and variety < 0.5 * theirs:
        yield _(
            "Its replies are far less varied than those of people (distinct-2 {ours:.3f} against "
            "{theirs:.3f}). Sampling makes them more varied, and more often wrong.",
            ours=variety,
            theirs=theirs,
        )
    top, theirs = ours.get("top_reply_share") or 0, human.get("top_reply_share") or 0
    if top > max(0.05, 2 * theirs):
        yield _(
            "It gives one and the same reply to {share:.0f} % of held-out questions.",
            share=100 * top,
        )
    loops, theirs = ours.get("repetition") or 0, human.get("repetition") or 0
    if loops > theirs + 0.01:
        yield _(
            "{share:.1f} % of its replies repeat a phrase again and again; "
            "`max_phrase_repeats=2` and `dry_multiplier=0.8` in `generate` keep that down.",
            share=100 * loops,
        )
    length, theirs = ours.get("mean_length"), human.get("mean_length")
    if length is not None and theirs and not 0.5 <= length / theirs <= 2:
        told = (
            marked(
                "Its replies are much shorter than those of people ({a:.1f} and {b:.1f} tokens)."
            )
            if length < theirs
            else marked(
                "Its replies are much longer than those of people ({a:.1f} and {b:.1f} tokens)."
            )
        )
        yield _(told, a=length, b=theirs)


def _chance(ours: Row, random: Row) -> str:
    """Compare likeness to the references with that of replies drawn blindly."""
    for name, words in (("f1", "F1"), ("bleu", "BLEU")):
        score, chance = ours.get(name), random.get(name)
        if score is None or chance is None:
            continue
        if score > chance:
            return ""
        return _(
            "Its replies to held-out questions are no more like those of people than a random "
            "reply of the training data ({metric} {score:.3g} against {chance:.3g}).",
            metric=words,
            score=score,
            chance=chance,
        )
    return ""

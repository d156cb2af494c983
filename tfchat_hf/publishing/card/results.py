# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The parts of a model card on what the model can do: results, the checkpoint kept, samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from data_builders.output.markdown import one_line, table

# Each metric: its column, how it is written, and what it says.
_COLUMNS = {
    "perplexity": ("perplexity", "{:.1f}", ""),
    "bits_per_character": ("bits/char", "{:.2f}", "bits to guess one character of a human reply"),
    "bleu": ("BLEU", "{:.1f}", ""),
    "bleu_zh": ("BLEU zh", "{:.1f}", ""),
    "bleu_en": ("BLEU en", "{:.1f}", ""),
    "f1": ("F1", "{:.3f}", "words shared with the nearest reference"),
    "exact_match": (
        "exact match",
        "{:.1%}",
        "share of distinct questions answered with a reply that the corpus gives to them",
    ),
    "distinct_1": ("distinct-1", "{:.3f}", "different words over all words"),
    "distinct_2": ("distinct-2", "{:.3f}", "different pairs of words over all pairs"),
    "repetition": ("repetition", "{:.1%}", "share of replies that loop"),
    "stutter": ("stutter", "{:.1%}", "share that double a word or phrase where nobody would"),
    "dull": ("dull", "{:.1%}", "share of replies that would fit any question"),
    "language_mismatch": ("wrong language", "{:.1%}", "English to Chinese, or the other way"),
    "top_reply_share": ("top reply", "{:.1%}", "share of the most frequent reply"),
    "mean_length": ("tokens", "{:.1f}", "mean length of a reply"),
}
_ROWS = {
    "train": "model, training questions",
    "validation": "model, held-out questions",
    "human": "human replies (held-out)",
    "nearest_question": "the reply to the nearest training question",
    "random_training_reply": "a random training reply",
    "most_frequent_reply": "the most frequent training reply",
}
_TEXT_WIDTH = 60


def evaluation(metrics: Mapping[str, Any]) -> str:
    """Tables the results beside those of replies that need no model."""
    rows = result_rows(metrics)
    columns = _columns(rows)
    if not columns:
        return "Nothing was measured: there were no held-out questions."
    told = [
        [_row_name(key, row), *(_cell(row, name) for name in columns)] for key, row in rows.items()
    ]
    heads = ["replies of", *(f">{_COLUMNS[name][0]}" for name in columns)]
    parts = [table(heads, told), _legend(columns, rows), _relevance(rows.get("validation", {}))]
    return "\n\n".join(part for part in parts if part)


def _relevance(row: Mapping[str, Any]) -> str:
    """Says how much the model listens, where that was measured."""
    if not isinstance(row.get("mrr_pmi"), (int, float)):
        return ""
    gain = row.get("question_gain")
    heard = (
        ""
        if gain is None
        else f"After its own question a human reply is {gain:.3f} nats a token likelier than after "
        "another question of the same source (0: the model does not listen). "
    )
    return (
        f"{heard}Among {row['candidates']:.1f} replies of the same source and like length, the "
        f"true one among them, the model finds the true one in {row['hits_at_1']:.1%} of "
        f"{row['relevance_questions']:,} held-out questions by likelihood (MRR {row['mrr']:.3f}), "
        f"in {row['hits_at_1_pmi']:.1%} by likelihood less that of the reply alone (MRR "
        f"{row['mrr_pmi']:.3f})."
    ).replace("%", " %")


def _columns(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lists the metrics that any row has."""
    columns = [name for name in _COLUMNS if any(name in row for row in rows.values())]
    languages = [name for name in columns if name.startswith("bleu_")]
    # Of one language alone the BLEU of all replies says the same.
    return [name for name in columns if name not in languages or len(languages) > 1]


def result_rows(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Collects the rows of the table that hold any number: both splits, then the baselines."""
    rows = {
        "train": metrics.get("train"),
        "validation": metrics.get("validation"),
        **(metrics.get("baselines") or {}),
    }
    return {key: row for key, row in rows.items() if row}


def _row_name(key: str, row: Mapping[str, Any]) -> str:
    """Names a row, with the number of replies behind it."""
    name = _ROWS.get(key, key.replace("_", " "))
    return f"{name} ({row['replies']:,})" if row.get("replies") else name


def _cell(row: Mapping[str, Any], name: str) -> str:
    """Writes one number of the table."""
    value = row.get(name)
    if not isinstance(value, (int, float)):
        return ""
    return _COLUMNS[name][1].format(value).replace("%", " %")


def _legend(columns: Sequence[str], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Explains the columns, and what the numbers may be compared with."""
    words = [f"*{_COLUMNS[name][0]}*: {_COLUMNS[name][2]}" for name in columns if _COLUMNS[name][2]]
    lines = [
        "Replies come from the default generation settings; their number stands in brackets.",
        f"{'; '.join(words)}." if words else "",
    ]
    drawn = {row["distinct_replies"] for row in rows.values() if row.get("distinct_replies")}
    if len(drawn) == 1:
        lines.append(f"Distinct-n is counted over {drawn.pop():,} replies in every row.")
    elif "distinct_2" in columns:
        lines.append("Distinct-n falls as replies grow in number: compare rows of equally many.")
    signatures = {str(row["bleu_signature"]) for row in rows.values() if row.get("bleu_signature")}
    if signatures:
        named = ", ".join(f"`{one_line(text, 200)}`" for text in sorted(signatures))
        lines.append(f"BLEU by sacreBLEU, signature {named}.")
    lines.append(_human_row(rows.get("human", {})))
    return " ".join(line for line in lines if line)


def _human_row(row: Mapping[str, Any]) -> str:
    """Says what the human replies were compared with, where that is known."""
    scored = row.get("scored_replies")
    if scored is None:
        return ""
    if not scored:
        return (
            "No question has two human replies, so how much people agree with each other is not "
            "known."
        )
    return (
        f"Human replies are compared with the other human replies to the same question, which "
        f"{scored:,} of the questions have."
    )


def selection(metrics: Mapping[str, Any]) -> str:
    """Says which checkpoint this is and by which rule it was kept."""
    facts = metrics.get("selection") or {}
    if not facts.get("rule"):
        return ""
    step = f"update {facts['step']:,}" if facts.get("step") is not None else "a checkpoint"
    if facts["rule"] == "last":
        return f"These are the weights of the last update ({step}); none was selected."
    rule = str(facts["rule"]).removeprefix("eval_")
    side = "highest" if facts.get("greater_is_better") else "lowest"
    value = facts.get("value")
    number = f" ({value:.3f})" if isinstance(value, (int, float)) else ""
    named = {"loss": "validation loss", "selection_score": "selection score"}.get(rule, f"`{rule}`")
    return f"These are the weights of {step}, with the {side} {named}{number}.{_rule(rule, facts)}"


def _rule(rule: str, facts: Mapping[str, Any]) -> str:
    """Explains the selection score; the other quantities are known by their names."""
    if rule != "selection_score":
        return ""
    weight = facts.get("relevance_weight")
    times = "weight" if weight is None else f"{weight:g}"
    return (
        f" The score is validation loss − {times} × MRR, where MRR says at which rank the model "
        "finds the true reply among others, so that a model which says what fits anything does "
        "not win."
    )


def samples_part(samples: Sequence[Mapping[str, Any]]) -> str:
    """Tables questions with what the model and a human said; empty without any."""
    rows = [
        [_shown(_last_turn(row)), _shown(row.get("reply")), _shown(row.get("reference"))]
        for row in samples
    ]
    if not rows:
        return ""
    held_out = all(row.get("split", "validation") == "validation" for row in samples)
    where = "Held-out questions" if held_out else "Questions of the training data"
    several = any(len(row.get("context") or ()) > 1 for row in samples)
    turns = " Only the last turn of the context is shown." if several else ""
    said = f"{where}, taken at even distances and not picked.{turns}"
    return f"{said}\n\n{table(['question', 'this model', 'the corpus'], rows)}"


def _last_turn(row: Mapping[str, Any]) -> str:
    """Finds the message that was answered."""
    context = row.get("context") or [""]
    return context if isinstance(context, str) else context[-1]


def _shown(text: Any) -> str:
    """Cuts a text to the width of a column."""
    return one_line(str(text or ""), _TEXT_WIDTH)

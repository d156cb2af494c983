# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The README.md of a trained model: what it is, what it learned from, how well, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from .arguments import RunArguments

PLACEHOLDER = "your-name/your-model"
LANGUAGE_NAMES = {"zh": "Chinese", "en": "English"}
_COLUMNS = {
    "exact_match": "exact match",
    "bleu": "BLEU-4",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "repetition": "repetition",
    "top_reply_share": "top reply",
    "mean_length": "tokens",
}
_ROWS = {
    "train": "model, training questions",
    "validation": "model, held-out questions",
    "human": "human replies (held-out)",
    "random_training_reply": "a random training reply",
    "most_frequent_reply": "the most frequent training reply",
}


def build_model_card(run: RunArguments, metrics: dict[str, Any], example: str) -> ModelCard:
    """Writes the card of a finished run.

    Args:
        run: the settings.
        metrics: the content of metrics.json.
        example: a message for the code block.

    Returns:
        The card; it names no path of this machine.
    """
    languages = [lang for lang in metrics["data"]["languages"] if lang in LANGUAGE_NAMES]
    data = ModelCardData(
        language=languages or None,
        library_name="transformers",
        tags=["tfchat", "chatbot", "dialogue", "encoder-decoder", "custom_code"],
    )
    name = Path(run.training.output_dir).name
    parts = [
        f"---\n{data.to_yaml()}\n---",
        f"# {name}",
        _introduction(run, metrics, languages),
        "## How to use\n\n" + _usage(example),
        "## Training data\n\n" + _training_data(run, metrics),
        "## Training\n\n" + _training(run, metrics),
        "## Evaluation\n\n" + _evaluation(metrics),
        "## Limits\n\n" + _limits(metrics),
    ]
    return ModelCard("\n\n".join(parts) + "\n")


def dataset_name(dataset: str) -> str:
    """Names a dataset without saying where on this machine it lies."""
    return "the ChatterBot corpus" if dataset == "chatterbot" else f"`{Path(dataset).name}`"


def _introduction(run: RunArguments, metrics: dict[str, Any], languages: list[str]) -> str:
    """Says in two sentences what the model is."""
    named = " and ".join(LANGUAGE_NAMES[lang] for lang in languages) or "the language of its data"
    model, turns = run.model, run.data.max_context_turns
    reads = "the last turn alone" if turns == 1 else f"the last {turns} turns"
    return (
        f"A small encoder-decoder chat model for {named}, trained from scratch with TFChat-HF: "
        f"{metrics['run']['parameters']:,} parameters, {model.encoder_layers} encoder and "
        f"{model.decoder_layers} decoder layers of width {model.d_model}. It reads {reads}, at "
        f"most {run.data.max_source_length} tokens."
    )


def _usage(example: str) -> str:
    """Gives the code that loads the model and gets one reply."""
    return f'''```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

name = "{PLACEHOLDER}"
tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=True)
model = AutoModelForSeq2SeqLM.from_pretrained(name, trust_remote_code=True)

inputs = tokenizer({example!r}, return_tensors="pt")
reply = model.generate(**inputs)
print(tokenizer.decode(reply[0], skip_special_tokens=True))
```

The network is not part of transformers: `trust_remote_code=True` runs the Python files of this
repository, so read them first. Put earlier turns in with
`tokenizer.apply_chat_template(messages, return_tensors="pt")`.'''


def _training_data(run: RunArguments, metrics: dict[str, Any]) -> str:
    """Counts what the model learned from."""
    train, held_out = metrics["data"]["train"], metrics["data"]["validation"]
    dropped = train["long_replies_dropped"]
    hurried = "Questions were also learned in small letters without their end mark. "
    return (
        f"{dataset_name(run.data.dataset)[0].upper()}{dataset_name(run.data.dataset)[1:]}: "
        f"{train['pairs']:,} (context, reply) pairs from {train['dialogues']:,} dialogues to train "
        f"on, {held_out['pairs']:,} held out. {train['duplicates_dropped']:,} duplicate pairs and "
        f"{dropped:,} replies above {run.data.max_target_length} tokens were left out of training. "
        f"{hurried if run.data.hurried_questions else ''}"
        "Whoever publishes this model must check the licence of that data."
    )


def _training(run: RunArguments, metrics: dict[str, Any]) -> str:
    """Says how it was trained."""
    facts, training = metrics["run"], run.training
    return (
        f"{facts['steps']:,} updates ({facts['epochs']:.1f} epochs) of {facts['update_size']} "
        f"pairs, AdamW, peak learning rate {training.learning_rate:.2e}, label smoothing "
        f"{training.label_smoothing_factor}, dropout {run.model.dropout}, seed {training.seed}, "
        f"{facts['dtype']} on {facts['device']}. `run_config.yaml` holds every setting."
    )


def _evaluation(metrics: dict[str, Any]) -> str:
    """Makes the table of results beside the plain baselines."""
    rows = {"train": metrics["train"], "validation": metrics["validation"], **metrics["baselines"]}
    lines = ["| | " + " | ".join(_COLUMNS.values()) + " |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for key, row in rows.items():
        if row.get("replies"):
            cells = [_cell(name, row[name]) for name in _COLUMNS]
            lines.append(f"| {_ROWS[key]} ({row['replies']}) | " + " | ".join(cells) + " |")
    text = "\n".join(lines)
    if "perplexity" in metrics["validation"]:
        text += f"\n\nPerplexity on held-out replies: {metrics['validation']['perplexity']:.1f}."
    return text + (
        "\n\nReplies come from the default generation settings. *Exact match* is the share of "
        "distinct questions answered with a reply that the corpus gives to them; *repetition* the "
        "share of replies with a phrase three times in a row; *top reply* the share of the most "
        "frequent reply. Distinct-n falls with the number of replies, which stands in brackets."
    )


def _cell(name: str, value: float) -> str:
    """Formats one number of the table."""
    if name in ("exact_match", "repetition", "top_reply_share"):
        return f"{100 * value:.1f} %"
    return f"{value:.1f}" if name in ("bleu", "mean_length") else f"{value:.3f}"


def _limits(metrics: dict[str, Any]) -> str:
    """Says what not to expect, from the numbers of this run."""
    lines = [
        "- It knows nothing beyond its training pairs and states wrong things with confidence. "
        "Do not use it for advice.",
        "- It repeats whatever opinions, names and mistakes its training data hold; nothing was "
        "filtered for offence.",
    ]
    train, held_out = metrics["train"], metrics["validation"]
    if train.get("exact_match", 0) > 0.5 and held_out.get("replies"):
        lines.insert(
            0,
            f"- It has learned its pairs by heart: {100 * train['exact_match']:.0f} % of training "
            f"questions get a corpus reply, of held-out questions "
            f"{100 * held_out['exact_match']:.0f} %. To anything it was not trained on it mostly "
            "gives a reply that belongs to another question.",
        )
    return "\n".join(lines)

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The parts of a model card on how the model came about: data, settings, speed, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_builders.output.markdown import escape, one_line, table

from ...settings.arguments import RunArguments
from .curves import CURVES_PICTURE, Curves, curve_table

NOT_STATED = "not stated"
_LOSSES = {
    "label_smoothing_factor": "label smoothing",
    "unlikelihood_weight": "unlikelihood of repeated tokens",
    "frequency_weight": "weight of rare tokens",
}
_SWITCHES = ("tie_word_embeddings", "normalize_before", "gated_activation")
_VERSIONS = ("python", "torch", "transformers", "datasets")
_CORPORA = {
    "small_talk": "the small talk that comes with TFChat-HF",
    "chatterbot": "the ChatterBot corpus",
}


def dataset_name(dataset: str) -> str:
    """Names a dataset without saying where on this machine it lies."""
    if dataset in _CORPORA:
        return _CORPORA[dataset]
    return f"`{one_line(Path(dataset).name, 80).replace('`', '')}`"


def training_data(run: RunArguments, metrics: Mapping[str, Any]) -> str:
    """Counts what the model learned from, and names sources and licences."""
    data = metrics.get("data") or {}
    told = [_counts(run, data.get("train") or {}, data.get("validation") or {})]
    if data.get("sources"):
        told.append(_sources(data["sources"]))
    told.append("Whoever publishes this model must check the licence of that data.")
    return "\n\n".join(told)


def _counts(run: RunArguments, train: Mapping[str, Any], held_out: Mapping[str, Any]) -> str:
    """Counts pairs and dialogues, as far as they are known."""
    name = dataset_name(run.data.dataset)
    text = f"{name[0].upper()}{name[1:]}"
    if train.get("pairs"):
        dialogues = f" from {train['dialogues']:,} dialogues" if train.get("dialogues") else ""
        text += (
            f": {train['pairs']:,} (context, reply) pairs{dialogues} to train on, "
            f"{held_out.get('pairs') or 0:,} held out"
        )
    hurried = " Questions were also learned in small letters without their end mark."
    return f"{text}.{_left_out(run, train)}{hurried if run.data.hurried_questions else ''}"


def _sources(sources: Sequence[Mapping[str, Any]]) -> str:
    """Tables the sources of the data with their licences."""
    rows = [
        [
            one_line(str(source.get("name") or ""), 80),
            one_line(str(source.get("license") or NOT_STATED), 80),
            int(source.get("kept") or 0),
        ]
        for source in sources
    ]
    return table(["source", "licence", ">dialogues"], rows)


def _left_out(run: RunArguments, train: Mapping[str, Any]) -> str:
    """Says what of the data was not trained on."""
    counts = {
        "duplicate pairs": train.get("duplicates_dropped", 0),
        f"replies above {run.data.max_target_length} tokens": train.get("long_replies_dropped", 0),
    }
    words = [f"{what} ({count:,})" for what, count in counts.items() if count]
    return f" Left out of training: {' and '.join(words)}." if words else ""


def training_settings(run: RunArguments, metrics: Mapping[str, Any]) -> str:
    """Tables the settings that make this model what it is; none is a path."""
    rows = {**_network_rows(run, metrics), **_update_rows(run, metrics)}
    told = [[name, value] for name, value in rows.items() if value not in (None, "")]
    return table(["setting", "value"], told) + "\n\n`run_config.yaml` holds every setting."


def _network_rows(run: RunArguments, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Names the settings of network and tokenizer."""
    model, data, facts = run.model, run.data, metrics.get("run") or {}
    heads = f"{model.encoder_attention_heads}+{model.decoder_attention_heads}"
    ffn = f"{model.encoder_ffn_dim}+{model.decoder_ffn_dim}"
    switches = [name for name in _SWITCHES if getattr(model, name, False)]
    if model.position_embedding_type != "sinusoidal":
        switches.append(f"{model.position_embedding_type} positions")
    began = facts.get("init_from")
    tokenizer = "a given one" if data.tokenizer and not began else data.tokenizer_scheme
    tokenizer += ", that of the model it began with" if began else ""
    return {
        "layers (encoder+decoder)": f"{model.encoder_layers}+{model.decoder_layers}",
        "width, heads, feed-forward": f"{model.d_model}, {heads}, {ffn}",
        "switches": ", ".join(switches),
        "parameters": facts.get("parameters"),
        "tokenizer": f"{tokenizer}, {facts.get('vocabulary', data.vocab_size):,} entries",
        "longest context, in tokens": data.max_source_length,
        "longest reply, in tokens": data.max_target_length,
        "turns of context": data.max_context_turns,
    }


def _update_rows(run: RunArguments, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Names the settings of training."""
    args, model, facts = run.training, run.model, metrics.get("run") or {}
    losses = [
        f"{words} {getattr(args, name):g}"
        for name, words in _LOSSES.items()
        if getattr(args, name, 0)
    ]
    muon = getattr(args, "muon_learning_rate", 0)
    dropouts = (model.dropout, model.attention_dropout, model.activation_dropout)
    schedule = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    return {
        "began with the weights of": one_line(facts.get("init_from") or "", 80),
        "updates": _updates(facts),
        "size of an update": _update_size(run, facts),
        "optimizer": f"AdamW, beta2 {args.adam_beta2:g}, weight decay {args.weight_decay:g}",
        "Muon, for the layers' matrices": f"{muon:.2e} at its peak" if muon else "",
        "learning rate": f"{args.learning_rate:.2e} at its peak, {schedule}, "
        f"{args.warmup_steps:g} warm-up",
        "loss": "cross-entropy" + "".join(f", {loss}" for loss in losses),
        "dropout (all, attention, activation)": ", ".join(f"{rate:g}" for rate in dropouts),
        "time budget": _minutes(args),
        "seed": args.seed,
        "precision": facts.get("dtype"),
        "software": ", ".join(f"{name} {facts[name]}" for name in _VERSIONS if facts.get(name)),
    }


def _updates(facts: Mapping[str, Any]) -> str:
    """Counts the updates and epochs."""
    if facts.get("steps") is None:
        return ""
    epochs = f" ({facts['epochs']:.1f} epochs)" if facts.get("epochs") else ""
    return f"{facts['steps']:,}{epochs}"


def _update_size(run: RunArguments, facts: Mapping[str, Any]) -> str:
    """Says how much text one update sees."""
    tokens = getattr(run.training, "tokens_per_update", 0)
    if tokens:
        return f"about {tokens:,} tokens, questions and replies together"
    return str(facts.get("update_size") or "")


def _minutes(args: Any) -> str:
    """Says the budget of a run that was fitted to the clock."""
    minutes = getattr(args, "max_minutes", None)
    return f"{minutes:g} minutes" if minutes else ""


def speed(metrics: Mapping[str, Any]) -> str:
    """Says how fast training was and on what; empty where nothing is known."""
    run = metrics.get("run") or {}
    facts = {**run, **(run.get("speed") or {})}
    words = []
    if facts.get("train_seconds"):
        since = f" since {facts['resumed_from']}" if facts.get("resumed_from") else ""
        spent = duration(facts["train_seconds"])
        words.append(f"{spent} of training{since} on {facts.get('device')}")
    elif facts.get("device"):
        words.append(f"Trained on {facts['device']}")
    for name, unit in (("tokens_per_second", "real tokens/s"), ("pairs_per_second", "pairs/s")):
        if facts.get(name):
            words.append(f"{facts[name]:,.0f} {unit}")
    if facts.get("padding") is not None:
        words.append(f"{100 * facts['padding']:.1f} % padding")
    return f"{escape(', '.join(words))}." if words else ""


def duration(seconds: float) -> str:
    """Writes a time as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def curves_part(curves: Curves | None, selected: int | None, picture: bool) -> str:
    """Shows the curves: the picture where there is one, the table always."""
    rows = curve_table(curves, selected) if curves else ""
    if not rows:
        return ""
    smoothed = "Training loss is what was minimised, validation loss the plain cross-entropy."
    shown = f"![Losses and diversity over the updates]({CURVES_PICTURE})\n\n" if picture else ""
    return f"{shown}{rows}\n\n{smoothed}"

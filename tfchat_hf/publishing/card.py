# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The README.md of a trained model: what it is, what it learned from, how well, and its limits."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from data_builders.cleaning.coarse_words import HOW_TO_LEAVE_OUT
from data_builders.output.card_header import hub_license
from data_builders.output.markdown import escape, one_line, table
from data_builders.output.privacy import without_paths
from data_builders.report import ENOUGH_QUESTIONS, REPORT_FILE, BuildReport
from data_builders.translation import _, counted_text, joined, listed, marked, retold

from ..settings.arguments import RunArguments, TFChatTrainingArguments
from ..settings.run_folder import CURVES_PICTURE
from .curves import Curves, curves_part, draw_curves, read_curves
from .results import Metrics, choose_samples, evaluation, sample_table, selection, weak_points
from .upload_plan import CARD_FILE
from .usage import reads, usage

TAGS = ["tfchat", "chatbot", "conversational", "dialogue", "encoder-decoder", "custom_code"]
# The Hub gave up its own task for encoder-decoders, text2text-generation, and files chat models
# and them under this one.
TASK = "text-generation"
MAX_SOURCES = 20
_LANGUAGES = {"en": marked("English"), "zh": marked("Chinese")}
_CORPORA = {
    "small_talk": marked("the small talk that comes with TFChat-HF"),
    "chatterbot": marked("the ChatterBot corpus"),
}
# As metrics.json has them, in English.
_DEVICES = (marked("cpu ({number} thread)"), marked("cpu ({number} threads)"))
_SIZES = (marked("{number} pair"), marked("{number} pairs"))
# Metrics of the header: their name there, and the words.
_HEADER_METRICS = {
    "perplexity": ("perplexity", "Perplexity"),
    "bits_per_character": ("bits_per_character", "Bits per character"),
    "bleu": ("sacrebleu", "BLEU"),
    "f1": ("f1", "Token F1"),
    "distinct_2": ("distinct_2", "Distinct-2"),
}
_LOSSES = {
    "label_smoothing_factor": marked("label smoothing"),
    "unlikelihood_weight": marked("unlikelihood of repeated tokens"),
    "frequency_weight": marked("weight of rare tokens"),
}
_SWITCHES = ("tie_word_embeddings", "normalize_before", "gated_activation")
_SOFTWARE = ("python", "torch", "transformers", "datasets")


def write_model_card(
    folder: str | Path,
    run: RunArguments,
    metrics: Mapping[str, Any],
    example: str,
    log_history: Iterable[Mapping[str, Any]] = (),
    samples: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write README.md of a finished run, and the picture of its curves where matplotlib is there.

    Args:
        folder: The run folder.
        run: The settings.
        metrics: The content of metrics.json.
        example: A message for the code block.
        log_history: Of the trainer's state.
        samples: Rows of samples.jsonl; a few are shown.
    """
    folder, curves = Path(folder), read_curves(log_history)
    chosen = metrics["selection"]["step"]
    people = ((metrics.get("baselines") or {}).get("human") or {}).get("distinct_2")
    picture = draw_curves(curves, folder / CURVES_PICTURE, chosen, people)
    card = build_model_card(run, metrics, example, curves, choose_samples(samples), picture)
    card.save(folder / CARD_FILE)


def build_model_card(
    run: RunArguments,
    metrics: Mapping[str, Any],
    example: str,
    curves: Curves | None = None,
    samples: Sequence[Mapping[str, Any]] = (),
    picture: bool = False,
) -> ModelCard:
    """Make the card of a finished run.

    Args:
        run: The settings.
        metrics: The content of metrics.json.
        example: A message for the code block.
        curves: Of `read_curves`.
        samples: The rows to show, of `context`, `reference` and `reply`.
        picture: Whether the picture of the curves lies beside the card.

    Returns:
        The card; it names no path of this machine.
    """
    known: Metrics = defaultdict(dict, {key: part for key, part in metrics.items() if part})
    name = one_line(Path(run.training.output_dir).name, 80) or "model"
    parts = {
        _("How to use"): usage(run, known, example),
        _("Training data"): _data(run, known),
        _("Training"): _joined(_settings(run, known["run"]), _speed(known["run"])),
        _("Curves"): curves_part(curves or {}, known["selection"]["step"], picture),
        _("Evaluation"): _joined(evaluation(known), selection(known["selection"])),
        _("Sample replies"): sample_table(samples),
        _("Limits"): _limits(run, known),
    }
    text = [f"---\n{_header(run, known, name).to_yaml()}\n---"]
    text += [f"# {escape(name)}", _introduction(run, known)]
    text += [f"## {title}\n\n{part}" for title, part in parts.items() if part]
    return ModelCard(_joined(*text) + "\n")


def _joined(*parts: str) -> str:
    """Put paragraphs one after the other, without the empty ones."""
    return "\n\n".join(filter(None, parts))


def _header(run: RunArguments, metrics: Metrics, name: str) -> ModelCardData:
    """Make the metadata that the Hub reads, with the results as its `model-index`."""
    stated = run.training.model_license
    # One that the Hub does not know is `other`, with a name.
    license = hub_license(stated)
    own = license == "other" and stated.strip().lower() != "other"
    began = metrics["run"].get("init_from") or ""
    dataset = _dataset_name(run).strip("`").removeprefix("the ")
    measured = metrics["validation"]
    results = [
        EvalResult(
            task_type=TASK,
            task_name="Dialogue",
            dataset_type="dialogue",
            dataset_name=dataset,
            dataset_split="validation",
            metric_type=kind,
            metric_name=words,
            metric_value=round(float(measured[key]), 4),
        )
        for key, (kind, words) in _HEADER_METRICS.items()
        if key != "perplexity" or not _too_few(metrics)
        # The Hub takes finite numbers only.
        if isinstance(measured.get(key), (int, float)) and math.isfinite(measured[key])
    ]
    sources = metrics["data"].get("sources") or []
    return ModelCardData(
        language=_languages(metrics) or None,
        license=license,
        license_name=one_line(stated, 60) if own else None,
        license_link=run.training.model_license_link,
        library_name="transformers",
        pipeline_tag=TASK,
        datasets=sorted({item["hub_id"] for item in sources if item.get("hub_id")}) or None,
        base_model=began if "/" in began else None,
        tags=TAGS,
        model_name=name if results else None,
        eval_results=results or None,
    )


def _too_few(metrics: Metrics) -> bool:
    """Say whether what is held out is too little for a figure that others compare."""
    pairs = (metrics["data"].get("validation") or {}).get("pairs")
    return pairs is not None and pairs < ENOUGH_QUESTIONS


def _languages(metrics: Metrics) -> list[str]:
    """List the languages of the training data that the Hub has a code for."""
    found = set(metrics["data"].get("languages") or [])
    # Dialogues of both.
    return [code for code in _LANGUAGES if code in found or "mixed" in found]


def _language_names(metrics: Metrics) -> str:
    return _(" and ").join(_(_LANGUAGES[code]) for code in _languages(metrics))


def _introduction(run: RunArguments, metrics: Metrics) -> str:
    """Say in two sentences what the model is."""
    named = _language_names(metrics) or _("the language of its data")
    if run.data.swap_sides:
        return _(
            "A reverse model for {languages}, trained with TFChat-HF: it reads a reply and writes "
            "the turn that was answered. A chat model asks it which of several replies fits best "
            "(`Reranking(reverse_model=...)` of tfchat_hf); it is not one to talk to.",
            languages=named,
        )
    model, count = run.model, metrics["run"].get("parameters")
    began = metrics["run"].get("init_from")
    what = _(
        "A small encoder-decoder chat model for {languages}, {trained} with TFChat-HF: "
        "{size}{encoder} encoder and {decoder} decoder layers of width {width}.",
        languages=named,
        trained=_("trained further from {origin}", origin=_origin(began))
        if began
        else _("trained from scratch"),
        size=_("{number:,} parameters, ", number=count) if count else "",
        encoder=model.encoder_layers,
        decoder=model.decoder_layers,
        width=model.d_model,
    )
    reads_at_most = _(
        "It reads {turns}, at most {tokens} tokens.",
        turns=reads(run),
        tokens=run.data.max_source_length,
    )
    return joined(what, reads_at_most)


def _origin(name: str) -> str:
    """Name the model that a run began with; one of the Hub can be looked up."""
    shown = one_line(name, 80).replace("`", "")
    return f"[{shown}](https://huggingface.co/{shown})" if "/" in shown else f"`{shown}`"


def list_sources(report: BuildReport, dataset: str | Path) -> list[dict[str, Any]]:
    """List what the dialogues were built from, for `metrics["data"]["sources"]`.

    Args:
        report: The report of the build.
        dataset: The setting; a saved dataset has a report of its own, with the licences.

    Returns:
        `name`, `license` (None where nobody stated one) and `kept` dialogues of each source, the
        largest first, at most `MAX_SOURCES`, and the `hub_id` of one from the Hub; no paths.
    """
    try:
        saved = json.loads(Path(dataset, REPORT_FILE).read_text(encoding="utf-8"))
        origins = [dict(origin) for origin in saved["origins"]]
    except (OSError, ValueError, KeyError, TypeError):
        origins = []
    known = [
        {
            "name": without_paths(str(origin.get("name") or "")),
            "license": origin.get("license"),
            "kept": int(origin.get("kept") or 0),
            **({"hub_id": origin["hub_id"]} if origin.get("hub_id") else {}),
        }
        for origin in origins or map(vars, report.origins)
    ]
    return sorted(known, key=lambda source: -source["kept"])[:MAX_SOURCES]


def _dataset_name(run: RunArguments) -> str:
    """Name the dataset without saying where on this machine it lies."""
    name = run.data.dataset
    return _CORPORA.get(name) or f"`{one_line(Path(name).name, 80).replace('`', '')}`"


def _data(run: RunArguments, metrics: Metrics) -> str:
    """Count what the model learned from, and name sources and licences."""
    data, name = metrics["data"], _dataset_name(run)
    train, validation = data.get("train") or {}, data.get("validation") or {}
    name = _(name)
    told = [_("{sentence}.", sentence=f"{name[0].upper()}{name[1:]}")]
    if train.get("pairs"):
        dialogues = counted_text(
            " from {number:,} dialogue", " from {number:,} dialogues", train.get("dialogues") or 0
        )
        told = [
            _(
                "{corpus}: {pairs:,} (context, reply) pairs{dialogues} to train on, "
                "{held_out:,} held out.",
                corpus=f"{name[0].upper()}{name[1:]}",
                pairs=train["pairs"],
                dialogues=dialogues if train.get("dialogues") else "",
                held_out=validation.get("pairs") or 0,
            )
        ]
    counts = {
        _("duplicate pairs"): train.get("duplicates_dropped"),
        _("replies above {number} tokens", number=run.data.max_target_length): train.get(
            "long_replies_dropped"
        ),
    }
    left_out = [_("{what} ({more})", what=k, more=f"{n:,}") for k, n in counts.items() if n]
    if left_out:
        told.append(_("Left out of training: {what}.", what=_(" and ").join(left_out)))
    if run.data.add_lowercase_questions:
        told.append(_("Questions were also learned in lower case without their end mark."))
    rows = [
        [
            one_line(item.get("name") or "", 80),
            one_line(item.get("license") or _("not stated"), 80),
            int(item.get("kept") or 0),
        ]
        for item in data.get("sources") or []
    ]
    sources = table([_("source"), _("licence"), f">{_('dialogues')}"], rows) if rows else ""
    return _joined(
        joined(*told),
        sources,
        _("Whoever publishes this model must check the licence of that data."),
    )


def _settings(run: RunArguments, told: Mapping[str, Any]) -> str:
    """Table the settings that make this model what it is; `told` is `metrics["run"]`."""
    model, data, args, began = run.model, run.data, run.training, told.get("init_from")
    heads = f"{model.encoder_attention_heads}+{model.decoder_attention_heads}"
    ffn = f"{model.encoder_ffn_dim}+{model.decoder_ffn_dim}"
    switches = [name for name in _SWITCHES if getattr(model, name)]
    if model.position_embedding_type != "sinusoidal":
        switches.append(_("{kind} positions", kind=model.position_embedding_type))
    tokenizer = [_("a given one") if data.tokenizer and not began else data.tokenizer_scheme]
    tokenizer += [_("that of the model it began with")] if began else []
    entries = _("{number:,} entries", number=told["vocabulary"])
    tokens, muon, minutes = args.tokens_per_update, args.muon_learning_rate, args.max_minutes
    size = retold(told["update_size"], _SIZES)
    if tokens:
        size = _("about {tokens:,} tokens, questions and replies together", tokens=tokens)
    epochs = _("{epochs:.1f} epochs", epochs=told["epochs"])
    updates = _("{what} ({more})", what=f"{told['steps']:,}", more=epochs)
    schedule = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    # As it came out: a clock shortens the warm-up, and a short run ends within it.
    peak, warmup = told["peak_learning_rate"], told["warmup_updates"]
    share = peak / args.learning_rate
    losses = [f"{_(text)} {getattr(args, k):g}" for k, text in _LOSSES.items() if getattr(args, k)]
    dropouts = (model.dropout, model.attention_dropout, model.activation_dropout)
    rows = {
        _("layers (encoder+decoder)"): f"{model.encoder_layers}+{model.decoder_layers}",
        _("width, heads, feed-forward"): f"{model.d_model}, {heads}, {ffn}",
        _("switches"): ", ".join(switches),
        _("parameters"): told["parameters"],
        _("tokenizer"): listed([*tokenizer, entries]),
        _("longest context, in tokens"): data.max_source_length,
        _("longest reply, in tokens"): data.max_target_length,
        _("turns of context"): data.max_context_turns,
        _("began with the weights of"): one_line(began or "", 80),
        _("updates"): updates,
        _("size of an update"): size,
        _("optimizer"): _(
            "{name}, weight decay {decay:g}", name=_optimizer(args), decay=args.weight_decay
        ),
        _("Muon, for the layers' matrices"): _("{rate} at its peak", rate=f"{muon * share:.2e}")
        if muon
        else "",
        _("learning rate"): _(
            "{rate} at its peak, {schedule}, {warmup:g} warm-up",
            rate=f"{peak:.2e}",
            schedule=schedule,
            warmup=warmup,
        ),
        _("loss"): listed([_("cross-entropy"), *losses]),
        _("dropout (all, attention, activation)"): ", ".join(f"{rate:g}" for rate in dropouts),
        _("time budget"): _("{minutes:g} minutes", minutes=minutes) if minutes else "",
        _("seed"): args.seed,
        _("precision"): told["dtype"],
        _("software"): ", ".join(f"{name} {told[name]}" for name in _SOFTWARE),
    }
    known = [[name, value] for name, value in rows.items() if value not in (None, "")]
    return _joined(
        table([_("setting"), _("value")], known), _("`run_config.yaml` holds every setting.")
    )


def _optimizer(args: TFChatTrainingArguments) -> str:
    """Name the optimizer; with Muon it is AdamW for the rest, whatever `optim` says."""
    name = str(getattr(args.optim, "value", args.optim))
    adam = name.startswith("adamw") or args.muon_learning_rate
    return f"AdamW, beta2 {args.adam_beta2:g}" if adam else name


def _speed(told: Mapping[str, Any]) -> str:
    """Say how long training took and on what, and how fast it was where that was measured."""
    speed, device = told["speed"] or {}, retold(told["device"], _DEVICES)
    time = _duration(told["train_seconds"])
    words = [_("{time} of training on {device}", time=time, device=device)]
    for name, text in (
        ("tokens_per_second", marked("{number:,.0f} real tokens/s")),
        ("pairs_per_second", marked("{number:,.0f} pairs/s")),
    ):
        if speed.get(name):
            words.append(_(text, number=speed[name]))
    if speed.get("padding") is not None:
        words.append(_("{share:.1f} % padding", share=100 * speed["padding"]))
    return _("{sentence}.", sentence=escape(listed(words)))


def _duration(seconds: float) -> str:
    """Write a time as people say it."""
    if seconds < 120:
        return _("{number:.0f} s", number=seconds)
    if seconds < 7200:
        return _("{number:.0f} min", number=seconds / 60)
    return _("{number:.1f} h", number=seconds / 3600)


def _limits(run: RunArguments, metrics: Metrics) -> str:
    """List what not to expect of the model: what its figures show, then what holds for all."""
    named, train = _language_names(metrics), metrics["data"].get("train") or {}
    window = _(
        "It reads {turns}, at most {tokens} tokens, and forgets the rest.",
        turns=reads(run),
        tokens=run.data.max_source_length,
    )
    lines = [*weak_points(metrics), window]
    if named:
        lines.append(
            _("It was trained on {languages}; expect nothing of any other.", languages=named)
        )
    if not run.data.swap_sides and train.get("reads_system") is False:
        lines.append(
            _(
                "Its training data had no system messages for it to read, so the chat template "
                "leaves them out: instructions change nothing."
            )
        )
    lines += [
        _(
            "It knows nothing beyond its training pairs and states wrong things with confidence. "
            "Do not use it for advice."
        ),
        joined(
            _(
                "It repeats whatever opinions, names and mistakes its training data hold; training "
                "filters nothing for offence."
            ),
            *_coarse(metrics["data"]),
            _(HOW_TO_LEAVE_OUT),
        ),
    ]
    return "\n".join(f"- {line}" for line in lines)


def _coarse(data: Mapping[str, Any]) -> Iterator[str]:
    """Say how many training replies are coarse, where that was counted."""
    count, pairs = data.get("coarse_replies"), (data.get("train") or {}).get("pairs")
    if count is not None and pairs:
        yield _(
            "{count:,} of {pairs:,} training replies ({share:.2g} %) hold a word of a short list "
            "of coarse words.",
            count=count,
            pairs=pairs,
            share=100 * count / pairs,
        )

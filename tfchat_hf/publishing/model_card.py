# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The README.md of a trained model: what it is, what it learned from, how well, and its limits."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from data_builders.output.card_header import hub_license
from data_builders.output.markdown import escape, one_line

from ..engines.model_folder import NEWEST_TESTED_TRANSFORMERS, OLDEST_TRANSFORMERS
from ..settings.arguments import RunArguments
from .card.curves import CURVES_PICTURE, Curves, build_curves, draw_curves
from .card.facts import choose_samples
from .card.limits import LANGUAGE_NAMES, languages, limits
from .card.results import evaluation, samples_part, selection
from .card.training import curves_part, dataset_name, speed, training_data, training_settings

PLACEHOLDER = "your-name/your-model"
CARD_FILE = "README.md"
TAGS = ["tfchat", "chatbot", "conversational", "dialogue", "encoder-decoder", "custom_code"]
# The Hub gave up its own task for encoder-decoders, text2text-generation, and files chat models
# and them under this one.
TASK = "text-generation"
# Metrics of the header: their name there, and the words.
_HEADER_METRICS = {
    "perplexity": ("perplexity", "Perplexity"),
    "bits_per_character": ("bits_per_character", "Bits per character"),
    "bleu": ("sacrebleu", "BLEU"),
    "f1": ("f1", "Token F1"),
    "distinct_2": ("distinct_2", "Distinct-2"),
}


def write_model_card(
    folder: str | Path,
    run: RunArguments,
    metrics: dict[str, Any],
    example: str,
    log_history: Iterable[Mapping[str, Any]] = (),
    samples: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Writes README.md of a finished run, and the picture of its curves where matplotlib is there.

    Args:
        folder: the run folder.
        run: the settings.
        metrics: the content of metrics.json.
        example: a message for the code block.
        log_history: `trainer.state.log_history`.
        samples: rows of samples.jsonl; a few are shown.
    """
    folder, curves = Path(folder), build_curves(log_history)
    chosen = (metrics.get("selection") or {}).get("step")
    picture = draw_curves(curves, folder / CURVES_PICTURE, chosen)
    if not picture:
        # One of an earlier run would be of other numbers.
        (folder / CURVES_PICTURE).unlink(missing_ok=True)
    card = build_model_card(run, metrics, example, curves, choose_samples(samples), picture)
    card.save(folder / CARD_FILE)


def build_model_card(
    run: RunArguments,
    metrics: dict[str, Any],
    example: str,
    curves: Curves | None = None,
    samples: Sequence[Mapping[str, Any]] = (),
    picture: bool = False,
) -> ModelCard:
    """Makes the card of a finished run.

    Args:
        run: the settings.
        metrics: the content of metrics.json; what an older one lacks is left out of the card.
        example: a message for the code block.
        curves: what `build_curves` gave.
        samples: the rows to show, of `context`, `reference` and `reply`.
        picture: whether the picture of the curves lies beside the card.

    Returns:
        The card; it names no path of this machine.
    """
    name = one_line(Path(run.training.output_dir).name, 80) or "model"
    chosen = (metrics.get("selection") or {}).get("step")
    training = [training_settings(run, metrics), speed(metrics)]
    results = [evaluation(metrics), selection(metrics)]
    parts = {
        "How to use": _usage(run, example) + _memory_part(metrics, example),
        "Training data": training_data(run, metrics),
        "Training": "\n\n".join(filter(None, training)),
        "Curves": curves_part(curves, chosen, picture),
        "Evaluation": "\n\n".join(filter(None, results)),
        "Sample replies": samples_part(samples),
        "Limits": limits(run, metrics),
    }
    header = f"---\n{_header(run, metrics, name).to_yaml()}\n---"
    text = [header, f"# {escape(name)}", _introduction(run, metrics)]
    text += [f"## {title}\n\n{part}" for title, part in parts.items() if part]
    return ModelCard("\n\n".join(text) + "\n")


def _header(run: RunArguments, metrics: dict[str, Any], name: str) -> ModelCardData:
    """Makes the metadata that the Hub reads, with the results as its `model-index`."""
    began = (metrics.get("run") or {}).get("init_from") or ""
    results = _results(run, metrics.get("validation") or {})
    return ModelCardData(
        language=languages(metrics) or None,
        **_license(run),
        library_name="transformers",
        pipeline_tag=TASK,
        datasets=_datasets(metrics) or None,
        base_model=began if "/" in began else None,
        tags=TAGS,
        model_name=name if results else None,
        eval_results=results or None,
    )


def _results(run: RunArguments, row: Mapping[str, Any]) -> list[EvalResult]:
    """Lists the held-out results for the header; the Hub takes finite numbers only."""
    dataset = dataset_name(run.data.dataset).strip("`").removeprefix("the ")
    return [
        EvalResult(
            task_type=TASK,
            task_name="Dialogue",
            dataset_type="dialogue",
            dataset_name=dataset,
            dataset_split="validation",
            metric_type=kind,
            metric_name=words,
            metric_value=round(float(row[key]), 4),
        )
        for key, (kind, words) in _HEADER_METRICS.items()
        if isinstance(row.get(key), (int, float)) and math.isfinite(row[key])
    ]


def _license(run: RunArguments) -> dict[str, str | None]:
    """Names the licence as the Hub wants it: one that it does not know is `other`, with a name."""
    stated = run.training.model_license
    known = hub_license(stated)
    own = known == "other" and stated.strip().lower() != "other"
    return {
        "license": known,
        "license_name": one_line(stated, 60) if own else None,
        "license_link": run.training.model_license_link,
    }


def _datasets(metrics: Mapping[str, Any]) -> list[str]:
    """Lists the datasets of the Hub that the data came from, by id."""
    sources = (metrics.get("data") or {}).get("sources") or []
    return sorted({source["hub_id"] for source in sources if source.get("hub_id")})


def _introduction(run: RunArguments, metrics: Mapping[str, Any]) -> str:
    """Says in two sentences what the model is."""
    named = " and ".join(LANGUAGE_NAMES[lang] for lang in languages(metrics))
    named = named or "the language of its data"
    model = run.model
    reads = _reads(run)
    count = (metrics.get("run") or {}).get("parameters")
    size = f"{count:,} parameters, " if count else ""
    if run.data.swap_sides:
        return (
            f"A reverse model for {named}, trained with TFChat-HF: it reads a reply and writes the "
            "turn that was answered. A chat model asks it which of several replies fits best "
            "(`Reranking(reverse_model=...)` of tfchat_hf); it is not one to talk to."
        )
    began = (metrics.get("run") or {}).get("init_from")
    trained = f"trained further from {_origin(began)}" if began else "trained from scratch"
    return (
        f"A small encoder-decoder chat model for {named}, {trained} with TFChat-HF: "
        f"{size}{model.encoder_layers} encoder and {model.decoder_layers} decoder layers of width "
        f"{model.d_model}. It reads {reads}, at most {run.data.max_source_length} tokens."
    )


def _origin(name: str) -> str:
    """Names the model that a run began with; one of the Hub can be looked up."""
    shown = one_line(name, 80).replace("`", "")
    return f"[{shown}](https://huggingface.co/{shown})" if "/" in shown else f"`{shown}`"


def _reads(run: RunArguments) -> str:
    """Says how much of a conversation the model reads."""
    turns = run.data.max_context_turns
    return "the last turn alone" if turns == 1 else f"the last {turns} turns"


def _usage(run: RunArguments, example: str) -> str:
    """Gives the code that loads the model and gets one reply, one in a conversation, a pipeline."""
    # JSON is Python here, on one line; a back-tick could end the block.
    message = json.dumps(example, ensure_ascii=False).replace("`", "\\u0060")
    return f'''It needs transformers {OLDEST_TRANSFORMERS} or newer; tested up to
{NEWEST_TESTED_TRANSFORMERS}.

```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

name = "{PLACEHOLDER}"
tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=True)
model = AutoModelForSeq2SeqLM.from_pretrained(name, trust_remote_code=True)

inputs = tokenizer({message}, split_special_tokens=True, return_tensors="pt")
reply = model.generate(**inputs)
print(tokenizer.decode(reply[0], skip_special_tokens=True))
```

The network is not part of transformers: `trust_remote_code=True` runs the Python files of this
repository, so read them first. `split_special_tokens=True` keeps a message that spells `</s>` a
text. `generate` follows `generation_config.json`, with which the figures below were measured.
Other ways to decode are saved beside it under names (`model.preset_names()`), and single settings
go on top. In a conversation:

```python
messages = [
    {{"role": "user", "content": {message}}},
    {{"role": "assistant", "content": tokenizer.decode(reply[0], skip_special_tokens=True)}},
    {{"role": "user", "content": {message}}},
]
inputs = tokenizer.apply_chat_template(
    messages, truncation=True, return_tensors="pt", return_dict=True
)
reply = model.generate(**inputs, preset="creative", temperature=0.8)
print(tokenizer.decode(reply[0], skip_special_tokens=True))
```

Of the messages the chat template passes on {_reads(run)}; what is too long is cut at its
beginning. With a pipeline:

```python
from transformers import pipeline

chat = pipeline(model="{PLACEHOLDER}", trust_remote_code=True)
print(chat({message}))
```'''


def _memory_part(metrics: dict[str, Any], example: str) -> str:
    """Says what the model's memory is and gives the code that answers with it, if it has one."""
    memory = metrics.get("memory")
    if not memory:
        return ""
    message = json.dumps(example, ensure_ascii=False).replace("`", "\\u0060")
    return f'''

The model has a memory: {memory["pairs"]:,} questions of its training data with their replies.
Where a question resembles one of them (a score of {memory["threshold"]:.2f} or more), the
remembered reply is the answer; elsewhere the network writes its own. The figures below are the
network's alone. The memory holds the training data word for word and is in this repository only if
there is a folder `memory`; then, with TFChat-HF installed:

```py
from tfchat_hf.memory import Memory

memory = Memory.from_pretrained("{PLACEHOLDER}")
answer = memory.answer(model, tokenizer, [{message}])
print(answer.reply, answer.source)
```'''

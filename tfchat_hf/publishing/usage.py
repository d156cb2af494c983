# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the card says of how to use a model: programs that run as they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data_builders.translation import _, joined

from ..engines.model_folder import NEWEST_TESTED_TRANSFORMERS, OLDEST_TRANSFORMERS
from ..settings.arguments import RunArguments
from .results import Metrics
from .upload_plan import PLACEHOLDER


def reads(run: RunArguments) -> str:
    """Say how much of a conversation the model reads."""
    turns = run.data.max_context_turns
    return _("the last turn alone") if turns == 1 else _("the last {number} turns", number=turns)


def usage(run: RunArguments, metrics: Metrics, example: str) -> str:
    """Give the code that loads the model and gets one reply, one in a conversation, a pipeline."""
    # JSON is Python here, on one line; a back-tick could end the block.
    message = json.dumps(example, ensure_ascii=False).replace("`", "\\u0060")
    needs = _(
        "It needs transformers {oldest} or newer; tested up to {newest}.",
        oldest=OLDEST_TRANSFORMERS,
        newest=NEWEST_TESTED_TRANSFORMERS,
    )
    once = f'''```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

name = "{PLACEHOLDER}"
tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=True)
model = AutoModelForSeq2SeqLM.from_pretrained(name, trust_remote_code=True)

inputs = tokenizer({message}, split_special_tokens=True, return_tensors="pt")
reply = model.generate(**inputs)
print(tokenizer.decode(reply[0], skip_special_tokens=True))
```'''
    explained = joined(
        _(
            "The network is not part of transformers: `trust_remote_code=True` runs the Python "
            "files of this repository, so read them first."
        ),
        _("`split_special_tokens=True` keeps a message that spells `</s>` a text."),
        _(
            "`generate` follows `generation_config.json`, with which the figures below were "
            "measured. Other ways to decode are saved beside it under names "
            "(`model.preset_names()`), and single settings go on top."
        ),
        _("In a conversation:"),
    )
    several = f"""```python
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
```"""
    passed = _(
        "Of the messages the chat template passes on {turns}; what is too long is cut at its "
        "beginning. With a pipeline:",
        turns=reads(run),
    )
    piped = f'''```python
from transformers import pipeline

chat = pipeline(model="{PLACEHOLDER}", trust_remote_code=True)
print(chat({message}))
```'''
    remembered = _memory(metrics["memory"], message)
    parts = (needs, once, explained, several, passed, piped, remembered)
    return "\n\n".join(filter(None, parts))


def _memory(memory: Mapping[str, Any], message: str) -> str:
    """Say what lies in the memory, and give the code that asks it; empty where there is none."""
    if not memory:
        return ""
    told = _(
        "The model has a memory: {pairs:,} questions of its training data with their replies. "
        "Where a question resembles one of them (a score of {threshold:.2f} or more), the "
        "remembered reply is the answer; elsewhere the network writes its own. The figures below "
        "are the network's alone. The memory holds the training data word for word and is in this "
        "repository only if there is a folder `memory`; then, with TFChat-HF installed:",
        pairs=memory["pairs"],
        threshold=memory["threshold"],
    )
    return f'''{told}

```py
from tfchat_hf.memory import Memory

memory = Memory.from_pretrained("{PLACEHOLDER}")
answer = memory.answer(model, tokenizer, [{message}])
print(answer.reply, answer.source)
```'''

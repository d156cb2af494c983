# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the card says of how to use a model: programs that run as they stand."""

from __future__ import annotations

import json

from ..engines.model_folder import NEWEST_TESTED_TRANSFORMERS, OLDEST_TRANSFORMERS
from ..settings.arguments import RunArguments
from .results import Metrics
from .upload_plan import PLACEHOLDER


def reads(run: RunArguments) -> str:
    """Say how much of a conversation the model reads."""
    turns = run.data.max_context_turns
    return "the last turn alone" if turns == 1 else f"the last {turns} turns"


def usage(run: RunArguments, metrics: Metrics, example: str) -> str:
    """Give the code that loads the model and gets one reply, one in a conversation, a pipeline."""
    # JSON is Python here, on one line; a back-tick could end the block.
    message = json.dumps(example, ensure_ascii=False).replace("`", "\\u0060")
    memory = metrics["memory"]
    remembered = _MEMORY.format_map({**memory, "message": message}) if memory else ""
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

Of the messages the chat template passes on {reads(run)}; what is too long is cut at its
beginning. With a pipeline:

```python
from transformers import pipeline

chat = pipeline(model="{PLACEHOLDER}", trust_remote_code=True)
print(chat({message}))
```{remembered}'''


_MEMORY = f'''

The model has a memory: {{pairs:,}} questions of its training data with their replies.
Where a question resembles one of them (a score of {{threshold:.2f}} or more), the
remembered reply is the answer; elsewhere the network writes its own. The figures below are the
network's alone. The memory holds the training data word for word and is in this repository only if
there is a folder `memory`; then, with TFChat-HF installed:

```py
from tfchat_hf.memory import Memory

memory = Memory.from_pretrained("{PLACEHOLDER}")
answer = memory.answer(model, tokenizer, [{{message}}])
print(answer.reply, answer.source)
```'''

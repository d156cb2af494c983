# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The README.md of a converted checkpoint: what it is, how to load it, what nobody knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model.configuration_tfchat import TFChatConfig

_CARD = """---
library_name: transformers
pipeline_tag: text-generation
language:
- zh
license: other
tags:
- tfchat
- chatbot
- dialogue
- encoder-decoder
- custom_code
---

# A checkpoint of the original TFChat, converted

**English** · [简体中文](#简体中文)

A model that was trained with the code of
[jingyaogong/TFChat](https://github.com/jingyaogong/TFChat), converted with TFChat-HF without
executing anything in its pickle: {parameters:,} parameters, {layers} encoder and {layers} decoder
layers of width {width}, {words:,} characters. It answers as there: greedily, one message at a time,
up to the first character that it does not know.

```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

name = "your-name/your-model"
tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=True)
model = AutoModelForSeq2SeqLM.from_pretrained(name, trust_remote_code=True)

inputs = tokenizer("你好", split_special_tokens=True, return_tensors="pt")
reply = model.generate(**inputs)
print(tokenizer.decode(reply[0], skip_special_tokens=True))
```

`trust_remote_code=True` runs the Python files beside this one, so read them first. What the model
was trained on, how long, and under which licence its weights may be passed on, a checkpoint does
not say: whoever publishes this must know, and write it here.

## 简体中文

这个模型是用 [jingyaogong/TFChat](https://github.com/jingyaogong/TFChat) 的代码训练的，由 TFChat-HF
转换而来，转换时不执行 pickle 里的任何代码：{parameters:,} 个参数，编码器和解码器各 {layers} 层，宽
{width}，{words:,} 个字符。它的回答方式和原来一样：贪心解码，一次只读一条消息，遇到第一个不认识的字
符就停下。

`trust_remote_code=True` 会运行旁边的 Python 文件，请先读一遍。检查点里没有写明训练数据、训练时间和
权重的许可证：发布的人需要自己确认，并写在这里。
"""


def converted_card(config: TFChatConfig, parameters: int) -> str:
    """Write the card."""
    return _CARD.format(
        parameters=parameters,
        layers=config.encoder_layers,
        width=config.d_model,
        words=config.vocab_size,
    )

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The settings and the README.md of a Marian folder: how to load it, and what it has lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import GenerationConfig

if TYPE_CHECKING:
    from .. import TFChatForConditionalGeneration

# Settings of this project that do something only while another one is on.
_ONLY_WITH = {
    "dry_base": "dry_multiplier",
    "dry_allowed_length": "dry_multiplier",
    "copy_allowed_length": "copy_penalty",
    "anti_lm_tokens": "anti_lm_weight",
    "anti_lm_cutoff": "anti_lm_weight",
    "rerank_by": "num_candidates",
    "rerank_weight": "num_candidates",
}
_OFF_AT_ONE = ("num_candidates",)
# No settings of a reply: the presets have a table of their own, and a new folder a new version.
_LEFT_OUT = ("presets", "preset", "transformers_version")
_CARD = """---
library_name: transformers
tags:
- chatbot
- dialogue
- encoder-decoder
- marian
---

# A chat model in Marian's format

**English** · [简体中文](#简体中文)

A chat model trained with TFChat-HF, as a stock `MarianMTModel`: it loads without code of its own.

```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = AutoModelForSeq2SeqLM.from_pretrained("FOLDER")
inputs = tokenizer("{example}", return_tensors="pt")
reply = model.generate(**inputs)
print(tokenizer.decode(reply[0], skip_special_tokens=True))
```

Turns of a dialogue that it reads at once: {turns}; the tokenizer's `apply_chat_template` puts them
together. The logits are those of the model that it was made from. {lost_en}

| preset | arguments of `generate()` | missing |
| --- | --- | --- |
{presets}

{layout_en}

## 简体中文

用 TFChat-HF 训练的聊天模型，格式是 transformers 自带的 `MarianMTModel`，加载时不需要自己的代码。

它一次最多读 {turns} 轮对话，由分词器的 `apply_chat_template` 拼接。logits 与原来的模型相同。

{lost_zh}

上面的表格列出每个预设（preset）对应的 `generate()` 参数，以及缺少的设置（missing）。

{layout_zh}
"""
_LOST_EN = (
    "What `generate()` does by default is not: these settings need TFChat-HF's code and are left "
    "out: {settings}. Where replies go in circles, try `no_repeat_ngram_size=3`."
)
_LOST_ZH = (
    "`generate()` 的默认做法与原来不同：这些设置需要 TFChat-HF 的代码，已略去：{settings}。"
    "如果回复循环，可以试试 `no_repeat_ngram_size=3`。"
)
_NOTHING_LOST_EN = "So are its settings: nothing of the default ones is lost."
_NOTHING_LOST_ZH = "默认的设置也没有缺少。"
_PLAIN_EN = (
    "`ct2-transformers-converter` does not take this folder; export the run once more with "
    "`--for-ct2-converter`."
)
_PLAIN_ZH = (
    "`ct2-transformers-converter` 不能转换这个文件夹；请加上 `--for-ct2-converter` 重新导出。"
)
_CONVERTER_EN = (
    "The weights are laid out for `ct2-transformers-converter`: the start token's embedding stands "
    "in the decoder's table of positions. `save_pretrained` and `push_to_hub` of the model leave "
    "that table out, so copy and upload these files as they are, and do not train the model on. "
    "It takes transformers 5."
)
_CONVERTER_ZH = (
    "权重按 `ct2-transformers-converter` 的要求排列：起始词元的嵌入放在解码器的位置表里。"
    "模型的 `save_pretrained` 和 `push_to_hub` 不会保存这个表，所以请原样复制和上传这些文件，"
    "也不要继续训练这个模型。需要 transformers 5。"
)


def write_card(
    model: TFChatForConditionalGeneration, folder: Path, for_converter: bool = False
) -> None:
    """Write the card.

    Args:
        model: The model of this project.
        folder: The Marian folder.
        for_converter: The weights are laid out for `ct2-transformers-converter`.
    """
    lost = _listed(lost_settings(model, model.generation_config))
    text = _CARD.format(
        example="你好",
        turns=model.config.max_context_turns,
        lost_en=_LOST_EN.format(settings=lost) if lost else _NOTHING_LOST_EN,
        lost_zh=_LOST_ZH.format(settings=lost) if lost else _NOTHING_LOST_ZH,
        presets="\n".join(_preset_row(model, name) for name in model.preset_names()),
        layout_en=_CONVERTER_EN if for_converter else _PLAIN_EN,
        layout_zh=_CONVERTER_ZH if for_converter else _PLAIN_ZH,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _preset_row(model: TFChatForConditionalGeneration, name: str) -> str:
    """Write one preset as a row of the table."""
    arguments, lost = preset_arguments(model, name)
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return f"| `{name}` | {f'`{given}`' if given else ''} | {_listed(lost)} |"


def _listed(settings: dict[str, Any]) -> str:
    """Write settings with their values in one line."""
    return ", ".join(
        f"`{name}` {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()
    )


def stock_settings(config: GenerationConfig) -> dict[str, Any]:
    """Return the settings that transformers itself has, without those that are not set."""
    known = set(vars(GenerationConfig())) - set(_LEFT_OUT)
    return {
        name: value
        for name, value in vars(config).items()
        if name in known and not name.startswith("_") and value is not None
    }


def lost_settings(
    model: TFChatForConditionalGeneration, config: GenerationConfig
) -> dict[str, Any]:
    """Return the settings that are on and that only this project's code knows.

    Args:
        model: For what its configuration adds to every reply.
        config: The model's settings, or those of a preset.

    Returns:
        Each name with its value.
    """
    known = {*vars(GenerationConfig()), *_LEFT_OUT}
    own = {
        name: value
        for name, value in vars(config).items()
        if name not in known and not name.startswith("_")
    }
    lost = {name: value for name, value in own.items() if _is_on(name, own)}
    first_byte = getattr(model.config, "first_byte_token_id", None)
    return lost | ({} if first_byte is None else {"first_byte_token_id": first_byte})


def _is_on(name: str, own: dict[str, Any]) -> bool:
    """Tell whether a setting of this project changes replies."""
    if name in _ONLY_WITH:
        return _is_on(_ONLY_WITH[name], own)
    value = own.get(name)
    return bool(value) and not (name in _OFF_AT_ONE and value == 1)


def marian_generation_config(config: GenerationConfig) -> GenerationConfig:
    """Return the `generation_config.json` of the folder."""
    return GenerationConfig(**stock_settings(config))


def preset_arguments(
    model: TFChatForConditionalGeneration, name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split a preset.

    Args:
        model: The model that has it.
        name: One of `model.preset_names()`.

    Returns:
        The arguments of `generate()` by which it differs from the folder's default, and what is
        lost of it.
    """
    preset = model.preset(name)
    stock, default = stock_settings(preset), stock_settings(model.generation_config)
    if "greedy" in model.preset_names():
        # For what the default leaves open.
        default = stock_settings(model.preset("greedy")) | default
    changed = {key: value for key, value in stock.items() if value != default.get(key)}
    if "min_p" in default and "min_p" not in stock:
        changed["min_p"] = 0.0  # None would be passed over
    return changed, lost_settings(model, preset)

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The Hub folder: what is copied beside the weights of every model, and all that a reader needs.

Read `configuration_tfchat` (every number), `layers_tfchat` (positions, attention, one layer),
`modeling_tfchat` (the two stacks, the model, its loss), `generation_tfchat` (`generate()` and its
presets). The files import transformers and each other, as `from .name import X`, and nothing else.
"""

from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

from .configuration_tfchat import TFChatConfig
from .modeling_tfchat import (
    TFChatForConditionalGeneration,
    TFChatModel,
    TFChatPreTrainedModel,
)

__all__ = [
    "TFChatConfig",
    "TFChatForConditionalGeneration",
    "TFChatModel",
    "TFChatPreTrainedModel",
]

AutoConfig.register(TFChatConfig.model_type, TFChatConfig, exist_ok=True)
AutoModel.register(TFChatConfig, TFChatModel, exist_ok=True)
AutoModelForSeq2SeqLM.register(TFChatConfig, TFChatForConditionalGeneration, exist_ok=True)

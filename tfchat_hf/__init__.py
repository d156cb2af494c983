# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""TFChat-HF: train, publish and talk to a small encoder-decoder chat model of your own."""

from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM

from .model.configuration_tfchat import TFChatConfig
from .model.modeling_tfchat import (
    TFChatForConditionalGeneration,
    TFChatModel,
    TFChatPreTrainedModel,
)

__version__ = "0.1.0"

AutoConfig.register(TFChatConfig.model_type, TFChatConfig, exist_ok=True)
AutoModel.register(TFChatConfig, TFChatModel, exist_ok=True)
AutoModelForSeq2SeqLM.register(TFChatConfig, TFChatForConditionalGeneration, exist_ok=True)

__all__ = [
    "TFChatConfig",
    "TFChatForConditionalGeneration",
    "TFChatModel",
    "TFChatPreTrainedModel",
    "__version__",
]

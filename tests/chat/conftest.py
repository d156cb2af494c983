# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A tiny model to talk to, of one layer and a character vocabulary."""

from __future__ import annotations

import pytest
import torch

from tests.chat.small_chat import SENTENCES
from tests.tiny import one_layer_config
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.chat.session import ChatSession
from tfchat_hf.text.tokenizer_training import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(SENTENCES, scheme="char", vocab_size=500, model_max_length=32)


@pytest.fixture(scope="session")
def model(tokenizer):
    torch.manual_seed(3)
    config = one_layer_config(
        vocab_size=len(tokenizer),
        max_position_embeddings=32,
        max_context_turns=3,
        init_std=0.3,
    )
    return TFChatForConditionalGeneration(config).eval()


@pytest.fixture
def notices():
    return []


@pytest.fixture
def session(model, tokenizer, notices):
    return ChatSession(model, tokenizer, "tiny", notices.append)


@pytest.fixture(scope="session")
def model_dir(model, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder

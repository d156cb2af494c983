# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A checkpoint and its word map become a folder that chats, exports and goes to the Hub."""

from __future__ import annotations

from pathlib import Path

from transformers import GenerationConfig

from data_builders.writing import whole_folder, write_whole

from ..engines.model_folder import save_for_hub
from ..model.generation_tfchat import with_presets
from ..settings.run_folder import METRICS_FILE, write_json
from .card import converted_card
from .checkpoint import load_original
from .word_map import UNKNOWN, make_tokenizer, read_words

# As its chat.py says it: 256 with the start token.
_LONGEST_REPLY = 255


def convert(checkpoint: Path, words: Path, output: Path) -> int:
    """Write the folder of a converted checkpoint.

    Args:
        checkpoint: What the original's training saved.
        words: Its word map.
        output: The folder to make; it must not exist.

    Returns:
        How many parameters the model has.

    Raises:
        UserError: One of the two cannot be used.
    """
    vocabulary = read_words(words)
    model = load_original(checkpoint, vocabulary)
    config = model.config
    # The original's chat: greedy, and it stops at the first character that it does not know.
    decoding = GenerationConfig(
        max_new_tokens=min(_LONGEST_REPLY, config.max_position_embeddings),
        pad_token_id=config.pad_token_id,
        bos_token_id=config.bos_token_id,
        decoder_start_token_id=config.decoder_start_token_id,
        eos_token_id=[config.eos_token_id, vocabulary[UNKNOWN]],
    )
    model.generation_config = with_presets(decoding, default="greedy")
    parameters = model.num_parameters()
    with whole_folder(output) as folder:
        tokenizer = make_tokenizer(vocabulary, config.max_position_embeddings)
        save_for_hub(model, tokenizer, folder)
        write_whole(folder / "README.md", converted_card(config, parameters))
        # The mark of a folder that is whole, which may be published.
        write_json({"run": {"parameters": parameters}}, folder / METRICS_FILE)
    return parameters

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Writes a folder that transformers loads without code of this project: a stock Marian model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSeq2SeqLM

from ..text.errors import UserError
from .exported_folder import TOKENIZER_FILES, copy_run_files
from .marian_card import write_card
from .marian_settings import marian_generation_config
from .marian_weights import check_architecture, check_converter, to_marian, to_marian_for_converter

if TYPE_CHECKING:
    from .. import TFChatConfig, TFChatForConditionalGeneration

# transformers would take a Marian model's tokenizer for one of SentencePiece. This class is the
# plain `tokenizer.json`, in version 4 as in 5.
_TOKENIZER_CLASS = "PreTrainedTokenizerFast"
# Logits of float32 that are sums in another order.
_TOLERANCE = 1e-4
_PROBE_LENGTH = 64


def write_marian(
    model: TFChatForConditionalGeneration, run: Path, folder: Path, for_converter: bool = False
) -> None:
    """Write weights, settings, tokenizer and card, and check that the folder says the same.

    Args:
        model: In float32 and evaluation mode.
        run: The run's folder, for the tokenizer.
        folder: Where to write.
        for_converter: Lay the weights out for `ct2-transformers-converter`.

    Raises:
        UserError: if Marian, or the converter, cannot express the model.
    """
    check_architecture(model.config)
    if for_converter:
        tokens = Tokenizer.from_file(str(run / "tokenizer.json")).get_vocab_size()
        check_converter(model.config, tokens)
    marian = to_marian_for_converter(model) if for_converter else to_marian(model)
    marian.generation_config = marian_generation_config(model.generation_config)
    marian.save_pretrained(folder)
    copy_run_files(run, folder, TOKENIZER_FILES)
    _name_tokenizer_class(folder / "tokenizer_config.json")
    write_card(model, folder, for_converter)
    check_same_logits(model, folder)


def _name_tokenizer_class(path: Path) -> None:
    """Say in `tokenizer_config.json` that `tokenizer.json` is all of the tokenizer."""
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    settings = {key: settings[key] for key in settings if key not in ("auto_map", "backend")}
    settings["tokenizer_class"] = _TOKENIZER_CLASS
    text = json.dumps(settings, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")


def check_same_logits(model: TFChatForConditionalGeneration, folder: Path) -> None:
    """Load the folder as anybody would, and compare its logits with the model's.

    Raises:
        UserError: if they differ: then the network is no longer the one that Marian has.
    """
    marian = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = _probe(model.config)
    with torch.no_grad():
        ours, theirs = model(**inputs).logits, marian(**inputs).logits  # (rows, target, vocab)
    difference = float((ours - theirs).abs().max())
    allowed = _TOLERANCE * max(1.0, float(ours.abs().max()))
    if not difference <= allowed:  # also where one is not a number
        raise UserError(
            f"As a Marian model this one has other logits (by up to {difference:.3g}, allowed are "
            f"{allowed:.3g}), so its network is not Marian's. Publish the run as it is, with its "
            "own code."
        )


def _probe(config: TFChatConfig, rows: int = 3) -> dict[str, Any]:
    """Draw questions of different lengths and replies; the start token stands at the start only."""
    generator = torch.Generator().manual_seed(0)
    length = min(_PROBE_LENGTH, config.max_position_embeddings)
    shape, start, pad = (rows, length), config.decoder_start_token_id, config.pad_token_id or 0
    questions = torch.randint(config.vocab_size, shape, generator=generator)
    replies = torch.randint(config.vocab_size, shape, generator=generator)
    replies[replies == start] = (start + 1) % config.vocab_size
    replies[:, 0] = start
    mask = torch.ones_like(questions)
    for row in range(1, rows):
        mask[row, length - row * length // (rows + 1) :] = 0
    questions[mask == 0] = pad
    tensors = {"input_ids": questions, "attention_mask": mask, "decoder_input_ids": replies}
    return tensors | {"use_cache": False}

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What each process of a distributed evaluation runs; test_evaluation.py starts two."""

from __future__ import annotations

import functools
import json
import sys

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerBase

from tests.tiny import tiny_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.examples.questions import Question
from tfchat_hf.measuring.evaluation import exact_loss
from tfchat_hf.measuring.selection import ReplyAssessor
from tfchat_hf.text.tokenizer_training import train_tokenizer

# 11 pairs in batches of 2: neither a whole number of batches nor of shares.
PAIRS = [(f"question {i} " + "ab " * (i % 5), f"reply {i} " + "好" * (i % 7)) for i in range(11)]
BATCH_SIZE = 2


def make_tokenizer() -> PreTrainedTokenizerBase:
    return train_tokenizer([text for pair in PAIRS for text in pair], "char", 300, 64)


def make_rows(tokenizer: PreTrainedTokenizerBase) -> list[dict[str, list[int]]]:
    return [
        {"input_ids": tokenizer(ask)["input_ids"], "labels": tokenizer(reply)["input_ids"]}
        for ask, reply in PAIRS
    ]


def make_model(tokenizer: PreTrainedTokenizerBase) -> TFChatForConditionalGeneration:
    model = untrained_model(tokenizer)
    model.load_state_dict(_trained_weights())
    return model


def untrained_model(tokenizer: PreTrainedTokenizerBase) -> TFChatForConditionalGeneration:
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": tokenizer.bos_token_id,
    }
    model = tiny_model(vocab_size=len(tokenizer), dropout=0.0, **special)
    model.generation_config.max_new_tokens = 8
    return model


@functools.cache
def _trained_weights() -> dict[str, torch.Tensor]:
    # An untrained model says one token to everybody, in whatever order it is asked.
    tokenizer = make_tokenizer()
    model = untrained_model(tokenizer)
    batch = DataCollatorForSeq2Seq(tokenizer)(make_rows(tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def make_questions(tokenizer: PreTrainedTokenizerBase) -> list[Question]:
    return [Question([ask], tokenizer(ask)["input_ids"], [reply]) for ask, reply in PAIRS]


def make_batches(tokenizer: PreTrainedTokenizerBase, accelerator: Accelerator) -> DataLoader:
    rows = make_rows(tokenizer)
    loader = DataLoader(rows, BATCH_SIZE, collate_fn=DataCollatorForSeq2Seq(tokenizer))
    return accelerator.prepare_data_loader(loader)


def main() -> None:
    accelerator = Accelerator(cpu=True)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    loss = exact_loss(model, make_batches(tokenizer, accelerator), accelerator, 100)
    assessor = ReplyAssessor(make_questions(tokenizer), tokenizer, BATCH_SIZE)
    assessed, replies = assessor(model)
    found = {
        "processes": accelerator.num_processes,
        "loss": loss,
        "assessed": assessed,
        "replies": replies,
    }
    sys.stdout.write(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()

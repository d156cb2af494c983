# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The engines behind the queue: batches of equal settings, handed out token by token."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.engines.exported import saved_run, tokenizer
from tests.serve.test_batching_queue import PATIENCE, gathering
from tfchat_hf.engines import load_engine
from tfchat_hf.engines.export import export_run

pytest.importorskip("ctranslate2")

QUESTIONS = [[7, 9, 40, 2], [30, 31, 2], [55, 8, 8, 90, 100, 2], [12, 2]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    saved_run(folder)
    export_run(folder, "ctranslate2")
    return load_engine(folder, "ctranslate2", threads=1)


def test_ctranslate2_answers_callers_in_one_batch_and_token_by_token(engine):
    config = copy.deepcopy(engine.generation_config)
    config.max_new_tokens = 9
    with gathering(engine, 4, tokenizer()) as batching:
        gone = batching.submit(QUESTIONS[0], config, on_text=lambda *said: gone.cancel())
        futures = [batching.submit(ids, config) for ids in QUESTIONS[1:]]
        replies = [future.result(PATIENCE) for future in futures]
        cut = gone.result(PATIENCE)
    assert batching.batch_sizes == {4: 1}
    for ids, reply in zip(QUESTIONS[1:], replies, strict=True):
        made = engine.generate(torch.tensor([ids]), config)[0, 1:].tolist()
        assert reply.sequence == made
        assert reply.finish_reason == ("stop" if made[-1] == 2 else "length")
    assert cut.finish_reason == "cancelled" and len(cut.sequence) < 9

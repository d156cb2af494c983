# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`--from-training`: questions of the training data, the replies there beside the model's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch

import chat_hf
from data_builders.output.terminal import display_width
from tests.tiny import one_layer_config
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.chat.session import load_session
from tfchat_hf.engines.model_folder import save_for_hub
from tfchat_hf.memory.building import build_for_run
from tfchat_hf.text.tokenizer_training import train_tokenizer

PAIRS = {f"第{i}个问题，问得很长很长很长很长很长很长很长吗？": f"回答{i}。" * 9 for i in range(40)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a model whose settings name its data, with a memory of it."""
    folder = tmp_path_factory.mktemp("run")
    rows = ({"question": q, "reply": r} for q, r in PAIRS.items())
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    data = folder.with_name("pairs.jsonl")
    data.write_text(text, encoding="utf-8")
    tokenizer = train_tokenizer([*PAIRS, *PAIRS.values()], scheme="char", vocab_size=400)
    torch.manual_seed(1)
    config = one_layer_config(vocab_size=len(tokenizer), max_position_embeddings=96, init_std=0.3)
    model = TFChatForConditionalGeneration(config)
    model.generation_config.max_new_tokens = 12
    save_for_hub(model, tokenizer, folder)
    cache = folder.with_name("cache")
    (folder / "run_config.yaml").write_text(
        f"dataset: {data}\ndataset_cache_dir: {cache}\nvalidation_fraction: 0.2\n"
    )
    build_for_run(folder, None, lambda line: None)
    return folder


@pytest.fixture
def ask(capsys):
    def call(run: Path, *options: str) -> str:
        assert chat_hf.main([str(run), "--device", "cpu", "--from-training", *options]) == 0
        return capsys.readouterr().out

    return call


def questions(said: str) -> list[str]:
    """Read the questions of an output, each from its lines."""
    found = re.findall(r"^you> (.*(?:\n     .*)*)", said, flags=re.M)
    return [re.sub(r"\n     ", "", question) for question in found]


def test_questions_come_from_the_training_side_with_both_replies_in_columns(run, ask):
    said = ask(run, "5")
    asked = questions(said)
    assert len({*asked} & {*PAIRS}) == 5 and said.count("you> ") == 5
    assert all(display_width(line) <= 80 for line in said.splitlines())
    session = load_session(str(run), "cpu", memory=False)
    for question, block in zip(asked, said.split("you> ")[1:], strict=True):
        columns = [
            re.split(r" {2,}", line, maxsplit=1) for line in block.split("\n\n")[0].splitlines()
        ]
        rows = [row for row in columns if len(row) == 2]
        assert PAIRS[question].startswith(rows[0][0]), "the reply of the data is not on the left"
        (own,) = session.reply_to_many([[question]])
        # It is the network's own, although a memory that knows each question lies beside it.
        assert re.sub(r"\s", "", own).startswith(re.sub(r"\s", "", rows[0][1]))
    assert "0 of 5 replies are word for word" in said


def test_a_seed_draws_the_same_questions_and_another_one_others(run, ask):
    first, again, other = (
        questions(ask(run, "6", *o)) for o in ([], ["--seed", "0"], ["--seed", "4"])
    )
    assert first == again != other


def test_more_than_there_are_asks_all(run, ask):
    said = ask(run, "1000", "--max-new-tokens", "1")
    assert 20 < said.count("you> ") < 40, "held-out questions are none of the training data"


def test_another_corpus_can_be_named(run, ask, tmp_path):
    (tmp_path / "other.tsv").write_text("早\t早上好\n晚\t晚上好\n", encoding="utf-8")
    said = ask(run, "9", "--dataset", str(tmp_path / "other.tsv"))
    assert "早上好" in said or "晚上好" in said


def test_a_model_that_names_no_data_says_what_to_add(tmp_path, run, capsys):
    (tmp_path / "config.json").write_text((run / "config.json").read_text())
    assert chat_hf.main([str(tmp_path), "--from-training", "3"]) == 2
    assert "--dataset" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--from-training", "0"], ["--once", "x", "--dataset", "y"]])
def test_what_cannot_be_meant_is_refused(run, options):
    with pytest.raises(SystemExit) as stopped:
        chat_hf.main([str(run), *options])
    assert stopped.value.code == 2

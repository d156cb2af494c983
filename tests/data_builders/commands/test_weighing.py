# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`weigh`: figures by hand, and a model that knows one source and can know nothing of another."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from transformers import DataCollatorForSeq2Seq

from data_builders.__main__ import main
from data_builders.building.builder import DIALOGUE_FEATURES
from data_builders.commands.weighing import SourceFigures, as_records, gain_interval, weighing_lines
from tests.tiny import tiny_model
from tfchat_hf.engines.model_folder import save_for_hub
from tfchat_hf.settings.arguments import resolved_settings
from tfchat_hf.settings.parsing import parse_arguments
from tfchat_hf.settings.reading import write_yaml
from tfchat_hf.text.tokenizer_training import train_tokenizer

LETTERS = "abcdefghijklmnopqrstuvwx"
# The reply names the letter of the question ...
TAUGHT = [(f"letter {one}", f"{one}{one}") for one in LETTERS]
# ... and here it is whatever came up.
TOSSED = [(f"toss {one}", ("heads", "tails")[ord(one) * 7 % 5 % 2]) for one in LETTERS]
FEW = [("only one", "reply")]


def rows(**sources: list[tuple[str, str]]) -> Dataset:
    """Return pairs as dialogues of two turns, by source."""
    pairs = [(name, pair) for name, some in sources.items() for pair in some]
    return Dataset.from_list(
        [
            {"id": f"{i:016x}-1", "turns": list(pair), "roles": [], "lang": "en", "source": name}
            for i, (name, pair) in enumerate(pairs)
        ],
        features=DIALOGUE_FEATURES,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model has seen the letters, and of the tosses only what comes up at all."""
    folder = tmp_path_factory.mktemp("weighing")
    train = rows(
        letters=[("letter y", "yy"), ("letter z", "zz")],
        tosses=[("toss y", "heads"), ("toss z", "tails"), ("toss 1", "heads"), ("toss 2", "heads")],
        single=[("first", "reply")],
    )
    test = rows(letters=TAUGHT, tosses=TOSSED, single=FEW)
    splits = {"train": train, "validation": test.select([0]), "test": test}
    DatasetDict(splits).save_to_disk(str(folder / "data"))
    tokenizer = train_tokenizer(
        [text for pair in TAUGHT + TOSSED for text in pair], "char", 300, 64
    )
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": tokenizer.bos_token_id,
    }
    layers = {"encoder_layers": 1, "decoder_layers": 1}
    model = tiny_model(vocab_size=len(tokenizer), dropout=0.0, **layers, **special)
    tossed = [(asked, reply) for asked, _ in TOSSED for reply in ("heads", "tails")]
    batch = DataCollatorForSeq2Seq(tokenizer)(
        [
            {"input_ids": tokenizer(asked)["input_ids"], "labels": tokenizer(reply)["input_ids"]}
            for asked, reply in TAUGHT + tossed
        ]
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    for _ in range(40):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    path = folder / "mine"
    save_for_hub(model, tokenizer, path)
    given = ["--dataset", str(folder / "data"), "--output_dir", str(path), "--use_cpu", "true"]
    given += ["--max_position_embeddings", "64", "--generation_max_new_tokens", "24"]
    given += ["--max_source_length", "32", "--max_target_length", "32"]
    given += ["--dataset_cache_dir", str(folder / "cache")]
    write_yaml(resolved_settings(parse_arguments(given)), path / "run_config.yaml")
    return path


def test_a_source_whose_replies_follow_from_its_questions_is_told_from_one_of_chance(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["weigh", str(run.parent / "data"), "--model", str(run), "--device", "cpu"]
    assert main([*command, "--json"]) == 0
    found = {one["source"]: one for one in json.loads(capsys.readouterr().out)}
    assert list(found) == ["letters", "tosses", "single"]
    letters, tosses, single = found.values()
    assert letters["suggestion"] == "keep" and letters["low"] > 0.1
    assert letters["gain"] == pytest.approx(letters["loss_after_wrong"] - letters["loss"])
    assert tosses["suggestion"] == "leave out" and abs(tosses["gain"]) < 0.1
    assert tosses["low"] < 0 < tosses["high"]
    assert single["suggestion"] == "too few questions to tell" and single["gain"] is None
    # 24 tosses and four more, of which all but one "heads" and one "tails" are repeated.
    assert (tosses["pairs"], tosses["questions"]) == (28, 24)
    assert tosses["repeated"] == pytest.approx(26 / 28)
    assert (letters["repeated"], letters["characters"]) == (0, 2)
    assert main([*command, "--questions", "22"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == (
        "source pairs characters repeated questions loss wrong gain (95 %) suggestion".split()
    )
    assert printed[1].startswith("letters") and " 22 " in printed[1]
    assert printed[-1].startswith("leave out:")


def figures(gain: float, questions: int = 100) -> SourceFigures:
    return SourceFigures(
        "a.tsv", 2000, 9.5, 0.25, questions, 3.0, 3.0 + gain, gain, gain - 0.01, gain + 0.01
    )


def test_a_model_that_listens_to_nothing_is_not_asked_what_to_leave_out() -> None:
    lines = list(weighing_lines([figures(0.001), figures(-0.02)]))
    assert "has not learned to listen" in lines[-1]
    assert lines[1].split() == (
        "a.tsv 2,000 9.5 25% 100 3.000 3.001 0.001 (-0.009 to 0.011) leave out".split()
    )
    assert "listen" not in "".join(weighing_lines([figures(0.02), figures(-0.02)]))
    assert "listen" not in "".join(weighing_lines([figures(-0.02, questions=19)]))


def test_the_interval_is_that_of_the_mean_of_tokens() -> None:
    assert gain_interval(np.array([1.0, 2.0, 4.0]), np.array([2, 4, 8])) == (0.5, 0.5)
    gained = np.random.default_rng(7).normal(0.1, 1, 400)
    low, high = gain_interval(gained, np.ones(400))
    error = 1.96 * gained.std() / math.sqrt(400)
    assert low == pytest.approx(gained.mean() - error, abs=0.015)
    assert high == pytest.approx(gained.mean() + error, abs=0.015)


def test_what_was_not_measured_is_null_in_json() -> None:
    nothing = SourceFigures("b", 1, 2.0, 0.0, 0, *[math.nan] * 5)
    record = as_records([nothing])[0]
    assert record["gain"] is None and record["pairs"] == 1
    assert json.loads(json.dumps(record, allow_nan=False)) == record


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "--model", "{run}"], "nowhere does not exist"),
        (["{data}", "--model", "{data}"], "holds no config.json"),
        (["{data}", "--model", "{run}", "--questions", "-1"], "`--questions` must be at least 0"),
    ],
)
def test_what_cannot_be_weighed_is_refused_in_a_sentence(
    run: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"run": str(run), "data": str(run.parent / "data")}
    assert main(["weigh", *(one.format(**places) for one in arguments)]) == 2
    assert said in capsys.readouterr().err


def test_the_help_does_without_torch() -> None:
    program = (
        "import sys\nfrom data_builders.__main__ import main\n"
        "try: main(['weigh', '--help'])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)

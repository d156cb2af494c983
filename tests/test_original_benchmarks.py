# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The benchmarks of the original change what they say, and hold both codes to the same replies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import original  # noqa: E402
import original_effects as effects  # noqa: E402
from original_effects import IGNORED, VARIANTS, Data, Variant  # noqa: E402

ORIGINAL = os.environ.get("TFCHAT_ORIGINAL", "")
WORDS = {"<pad>": 0, "a": 1, "b": 2, "<unk>": 3, "<start>": 4, "<end>": 5}
DATA = Data(WORDS, [([1, 2], [1]), ([2], [2, 1])], [([1], [2]), ([2, 2], [1, 2])], 4)
SMALL = "--updates 3 --batch 8 --d-model 16 --layers 1 --seeds 1 --held-out 10 --pairs 40"


def test_replies_are_filled_up_with_unknown_characters_and_learned_to_the_end():
    _, _, given, labels = DATA.tensors(DATA.train, Variant(filled=True))
    assert given.tolist() == [[4, 1, 3, 3, 3], [4, 2, 1, 3, 3]]
    assert labels.tolist() == [[1, 3, 3, 3, 5], [2, 1, 3, 3, 5]]
    _, _, given, labels = DATA.tensors(DATA.train, Variant())
    assert given.tolist() == [[4, 1, 0], [4, 2, 1]]
    assert labels.tolist() == [[1, 5, IGNORED], [2, 1, 5]]


def test_the_end_token_stands_behind_the_question_or_not():
    questions = [DATA.tensors(DATA.train, Variant(ended=ended))[0].tolist() for ended in (1, 0)]
    assert questions == [[[1, 2, 5], [2, 5, 0]], [[1, 2], [2, 0]]]


def test_the_loss_is_of_the_characters_of_the_replies_alone():
    class Counting(torch.nn.Module):
        """Finds token n as likely as n is large."""

        def forward(self, input_ids, attention_mask, decoder_input_ids):
            logits = torch.arange(6.0).expand(*decoder_input_ids.shape, 6)
            return type("Output", (), {"logits": logits})

    logs = torch.arange(6.0).log_softmax(0)
    expected = -float(logs[2] + logs[1] + logs[2]) / 3
    for variant in (Variant(), Variant(filled=True, ended=False)):
        found = effects.held_out_loss(Counting(), DATA, variant)
        assert found == pytest.approx(expected, rel=1e-5)


def test_each_row_changes_the_network_as_its_name_says():
    arguments = effects._parser().parse_args(SMALL.split())
    models = {name: effects.make_model(DATA, row, arguments) for name, row in VARIANTS.items()}
    norms = {
        name: sum(isinstance(part, torch.nn.LayerNorm) for part in model.modules())
        for name, model in models.items()
    }
    assert norms["ours"] == 5 and norms["one LayerNorm a layer"] == norms["all"] == 2
    for name, model in models.items():
        wide = model.model.shared.weight.std() > 0.5
        assert bool(wide) == (name in ("its initial weights", "all")), name
        table = model.model.encoder.embed_positions.table
        same = torch.equal(table, models["ours"].model.encoder.embed_positions.table)
        assert same != (name in ("its position exponents", "all")), name


def test_the_table_of_effects_has_a_row_for_each(tmp_path, capsys):
    rows = [f"问题{i}的{i % 7}\t回答{i}在{i % 5}\n" for i in range(40)]
    (tmp_path / "pairs.tsv").write_text("".join(rows), encoding="utf-8")
    assert effects.main(["--data", str(tmp_path / "pairs.tsv"), *SMALL.split()]) == 0
    said = capsys.readouterr().out
    assert [line.split(" | ")[0].strip("| ") for line in said.splitlines()[4:]] == [*VARIANTS]


@pytest.mark.slow
@pytest.mark.skipif(not ORIGINAL, reason="TFCHAT_ORIGINAL names no checkout of jingyaogong/TFChat")
def test_both_codes_say_the_same_and_are_measured(capsys):
    assert original.main(["--original", ORIGINAL, "--tiny", "--layers", "1"]) == 0
    said = capsys.readouterr().out
    for name in (*original.CHATS, *original.TRAININGS):
        assert f"| 1 | {name} |" in said

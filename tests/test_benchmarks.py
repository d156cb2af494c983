# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The benchmarks measure what they say: same pairs, right arithmetic, the original's own code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tfchat_hf import TFChatConfig, TFChatForConditionalGeneration

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import quality  # noqa: E402
import time_to_loss  # noqa: E402
import training  # noqa: E402
from training_peers import loop, original, original_chat  # noqa: E402
from training_peers.arithmetic import executed, needed  # noqa: E402
from training_peers.held_out import HeldOut, load_held_out, loss_of, save_held_out  # noqa: E402
from training_peers.job import Job, Shape, load_job  # noqa: E402
from training_peers.loop_model import LoopModel  # noqa: E402
from training_peers.workload import (  # noqa: E402
    Encoded,
    Workload,
    lengthened,
    load_workload,
    read_texts,
    save_workload,
)

from .tiny import VOCAB_SIZE, tiny_model  # noqa: E402

TINY = Shape(d_model=16, heads=2, layers=1, ffn=24, vocabulary=40, positions=32)
PAIRS = [Encoded(list(range(2, 3 + n)), list(range(2, 4 + m))) for n in range(6) for m in range(8)]
TEXTS = [(f"问题{i}号？", f"回答{i}。" * (1 + i % 3)) for i in range(30)]
TINY_RUN = "--block 40 --batch 10 --rounds 1 --vocabulary 1500 --d-model 16 --heads 2 --layers 1"

# What the benchmarks need of the original's files, with a model that is a table of bigrams.
MODELS = """
import torch
from torch import nn
device = torch.device("cpu")
class Transformer(nn.Module):
    def __init__(self, d_model, heads, num_layers, word_map):
        super().__init__()
        self.embed = nn.Embedding(len(word_map), d_model)
        self.encoder = nn.ModuleList([nn.Linear(1, 1) for _ in range(num_layers)])
        self.logit = nn.Linear(d_model, len(word_map))
    def forward(self, source, source_mask, given, given_mask):
        return self.logit(self.embed(given)).log_softmax(2)
"""
UTILS = """
import json
import torch
class Dataset(torch.utils.data.Dataset):
    def __init__(self):
        self.pairs = json.load(open("pairs_encoded.json"))
    def __getitem__(self, i):
        return tuple(map(torch.tensor, self.pairs[i]))
    def __len__(self):
        return len(self.pairs)
def create_masks(question, given, wanted):
    return question != 0, given != 0, wanted != 0
class AdamWarmup:
    def __init__(self, model_size, warmup_steps, optimizer):
        self.optimizer = optimizer
class LossWithLS:
    def __init__(self, size, smooth):
        self.size = size
    def __call__(self, out, wanted, mask):
        return -(out.gather(2, wanted[..., None])[..., 0] * mask).sum() / mask.sum()
"""
TRAIN = """
raise SystemExit("importing this file starts a training")
def train(loader, model, loss_of, epoch):
    model.train()
    for i, (question, reply) in enumerate(loader):
        masks = create_masks(question, reply[:, :-1], reply[:, 1:])
        loss = loss_of(model(question, masks[0], reply[:, :-1], masks[1]), reply[:, 1:], masks[2])
        transformer_optimizer.optimizer.zero_grad()
        loss.backward()
        transformer_optimizer.optimizer.step()
"""
CHAT = """
raise SystemExit("importing this file starts a chat")
def evaluate(model, question, mask, max_len, word_map):
    names = {number: word for word, number in word_map.items()}
    said = [word_map["<start>"]]
    for _ in range(max_len - 1):
        logits = model(question, mask, torch.tensor([said]), None)[0, -1]
        said.append(int(logits[1:-3].argmax()) + 1)
    return " ".join(names[number] for number in said[1:])
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a git work tree with files of the original's names."""
    folder = tmp_path_factory.mktemp("original")
    files = {"models": MODELS, "utils": UTILS, "train": TRAIN, "chat": CHAT}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "files"]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    return save_workload(tmp_path_factory.mktemp("work") / "chat", TEXTS, 1500)


def clean_environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def test_a_workload_gives_each_character_and_each_end_one_token(work: Workload) -> None:
    for (question, reply), pair in zip(work.texts, work.pairs, strict=True):
        assert (len(pair.source), len(pair.reply)) == (len(question) + 1, len(reply) + 1)
    assert work.statistics.tokens == sum(len(q) + len(r) + 2 for q, r in TEXTS)
    assert work.statistics.vocabulary == 1500
    assert load_workload(work.folder) == work


def test_the_same_pairs_are_drawn_each_time_and_none_twice() -> None:
    first = read_texts("chatterbot", 50, 20)
    assert first == read_texts("chatterbot", 50, 20)
    assert len(set(first)) == 50
    assert all(len(text) < 20 for pair in first for text in pair)


def test_a_job_survives_its_file(tmp_path: Path) -> None:
    job = Job("ours-bf16", "somewhere", TINY, settings={"seed": "1"}, whole_passes=False)
    job.save(tmp_path / "job.json")
    assert load_job(tmp_path / "job.json") == job
    assert (job.family, job.options, job.bf16) == ("ours", ["bf16"], True)


def test_the_loop_uses_each_pair_once_within_its_budget() -> None:
    cut = loop.batches(PAIRS, 60, 0)
    assert sorted(place for places in cut for place in places) == list(range(len(PAIRS)))
    for places in cut:
        sides = [max(len(PAIRS[i][side]) for i in places) for side in (0, 1)]
        assert sum(sides) * len(places) <= 60
    assert cut != loop.batches(PAIRS, 60, 1)


def test_the_loop_shifts_and_pads_by_hand() -> None:
    batch = loop.collate([Encoded([5, 2], [6, 7, 2]), Encoded([8, 9, 2], [4, 2])], 1, 0)
    assert batch["source"].tolist() == [[5, 2, 0], [8, 9, 2]]
    assert batch["reply"].tolist() == [[1, 6, 7], [1, 4, 0]]
    assert batch["labels"].tolist() == [6, 7, 2, 4, 2]
    assert batch["places"].tolist() == [0, 1, 2, 3, 4]
    assert batch["mask"].squeeze().tolist() == [[True, True, False], [True] * 3]


def test_the_loops_loss_does_not_depend_on_padding() -> None:
    torch.manual_seed(0)
    model = LoopModel(TINY).eval()
    together = model(loop.collate(PAIRS, 1, 0))
    alone = [(len(p.reply), model(loop.collate([p], 1, 0))) for p in PAIRS]
    mean = sum(n * loss for n, loss in alone) / sum(n for n, _ in alone)
    torch.testing.assert_close(together, mean)


def test_executed_operations_are_those_that_torch_counts() -> None:
    model = LoopModel(TINY)
    batch = loop.collate(PAIRS[:7], 1, 0)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(batch).backward()
    rows, source = batch["source"].shape
    counted = executed(TINY, rows, source, batch["reply"].shape[1], len(batch["labels"]))
    assert counted == pytest.approx(counter.get_total_flops())


@pytest.mark.parametrize(("source", "target"), [(1, 1), (7, 5), (3, 20)])
def test_needed_operations_are_those_that_torch_counts_in_our_network(source, target) -> None:
    config = TFChatConfig(
        vocab_size=40, d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=24,
        decoder_ffn_dim=24, encoder_attention_heads=2, decoder_attention_heads=2,
    )  # fmt: skip
    config._attn_implementation = "eager"  # as products that the counter sees
    ids, labels = torch.full((1, source), 7), torch.full((1, target), 8)
    with FlopCounterMode(display=False) as counter:
        TFChatForConditionalGeneration(config)(input_ids=ids, labels=labels).loss.backward()
    # torch counts the decoder's whole square; the half above the diagonal is not needed
    unseen = target * (target - 1) / 2 * 4 * 16
    found = needed(TINY, [Encoded(ids[0].tolist(), labels[0].tolist())])
    assert found == pytest.approx(counter.get_total_flops() - 3 * unseen)


def test_contenders_that_train_on_other_text_are_refused(work: Workload) -> None:
    fair = {"loop": [{"tokens": work.statistics.tokens, "pairs": 30}]}
    training.check_tokens(fair, work)
    with pytest.raises(ValueError, match="loop counts .* do not train on the same text"):
        training.check_tokens({"loop": [{"tokens": work.statistics.tokens, "pairs": 31}]}, work)


def test_a_row_has_the_median_rate_and_the_median_ratio(work: Workload) -> None:
    arguments = training._parser().parse_args(["--d-model", "16"])
    seconds = {"original": (10, 20, 30), "loop": (2, 1, 1), "ours": (1, 1, 2)}
    blocks = {
        name: [{"pairs": 30, "cpu": s, "wall": 99, "flops": 0, "rss_mb": 5} for s in taken]
        for name, taken in seconds.items()
    }
    rows = training.rows_of(blocks, work, arguments, {"fp32": 1e9, "bf16": 2e9})
    ours = next(row for row in rows if row["contender"] == "ours")
    assert ours["pairs_per_second"] == 30
    assert ours["spread"] == [15, 30]
    assert (ours["x_original"], ours["x_loop"]) == (15, 1)
    assert ours["tokens_per_second"] == pytest.approx(work.statistics.tokens)


@pytest.mark.slow  # a worker with torch, after one that measures the machine
def test_turns_are_taken_and_written_down(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "figures.json"
    command = [*TINY_RUN.split(), "--only", "original,loop", "--out", str(out)]
    assert training.main(command) == 0
    said = capsys.readouterr().out
    assert "original: left out" in said
    result = json.loads(out.read_text())["chatterbot"]
    assert [row["contender"] for row in result["rows"]] == ["loop"]
    assert result["rows"][0]["executed"] > 1
    assert result["blocks"]["loop"][0]["tokens"] == result["tokens"]
    assert "| loop |" in said


def test_another_checkout_is_compared_round_by_round() -> None:
    arguments = training._arguments(["--against", "older"])
    assert arguments.only.startswith("ours,against") and arguments.d_model == 256
    assert training._arguments(["--against", "older", "--block", "7"]).block == 7
    took = {"ours": (10, 11, 30), "against": (10, 10, 10), "ours-bf16": (4, 4, 4)}
    blocks = {
        name: [{"pairs": 5, "cpu": seconds, "wall": 1} for seconds in taken]
        for name, taken in took.items()
    }
    (line,) = training.against_lines("short", blocks, arguments)
    assert line.startswith("short, fp32: this checkout takes 1.100 times the cpu time of older")
    assert line.endswith("at most 2 % more: NO")


@pytest.mark.slow  # a worker with torch, after one that measures the machine
def test_the_other_checkout_is_what_trains(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for package in ("tfchat_hf", "data_builders"):
        shutil.copytree(ROOT / package, other / package)
    out = tmp_path / "figures.json"
    command = [*TINY_RUN.split(), "--against", str(other), "--out", str(out)]
    # Its worker ends with an error if it has imported any other.
    command += ["--only", "against", "--workload-data", "chatterbot"]
    assert training.main(command) == 0
    (block,) = json.loads(out.read_text())["chatterbot"]["blocks"]["against"]
    assert block["tokens"] > block["pairs"] > 0


def test_replies_are_lengthened_by_those_that_follow() -> None:
    texts = [("a", "12"), ("b", "345"), ("c", "6")]
    assert lengthened(texts, 7) == [("a", "123456"), ("b", "3456"), ("c", "6")]
    assert lengthened(texts, 3) == texts


@pytest.mark.slow
def test_all_contenders_train_on_the_same_tokens(checkout: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [*TINY_RUN.split(), "--original", str(checkout), "--out", str(out)]
    assert training.main([*command, "--original-block", "20"]) == 0
    result = json.loads(out.read_text())["chatterbot"]
    assert [row["contender"] for row in result["rows"]] == list(training.CONTENDERS)


def test_files_are_read_from_a_work_tree_and_from_its_git_directory(checkout: Path) -> None:
    assert original.show(str(checkout), "models.py") == MODELS
    assert original.show(str(checkout / ".git"), "models.py") == MODELS
    with pytest.raises(ValueError, match="`--original` must be a checkout"):
        original.show(str(checkout), "model.py")


def test_one_function_of_a_script_runs_without_the_script(checkout: Path) -> None:
    train = original.function(str(checkout), "train.py", "train", {})
    assert train.__name__ == "train"


def test_the_originals_ids_are_padded_and_know_no_blanks() -> None:
    words = original.word_map({"a": 3, "b": 5, "c": 1}, 6)
    assert words == {"<pad>": 0, "b": 1, "a": 2, "<unk>": 3, "<start>": 4, "<end>": 5}
    source, target = original.padded(words, "a b", "c a")
    assert (source[:3], len(source), target[:5], len(target)) == (
        [2, 1, 0],
        256,
        [4, 3, 2, 5, 0],
        258,
    )


def test_the_original_trains_for_its_time_and_is_loaded_back(
    checkout: Path, work: Workload, tmp_path: Path
) -> None:
    said: list[str] = []
    folder, dialogues = tmp_path / "checkpoint", str(work.folder / "dialogues")
    original_chat.train_original(str(checkout), dialogues, folder, 0.0, 20, said.append)
    assert json.loads((folder / "state.json").read_text())["pairs"] > 0
    assert len(said) == 1
    chat = original_chat.load_checkpoint(str(checkout), folder)
    assert not chat.model.training
    # Two tokens of the greedy loop, joined without the blanks between them.
    assert len(chat.reply("问题", 2)) == 2
    weights = load_file(folder / "weights.safetensors")
    torch.testing.assert_close(chat.model.logit.weight.data, weights["logit.weight"])


def test_the_originals_loss_is_that_of_real_characters(checkout: Path, tmp_path: Path) -> None:
    words = {"<pad>": 0, "a": 1, "<unk>": 2, "<start>": 3, "<end>": 4}
    code = original.load(str(checkout))
    model = code.models.Transformer(4, 1, 1, words)
    torch.nn.init.zeros_(model.logit.weight)
    model.logit.bias.data = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    chat = original_chat.OriginalChat(code, model, words, None)
    total = chat.loss([("a", "a a"), ("a", "ax"), ("a", "a" * 300)])
    # "a" twice and "a", "<unk>", each with an end: three a of six tokens; a blank is free.
    scale = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0]).logsumexp(0).item()
    assert total.nats == pytest.approx(6 * scale - 3)
    assert (total.tokens, total.unknown, total.characters, total.left_out) == (6, 1, 5, 1)
    bits = total.figures()["bits_per_character"]
    assert bits == pytest.approx((6 * scale - 3) / 5 / 0.6931471805599453)


def test_the_quality_table_leaves_empty_what_a_row_lacks() -> None:
    rows = {
        "ours": {"loss": 2.0, "distinct_2": 0.25, "top_reply_share": 0.5},
        "most_frequent_reply": {"distinct_2": 0.0, "top_reply_share": 1.0},
    }
    assert quality.table_lines(rows) == [
        "| | loss a token | distinct-2 | top reply |",
        "|---|---|---|---|",
        "| ours | 2.000 | 0.250 | 50.0 % |",
        "| most frequent reply |  | 0.000 | 100.0 % |",
    ]


def test_held_out_pairs_are_measured_without_smoothing(work: Workload) -> None:
    save_held_out(work.folder, TEXTS[:2])
    pairs = load_held_out(work.folder)
    (work.folder / "held_out.json").unlink()
    assert [pair.labels for pair in pairs] == [pair.reply for pair in work.pairs[:2]]
    # An output layer of zeros finds every token equally likely.
    model = tiny_model()
    model.get_output_embeddings().weight.data.zero_()
    if getattr(model, "final_logits_bias", None) is not None:
        model.final_logits_bias.zero_()
    if getattr(model.get_output_embeddings(), "bias", None) is not None:
        model.get_output_embeddings().bias.data.zero_()
    short = [HeldOut("ab", "cde", [5, 6, 2], [7, 8, 9, 2]), HeldOut("a", "b", [5, 2], [6, 2])]
    assert loss_of(model, short) == pytest.approx(6 * np.log(VOCAB_SIZE) / 4, rel=1e-5)


def test_the_time_to_a_loss_is_the_first_time_it_was_there() -> None:
    theirs = [{"seconds": 10.0, "loss": 3.0}, {"seconds": 20.0, "loss": 2.0}]
    ours = [{"seconds": 1.0, "loss": 2.5}, {"seconds": 2.0, "loss": 1.9}, {"seconds": 3, "loss": 2}]
    found = time_to_loss._summary(theirs, ours, 2.0)
    assert found == {"original_seconds": 20.0, "our_seconds": 2.0, "ratio": 10.0}
    assert time_to_loss._summary(theirs, ours[:1], 2.0)["ratio"] is None


@pytest.mark.slow
def test_every_part_for_the_gpu_runs_to_its_end(checkout: Path, tmp_path: Path) -> None:
    command = ["bash", str(ROOT / "benchmarks" / "gpu.sh"), "--dry", "--original", str(checkout)]
    done = subprocess.run(
        command,
        env={**clean_environment(), "OUT": str(tmp_path), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    parts = json.loads((tmp_path / "gpu.json").read_text())
    assert {part["code"] for part in parts.values()} == {0}
    assert len(parts) == 7
    assert "| ours-bf16 |" in (tmp_path / "gpu.md").read_text()


@pytest.mark.slow
def test_a_part_that_fails_does_not_stop_the_next(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\ncase "$1" in *checks*) exit 3;; esac\nexec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    command = [
        "bash",
        str(ROOT / "benchmarks" / "gpu.sh"),
        "--dry",
        "--parts",
        "environment,checks",
    ]
    done = subprocess.run(
        command,
        env={**clean_environment(), "OUT": str(tmp_path), "PYTHON": str(python)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    parts = json.loads((tmp_path / "gpu.json").read_text())
    assert {name: part["code"] for name, part in parts.items()} == {"environment": 0, "checks": 3}
    assert "failed: checks" in done.stdout


@pytest.mark.slow
def test_scaling_starts_each_size_twice(tmp_path: Path) -> None:
    out = tmp_path / "scaling.json"
    sizes = "--pairs 100 300 --block 40 --rounds 1 --batch 10 --d-model 16 --heads 2 --layers 1"
    command = [sys.executable, str(ROOT / "benchmarks" / "scaling.py"), *sizes.split()]
    subprocess.run([*command, "--out", str(out)], check=True, env=clean_environment())
    rows = json.loads(out.read_text())
    assert [row["pairs"] for row in rows] == [100, 300]
    assert all(row["seconds"] > 0 and row["rss_mb"] > 0 for row in rows)

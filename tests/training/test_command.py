# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What `train_hf.py` says in Chinese: the help, a whole run, wrong settings; names stay English."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import train_hf
from data_builders.output.terminal import display_width
from data_builders.translation import use_language
from tests.cli_runs import Fault, run_alone, write_settings
from tfchat_hf.examples.preparing import SplitCounts
from tfchat_hf.training.reporting import _data_line

ZH = ("--language", "zh")
# Two English words in a row, outside of `quotes`: the beginning of a sentence.
ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
NAMES = re.compile(r"`[^`]*`|python \S+( \S+)?|train_hf\.py \S+|\S*/\S*|PyTorch|--\w+")


def english(said: str) -> list[str]:
    """The lines with English in them that is no name."""
    return [line for line in said.splitlines() if ENGLISH.search(NAMES.sub(" ", line))]


def test_the_help_is_in_chinese_where_that_is_asked_for(capsys):
    assert train_hf.main([*ZH, "--help"]) == 0
    assert english(capsys.readouterr().out) == []
    assert train_hf.main(["--help", "--language=en"]) == 0
    assert "Exit code: 0 when the run is finished" in capsys.readouterr().out


def test_a_language_that_is_not_spoken_is_refused(capsys):
    assert train_hf.main(["settings.yaml", "--language", "fr"]) == 2
    assert "`--language` must be one of en, zh (got 'fr')" in capsys.readouterr().err


def test_a_run_a_stop_and_a_resume_are_told_in_chinese(tmp_path):
    settings = write_settings(
        tmp_path, eval_strategy="steps", eval_steps=3, save_steps=3, load_best_model_at_end=True
    )
    words, log = [str(settings), *ZH, "--output_dir", str(tmp_path / "run")], tmp_path / "log"
    assert run_alone(words, log, Fault(2, update=2)) == 130
    stopped = log.read_text()
    assert run_alone([*words, "--resume", "--learning_rate", "0.02"], log) == 0
    resumed = log.read_text()
    assert english(stopped) + english(resumed) == []
    for told in ("已停止；checkpoint-2 在", "用同一条命令加 --resume"):
        assert told in stopped
    for told in ("从 checkpoint-2 恢复训练", "提示：`learning_rate` 原来是 0.01，现在是 0.02"):
        assert told in resumed
    assert "与它聊天：python chat_hf.py" in resumed


def test_the_samples_stand_below_each_other_in_chinese(tmp_path):
    settings = write_settings(tmp_path, eval_strategy="steps", eval_steps=3, max_steps=3)
    log = tmp_path / "log"
    assert run_alone([str(settings), *ZH, "--output_dir", str(tmp_path / "run")], log) == 0
    lines = log.read_text().splitlines()
    first = lines.index("第 3 步的回复示例：") + 1
    head, row = lines[first], lines[first + 1]
    assert re.findall(r"\S+", head) == ["问题", "模型", "人"]
    place = display_width(head[: head.index("人")])
    assert display_width(row[: row.index("回答")]) == place


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--dropuot 0.1", "命令行：没有名为 `dropuot` 的设置。你是不是想写 `dropout`？"),
        ("--zzz 1", "没有名为 `zzz` 的设置。全部设置见 configs/reference.yaml。"),
        ("--learning_rate abc", "`learning_rate` 必须是数（现在是 'abc'）"),
        ("--max_steps 0", "`max_steps` 必须在 1 到 100,000,000 之间，或为 -1"),
        ("--num_train_epochs inf", "必须大于 0 且不超过 1,000,000（现在是 inf）"),
        ("--dropout 1", "`dropout` 必须不小于 0 且小于 1（现在是 1.0）"),
        ("--d_model 33", "`encoder_attention_heads` 必须能整除 `d_model`（现在分别是 2 和 33）"),
        ("--position_embedding_type x", "只能是 'sinusoidal' 或 'rotary'（现在是 'x'）"),
        ("--activation_function x", "`activation_function` 只能是 gelu"),
        ("--eval_strategy x", "命令行：`eval_strategy` 只能是 no，steps，epoch 之一"),
        ("--tokenizer_scheme words", "`tokenizer_scheme` 只能是 char，word"),
        ("--resume --overwrite", "`resume` 与 `overwrite` 互相矛盾"),
        ("--hub_token x", "train_hf.py 不使用 `hub_token`：请用 `hf auth login` 登录"),
        ("--max_source_length 128", "请把它降到 64"),
        ("--bf16 maybe", "`bf16` 必须是 true 或 false（现在是 'maybe'）"),
        ("--dataset none.jsonl", "none.jsonl 不存在。请检查路径。"),
        ("--init_from a/b/c", "`init_from`: 没有模型文件夹 a/b/c。"),
        ("--max_minutes 1 --lr_scheduler_type polynomial", "用 `max_minutes` 时请用 inverse_sqrt"),
        ("--gradient_accumulation_steps 99", "`gradient_accumulation_steps` 不能超过 22"),
        ("--max_target_length 2", "没有得到任何训练用的问答对：22 段对话，22 个回复超过"),
    ],
)
def test_wrong_settings_are_explained_in_chinese(tmp_path, capsys, options, said):
    settings = write_settings(tmp_path)
    words = [str(settings), "--output_dir", str(tmp_path / "run"), *options.split()]
    assert train_hf.main([*words, *ZH]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert english(told) == []


def test_a_settings_file_that_cannot_be_read_is_explained_in_chinese(tmp_path, capsys):
    for text, said in (("a: 1\na: 2\n", "`a` 设置了两次"), ("- a\n", "必须由 `key: value` 行组成")):
        Path(tmp_path, "my.yaml").write_text(text, encoding="utf-8")
        assert train_hf.main([str(tmp_path / "my.yaml"), *ZH]) == 2
        assert said in capsys.readouterr().err
    assert train_hf.main([str(tmp_path / "none.yaml"), *ZH]) == 2
    assert "none.yaml：没有这个文件或文件夹。" in capsys.readouterr().err


def test_what_was_left_out_of_a_split_is_told_in_chinese():
    counts = SplitCounts(dialogues=3, pairs=2, duplicates_dropped=1, long_replies_dropped=4)
    use_language("zh")
    assert _data_line("train", counts, 9) == (
        "训练集：3 段对话，2 个问答对（去掉 1 个重复；去掉 4 个超过 9 词元的回复）"
    )


def test_what_programs_read_is_the_same_in_every_language(tmp_path):
    settings = write_settings(tmp_path)
    for language in ("en", "zh"):
        words = ["--language", language, "--output_dir", str(tmp_path / language)]
        assert train_hf.main([str(settings), *words]) == 0
    english, chinese = (
        json.loads((tmp_path / language / "metrics.json").read_text()) for language in ("en", "zh")
    )
    for name in ("update_size", "device"):
        assert english["run"][name] == chinese["run"][name]
    assert english["data"] == chinese["data"]

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Model folders as people break them: one sentence with file, key, what is wanted and found."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

import chat_hf
from data_builders.errors import UserError
from tests.tiny import tiny_model
from tfchat_hf.chat.session import load_session
from tfchat_hf.engines.model_folder import load_for_chat, load_model, save_for_hub
from tfchat_hf.text.tokenizer_training import train_tokenizer

TEXTS = ["你好，世界！", "今天天气很好。", "Hello, how are you?", "I am fine, thank you."] * 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    tokenizer = train_tokenizer(TEXTS, scheme="char", vocab_size=300)
    save_for_hub(tiny_model(vocab_size=len(tokenizer)), tokenizer, folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def refused(folder: Path) -> str:
    """Returns the one line in which a folder is refused."""
    with pytest.raises(UserError) as caught:
        load_for_chat(str(folder), "cpu")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_whole_folder_is_loaded(folder: Path) -> None:
    load_for_chat(str(folder), "cpu")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("d_model", "32", "expected int, got str"),
        ("dropout", "0.1", "'dropout'"),
        ("decoder_layers", 1.0, "expected int, got float"),
        ("max_context_turns", None, "'max_context_turns'"),
        ("encoder_attention_heads", 3, "`encoder_attention_heads` must divide `d_model`"),
        ("d_model", -1, "`d_model` must be"),
        ("vocab_size", 500, "`vocab_size` must be .*got 500"),
        ("d_model", 64, "`d_model` must be .*got 64"),
        ("encoder_layers", 7, "`encoder_layers` must be .*got 7"),
        ("decoder_ffn_dim", 7, "`decoder_ffn_dim` must be .*got 7"),
        ("encoder_layers", 10**7, "from 1 to 1,000 .*10000000"),
        ("d_model", 10**6, "from 1 to 65,536"),
        ("d_model", float("inf"), "from 1 to 65,536"),
        ("max_position_embeddings", 10**9, "from 1 to 131,072"),
        ("activation_function", "relux", "relu, gelu or silu .*'relux'"),
        ("character_runs", [["x"]], "`character_runs` must be"),
        ("doubled_tokens", [5, 9999], "`doubled_tokens` must be .*got 9999"),
        ("first_byte_token_id", 9999, "`first_byte_token_id` must be .*9999"),
        ("eos_token_id", 9999, "`eos_token_id` must be an id"),
        ("pad_token_id", -1, "`pad_token_id` must be an id"),
    ],
)
def test_a_wrong_key_of_the_configuration(folder: Path, key: str, value: object, said: str) -> None:
    edit(folder / "config.json", **{key: value})
    told = refused(folder)
    assert "config.json: " in told and re.search(said, told), told
    with pytest.raises(UserError, match=r"config\.json: "):
        load_model(folder)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("max_new_tokens", "32", "a whole number from 1 .*'32'"),
        ("temperature", "hot", "a number from 0.001 .*'hot'"),
        ("temperature", float("nan"), "a number from 0.001 .*nan"),
        ("top_k", [1], "a whole number .*\\[1\\]"),
        ("num_beams", 10**6, "from 1 to 512 .*1000000"),
        ("num_beams", True, "a whole number .*True"),
        ("do_sample", "yes", "true or false"),
        ("eos_token_id", {"a": 1}, "an id from 0"),
        ("dry_multiplier", -1, "from 0 to 100"),
        ("presets", ["greedy"], "`presets` must be an object"),
        ("presets", {"mine": {"num_beams": 0}}, "`presets.mine.num_beams` must be"),
    ],
)
def test_a_wrong_key_of_the_generation_settings(
    folder: Path, key: str, value: object, said: str
) -> None:
    edit(folder / "generation_config.json", **{key: value})
    told = refused(folder)
    assert "generation_config.json: " in told and re.search(said, told), told


@pytest.mark.parametrize(
    "name", ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"]
)
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda text: b"\xef\xbb\xbf" + text, "byte order mark"),
        (lambda text: text.rstrip().rstrip(b"}").rstrip() + b",\n}", r":\d+: this is no JSON"),
        (lambda text: text[: len(text) // 2], r":\d+: this is no JSON"),
        (lambda text: b"[]", "must hold an object"),
        (lambda text: b"\xff\xfe", "not UTF-8"),
        (lambda text: b"[" * 100_000, "this is no JSON|too deep"),
    ],
    ids=["BOM", "comma", "cut off", "list", "bytes", "deep"],
)
def test_a_file_that_cannot_be_read(folder: Path, name: str, broken, said: str) -> None:
    (folder / name).write_bytes(broken((folder / name).read_bytes()))
    told = refused(folder)
    assert name in told and re.search(said, told), told


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"holds no {name}" in refused(folder)


def test_missing_generation_settings_are_said(folder: Path, caplog) -> None:
    (folder / "generation_config.json").unlink()
    load_for_chat(str(folder), "cpu")
    assert "holds no generation_config.json" in caplog.text


@pytest.mark.parametrize("length", [0, 100, 5000])
def test_weights_that_are_cut_off(folder: Path, length: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    assert "model.safetensors is not whole" in refused(folder)


def test_pickled_weights_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "holds no weights" in refused(folder) and "torch.load" not in refused(folder)


def test_weights_that_may_not_be_read_are_not_called_missing(folder: Path, monkeypatch) -> None:
    opened = Path.open

    def denied(path: Path, *args, **kwargs):
        if path.name == "model.safetensors":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", denied)
    assert "model.safetensors cannot be read (Permission denied)" in refused(folder)


def test_weights_that_are_no_numbers(folder: Path) -> None:
    model = load_model(folder)
    model.lm_head.bias.data[3] = float("nan")
    model.save_pretrained(folder)
    assert "no numbers" in refused(folder) and "learning_rate" in refused(folder)


def test_a_tokenizer_with_more_tokens_than_the_model(folder: Path, capsys) -> None:
    _, tokenizer = load_for_chat(str(folder), "cpu")
    tokenizer.add_tokens(["[NAME]"])
    tokenizer.save_pretrained(folder)
    count = len(tokenizer)
    assert f"of {count} tokens, than the model, of {count - 1}" in refused(folder)
    assert chat_hf.main([str(folder), "--once", "你好[NAME]"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_normalizer_that_blows_texts_up(folder: Path) -> None:
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 16}
    normalizer = {"type": "Sequence", "normalizers": [step] * 6}
    edit(folder / "tokenizer.json", normalizer=normalizer)
    assert "16,777,216 times as long" in refused(folder)


def test_a_pattern_that_never_ends_is_one_failed_reply(folder: Path) -> None:
    split = {"type": "Split", "behavior": "Isolated", "invert": False}
    edit(
        folder / "tokenizer.json", pre_tokenizer=split | {"pattern": {"Regex": r"(a+)+$|(x+x+)+y"}}
    )
    session = load_session(str(folder), "cpu")
    with pytest.raises(UserError, match="tokenizer fails at this message"):
        session.reply("a" * 60 + "! hello")
    assert session.reply("hello") is not None


def test_a_message_of_millions_of_characters_is_cut_before_it_is_tokenised(folder: Path) -> None:
    notices: list[str] = []
    session = load_session(str(folder), "cpu")
    session.on_notice = notices.append
    seen = []
    session.tokenizer.__class__ = type("Watched", (type(session.tokenizer),), {
        "__call__": lambda self, texts, **given: (
            seen.extend(texts) or super(type(self), self).__call__(texts, **given)
        )
    })  # fmt: skip
    session.reply("好" * 2_000_000)
    assert max(map(len, seen)) <= 64 * session.max_source_length
    assert len(notices) == 1 and "its beginning was cut" in notices[0]


def test_all_that_a_library_says_is_shown(folder: Path, monkeypatch) -> None:
    from transformers import AutoModelForSeq2SeqLM

    def fail(*given: object, **options: object) -> None:
        raise ValueError("First:\n\n  the reason")

    monkeypatch.setattr(AutoModelForSeq2SeqLM, "from_pretrained", fail)
    assert "First: the reason" in refused(folder)


def test_weights_of_all_kinds_of_networks_fit(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, scheme="char", vocab_size=300)
    for changes in ({"tie_word_embeddings": True}, {"gated_activation": True}):
        model = tiny_model(vocab_size=len(tokenizer), **changes).to(torch.bfloat16)
        save_for_hub(model, tokenizer, tmp_path)
        load_for_chat(str(tmp_path), "cpu")

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A saved folder serves people who have never heard of this repository."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
import torch

from tests.strangers import run_elsewhere, told_by_a_stranger
from tests.tiny import questions, tiny_config, tiny_model
from tfchat_hf import TFChatForConditionalGeneration, TFChatModel
from tfchat_hf.engines.model_folder import (
    NEWEST_TESTED_TRANSFORMERS,
    OLDEST_TRANSFORMERS,
    load_for_chat,
    load_model,
    save_for_hub,
)
from tfchat_hf.text.dialogue import encode_context
from tfchat_hf.text.tokenizer_training import train_tokenizer

TEXTS = ["你好，世界！", "今天天气很好。", "Hello, how are you?", "I am fine, thank you."] * 3

CODE = {f"{part}_tfchat.py" for part in ("configuration", "layers", "generation", "modeling")}

STRANGER = """
import json, sys
sys.modules["tfchat_hf"] = None     # importing it raises ImportError, as where it is missing
sys.modules["jieba"] = None
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer
folder = sys.argv[1]
model = AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True)
base = AutoModel.from_pretrained(folder, trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained(folder)
inputs = tokenizer(["你好", "Hello"], padding=True, return_tensors="pt")
made = model.generate(**inputs, max_new_tokens=8)
model.save_pretrained(sys.argv[2])
# Without an answer to its question about code, transformers loads the tokenizer without it.
print()
print(json.dumps({
    "module": type(model).__module__, "base": type(base).__name__,
    "mixins": [c.__name__ for c in type(model).__mro__], "tokens": made.tolist(),
}))
"""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    tokenizer = train_tokenizer(TEXTS, scheme="subword-bpe", vocab_size=400)
    save_for_hub(tiny_model(vocab_size=len(tokenizer)), tokenizer, tmp_path / "model")
    return tmp_path / "model"


def test_the_folder_loads_without_this_package_and_gives_the_same_tokens(
    saved: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    home, again = tmp_path / "home", tmp_path / "again"
    home.mkdir()
    told = told_by_a_stranger(STRANGER, saved, again, home=home)
    assert told["module"].startswith("transformers_modules.")
    assert told["base"] == "TFChatModel"
    assert "TFChatGenerationMixin" in told["mixins"]
    tokenizer = AutoTokenizer.from_pretrained(saved)
    inputs = tokenizer(["你好", "Hello"], padding=True, return_tensors="pt")
    here = AutoModelForSeq2SeqLM.from_pretrained(saved).generate(**inputs, max_new_tokens=8)
    assert told["tokens"] == here.tolist()
    # What a stranger saves again is complete too.
    assert {f.name for f in again.glob("*.py")} == {f.name for f in saved.glob("*.py")}
    assert json.loads((again / "config.json").read_text())["auto_map"]["AutoModel"]


def test_the_folder_holds_weights_code_tokenizer_and_nothing_pickled(saved: Path) -> None:
    names = {f.name for f in saved.iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json"} <= names
    assert {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= names
    assert {name for name in names if name.endswith(".py")} == CODE
    assert not [n for n in names if n.endswith((".bin", ".pt", ".pkl"))]
    auto_map = json.loads((saved / "config.json").read_text())["auto_map"]
    assert set(auto_map) == {"AutoConfig", "AutoModel", "AutoModelForSeq2SeqLM"}
    assert json.loads((saved / "config.json").read_text())["use_cache"] is True


@pytest.mark.skipif(os.name == "nt", reason="rights of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_weights_have_the_rights_of_any_other_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        tiny_model().save_pretrained(tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


def test_plain_save_pretrained_brings_the_code_too(tmp_path: Path) -> None:
    TFChatModel(tiny_config()).save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.glob("*.py")} == CODE
    loaded = TFChatForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.config.d_model == 32


@pytest.mark.parametrize("system", [False, True])
def test_the_saved_template_shows_the_model_what_it_was_trained_to_read(
    tmp_path: Path, system: bool
) -> None:
    from transformers import AutoTokenizer

    tokenizer = train_tokenizer(TEXTS, scheme="subword-bpe", vocab_size=400)
    model = tiny_model(vocab_size=len(tokenizer), max_context_turns=2, reads_system_messages=system)
    save_for_hub(model, tokenizer, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    read = load_model(tmp_path).config
    assert (read.max_context_turns, read.reads_system_messages) == (2, system)
    messages = [{"role": "system", "content": "Hello"}, {"role": "user", "content": "你好"}]
    ids = loaded.apply_chat_template(messages)["input_ids"]
    turns = ["Hello", "你好"] if system else ["你好"]
    assert ids == encode_context(loaded, turns, 100).input_ids
    messages += [{"role": "assistant", "content": "Fine"}, {"role": "user", "content": "今天"}]
    ids = loaded.apply_chat_template(messages)["input_ids"]
    assert ids == encode_context(loaded, ["Fine", "今天"], 100).input_ids


def test_the_tokenizer_loads_without_a_question_or_a_warning(saved: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom transformers import PreTrainedTokenizerFast\n"
        "tokenizer = PreTrainedTokenizerFast.from_pretrained(sys.argv[1])\n"
        "assert tokenizer('你好').input_ids[-1] == 2 and tokenizer.chat_template\n"
        "assert not [name for name in sys.modules if name.endswith('_tfchat')]"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home")}
    environment.pop("PYTHONPATH", None)
    done = run_elsewhere(program, saved, cwd=tmp_path, environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
@pytest.mark.parametrize("kernel", ["someone/kernel", {"": "someone/kernel"}, "flash_attention_2"])
def test_a_kernel_named_in_a_config_is_not_fetched(
    saved: Path, monkeypatch: pytest.MonkeyPatch, key: str, kernel: object
) -> None:
    from transformers import AutoModelForSeq2SeqLM, modeling_utils

    asked: list[object] = []

    def note(name: object, **options: object) -> None:
        asked.append(name)
        raise ImportError("a kernel was asked for")

    monkeypatch.setattr(modeling_utils, "lazy_import_flash_attention", note)
    path = saved / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: kernel}))
    assert load_model(saved).config._attn_implementation == "eager"
    assert load_for_chat(str(saved))[0].config._attn_implementation == "eager"
    assert not asked
    # transformers left to itself does follow it.
    with pytest.raises(ImportError):
        AutoModelForSeq2SeqLM.from_pretrained(saved)


def test_the_oldest_transformers_is_that_of_the_package() -> None:
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    (bound,) = (d for d in project["project"]["dependencies"] if d.startswith("transformers"))
    assert bound.startswith(f"transformers>={OLDEST_TRANSFORMERS},")
    oldest, newest = (
        tuple(map(int, text.split(".")))
        for text in (OLDEST_TRANSFORMERS, NEWEST_TESTED_TRANSFORMERS)
    )
    assert oldest < newest


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, scheme="subword-bpe", vocab_size=400)
    with pytest.raises(ValueError, match="resize_token_embeddings"):
        save_for_hub(tiny_model(vocab_size=50), tokenizer, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_repositories_prefixed_by_the_hub_are_saved_as_local_files(tmp_path: Path) -> None:
    model = tiny_model()
    model.config.auto_map = {"AutoModelForSeq2SeqLM": "someone/some-model--modeling_tfchat.X"}
    model.save_pretrained(tmp_path)
    assert "--" not in (tmp_path / "config.json").read_text()
    assert torch.equal(
        TFChatForConditionalGeneration.from_pretrained(tmp_path).lm_head.weight,
        model.lm_head.weight,
    )


def test_an_old_published_folder_still_loads(tmp_path: Path) -> None:
    """Version 0.1 named no pipeline, and wrote settings that are none any more."""
    model = tiny_model()
    model.save_pretrained(tmp_path)
    for file in tmp_path.glob("*.py"):
        file.unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    del config["custom_pipelines"]
    config |= {"transformers_version": "5.2.0", "packed": True, "loss_type": None}
    config["auto_map"] = {
        "AutoConfig": "configuration_tfchat.TFChatConfig",
        "AutoModel": "modeling_tfchat.TFChatModel",
        "AutoModelForSeq2SeqLM": "modeling_tfchat.TFChatForConditionalGeneration",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    generation = json.loads((tmp_path / "generation_config.json").read_text())
    generation |= {"num_candidates": 1, "rerank_by": None, "rerank_weight": 0.5}
    generation |= {"weight_dtype": None, "max_new_tokens": 6}
    (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    loaded = TFChatForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert torch.equal(
        loaded.generate(**questions()), model.generate(**questions(), max_new_tokens=6)
    )
    loaded.save_pretrained(tmp_path / "again")
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    assert set(again["custom_pipelines"]) == {"text-generation"}
    assert {file.name for file in (tmp_path / "again").glob("*.py")} == CODE


def test_what_a_config_json_says_does_not_grow_from_save_to_save(tmp_path: Path) -> None:
    model = tiny_model()
    for place in ("once", "twice"):
        model.save_pretrained(tmp_path / place)
        model = TFChatForConditionalGeneration.from_pretrained(tmp_path / place)
    once, twice = ((tmp_path / place / "config.json").read_text() for place in ("once", "twice"))
    assert once == twice


def test_a_folder_whose_code_differs_says_whose_network_answers(saved, caplog) -> None:
    load_model(saved)
    assert "another" not in caplog.text
    copy = Path(saved) / "layers_tfchat.py"
    code = copy.read_text()
    copy.write_text(code.replace("hidden_states + self", "hidden_states - self"))
    load_model(saved)
    copy.write_text(code)
    assert "carries another layers_tfchat.py than this package" in caplog.text

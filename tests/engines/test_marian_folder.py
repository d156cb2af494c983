# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A Marian folder says what the run says, needs no code, and names what it has lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig, MarianMTModel

from data_builders.errors import UserError
from tests.engines.exported import lively_model, questions, saved_run, tokenizer
from tests.strangers import run_elsewhere
from tests.tiny import VOCAB_SIZE as SPOKEN
from tests.tiny import speaking_model
from tfchat_hf import TFChatForConditionalGeneration
from tfchat_hf.engines import export, load_engine
from tfchat_hf.engines.export import export_run
from tfchat_hf.engines.marian_card import lost_settings, marian_generation_config
from tfchat_hf.engines.marian_folder import check_same_logits, to_marian
from tfchat_hf.engines.model_folder import save_for_hub
from tfchat_hf.model.generation_tfchat import OWN_SETTINGS

TEXTS = ["你好", "今天天气很好。", "Hello, how are you?", "I am fine"]
# The converter takes one number of heads for both sides.
ONE_NUMBER = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beams": {
        "num_beams": 4,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "renormalize_logits": True,
    },
    "top-p": {"do_sample": True, "top_p": 0.9},
    "min-p": {"do_sample": True, "top_k": 0, "min_p": 0.1, "temperature": 0.7},
}


def talking_run(folder: Path) -> TFChatForConditionalGeneration:
    """Write a run whose replies vary from question to question; the tokenizer's ids all fit."""
    model = speaking_model(**ONE_NUMBER)
    model.resize_token_embeddings(len(tokenizer()), mean_resizing=False)
    with torch.no_grad():
        # Nobody taught it these, and no run teaches the start token, as this model was taught it.
        model.lm_head.bias[[1, *range(SPOKEN, 300)]] = -50
    model.generation_config.update(do_sample=False, max_new_tokens=12)
    save_for_hub(model, tokenizer(), folder)
    return model


def both_replies(ours: nn.Module, marian: nn.Module, way: str) -> list[torch.Tensor]:
    made = []
    for model in (ours, marian):
        torch.manual_seed(3)
        made.append(model.generate(**questions(), **WAYS[way]))
    return made


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "for the converter"])
def both_models(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Any]:
    """A run's model and what transformers makes of its export."""
    run = tmp_path_factory.mktemp("talking")
    ours = talking_run(run)
    folder = export_run(run, "marian", for_ct2_converter=request.param)
    return ours, AutoModelForSeq2SeqLM.from_pretrained(folder).eval()


@pytest.mark.parametrize("way", WAYS)
def test_replies_are_the_runs(both_models: tuple[nn.Module, Any], way: str) -> None:
    ours, marian = both_models
    assert type(marian) is MarianMTModel
    expected, made = both_replies(ours, marian, way)
    assert len({tuple(row) for row in expected.tolist()}) == 4
    assert torch.equal(made, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"tie_word_embeddings": True},
        {"scale_embedding": False},
        {"activation_function": "silu"},
        {"encoder_attention_heads": 8, "decoder_attention_heads": 2},
    ],
    ids=str,
)
def test_every_shape_that_marian_has_gives_the_same_logits(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    ours = saved_run(tmp_path, **changes)
    marian = AutoModelForSeq2SeqLM.from_pretrained(export_run(tmp_path, "marian")).eval()
    assert marian.config.tie_word_embeddings == ours.config.tie_word_embeddings
    inputs = questions() | {"decoder_input_ids": torch.tensor([[1, 7, 9, 8]] * 4)}
    with torch.no_grad():
        difference = ours(**inputs).logits - marian(**inputs).logits
    assert difference.abs().max() < 1e-4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normalize_before": True}, "`normalize_before` False only .got True"),
        ({"gated_activation": True}, "`gated_activation` False only .got True"),
        ({"position_embedding_type": "rotary"}, "'sinusoidal' only .got 'rotary'"),
        ({"shared_layer_norm": True}, "`shared_layer_norm`"),
        ({"original_position_exponents": True}, "`original_position_exponents`"),
    ],
)
def test_what_marian_has_not_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    saved_run(tmp_path, **changes)
    with pytest.raises(UserError, match=words):
        export_run(tmp_path, "marian")
    assert not list(tmp_path.glob("*marian*"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder_attention_heads": 8}, "`encoder_attention_heads` for both sides .got 8, and 2"),
        (ONE_NUMBER | {"activation_function": "tanh"}, "no `activation_function` 'tanh'"),
    ],
)
def test_what_the_converter_has_not_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    saved_run(tmp_path, **changes)
    with pytest.raises(UserError, match=words):
        export_run(tmp_path, "marian", for_ct2_converter=True)


def test_the_converter_needs_a_token_for_each_id(tmp_path: Path) -> None:
    model = lively_model(**ONE_NUMBER)
    model.resize_token_embeddings(310)
    model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UserError, match="`vocab_size` 310 and a tokenizer of 300"):
        export_run(tmp_path, "marian", for_ct2_converter=True)
    export_run(tmp_path, "marian")


def test_a_network_with_another_formula_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = saved_run(tmp_path)
    folder = export_run(tmp_path, "marian")
    check_same_logits(model, folder)
    layer = model.model.decoder.layers[1].self_attn_layer_norm
    monkeypatch.setattr(layer, "forward", lambda states: states)
    with pytest.raises(UserError, match="has other logits .* Publish the run as it is"):
        check_same_logits(model, folder)


def test_a_network_with_other_weights_is_refused() -> None:
    more = lively_model()
    more.model.encoder.second_norm = nn.LayerNorm(32)
    fewer = lively_model()
    del fewer.model.decoder.layers[0].fc1
    wider = lively_model()
    wider.lm_head = nn.Linear(32, 310)
    for model, words in ((more, "second_norm"), (fewer, "layers.0.fc1"), (wider, "lm_head|bias")):
        with pytest.raises(UserError, match=f"other weights than Marian .*{words}"):
            to_marian(model)


LOADED_ELSEWHERE = """
import sys
sys.modules["tfchat_hf"] = None
import torch, transformers
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
transformers.logging.disable_progress_bar()
folder, *texts = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSeq2SeqLM.from_pretrained(folder)
inputs = tokenizer(texts, return_tensors="pt", padding=True)
torch.manual_seed(3)
made = [model.generate(**inputs), model.generate(**inputs, do_sample=True, top_p=0.9)]
strange = [name for name in sys.modules if name.startswith(("tfchat_hf.", "transformers_modules"))]
print(inputs["input_ids"].tolist(), [rows.tolist() for rows in made], strange)
"""


@pytest.mark.slow
def test_the_folder_works_in_a_process_without_this_package_and_says_nothing_of_it(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    ours = talking_run(run)
    folder = shutil.move(export_run(run, "marian"), tmp_path / "elsewhere")
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = run_elsewhere(LOADED_ELSEWHERE, folder, *TEXTS, cwd=tmp_path, environment=offline)
    assert (done.returncode, done.stderr) == (0, "")
    inputs = AutoTokenizer.from_pretrained(run)(TEXTS, return_tensors="pt", padding=True)
    torch.manual_seed(3)
    made = [ours.generate(**inputs), ours.generate(**inputs, do_sample=True, top_p=0.9)]
    expected = inputs["input_ids"].tolist(), [rows.tolist() for rows in made], []
    assert done.stdout.strip() == " ".join(map(str, expected))


def test_the_tokenizer_is_the_runs(tmp_path: Path) -> None:
    saved_run(tmp_path)
    folder = export_run(tmp_path, "marian")
    theirs, ours = map(AutoTokenizer.from_pretrained, (folder, tmp_path))
    assert type(theirs) is type(ours)
    assert theirs.get_vocab() == ours.get_vocab()
    assert theirs.special_tokens_map == ours.special_tokens_map
    messages = [{"role": "user", "content": text} for text in TEXTS]
    assert theirs.apply_chat_template(messages) == ours.apply_chat_template(messages)


def test_no_code_and_no_entry_of_this_project_is_in_the_folder(tmp_path: Path) -> None:
    saved_run(tmp_path)
    folder = export_run(tmp_path, "marian")
    assert not list(folder.rglob("*.py"))
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["MarianMTModel"] and "auto_map" not in config
    assert config["forced_eos_token_id"] is None


def with_settings(model: TFChatForConditionalGeneration, **settings: Any) -> GenerationConfig:
    config = model.preset("greedy")
    config.update(**settings, allow_custom_entries=True)
    return config


def test_settings_that_transformers_has_are_kept_and_the_rest_is_not() -> None:
    model = lively_model()
    settings = {"num_beams": 3, "top_k": 7, "min_p": 0.2, "max_new_tokens": 9}
    made = marian_generation_config(with_settings(model, **settings, copy_penalty=1.0))
    assert {name: getattr(made, name) for name in settings} == settings
    assert not hasattr(made, "copy_penalty") and not hasattr(made, "presets")
    assert (made.decoder_start_token_id, made.eos_token_id, made.pad_token_id) == (1, 2, 0)
    assert made.forced_eos_token_id is None and made.bad_words_ids is None


def test_settings_that_are_off_are_not_called_lost() -> None:
    model = lively_model()
    assert lost_settings(model, model.preset("greedy")) == {}
    assert lost_settings(model, model.preset("beam")) == {}


@pytest.mark.parametrize("name", [*OWN_SETTINGS, "num_candidates"])
def test_each_setting_of_this_project_is_called_lost_where_it_is_on(name: str) -> None:
    model = lively_model()
    on = {"dry_multiplier": 0.8, "copy_penalty": 1.0, "anti_lm_weight": 0.4, "num_candidates": 4}
    value = on.get(name, 3)
    assert lost_settings(model, with_settings(model, **(on | {name: value})))[name] == value


def test_the_card_names_what_is_lost_and_how_to_ask_for_a_preset(tmp_path: Path) -> None:
    saved_run(tmp_path)
    path = tmp_path / "generation_config.json"
    settings = json.loads(path.read_text()) | {"copy_penalty": 0.75, "max_phrase_repeats": 2}
    path.write_text(json.dumps(settings | {"_from_model_config": False}))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"first_byte_token_id": 40}))
    card = (export_run(tmp_path, "marian") / "README.md").read_text(encoding="utf-8")
    for setting in ("`copy_penalty` 0.75", "`max_phrase_repeats` 2", "`first_byte_token_id` 40"):
        assert card.count(setting) >= 2  # in both languages
    assert "| `beam` | `early_stopping=True, num_beams=4, no_repeat_ngram_size=3" in card
    assert "trust_remote_code" not in card and str(tmp_path) not in card


def test_the_card_of_a_run_that_loses_nothing_says_so(tmp_path: Path) -> None:
    saved_run(tmp_path)
    card = (export_run(tmp_path, "marian") / "README.md").read_text(encoding="utf-8")
    assert "nothing of the default ones is lost" in card and "默认的设置也没有缺少" in card


def test_the_official_converter_takes_the_folder_laid_out_for_it(tmp_path: Path) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    from ctranslate2.converters import TransformersConverter

    ours = talking_run(tmp_path)
    folder = export_run(tmp_path, "marian", for_ct2_converter=True)
    place = TransformersConverter(str(folder)).convert(str(tmp_path / "converted"))
    words = AutoTokenizer.from_pretrained(folder)
    translator = ctranslate2.Translator(place, intra_threads=1)
    source = [words.convert_ids_to_tokens(words(text)["input_ids"]) for text in TEXTS]
    inputs = words(TEXTS, return_tensors="pt", padding=True)
    for settings, options in (
        ({}, {"beam_size": 1}),
        (WAYS["beams"], {"beam_size": 4, "no_repeat_ngram_size": 3}),
    ):
        found = translator.translate_batch(source, max_decoding_length=12, **options)
        made = [words.convert_tokens_to_ids(result.hypotheses[0]) for result in found]
        special = {words.bos_token_id, words.eos_token_id, words.pad_token_id}
        rows = ours.generate(**inputs, **settings).tolist()
        assert made == [[token for token in row if token not in special] for row in rows]


def test_the_converter_refuses_the_folder_that_was_not_laid_out_for_it(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    from ctranslate2.converters import TransformersConverter

    saved_run(tmp_path, **ONE_NUMBER)
    folder = export_run(tmp_path, "marian")
    with pytest.raises(ValueError, match="vocabulary"):
        TransformersConverter(str(folder)).convert(str(tmp_path / "converted"))


def test_only_the_layout_for_the_converter_saves_positions(tmp_path: Path) -> None:
    saved_run(tmp_path, **ONE_NUMBER)
    for for_converter in (False, True):
        folder = export_run(tmp_path, "marian", None, False, True, for_converter)
        with safe_open(folder / "model.safetensors", "pt") as file:
            saved = [name for name in file.keys() if "embed_positions" in name]
        assert saved == ["model.decoder.embed_positions.weight"] * for_converter


@pytest.mark.parametrize("name", ["marian", "onnx"])
def test_no_engine_takes_the_folder_and_the_sentence_says_how_to_load_it(
    tmp_path: Path, name: str
) -> None:
    pytest.importorskip("onnxruntime")
    saved_run(tmp_path)
    folder = export_run(tmp_path, "marian")
    with pytest.raises(UserError, match=r"AutoModelForSeq2SeqLM.from_pretrained\(FOLDER\)"):
        load_engine(folder, name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine", "marian", "--int8"], "holds float32 (got `--int8`)"),
        (["--engine", "onnx", "--for-ct2-converter"], "needs `--engine marian` (got onnx)"),
    ],
)
def test_options_of_another_engine_are_refused(
    tmp_path: Path, options: list[str], words: str, capsys: pytest.CaptureFixture
) -> None:
    assert export.main([str(tmp_path), *options]) == 2
    assert words in capsys.readouterr().err

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A page that answers in the browser says what torch says, and asks nobody for anything."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_builders.errors import UserError
from tests.browser import WORKER, needs_browser, posted_by
from tests.engines.exported import (
    TRACED,
    lively_model,
    questions,
    saved_run,
    tokenizer,
    trace_no_more,
    traced_run,
    traces,
)
from tfchat_hf.engines import export, web_folder
from tfchat_hf.engines.dependencies import VENDOR, WEB
from tfchat_hf.engines.exported_folder import load_engine, open_engine
from tfchat_hf.engines.web_folder import KNOWN_SETTINGS, PAGE, rounded
from tfchat_hf.model.generation_tfchat import OWN_SETTINGS, PRESETS
from tfchat_hf.text.dialogue import encode_context

SCRIPT = Path(__file__).with_name("processors.mjs")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
# Of what changes scores, each alone, so that each is seen to be right, and all together.
WAYS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "repetition_penalty": {"repetition_penalty": 1.3},
    "no_repeat_ngram_size": {"no_repeat_ngram_size": 2},
    "min_new_tokens": {"min_new_tokens": 6},
    "max_phrase_repeats": {"max_phrase_repeats": 1},
    "two phrases": {"max_phrase_repeats": 2},
    "max_character_run": {"max_character_run": 3},
    "dry": {"dry_multiplier": 0.8},
    "said": {"presence_penalty": 0.7, "frequency_penalty": 0.4},
    "copy": {"copy_penalty": 1.5},
    "anti-LM": {"anti_lm_weight": 0.4, "anti_lm_tokens": 9, "anti_lm_cutoff": 0.02},
    "temperature": {"do_sample": True, "top_k": 0, "temperature": 0.6},
    "top_k": {"do_sample": True, "top_k": 7},
    "top_p": {"do_sample": True, "top_k": 0, "top_p": 0.8},
    "min_p": {"do_sample": True, "top_k": 0, "min_p": 0.1},
    **{name: preset for name, preset in PRESETS.items() if name in ("precise", "balanced")},
    "creative": {**PRESETS["creative"], "repetition_penalty": 1.1, "no_repeat_ngram_size": 3},
}
# A byte, then those that may follow it, and characters that "runs" counts.
BYTES, LETTERS = range(133, 261), (270, 271, 272)
RUNS = [[270, "哈", 1], [271, "哈", 2], [272, "a", 1]]


def node(place: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Ask the page's own files; only a package.json tells node that they are modules."""
    folder = shutil.copytree(PAGE, place / "page")
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    done = subprocess.run(
        ["node", str(SCRIPT), str(folder)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def replies_so_far(drawn: random.Random) -> list[list[int]]:
    """Beginnings of replies that loop, copy, laugh, or stand within a character."""
    made = [[1]]
    for length in (1, 2, 3, 5, 8, 12):
        made.append([1, *drawn.choices(range(265, 275), k=length)])
    made += [[1, 280, 281, 280, 281], [1, 9, 290, 291, 292, 290, 291], [1, 270, 271, 270]]
    for spelled in ([0xE4], [0xE4, 0xBD], [0xF0], [0xC3, 0xA9], [0xED], [0xE4, 0xBD, 0xA0]):
        made.append([1, 280, *(byte - 0x80 + BYTES.start for byte in spelled)])
    return made


@needs_node
@torch.no_grad()
def test_scores_are_changed_as_in_torch(tmp_path):
    model = lively_model(encoder_layers=1, decoder_layers=1)
    model.config.first_byte_token_id, model.config.character_runs = BYTES.start, RUNS
    model.config.doubled_tokens = list(range(280, 290))
    drawn = random.Random(3)
    question = [5, 9, 290, 291, 292, 293, 4, 280, 281, 2]
    cases, expected = [], []
    for settings in WAYS.values():
        config = model.preset("greedy")
        config.update(**settings, max_new_tokens=16, allow_custom_entries=True)
        processors = processors_of(model, question, config)
        for ids in replies_so_far(drawn):
            scores = torch.tensor([[drawn.gauss(0, 3) for _ in range(model.config.vocab_size)]])
            alone = model(torch.tensor([[2]]), decoder_input_ids=torch.tensor([ids])).logits[0, -1]
            expected.append(processors(torch.tensor([ids]), scores.clone())[0])
            cases.append(
                {
                    "settings": web_folder._settings(config, model),
                    "config": {key: getattr(model.config, key) for key in web_folder._OF_CONFIG},
                    "question": question,
                    "ids": ids,
                    "scores": scores[0].tolist(),
                    "alone": alone.tolist(),
                }
            )
    question = {"cases": cases, "contexts": [], "about": {"config": {}}, "words": {}}
    found = node(tmp_path, question)["scores"]
    for case, wanted, got in zip(cases, expected, found, strict=True):
        barred = [score is None for score in got]
        assert barred == (wanted == -torch.inf).tolist(), (case["settings"], case["ids"])
        given = torch.tensor([0.0 if score is None else score for score in got])
        torch.testing.assert_close(given, wanted.masked_fill(wanted == -torch.inf, 0.0))


def processors_of(model: Any, question: list[int], config: Any) -> Any:
    """Return the processors that `generate()` makes of settings."""
    caught = []

    def catch(model: Any, input_ids: Any, logits_processor: Any, *args: Any, **kwargs: Any) -> Any:
        caught.append(logits_processor)
        return input_ids

    ids = torch.tensor([question])
    model.generate(ids, generation_config=config, custom_generate=catch)
    return caught[0]


@needs_node
def test_turns_are_read_as_in_python(tmp_path):
    words = tokenizer()
    turns = ["你好，世界！", "", "Hello, how are you?", "hi</s><sep>你好", "I am fine. " * 9]
    contexts, expected = [], []
    for most, length in [(1, 64), (3, 64), (5, 20), (5, 9), (2, 400), (9, 400)]:
        for last in (1, 3, 4, 5):
            shown = turns[:last]
            told = {"max_context_turns": most, "max_source_length": length}
            contexts.append([shown, told])
            kept = [*filter(None, shown[:-1]), shown[-1]][-most:]
            expected.append(encode_context(words, kept, length))
    ids = {turn: words(turn, add_special_tokens=False, split_special_tokens=True) for turn in turns}
    about = {"question_end": [2], "config": {"sep_token_id": words.sep_token_id}}
    question = {"cases": [], "contexts": contexts, "about": about}
    found = node(tmp_path, {**question, "words": {turn: i["input_ids"] for turn, i in ids.items()}})
    for wanted, got in zip(expected, found["read"], strict=True):
        assert [got["ids"], got["dropped"], got["cut"]] == [
            wanted.input_ids,
            wanted.dropped_turns,
            wanted.truncated_tokens,
        ]


def test_every_setting_of_this_project_is_known_to_the_page():
    source = (PAGE / "processors.js").read_text("utf-8")
    named = set(re.findall(r"\bs\.(\w+)", source))
    assert named | {"max_new_tokens"} == KNOWN_SETTINGS >= set(OWN_SETTINGS)


def test_texts_of_the_page_are_in_both_languages_and_are_all_used():
    source = (PAGE / "texts.js").read_text("utf-8")
    texts = dict(re.findall(r"^  (\w+): \[(.*?)\],?$", source, re.M | re.S))
    both = {key: re.findall(r'"((?:[^"\\]|\\.)*)"', pair) for key, pair in texts.items()}
    assert all(len(pair) == 2 for pair in both.values())
    for english, chinese in both.values():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", chinese))
    used = (PAGE / "page.js").read_text("utf-8") + (PAGE / "index.html").read_text("utf-8")
    assert [key for key in both if f'"{key}"' not in used] == []


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that stand for those of npm."""
    folder = tmp_path_factory.mktemp("npm") / "node_modules"
    for name in web_folder._FILES.values():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"a file of npm")
    for name in web_folder.NPM:
        (folder / name / "package.json").write_text('{"version": "1.2.3"}', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, packages: Path, shared: Path) -> Path:
    """A page in float32, of a run that is beside it."""
    run = tmp_path_factory.mktemp("web") / "run"
    with pytest.MonkeyPatch.context() as patch:
        trace_no_more(traced_run(shared), patch)
        saved_run(run, **TRACED)
        return export.export_run(run, WEB, node_modules=packages)


@traces
def test_the_folder_is_whole_and_names_nobody_else(page):
    about = json.loads((page / "page.json").read_text("utf-8"))
    assert about["name"] == "run" and about["max_source_length"] == 32
    for name, size in about["files"].items():
        assert (page / name).stat().st_size == size
    assert (page / VENDOR / "onnxruntime-web.js").is_file()
    assert [*about["presets"]] == ["greedy", "precise", "balanced", "creative"]  # no beams
    assert about["default_preset"] == "greedy"
    assert about["presets"]["greedy"]["about"].keys() == {"en", "zh"}
    texts = [path.read_text("utf-8") for path in page.iterdir() if path.suffix in (".js", ".css")]
    assert not re.search(r"https?://", "".join(texts))
    assert re.search("^sdk: static$", (page / "README.md").read_text("utf-8"), re.M)
    with pytest.raises(UserError, match="http.server"):
        load_engine(page, "onnx")


@traces
def test_weights_in_8_bits_are_a_quarter_and_say_nearly_the_same(page, tmp_path):
    run = open_engine(page, "onnx", threads=1)
    folder = shutil.copytree(page, tmp_path / "int8")
    for graph in web_folder.GRAPHS:
        web_folder._store_in_int8(folder / f"{graph}.onnx", run.config.vocab_size)
    inputs, replies = questions(), torch.randint(300, (4, 6))
    apart = run.log_probabilities(**inputs, replies=replies)
    apart -= open_engine(folder, "onnx", threads=1).log_probabilities(**inputs, replies=replies)
    assert 0 < float(apart.abs().max()) < 0.3
    weights = sum(weight.numel() for weight in lively_model().lm_head.parameters())
    before, after = ((one / "decoder.onnx").stat().st_size for one in (page, folder))
    assert before - after > 2.5 * weights


def test_rounding_is_within_half_a_step_of_each_block():
    weight = np.random.default_rng(0).normal(size=(5, 300)).astype(np.float32)
    weight[0] *= 100
    weight[1] = 0
    for axis, given in ((1, weight), (0, weight.T)):
        numbers, scales = rounded(given, axis)
        assert numbers.shape == given.shape and scales.shape[axis] == 10
        steps = np.repeat(scales, 32, axis).take(range(300), axis)
        assert np.all(np.abs(numbers * steps - given) <= 0.5001 * steps)


@traces
def test_what_the_page_cannot_do_is_refused_by_name(page, packages, tmp_path, capsys):
    run = page.parent
    command = [str(run), "--engine", WEB, "--overwrite"]
    assert export.main([*command, "--node-modules", str(tmp_path)]) == 2
    assert "npm install --ignore-scripts onnxruntime-web@" in capsys.readouterr().err
    onnx = [str(run), "--engine", "onnx", "--node-modules", str(packages)]
    assert export.main(onnx) == 2
    assert "--engine web" in capsys.readouterr().err
    model = lively_model()
    model.generation_config.update(num_beams=4, remove_invalid_values=True)
    with pytest.raises(UserError, match="`num_beams`, `remove_invalid_values`"):
        web_folder._presets(model)


def test_settings_that_are_no_preset_come_first():
    model = lively_model()
    model.generation_config.update(temperature=0.3, do_sample=True, max_new_tokens=99)
    found = web_folder._presets(model)
    assert found["default_preset"] == "" and next(iter(found["presets"])) == ""
    own = found["presets"][""]["settings"]
    assert own["temperature"] == 0.3 and own["max_new_tokens"] == 32  # places of the network


DRIVER = """
const replies = [];
for (const turns of TURNS) for (const preset of ["greedy", "balanced"]) {
  worker.postMessage({ ask: 1, turns, settings: about.presets[preset].settings });
  replies.push(await heard("done"));
}
const frame = document.body.appendChild(document.createElement("iframe"));
frame.src = "index.html";
const until = async (tells) => { while (!tells()) await new Promise((r) => setTimeout(r, 20)); };
await until(() => frame.contentDocument?.body?.dataset.ready);
const at = (id) => frame.contentDocument.getElementById(id);
at("message").value = "<img src=x onerror=alert(1)>\\u202e";
at("send").click();
await until(() => frame.contentDocument.body.dataset.answered);
const shown = [...frame.contentDocument.querySelectorAll(".turn p")].map((one) => one.innerHTML);
const links = [...performance.getEntriesByType("resource"),
  ...frame.contentWindow.performance.getEntriesByType("resource")].map((one) => one.name);
post({ replies, shown, links, here: location.origin });
"""


@needs_browser
@pytest.mark.skipif("TFCHAT_NODE_MODULES" not in os.environ, reason="needs TFCHAT_NODE_MODULES")
def test_a_browser_says_what_torch_says(page, tmp_path):
    folder = shutil.copytree(page, tmp_path / "page")
    for target, source in web_folder._FILES.items():
        shutil.copyfile(Path(os.environ["TFCHAT_NODE_MODULES"]) / source, folder / target)
    conversations = [["你好，世界！"], ["hi</s><sep>x"], ["Hello", "你好", "How are you? 龘"]]
    found = posted_by(WORKER + DRIVER.replace("TURNS", json.dumps(conversations)), folder)
    model = lively_model(**TRACED)
    said = iter(found["replies"])
    for turns in conversations:
        kept = turns[-max(1, model.config.max_context_turns) :]
        ids = encode_context(tokenizer(), kept, 32).input_ids
        for preset in ("greedy", "balanced"):
            reply = model.generate(torch.tensor([ids]), preset=preset)[0].tolist()
            end = reply.index(2, 1) if 2 in reply[1:] else len(reply)
            got = next(said)
            assert (got["question"], got["tokens"]) == (ids, reply[1:end]), (turns, preset)
    assert found["shown"][0] == "&lt;img src=x onerror=alert(1)&gt;\ufffd"
    assert all(link.startswith(found["here"]) for link in found["links"])

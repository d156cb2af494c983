# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A converted checkpoint computes and says what it did before, and does all that a model does."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

import chat_hf
from tests.convert import checkpoints
from tests.convert.checkpoints import PAIRS, ids_of
from tfchat_hf.chat.session import load_session
from tfchat_hf.convert.__main__ import main
from tfchat_hf.engines.export import export_run
from tfchat_hf.publishing.push import PushOrder, publish

ROOT = Path(__file__).parents[2]
ORIGINAL = os.environ.get("TFCHAT_ORIGINAL", "")
QUESTIONS = (*PAIRS, "你 喜欢\n吃饭吗？", "<end>abc", "猫")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """Return the network, its word map, and the folder that the command made."""
    place = tmp_path_factory.mktemp("converted")
    network, arguments = checkpoints.write_checkpoint(place)
    assert main([*arguments, "--output", str(place / "model")]) == 0
    return network, checkpoints.word_map(), place / "model"


@torch.no_grad()
def greedy(network, words, question, longest=23):
    """Answer as the original's chat does: nothing behind the question, up to `<end>` or `<unk>`."""
    reply = [words["<start>"]]
    while len(reply) <= longest:
        logits = network(torch.tensor([ids_of(words, question)]), torch.tensor([reply]))
        best = int(logits[0, -1].argmax())
        if best in (words["<end>"], words["<unk>"]):
            break
        reply.append(best)
    signs = {number: sign for sign, number in words.items()}
    return "".join(signs[number] for number in reply[1:])


def test_logits_are_those_of_the_network_that_was_saved(converted):
    network, words, folder = converted
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    generator = torch.Generator().manual_seed(3)
    question = torch.randint(1, len(words), (4, 11), generator=generator)
    for row in range(4):
        question[row, 11 - 2 * row :] = 0
    reply = torch.randint(1, len(words), (4, 23), generator=generator)
    with torch.no_grad():
        expected = network(question, reply)
        ours = model(
            input_ids=question, attention_mask=(question != 0).long(), decoder_input_ids=reply
        )
    assert expected.std() > 0.5
    torch.testing.assert_close(ours.logits, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("fast", [False, True])
def test_it_says_what_the_network_says_greedily(converted, fast):
    network, words, folder = converted
    session = load_session(str(folder), "cpu", fast=fast)
    expected = [greedy(network, words, question) for question in QUESTIONS]
    assert expected[: len(PAIRS)] == [reply.replace("猫", "") for reply in PAIRS.values()]
    for question, reply in zip(QUESTIONS, expected, strict=True):
        session.reset()
        assert session.reply(question) == reply
    assert session.reply_to_many([[question] for question in QUESTIONS]) == expected


def test_the_end_token_and_the_unknown_one_end_a_reply(converted):
    _, words, folder = converted
    session = load_session(str(folder), "cpu")
    for name in ("<end>", "<unk>"):
        with torch.no_grad():
            session.model.lm_head.bias[words[name]] += 50
        session.reset()
        assert session.reply("你好") == ""
        with torch.no_grad():
            session.model.lm_head.bias[words[name]] -= 50


def test_its_tokenizer_reads_as_the_original_does(converted):
    _, words, folder = converted
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.get_vocab() == words
    session = load_session(str(folder), "cpu")
    for question in QUESTIONS:
        expected = ids_of(words, question)
        assert tokenizer(question, split_special_tokens=True).input_ids == expected
        assert session.encode([question])[0] == expected
        chat = [{"role": "system", "content": "x"}, {"role": "user", "content": question}]
        assert tokenizer.apply_chat_template(chat)["input_ids"] == expected
    assert tokenizer.decode(ids_of(words, "你好吗？")) == "你好吗？"


def test_every_preset_answers(converted, capsys):
    folder = str(converted[2])
    for preset in ("precise", "beam", "balanced", "creative", "candidates"):
        assert chat_hf.main([folder, "--device", "cpu", "--once", "你好", "--preset", preset]) == 0
    assert "error" not in capsys.readouterr().err


# Of this shape, another export to onnx has quicker tests: a change that is followed.
@pytest.mark.parametrize("engine", ["ctranslate2", pytest.param("onnx", marks=pytest.mark.slow)])
def test_it_is_exported_and_says_the_same(converted, engine):
    pytest.importorskip("ctranslate2" if engine == "ctranslate2" else "onnxscript")
    network, words, folder = converted
    export_run(folder, engine, overwrite=True)
    session = load_session(str(folder), "cpu", engine)
    for question in QUESTIONS:
        session.reset()
        assert session.reply(question) == greedy(network, words, question)


def test_it_is_published_like_any_model(converted):
    told: list[str] = []
    publish(converted[2], PushOrder("name/model", dry_run=True), told.append)
    text = "\n".join(told)
    for name in ("README.md", "model.safetensors", "modeling_tfchat.py", "tokenizer.json"):
        assert name in text
    assert "2 encoder and 2 decoder" in " ".join(
        (converted[2] / "README.md").read_text(encoding="utf-8").split()
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda words: words.pop("<end>"), "<end>"),
        (lambda words: words.update({"新": 3}), "an id of its own"),
        (lambda words: words.update({"新": len(words)}), "entries"),
        (lambda words: words.update({"<pad>": words["你"], "你": 0}), "<pad>"),
    ],
)
def test_another_word_map_is_refused(tmp_path, capsys, change, told):
    _, arguments = checkpoints.write_checkpoint(tmp_path)
    words = checkpoints.word_map()
    change(words)
    Path(arguments[-1]).write_text(json.dumps(words), encoding="utf-8")
    assert main([*arguments, "--output", str(tmp_path / "model")]) == 2
    assert told in capsys.readouterr().err and not (tmp_path / "model").exists()


def test_what_is_there_is_not_written_over(tmp_path, capsys):
    _, arguments = checkpoints.write_checkpoint(tmp_path)
    (tmp_path / "model").mkdir()
    assert main([*arguments, "--output", str(tmp_path / "model")]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.skipif(not ORIGINAL, reason="TFCHAT_ORIGINAL names no checkout of jingyaogong/TFChat")
@pytest.mark.parametrize("layers", [1, 2])
def test_the_originals_own_code_gives_the_same_logits_and_replies(tmp_path, monkeypatch, layers):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from training_peers.original import function, load

    for name in checkpoints.NAMES:
        monkeypatch.setitem(sys.modules, name, None)
    code, words = load(ORIGINAL), checkpoints.word_map()
    torch.manual_seed(layers)
    network = code.models.Transformer(16, 2, layers, words, max_len=24).cpu()

    def run(question, reply):
        masks = code.utils.create_masks(question, reply, reply)
        return network(question, masks[0], reply, masks[1])

    adam = checkpoints.teach(network, words, run)
    warmup = code.utils.AdamWarmup(16, 4000, adam)
    arguments = checkpoints.save(tmp_path, network, warmup, words)
    assert main([*arguments, "--output", str(tmp_path / "model")]) == 0
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model").eval()
    ids = torch.randint(1, len(words), (3, 9), generator=torch.Generator().manual_seed(1))
    ids[1, 6:], ids[2, 3:] = 0, 0
    with torch.no_grad():
        expected = run(ids, ids)
        ours = model(input_ids=ids, attention_mask=(ids != 0).long(), decoder_input_ids=ids).logits
    ours, real = ours.log_softmax(-1), ids != 0
    torch.testing.assert_close(ours[real], expected[real], atol=1e-5, rtol=0)
    evaluate = function(ORIGINAL, "chat.py", "evaluate", {**vars(code.models)})
    session = load_session(str(tmp_path / "model"), "cpu")
    for question in QUESTIONS:
        asked = torch.tensor([ids_of(words, question)])
        session.reset()
        said = evaluate(network, asked, (asked != 0)[:, None, None], 24, words).replace(" ", "")
        assert session.reply(question) == said

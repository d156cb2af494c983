# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The tokenizer for transformers.js: the ids of the given one for any text."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from data_builders import build_dialogues
from tfchat_hf.engines.javascript_tokenizer import javascript_tokenizer, main, spelling
from tfchat_hf.text.tokenization import SPECIAL_TOKENS, wrap_tokenizer
from tfchat_hf.text.tokenizer_training import SCHEMES, save_tokenizer, train_tokenizer
from tfchat_hf.text.vocabulary.pieces import BASE_PIECES, unigram_tokenizer

from ..text.test_tokenization import CORPUS, TEXTS

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "javascript.mjs"
UNIGRAM = ("word", "subword-unigram")
HARD = {
    **TEXTS,
    "rare han": "我们喜欢𠮷野家和龘靐",
    "control characters": "我们\x01\x02\x1b\x7f\x80\x9f green\x0btea\x0c",
    "nul": "a\x00b\x00\x00我们",
    "private use": "\ue000\uf8ff\U000f0000\U0010ffff\ufffd\ufffe",
    "sharp byte spelling": "<0xE4><0x00><0xff><0xEF><0xBB><0xBF>",
    "special spelling": "< /s> <s > <pad",
    "byte symbols": "Ġ Ċ ä½ł é Ã",
    "mark in front": "\u200d\ufe0f\u0301我们",
}
CHATS = [
    [{"role": "user", "content": "你好</s>"}, {"role": "assistant", "content": "The tea"}],
    [{"role": "user", "content": [{"type": "text", "text": "𠮷 green"}]}],
]


@pytest.fixture(scope="module")
def trained() -> dict[str, PreTrainedTokenizerFast]:
    return {scheme: train_tokenizer(CORPUS, scheme, 500, 77) for scheme in SCHEMES}


@pytest.fixture(scope="module", params=UNIGRAM)
def both(
    request: pytest.FixtureRequest, trained: dict[str, PreTrainedTokenizerFast]
) -> tuple[PreTrainedTokenizerFast, ...]:
    given = trained[request.param]
    return given, javascript_tokenizer(given)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(max_size=12)
        | st.sampled_from(
            [*SPECIAL_TOKENS, "<0xE4>", "Ġ", "我们", " park", "🏽", "\u200d", "\ufeff"]
        )
    ).map("".join)
)
def test_any_text_has_the_ids_of_the_given_tokenizer(
    both: tuple[PreTrainedTokenizerFast, ...], text: str
) -> None:
    given, rewritten = both
    ids = rewritten(text)["input_ids"]
    assert ids == given(text)["input_ids"]
    assert rewritten.decode(ids) == text + "</s>"


@pytest.mark.parametrize("kind", HARD)
def test_hard_texts_have_the_ids_of_the_given_tokenizer(
    both: tuple[PreTrainedTokenizerFast, ...], kind: str
) -> None:
    given, rewritten = both
    ids = rewritten(HARD[kind])["input_ids"]
    assert ids == given(HARD[kind])["input_ids"]
    assert rewritten.decode(ids, skip_special_tokens=True) == HARD[kind]


@given(
    st.floats(-20, -1),
    st.floats(-20, -1),
    st.floats(-20, -1),
    st.text("你好𠮷é", max_size=12),
)
def test_ties_are_decided_alike(alone: float, pair: float, other: float, before: str) -> None:
    scores = {**dict.fromkeys("甲乙丙", alone), "你": other, "好": 1.37 * other}
    scores |= {"甲乙": pair, "乙丙": pair}
    given = wrap_tokenizer(unigram_tokenizer(list(scores), scores))
    text = before + "甲乙丙"
    assert javascript_tokenizer(given)(text)["input_ids"] == given(text)["input_ids"]


def test_bytes_are_pieces_like_others(both: tuple[PreTrainedTokenizerFast, ...]) -> None:
    given, rewritten = both
    model = json.loads(rewritten.backend_tokenizer.to_str())["model"]
    assert not model["byte_fallback"]
    pieces = [piece for piece, _ in model["vocab"]]
    assert len(set(pieces)) == len(pieces) == len(given)
    assert all(len(piece) == 1 for piece in pieces[5:261])
    assert len(set(pieces[5:261])) == 256


def test_spelling_tells_bytes_from_texts() -> None:
    assert [spelling(n, BASE_PIECES[n]) for n in (2, 5 + ord(" "), 5 + 0xE4)] == ["</s>", "Ġ", "ä"]
    assert spelling(300, " <0xE4>") == "Ġ<0xE4>"
    assert spelling(301, "你") == "ä½ł"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_command_keeps_all_but_the_spelling(
    trained: dict[str, PreTrainedTokenizerFast],
    scheme: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    given = trained[scheme]
    save_tokenizer(given, tmp_path / "in")
    assert main([str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    unigram = scheme in UNIGRAM
    assert ("spelled in bytes" in capsys.readouterr().out) == unigram
    before, after = [(tmp_path / name / "tokenizer.json").read_bytes() for name in ("in", "out")]
    assert (before != after) == unigram

    loaded = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert loaded.model_max_length == 77
    assert loaded.chat_template == given.chat_template
    config = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["chat_template"] == given.chat_template, "JavaScript reads no other file"
    texts = list(HARD.values())
    assert loaded(texts, texts)["input_ids"] == given(texts, texts)["input_ids"]
    for chat in CHATS:
        assert loaded.apply_chat_template(chat) == given.apply_chat_template(chat)


def test_mistakes_are_explained_in_one_line(
    trained: dict[str, PreTrainedTokenizerFast], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    output = ["--output", str(tmp_path / "out")]
    save_tokenizer(trained["word"], tmp_path / "good")
    assert main([str(tmp_path / "good"), "--output", str(tmp_path / "made")]) == 0
    changed = json.loads((tmp_path / "good" / "tokenizer.json").read_text(encoding="utf-8"))
    changed["model"]["vocab"][10][0] = "other"
    (tmp_path / "changed").mkdir()
    (tmp_path / "changed" / "tokenizer.json").write_text(json.dumps(changed), encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tokenizer.json").write_text("{", encoding="utf-8")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "tokenizer.json").write_text('{"model": {"type": "X"}}')
    capsys.readouterr()
    for folder, says in (
        ("nowhere", "folder with a tokenizer.json"),
        ("made", "byte fallback"),
        ("changed", "tokens are others"),
        ("broken", "load with AutoTokenizer"),
        ("strange", "load with AutoTokenizer"),
    ):
        assert main([str(tmp_path / folder), *output]) == 2, folder
        error = capsys.readouterr().err.removeprefix(f"Loading {tmp_path / folder} ...\n").strip()
        assert says in error and len(error.splitlines()) == 1, folder
    assert not (tmp_path / "out").exists()

    assert main([str(tmp_path / "good"), "--output", str(tmp_path / "made")]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([str(tmp_path / "good"), "--output", str(tmp_path / "made"), "--overwrite"]) == 0


@pytest.fixture(scope="module")
def node_modules() -> str:
    """Find transformers.js: in TFCHAT_TRANSFORMERS_JS, or where node itself looks."""
    if not shutil.which("node"):
        pytest.skip("needs node")
    if named := os.environ.get("TFCHAT_TRANSFORMERS_JS"):
        return named
    resolve = "console.log(require.resolve('@huggingface/transformers'))"
    found = subprocess.run(["node", "-e", resolve], capture_output=True, text=True)
    if found.returncode:
        pytest.skip("needs @huggingface/transformers: set TFCHAT_TRANSFORMERS_JS to node_modules")
    return next(str(up) for up in Path(found.stdout.strip()).parents if up.name == "node_modules")


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give turns of the embedded corpus, Chinese and English, and the hard texts."""
    cache = str(tmp_path_factory.mktemp("cache"))
    rows = build_dialogues("chatterbot", cache_dir=cache).dataset["train"]
    turns = list(dict.fromkeys(turn for turns in rows["turns"] for turn in turns))
    return [*turns[:: len(turns) // 300], *HARD.values()]


def test_javascript_gives_the_same_ids(lines: list[str], node_modules: str, tmp_path: Path) -> None:
    trained = {scheme: train_tokenizer(lines, scheme, 900) for scheme in SCHEMES}
    for scheme, tokenizer in trained.items():
        save_tokenizer(tokenizer, tmp_path / "saved" / scheme)
        made = str(tmp_path / scheme)
        assert main([str(tmp_path / "saved" / scheme), "--output", made]) == 0
    folders = [str(tmp_path / scheme) for scheme in trained] + [str(tmp_path / "saved" / "word")]
    question = {"folders": folders, "texts": lines, "conversations": CHATS}
    done = subprocess.run(
        ["node", str(SCRIPT), node_modules],
        input=json.dumps(question),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    *answers, unchanged = json.loads(done.stdout)
    for tokenizer, answer in zip(trained.values(), answers, strict=True):
        assert answer["ids"] == tokenizer(lines)["input_ids"]
        chats = [tokenizer.apply_chat_template(chat, return_dict=False) for chat in CHATS]
        assert answer["conversations"] == chats
    for scheme, answer in zip(trained, answers, strict=True):
        # A mark U+FEFF that is in bytes is lost by the decoder that the models of merges have.
        kept = [line for line in lines if scheme in UNIGRAM or "\ufeff" not in line]
        back = dict(zip(lines, answer["decoded"], strict=True))
        assert [back[line] for line in kept] == kept
    assert unchanged["ids"] != trained["word"](lines)["input_ids"], "the rewriting is not needed"

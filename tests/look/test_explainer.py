# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a learner is shown is what the tokenizer does, beside what it did not do."""

from __future__ import annotations

import io
import itertools
import json
import math
import re
import sys

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from data_builders import build_dialogues
from tests.commands import run_python
from tfchat_hf.look.__main__ import main
from tfchat_hf.look.explainer import LONGEST_TEXT, Explainer, load_jieba
from tfchat_hf.look.report import render, visible
from tfchat_hf.look.search import Lattice, score_of
from tfchat_hf.text.tokenization import install_pipeline, wrap_tokenizer
from tfchat_hf.text.tokenizer_training import SCHEMES, train_tokenizer
from tfchat_hf.text.vocabulary.pieces import bpe_tokenizer, unigram_tokenizer

ODD_TEXTS = [
    "",
    " ",
    "龘𠮷𰻝",
    "龘",
    "你好</s>我<s><pad>",
    "</s>",
    "</s",
    "<0xE4><0xBD>",
    "a\n\tb\r\n\x00\u200d👍🏽",
    "啊" * 40,
]
SCORES = {
    "研究": -8.0,
    "研究生": -11.5,
    "生命": -8.5,
    "起源": -10.2,
    "研": -12.0,
    "究": -12.0,
    "生": -9.0,
    "命": -9.5,
    "起": -9.0,
    "源": -11.0,
}


@pytest.fixture(scope="module")
def turns(tmp_path_factory):
    cache = str(tmp_path_factory.mktemp("corpus"))
    rows = build_dialogues("small_talk", cache_dir=cache).dataset["train"]
    every = list(dict.fromkeys(turn for row in rows["turns"] for turn in row))
    # From all over the corpus, so that both languages are there.
    return every[:: len(every) // 1500]


@pytest.fixture(scope="module")
def tokenizers(turns):
    # Half of the turns: the other half has characters and words that are not in the vocabulary.
    return {scheme: train_tokenizer(turns[::2], scheme, 1500) for scheme in SCHEMES}


@pytest.fixture(scope="module")
def cut_words():
    return load_jieba()


@pytest.fixture(scope="module")
def folder(tokenizers, tmp_path_factory):
    where = tmp_path_factory.mktemp("word")
    tokenizers["word"].save_pretrained(where)
    return str(where)


def explain_with(pieces, merges=None, text="", rivals=1):
    """Explains with a tokenizer made by hand; jieba stays out."""
    backend = bpe_tokenizer(pieces, merges) if merges else unigram_tokenizer(pieces, pieces)
    return Explainer(wrap_tokenizer(backend), None).explain(text, rivals)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ids_are_the_tokenizers_own(scheme, tokenizers, turns):
    explainer = Explainer(tokenizers[scheme], None)
    lines = [turn for turn in turns if len(turn) <= LONGEST_TEXT][:300] + ODD_TEXTS
    kinds = set()
    for line in lines:
        found = explainer.explain(line)
        ids = tokenizers[scheme](line, add_special_tokens=False)["input_ids"]
        assert [token.id for token in found.tokens] == ids
        spans = sorted({(token.begin, token.end) for token in found.tokens})
        assert "".join(line[begin:end] for begin, end in spans) == line
        kinds |= {token.kind for token in found.tokens}
    assert len(lines) == 300 + len(ODD_TEXTS) and kinds == {"piece", "byte", "special"}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_text_has_an_explanation_in_words(scheme, tokenizers, cut_words):
    explainer = Explainer(tokenizers[scheme], cut_words)
    for text in ODD_TEXTS:
        said = render(explainer.explain(text))
        assert said.endswith("\n") and all(c.isprintable() or c == "\n" for c in said)
    assert render(explainer.explain("")) == "An empty text has no tokens.\n"


def every_path(text, scores):
    """Cuts a text in all ways there are."""
    for cuts in itertools.product((True, False), repeat=len(text) - 1):
        places = [0, *(n for n, cut in enumerate(cuts, 1) if cut), len(text)]
        pieces = [text[b:e] for b, e in itertools.pairwise(places)]
        if all(piece in scores for piece in pieces):
            yield math.fsum(scores[piece] for piece in pieces), pieces


def pieces_of(path, text):
    return [text[edge.begin : edge.end] for edge in path]


def test_best_paths_are_the_best_of_all():
    text = "研究生命起源"
    expected = sorted(every_path(text, SCORES), reverse=True)
    found = Lattice(text, SCORES, -99.0).best_paths(0, len(text), 99, lambda edge: True)
    assert [pieces_of(path, text) for path in found] == [pieces for _, pieces in expected]
    assert [score_of(path) for path in found] == pytest.approx([score for score, _ in expected])


def test_each_decision_is_set_against_what_it_beat():
    found = explain_with(SCORES, text="研究生命起源").decisions
    assert [(d.chosen.pieces, [r.pieces for r in d.rivals]) for d in found] == [
        (["研究", "生命"], [["研究生", "命"]]),
        (["起源"], [["起", "源"]]),
    ]
    assert found[0].chosen.total == pytest.approx(-16.5)
    assert found[0].rivals[0].total == pytest.approx(-21.0)
    more = explain_with(SCORES, text="研究生命起源", rivals=3).decisions
    others = [(d.chosen.pieces, r.pieces) for d in more for r in d.rivals]
    assert (["生命"], ["生", "命"]) in others and (["研究"], ["研", "究"]) in others


def test_a_word_that_was_not_taken_is_shown():
    scores = {"我": -3.0, "是": -3.0, "我是": -8.0}
    [decision] = explain_with(scores, text="我是").decisions
    assert decision.chosen.pieces == ["我", "是"] and decision.rivals[0].pieces == ["我是"]
    said = render(explain_with(scores, text="我是"))
    assert "at 0: 我 + 是 (-3.00 -3.00 = -6.00) beats 我是 (-8.00) by 2.00" in said


def test_equal_paths_are_called_so():
    scores = {"啊": -5.0, "啊啊": -6.0}
    found = explain_with(scores, text="啊啊啊")
    assert [token.token for token in found.tokens] == ["啊", "啊啊"]
    assert "ties with 啊啊 + 啊 (-6.00 -5.00 = -11.00)" in render(found)


def test_no_choice_is_said():
    assert "No other path exists." in render(explain_with({"我": -3.0}, text="我"))


def test_merges_come_in_the_order_of_their_ranks():
    merges = [("c", "d"), ("a", "b"), ("ab", "cd")]
    found = explain_with(["cd", "ab", "abcd"], merges, "abcdab")
    assert [(m.rank, m.left, m.right, m.begin) for m in found.merges] == [
        (0, "c", "d", 2),
        (1, "a", "b", 0),
        (1, "a", "b", 4),
        (2, "ab", "cd", 0),
    ]
    assert [token.token for token in found.tokens] == ["abcd", "ab"]
    said = render(found)
    assert said.index("rank 0") < said.index("rank 1") < said.index("rank 2:  ab + cd")


def test_characters_have_no_merges(tokenizers):
    said = render(Explainer(tokenizers["char"], None).explain("你好"))
    assert "has no merges" in said and "log p" not in said


def test_unknown_characters_show_their_bytes():
    said = render(explain_with({"我": -3.0}, text="我龘"))
    assert "龘 has no token: its 3 bytes <0xE9> <0xBE> <0x98> stand for it." in said
    assert said.count("byte of 龘") == 3 and "counts -1010.00" in said


def test_special_spelling_is_matched_as_special(tokenizers, cut_words):
    found = Explainer(tokenizers["word"], cut_words).explain("你好</s>")
    assert (found.tokens[-1].id, found.tokens[-1].kind, found.tokens[-1].begin) == (2, "special", 2)
    assert found.differences[-1].special and found.differences[-1].words == ["<", "/", "s", ">"]


def test_jieba_stands_beside_and_differences_have_causes(cut_words):
    pieces = {"研究": -8.0, "生命": -8.5, "的": -3.0, "起": -5.0, "源": -5.0, "起源": -12.0}
    explainer = Explainer(wrap_tokenizer(unigram_tokenizer(pieces, pieces)), cut_words)
    found = explainer.explain("生命的起源 TF")
    assert found.jieba == ["生命", "的", "起源", " ", "TF"]
    scored, missing = found.differences
    assert (scored.begin, scored.pieces, scored.words) == (3, ["起", "源"], ["起源"])
    assert (scored.words_score, scored.pieces_score, scored.missing) == (-12.0, -10.0, [])
    assert (missing.begin, missing.pieces, missing.missing) == (6, ["T", "F"], ["TF"])
    said = render(found)
    assert "(-12.00 against -10.00 here)" in said and "(TF not in the vocabulary)" in said
    assert "at the same places" in render(explainer.explain("研究生命的"))


def test_without_jieba_the_rest_is_shown(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    assert load_jieba() is None
    assert "jieba is not installed" in render(explain_with(SCORES, text="研究"))


def test_blanks_and_controls_are_visible():
    assert visible(" a\n\u200d好") == "␣a\\n\\u200d好"


@pytest.mark.parametrize(
    ("text", "says"),
    [("啊" * (LONGEST_TEXT + 1), "at most 1,000.*got 1,001"), ("a\udce4", "must be Unicode")],
)
def test_texts_that_cannot_be_explained(text, says, tokenizers):
    with pytest.raises(ValueError, match=says):
        Explainer(tokenizers["word"], None).explain(text)


def test_other_tokenizers_are_refused():
    foreign = install_pipeline(Tokenizer(models.BPE()))
    for message in ("bytes", "before its model"):
        with pytest.raises(ValueError, match=message):
            Explainer(wrap_tokenizer(foreign), None)
        foreign.pre_tokenizer = pre_tokenizers.Whitespace()


def test_command_explains_texts_and_lines(folder, capsys, monkeypatch):
    assert main(["--tokens", "--tokenizer", folder, "你好，我是 TFChat"]) == 0
    said = capsys.readouterr().out
    assert "你好" in said and "␣" in said and "jieba" in said and "lattice" in said

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("你好\n我</s>\n".encode())))
    sys.stdin.reconfigure(encoding="utf-8")
    assert main(["--tokens", "--tokenizer", folder, "--json", "--top", "2"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["text"] for line in lines] == ["你好", "我</s>"]
    assert lines[1]["tokens"][-1] == {
        "token": "</s>", "id": 2, "begin": 1, "end": 5, "kind": "special", "score": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (["--tokenizer", "nowhere", "a"], "--tokenizer.*got nowhere"),
        (["--tokenizer", "FOLDER", "--scheme", "char", "a"], "got both"),
        (["--tokenizer", "FOLDER", "--top", "0", "a"], "--top.*got 0"),
        (["--tokenizer", "FOLDER", "a\udce4"], "must be Unicode"),
        (["--tokenizer", "BROKEN", "a"], "can be read"),
        (["--tokenizer", "FOLDER"], "UTF-8"),
        (["--scheme", "char", "--vocab-size", "5", "a"], "at least 261"),
        (["--html", "look.html", "a"], "`--html` goes with a model"),
    ],
)
def test_command_explains_mistakes_in_one_line(order, says, folder, tmp_path, capsys, monkeypatch):
    (tmp_path / "tokenizer.json").write_text("{")
    names = {"FOLDER": folder, "BROKEN": str(tmp_path)}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), "utf-8"))
    assert main(["--tokens", *(names.get(word, word) for word in order)]) == 2
    *_, line = capsys.readouterr().err.splitlines()  # perhaps after what it loads
    assert re.search(says, line)


def test_the_module_itself_is_the_command(folder):
    done = run_python(["-m", "tfchat_hf.look", "--tokens", "--tokenizer", folder, "你好"])
    assert (done.returncode, done.stderr) == (0, f"Loading {folder} ...\n")
    assert done.stdout.startswith("Tokenizer: ") and "你好" in done.stdout

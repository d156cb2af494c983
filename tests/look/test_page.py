# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The page: it holds what was recorded, needs nothing else, and does what keys and pointers ask."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch

from tests.browser import needs_browser, said_by
from tests.finished_run import finished_run
from tfchat_hf.look import terminal as terminal_of
from tfchat_hf.look.comparison import compare
from tfchat_hf.look.explainer import load_jieba
from tfchat_hf.look.journey import Request, Traveller, follow
from tfchat_hf.look.page import content_of, texts, write_page

NASTY = '</script><script>alert(1)</script><img src=x onerror="alert(2)"> & \u2028 <!-- 你好'
# Each line writes one thing that a person would see or hear.
PROGRAM = """
<script>
const found = {}, all = (query) => [...document.querySelectorAll(query)];
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", {key}));
const words = (query) => all(query).map((one) => one.textContent);
const show = () => ({
  slider: find("#slider").value, said: find("#slider").getAttribute("aria-valuetext"),
  current: words("#dock .here"), bars: words("#choice .bars .taken .chip"),
});
const find = (query) => document.querySelector(query);
try {
ACTIONS
} catch (error) { found.error = String(error); }
document.body.textContent = "FOUND" + btoa(encodeURIComponent(JSON.stringify(found))) + "END";
</script>
</body>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def traveller(folder):
    return Traveller(str(folder))


@pytest.fixture(scope="module")
def cut_words():
    return load_jieba()


@pytest.fixture(scope="module")
def journey(traveller, cut_words):
    return follow(traveller, Request("今天天气很好，Hello", "我 am fine。", "precise"), cut_words)


@pytest.fixture(scope="module")
def page(journey, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "look.html"
    write_page(path, [journey], None, "zh")
    return path


def opened(page: Path, actions: str, place: Path, size: str = "1100,900") -> dict:
    """Open a page in a browser, do something there, and return what was found."""
    program = PROGRAM.replace("ACTIONS", actions)
    text = page.read_text(encoding="utf-8").replace("</body>", program)
    found = json.loads(unquote(base64.b64decode(said_by(text, place, size)).decode()))
    assert "error" not in found, found
    return found


def unpacked(packed, kind):
    numbers = np.frombuffer(base64.b64decode(packed["data"]), kind)
    return torch.tensor(numbers.astype(np.float32)).view(packed["shape"])


def test_numbers_on_the_page_are_those_that_were_recorded(journey):
    content, recording = content_of(journey), journey.recording
    for side, ours in (("encoder", recording.encoder), ("decoder", recording.decoder)):
        found = content[side]
        for kind, layers in (("attention", ours.self_attention), ("cross", ours.cross_attention)):
            assert len(found[kind]) == len(layers)
            for packed, layer in zip(found[kind], layers, strict=True):
                weights = unpacked(packed, "<u2") / 65535
                torch.testing.assert_close(weights, layer, atol=1e-5, rtol=0)
        vectors = unpacked(found["vectors"][2], "i1") / 127 * found["vectors"][2]["most"]
        most = float(ours.sums.abs().max())
        torch.testing.assert_close(vectors, ours.sums, atol=most / 250, rtol=0)
        for packed, inner in zip(found["neurons"], ours.activations, strict=True):
            assert packed["share"] == (inner > 0).float().mean(-1).tolist()
            assert [row[0][0] for row in packed["strongest"]] == inner.argmax(-1).tolist()
        assert [one["name"] for one in found["norms"]] == [one.name for one in ours.norms]
    taken = [(one["taken"], one["rank"]) for one in content["steps"]]
    assert taken == [(one.taken.id, one.rank) for one in journey.steps]


def test_a_page_needs_nothing_from_elsewhere_and_keeps_foreign_text_inside(
    traveller, cut_words, tmp_path
):
    journey = follow(traveller, Request(NASTY, reply=NASTY), cut_words)
    write_page(tmp_path / "look.html", [journey], None, "en")
    text = (tmp_path / "look.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text and "__" not in re.sub(r"\w__\w", "", text)
    assert text.count("<script") == text.count("</script>") == 2 and "alert(1)</" not in text
    # The name of SVG is no address that anybody goes to.
    assert re.findall(r"https?://[^\s\"]+|@import|url\(|<\w+[^>]* src=", text) == [
        "http://www.w3.org/2000/svg"
    ]


def keys(texts: dict, before: str = "") -> dict[str, set[str]]:
    """Name every text with what is filled into it."""
    found: dict[str, set[str]] = {}
    for name, value in texts.items():
        if isinstance(value, dict):
            found |= keys(value, f"{before}{name}.")
        else:
            found[before + name] = set(re.findall(r"{(\w+)}", str(value)))
    return found


def test_both_languages_have_the_same_texts_and_those_that_are_used(page):
    english, chinese = (texts()[language] for language in ("en", "zh"))
    assert keys(english) == keys(chinese)
    scripts = page.read_text(encoding="utf-8")
    assert set(re.findall(r'\blabel\("(\w+)"', scripts)) <= set(english["labels"])
    terminal = Path(terminal_of.__file__).read_text(encoding="utf-8")
    assert all(
        f'"{name}"' in scripts.partition("</script>")[2] + terminal for name in english["labels"]
    )
    assert all(len(sentences) == 2 for sentences in english["about"].values())


def test_the_largest_page_of_two_deep_models_stays_below_three_megabytes(tmp_path, cut_words):
    sides = {f"{side}_{what}": count for side in ("encoder", "decoder")
             for what, count in (("layers", 12), ("attention_heads", 16))}  # fmt: skip
    deep = Traveller(str(finished_run(tmp_path, d_model=64, **sides)))
    journey = follow(deep, Request("今天天气很好，" * 90, reply="我很好。" * 90), cut_words)
    assert journey.cut > 0 and len(journey.reply) == deep.longest
    write_page(tmp_path / "look.html", [journey, journey], compare(journey, journey), "zh")
    assert 500_000 < (tmp_path / "look.html").stat().st_size < 3_000_000


def test_two_models_weigh_each_others_replies(folder, journey, traveller, cut_words):
    other = Traveller(str(folder))
    with torch.no_grad():
        other.model.lm_head.bias += torch.randn(len(other.model.lm_head.bias))
    second = follow(other, journey.request, cut_words)
    found = compare(journey, second)
    ((text, *models),) = found.replies
    assert text == traveller.say(journey.reply) and models[0].tokens == models[1].tokens
    for model, one in zip(models, (journey, second), strict=True):
        said = [step.taken.probability for step in one.steps]
        assert model.probabilities == pytest.approx(said)
    assert [name for name, share in found.moved if share > 0] == ["lm_head.bias"]


@needs_browser
def test_keys_slider_and_tokens_move_through_the_reply(page, journey, tmp_path):
    found = opened(
        page,
        """
        found.begin = show();
        press("ArrowRight"); press("ArrowRight"); found.right = show();
        press("ArrowLeft"); found.left = show();
        for (let more = 0; more < 99; more++) press("ArrowRight"); found.end = show();
        find("#slider").value = 3; find("#slider").oninput(); found.slid = show();
        all(".hero button.chip")[0].click(); found.clicked = show();
        all("#cross .from button")[2].click(); found.cross = show();
        """,
        tmp_path,
    )
    reply = journey.traveller.spell(journey.reply)
    places = {"begin": 0, "right": 2, "left": 1, "end": len(reply) - 1, "slid": 3, "clicked": 0}
    for name, place in (places | {"cross": 2}).items():
        assert found[name]["slider"] == str(place)
        assert found[name]["current"] == found[name]["bars"] == [reply[place]]
    assert found["right"]["said"] == f"第 3 步，共 {len(reply)} 步：{reply[1]} 之后是 {reply[2]}"


@needs_browser
def test_pointing_at_a_token_shows_where_it_looks_in_the_head_that_was_chosen(
    page, journey, tmp_path
):
    found = opened(
        page,
        """
        const minis = all("#encoder .mini"), from = all("#encoder .from button");
        found.minis = minis.map((one) => one.getAttribute("aria-label"));
        minis[2].click();
        found.pressed = all("#encoder .mini[aria-pressed=true]").map((one) => minis.indexOf(one));
        from[1].focus();
        found.said = from[1].getAttribute("aria-label");
        found.status = find("#encoder [role=status]").textContent;
        found.shares = all("#encoder .to small").map((one) => one.textContent);
        found.lines = all("#encoder .view path").length;
        found.norms = find("#norms figcaption").textContent;
        found.cells = all("#decoder td.masked").length;
        const point = (one, name) => one.dispatchEvent(new PointerEvent(name, {clientX: 9}));
        const cell = all("#encoder td[style]")[2];
        point(cell, "pointerenter"); point(cell, "pointermove");
        found.tip = find("#tip").textContent;
        point(cell, "pointerleave"); found.hidden = find("#tip").hidden;
        point(all("#vectors canvas")[0], "pointermove"); found.number = find("#tip").textContent;
        """,
        tmp_path,
    )
    recording, spell = journey.recording, journey.traveller.spell
    # Two layers of four heads, and before each its average.
    assert len(found["minis"]) == 10 and found["minis"][2] == "第 1 层, 头 2"
    assert found["pressed"] == [2] and found["said"] == found["status"]
    weights = recording.encoder.self_attention[0][1, 1]
    best = spell([recording.encoder.ids[int(weights.argmax())]])[0]
    assert f" {best} " in found["said"] and found["lines"] > len(weights)
    for share, shown in zip(weights.tolist(), found["shares"], strict=True):
        digits = 1 if share < 0.1 else 0
        assert shown in (f"{100 * share:.{digits}f}%", "")
    assert found["norms"].endswith(spell(recording.encoder.ids)[1])
    first, _, third = spell(recording.encoder.ids)[:3]
    assert found["tip"].startswith(f"{first} → {third}: ") and found["hidden"]
    assert re.fullmatch(rf"{first} · 维 \d+: -?\d+\.\d\d", found["number"])
    target = len(journey.reply)
    assert found["cells"] == target * (target - 1) / 2


@needs_browser
def test_everything_has_a_name_and_the_language_can_be_changed(page, tmp_path):
    found = opened(
        page,
        """
        const name = (one) => one.getAttribute("aria-label") || one.textContent.trim();
        found.nameless = all("button, input, [role=img]").filter((one) => !name(one)).length;
        const titles = all("section").map((one) => one.getAttribute("aria-labelledby"));
        found.sections = titles.filter((id) => !document.getElementById(id));
        found.heads = all("h2").length;
        const heads = () => all("h1, h2").map((one) => one.textContent);
        found.chinese = [document.documentElement.lang, ...heads()];
        press("ArrowRight"); find("#language").click();
        found.english = [document.documentElement.lang, ...heads()];
        found.after = show();
        """,
        tmp_path,
    )
    assert found["nameless"] == 0 and found["sections"] == [] and found["heads"] == 10
    assert found["chinese"][:3] == ["zh-CN", "一句话走过网络", "从词到词元"]
    assert found["english"][:3] == ["en", "One sentence through the network", "Words become tokens"]
    assert found["after"]["slider"] == "1"


@needs_browser
@pytest.mark.parametrize("size", ["500,800", "1300,900"])
def test_nothing_is_wider_than_the_window_with_two_models_too(size, journey, tmp_path):
    write_page(tmp_path / "two.html", [journey, journey], compare(journey, journey), "en")
    found = opened(
        tmp_path / "two.html",
        """
        found.over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
        found.figures = all("#choice figure").length; found.heads = all("h2").length;
        press("ArrowRight"); found.current = all(".hero .chip.here").length;
        """,
        tmp_path,
        size,
    )
    assert found == {"over": 0, "figures": 2, "heads": 11, "current": 2}

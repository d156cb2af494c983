# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: talk, stop, reload, two tabs, what is pasted, what is shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing

import pytest

pytest.importorskip("fastapi")

from tests.browser import needs_browser
from tests.devtools import Tab, browser
from tests.serve.small_server import SmallServer, small_service
from tfchat_hf.serve.gate import Settings
from tfchat_hf.serve.page.routes import MOST_CHARACTERS, add_page
from tfchat_hf.serve.request import TokenScore
from tfchat_hf.serve.service import Piece, Service

pytestmark = needs_browser
HOSTILE = (
    '</span><img src=x onerror="document.title=1"><script>document.title=2</script> '
    "[x](javascript:alert(1)) \u202eabc\u202c \x1b[31m\x07 \u2028 \u200b \U000e0041 ok"
)
READY = "document.querySelector('#stop').hidden && !document.querySelector('.caret')"


class Desk:
    """A browser, and a server whose replies can be held and replaced."""

    def __init__(self, chromium, server) -> None:
        self.browser, self.url = chromium, server.url.removesuffix("v1")
        self.tabs: list[Tab] = []
        self.is_held, self.pieces, self.asked = False, None, []
        self.service = server.service
        self._say = server.service.say
        server.service.say = self.say

    async def say(self, asks):
        self.asked += [ask.question.turns for ask in asks]
        if self.pieces is not None:
            for piece in self.pieces:
                yield piece
            return
        async for piece in self._say(asks):
            yield piece
            while self.is_held:
                await asyncio.sleep(0.01)

    def open(self, settings: dict | None = None) -> Tab:
        """Return a new tab, ready to write in."""
        tab = self.browser.tab(self.url)
        tab.size(1280, 800)
        self.tabs.append(tab)
        tab.wait("document.activeElement.id == 'message'")
        if settings is not None:
            tab.say(f"localStorage.setItem('tfchat.settings', {json.dumps(json.dumps(settings))})")
            tab.go(self.url + "?again")
            tab.wait("document.activeElement.id == 'message'")
        return tab

    def close(self) -> None:
        self.is_held, self.pieces = False, None
        self.asked.clear()
        for tab in self.tabs[:1]:
            tab.say("localStorage.clear()")
        while self.tabs:
            tab = self.tabs.pop()
            assert tab.complaints() == []
            tab.close()


@pytest.fixture(scope="module")
def furnished(tmp_path_factory) -> Iterator[Desk]:
    with small_service() as service:
        server = SmallServer(service)
        add_page(server.app, service)
        with server, browser(tmp_path_factory.mktemp("home"), "--lang=en") as chromium:
            yield Desk(chromium, server)


@pytest.fixture
def desk(furnished) -> Iterator[Desk]:
    yield furnished
    furnished.close()


def send(tab: Tab, text: str, wait: str = READY) -> None:
    tab.say("document.querySelector('#message').focus()")
    tab.write(text)
    tab.press("Enter")
    tab.wait(wait)


def said(tab: Tab) -> list[str]:
    """Return what is shown of the messages."""
    every = "[...document.querySelectorAll('.turn .text')]"
    return [
        text.partition(":")[2].strip() for text in tab.say(f"{every}.map((one) => one.textContent)")
    ]


def talks(tab: Tab) -> list[str]:
    return tab.say("[...document.querySelectorAll('#list .open')].map((one) => one.textContent)")


def test_a_conversation_is_edited_asked_again_and_outlives_a_reload(desk):
    tab = desk.open({"memory": False})
    send(tab, "Hello!")
    send(tab, "What do you do?\nOn a rainy day?")
    first = said(tab)
    assert len(first) == 4 and first[2] == "What do you do?\nOn a rainy day?" and all(first)
    assert desk.asked[1] == ("Hello!", first[1], first[2])[-len(desk.asked[1]) :]
    tab.go(desk.url + "?reloaded")
    tab.wait("document.activeElement.id == 'message'")
    assert said(tab) == first and talks(tab) == ["Hello!"]
    tab.click(".turn:last-child [aria-label='Ask again']")
    tab.wait(f"{READY} && document.querySelector('.turn:last-child .note')")
    assert said(tab) == first and "same reply again" in tab.say("document.body.innerText")
    tab.say("document.querySelector('.asked [aria-label^=Edit]').click()")
    tab.say("document.querySelector('#editor').value = ''")
    tab.write("Good night")
    tab.press("Enter")
    tab.wait(f"{READY} && document.querySelectorAll('.turn').length == 2")
    assert said(tab)[0] == "Good night" and desk.asked[-1] == ("Good night",)


def test_a_reply_that_is_stopped_keeps_what_was_said_and_frees_its_place(desk):
    tab = desk.open({"memory": False})
    desk.is_held = True
    send(tab, "What do you do on a rainy day?", "document.querySelector('.reply .token')")
    assert tab.say("document.querySelector('#send').hidden")
    tab.click("#stop")
    tab.wait(READY)
    (_, begun), active = said(tab), "document.querySelector('.reply .note').textContent"
    assert begun and tab.say(active) == "Stopped."
    desk.is_held = False
    while desk.service.active:
        tab.say("new Promise((go) => setTimeout(go, 20))")
    tab.go(desk.url + "?reloaded")
    tab.wait("document.querySelectorAll('.turn').length == 2")
    assert said(tab)[1] == begun


def test_what_is_being_typed_outlives_the_end_of_a_reply(desk):
    tab = desk.open({"memory": False})
    desk.is_held = True
    send(tab, "What do you do on a rainy day?", "document.querySelector('.reply .token')")
    tab.say("document.querySelector('.asked [aria-label^=Edit]').click()")
    tab.say("document.querySelector('#editor').value = ''")
    tab.write("Good night")
    desk.is_held = False
    tab.wait("!document.querySelector('#send').hidden")
    tab.write(", all")
    assert tab.say("document.querySelector('#editor').value") == "Good night, all"
    tab.press("Escape")
    tab.say("document.querySelector('#list [aria-label^=Rename]').click()")
    tab.write("My talk")
    tab.say("dispatchEvent(new StorageEvent('storage', {key: null}))")  # another tab wrote
    tab.press("Enter")
    tab.wait("document.querySelectorAll('#list .open').length == 1")
    assert talks(tab) == ["My talk"]


def test_two_tabs_do_not_write_over_each_other(desk):
    desk.pieces = [Piece(0, "Fine."), Piece(0, finish_reason="stop")]
    one = desk.open()
    send(one, "first")
    other = desk.open()
    other.say("document.querySelector('#new').click()")
    send(other, "second")
    one.wait("document.querySelectorAll('#list li').length == 2")
    send(one, "more")
    other.say("document.querySelectorAll('#list .open')[0].click()")
    other.wait("document.querySelectorAll('.turn').length == 4")
    send(other, "and more")
    one.wait("document.querySelectorAll('.turn').length == 6")
    assert said(one) == said(other) == ["first", "Fine.", "more", "Fine.", "and more", "Fine."]
    other.say("document.querySelectorAll('#list [aria-label^=Delete]')[0].click()")
    one.wait("document.querySelectorAll('#list li').length == 1")
    other.click("#undo")
    one.wait("document.querySelectorAll('#list li').length == 2")
    one.say("document.querySelectorAll('#list [aria-label^=Rename]')[0].click()")
    one.write("<b>named</b>")
    one.press("Enter")
    other.wait("document.querySelector('#list .open').textContent == '<b>named</b>'")
    assert sorted(talks(one)) == sorted(talks(other)) == ["<b>named</b>", "second"]


def test_a_long_paste_is_cut_and_said_to_be(desk):
    tab = desk.open()
    tab.write("长" * 100_000)
    assert tab.say("document.querySelector('#message').value.length") == MOST_CHARACTERS
    notice = tab.say("document.querySelector('#notice-text').textContent")
    assert f"{MOST_CHARACTERS:,}" in notice
    desk.pieces = [Piece(0, "Fine.", finish_reason="stop")]
    tab.press("Enter")
    tab.wait(READY)
    assert [len(text) for text in desk.asked[-1]] == [MOST_CHARACTERS]


def test_what_finds_no_room_in_the_storage_stays_in_its_field(desk):
    tab = desk.open()
    tab.say(
        "for (let size = 2 ** 22; size; size >>= 1) for (let part = 0; part < 9; part++)"
        " try { localStorage.setItem(`fill${size}.${part}`, 'x'.repeat(size)); } catch {}"
    )
    tab.write("hello")
    tab.press("Enter")
    assert "storage is full" in tab.say("document.querySelector('#notice-text').textContent")
    assert tab.say("document.querySelector('#message').value") == "hello" and desk.asked == []


def test_enter_chooses_a_word_while_an_input_method_composes(desk):
    desk.pieces = [Piece(0, "好。", finish_reason="stop")]
    tab = desk.open()
    tab.call("Input.imeSetComposition", text="nihao", selectionStart=5, selectionEnd=5)
    tab.press("Enter", code=229)
    composing = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true})"
    tab.say(f"document.querySelector('#message').dispatchEvent({composing}) && 0")
    tab.write("你好")
    assert tab.say("document.querySelector('#message').value") == "你好" and said(tab) == []
    tab.press("Enter", modifiers=8)
    tab.write("吗")
    tab.press("Enter")
    tab.wait(READY)
    assert said(tab) == ["你好\n吗", "好。"]


def test_a_hostile_reply_is_text_and_nothing_in_it_hides_or_turns_around(desk):
    desk.pieces = [
        Piece(0, HOSTILE, [TokenScore(5), TokenScore(6)]),
        Piece(0, finish_reason="stop"),
    ]
    tab = desk.open()
    send(tab, "hello")
    text = said(tab)[1]
    assert text.startswith("</span><img src=x onerror=") and "](javascript:alert(1))" in text
    for hidden in ("\u202e", "\u202c", "\x1b", "\x07", "\u2028", "\u200b", "\U000e0041"):
        assert hidden not in text and f"\\u{{{ord(hidden):x}}}" in text
    assert (
        tab.say("document.querySelectorAll('#messages img, #messages script, #messages a').length")
        == 0
    )
    assert tab.say("document.title") == "hello · TFChat"
    assert tab.say("document.querySelector('.reply .text').dir") == "auto"


def test_a_reply_of_the_memory_says_so_and_the_network_can_be_asked_itself(desk):
    memory = {"question": "Hello <i>?", "reply": "Hi.", "score": 0.87654}
    desk.pieces = [Piece(0, "Hi.", [], "stop", memory)]
    tab = desk.open()
    send(tab, "hello")
    note = tab.say("document.querySelector('.reply .note').textContent")
    assert "Remembered" in note and "“Hello <i>?”" in note and "0.88" in note
    assert tab.say("document.querySelectorAll('.reply .token, .why').length") == 0
    desk.pieces = None
    tab.click(".reply .actions .quiet")
    tab.wait(f"{READY} && document.querySelector('.why')")
    assert said(tab)[1] != "Hi." and len(said(tab)) == 2


def test_a_server_with_a_key_is_asked_with_the_one_that_is_typed(desk):
    service = Service(desk.service.session, "small-talk")
    locked = SmallServer(service, Settings(api_key="correct-horse-battery"))
    add_page(locked.app, service)
    with closing(service), locked:
        tab = desk.browser.tab(locked.url.removesuffix("v1"))
        # No header can hold the second.
        for tried, key in enumerate(("wrong", "全角", "correct-horse-battery")):
            tab.wait("document.querySelector('#key').open")
            assert tab.say("document.querySelector('#key-wrong').hidden") == (not tried)
            tab.write(key)
            tab.press("Enter")
        tab.wait("document.querySelector('#model').textContent == 'small-talk'")
        assert tab.say("JSON.stringify(localStorage)").find("horse") < 0
        send(tab, "hello")
        assert said(tab)[1]
        tab.close()


@pytest.mark.parametrize("text", ["", "Good"])
def test_a_stream_that_ends_before_its_reply_is_no_whole_reply(desk, text: str):
    tab = desk.open()
    tab.say(
        "const event = 'data: ' + JSON.stringify({choices: [{index: 0, token_ids: [5], delta: "
        f"{{content: {json.dumps(text)}}}}}]}}) + '\\n\\n';"
        f"window.fetch = async () => new Response({json.dumps(text)} && event)"
    )
    send(tab, "hello")
    note = tab.say("document.querySelector('.reply .note').textContent")
    begins = "The reply broke off:" if text else "No reply:"
    assert note == f"{begins} the server does not answer. Is it still running?"


def test_the_longest_reply_of_all_is_not_said_to_be_a_setting(desk):
    most = desk.service.settings({}).max_reply
    for count, words in ((most - 1, "max_new_tokens"), (most, "the model can write")):
        desk.pieces = [Piece(0, "a", [TokenScore(5)] * count), Piece(0, finish_reason="length")]
        tab = desk.open()
        send(tab, "hello")
        assert words in tab.say("document.querySelector('.reply:last-child .note').textContent")


def test_an_error_is_told_and_the_question_can_be_asked_again(desk):
    tab = desk.open({"memory": False, "temperature": 0.5, "num_beams": 4, "num_candidates": 4})
    send(tab, "hello")
    assert "num_candidates" in tab.say("document.querySelector('.reply .note').textContent")
    tab._browser.events.clear()  # the browser itself complains about the answer 400
    tab.say("document.querySelector('#open-settings').click()")
    tab.say("document.querySelector('#settings .row button').click()")
    tab.say("document.querySelector('#settings .main').click()")
    tab.click(".turn:last-child [aria-label='Ask again']")
    tab.wait(f"{READY} && document.querySelector('.why')")


def test_a_token_shows_the_weights_of_the_model_by_mouse_and_by_keyboard(desk):
    tab = desk.open({"memory": False, "preset": "balanced"})
    send(tab, "What do you do on a rainy day?")
    tab.say(
        "window.looks = []; const ask = window.fetch; window.fetch = async (...given) => {"
        "const answer = await ask(...given); if (String(given[0]).includes('look'))"
        "looks.push(await answer.clone().json()); return answer; }; 0"
    )
    tab.say("document.querySelectorAll('.reply .token')[2].click()")
    tab.wait("document.querySelector('.rivals')")
    look = tab.say("looks[0]")
    spelled = (
        "[...document.querySelectorAll('.chips .chip')].map((one) => one.firstChild.textContent)"
    )
    end = {"</s>": "‹end›"}
    assert tab.say(spelled) == [end.get(one, one) for one in look["question"]["tokens"]]
    for place, key in ((2, None), (3, "ArrowRight"), (2, "ArrowLeft")):
        if key:
            tab.press(key)
        assert tab.say("document.querySelector('.reply .token.here').dataset.place") == str(place)
        for head in (-1, 1):
            tab.say(f"document.querySelector('[data-keep=head{head}]').click()")
            check_shares(tab, look, place, head)
        tab.say("document.querySelector('.strip [tabindex=\"0\"]').focus()")
    taken = "document.querySelector('.rivals .taken').textContent"
    assert tab.say(taken).startswith(look["reply"]["tokens"][2])
    href = tab.say("document.querySelector('#inside a.main').href")
    picture = desk.browser.tab(href)
    picture.wait("document.querySelectorAll('.hero path').length")
    assert picture.complaints() == []
    picture.close()
    tab.press("Escape")
    assert tab.say("document.querySelector('#inside').hidden")
    assert "Why this reply?" in tab.say("document.activeElement.textContent")


def check_shares(tab: Tab, look: dict, place: int, head: int) -> None:
    """Compare what stands below the tokens with the weights of the last layer."""
    import base64

    import numpy as np

    packed = look["layers"][-1]
    weights = (
        np.frombuffer(base64.b64decode(packed["data"]), "<u2").reshape(packed["shape"]) / 65535
    )
    row = weights[:, place].mean(0) if head < 0 else weights[head, place]
    shown = tab.say("[...document.querySelectorAll('.chips small')].map((one) => one.textContent)")
    assert [float(text.removesuffix(" %")) for text in shown] == pytest.approx(100 * row, abs=0.51)


def test_a_screen_reader_finds_names_for_all_and_hears_the_reply(desk):
    desk.pieces = [Piece(0, "Fine."), Piece(0, finish_reason="stop")]
    tab = desk.open()
    send(tab, "hello")
    tab.say("document.querySelector('#open-settings').click()")
    found = []
    for state in ("settings", "page"):
        nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
        seen = [(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes
                if not one["ignored"] and "role" in one]  # fmt: skip
        wanted = {
            "button",
            "textbox",
            "spinbutton",
            "radio",
            "checkbox",
            "combobox",
            "link",
            "dialog",
        }
        assert [role for role, name in seen if role in wanted and not name] == [], state
        found.append({role: [name for one, name in seen if one == role] for role, _ in seen})
        tab.press("Escape")
    settings, page = found
    assert settings["dialog"] == ["How it answers"] and len(settings["spinbutton"]) > 10
    assert page["navigation"] == ["Conversations"] and "Your message" in page["textbox"]
    assert page["list"] and "Messages" in page["list"] and page["heading"][0] == "hello"
    assert tab.say("document.querySelector('#status').textContent").startswith("Reply: Fine.")


def test_language_and_colours_follow_the_browser_and_the_hand(desk):
    tab = desk.open()
    assert tab.say("document.documentElement.lang") == "en"
    tab.click("#language")
    assert tab.say("document.querySelector('#message').placeholder") == "说点什么"
    colour = "getComputedStyle(document.body).backgroundColor"
    seen = []
    for wanted in ("light", "dark"):
        media = [{"name": "prefers-color-scheme", "value": wanted}]
        tab.call("Emulation.setEmulatedMedia", features=media)
        seen.append(tab.say(colour))
    assert seen == ["rgb(251, 250, 247)", "rgb(21, 24, 29)"]
    tab.click("#theme")
    assert (
        tab.say(colour) == seen[0] and tab.say("document.documentElement.dataset.theme") == "light"
    )
    tab.go(desk.url + "?reloaded")
    tab.wait("document.activeElement.id == 'message'")
    assert tab.say(colour) == seen[0] and tab.say("document.documentElement.lang") == "zh-CN"


@pytest.mark.parametrize("size", [(390, 800), (1280, 800)])
def test_nothing_is_wider_than_the_window(desk, size):
    desk.pieces = [Piece(0, "word" * 200), Piece(0, finish_reason="stop")]
    tab = desk.open()
    tab.size(*size)
    send(tab, "x" * 300)
    over = (
        "Math.max(...[...document.querySelectorAll('body *')].filter((one) =>"
        " one.checkVisibility() && !one.closest('.hidden, .skip, #list'))"
        ".map((one) => one.getBoundingClientRect().right)) - innerWidth"
    )
    assert tab.say(over) <= 0

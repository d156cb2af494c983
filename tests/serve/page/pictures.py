# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Take the pictures of the page for the docs, from the real page with the model in the package.

python -m tests.serve.page.pictures docs
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.devtools import Tab, browser
from tests.serve.small_server import SmallServer, small_service
from tfchat_hf.serve.page.routes import add_page

SIZE = (1280, 800)
# Language of the browser, end of the file's name; one question that the memory knows and one
# that the network answers, and which of its tokens is looked into.
TALKS = (
    ("en", ".png", "Who are you?", "I am tired today.", 17),
    ("zh-CN", ".zh-CN.png", "你是谁？", "我想学做饭", 2),
)
WAITS = "document.activeElement.id == 'message' && document.querySelector('#model').textContent"


def ask(tab: Tab, text: str, settings: dict[str, object]) -> None:
    """Ask one question with settings."""
    tab.say(f"localStorage.setItem('tfchat.settings', {json.dumps(json.dumps(settings))})")
    tab.go(f"{tab.say('location.origin')}/?{len(settings)}")
    tab.wait(WAITS)
    tab.write(text)
    tab.press("Enter")
    tab.wait(
        "!document.querySelector('.caret') && document.querySelector('.reply:last-child .actions')"
    )


def picture(tab: Tab, known: str, unknown: str, place: int) -> Image.Image:
    """Talk, look into a token, and return what is to be seen."""
    tab.size(*SIZE)
    tab.wait(WAITS)
    ask(tab, known, {})
    ask(tab, unknown, {"memory": False, "preset": "balanced"})
    tab.say(f"document.querySelectorAll('.reply:last-child .token')[{place}].click()")
    tab.wait("document.querySelector('.rivals')")
    tab.say("document.activeElement.blur()")
    seen = Image.open(io.BytesIO(tab.picture())).convert("RGB")
    return seen.quantize(256, dither=Image.Dither.NONE)


def main(folder: Path) -> None:
    """Write a picture in each language."""
    with small_service() as service:
        server = SmallServer(service)
        add_page(server.app, service)
        with server, tempfile.TemporaryDirectory() as home:
            for language, suffix, *talk in TALKS:
                options = (f"--lang={language}", f"--accept-lang={language}")
                with browser(Path(home, language), *options) as chromium:
                    tab = chromium.tab(server.url.removesuffix("v1"))
                    picture(tab, *talk).save(folder / f"chat_page{suffix}", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

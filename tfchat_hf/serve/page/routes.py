# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The page in the browser: its files, what it must know, and the look into a reply."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from data_builders.errors import UserError
from data_builders.translation import LANGUAGES, _, speaking

from ...chat.settings import SETTINGS, ChatSettings
from ...engines.model_folder import TORCH
from ...look.page import texts
from ..batching_queue import QueueFullError
from ..errors import ApiError, as_api_error
from ..schema import ChatRequest
from ..service import Service
from .looking import Looker, Reply

_HERE = Path(__file__).parent
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
# Nothing but our own files is run or asked for, and nobody shows the page inside of theirs. (That
# is said last, for `--frame` to say otherwise.)
_POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SAFE = {
    "Content-Security-Policy": f"default-src 'self'; object-src 'none'; {_POLICY}",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
# The picture of `look` is one file, with its script and style inside.
_INLINE = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_SAFE_PICTURE = _SAFE | {
    "Content-Security-Policy": f"{_INLINE}; {_POLICY}",
    "Cache-Control": "no-store",
}
# Beyond what a model reads of a message; more is cut where it is written.
MOST_CHARACTERS = 20_000


class LookRequest(ChatRequest):
    """The body of `/page/look`: a conversation, and the tokens of the reply to it."""

    token_ids: Annotated[list[int], Field(min_length=1, max_length=100_000)]


def add_page(app: FastAPI, service: Service, frames: Sequence[str] = ()) -> None:
    """Serve the page from `/`, and what it asks for below `/page/`.

    Args:
        app: Has the API that the page talks to.
        service: The model behind it.
        frames: Pages of these origins may show it inside of theirs.
    """
    _add_files(app, frames)
    about = _about(service)
    # A new tab brings no key: the name of a picture, which nobody guesses, stands for it.
    looker = Looker(service.session.name, app.state.open_paths)

    @app.get("/page/about")
    def what_the_page_must_know() -> dict[str, Any]:
        return about

    @app.post("/page/look")
    def look(asked: LookRequest) -> dict[str, Any]:
        if not about["look"]:
            what = _(
                "This engine does not show the inside of a model. Serve it without `--engine`."
            )
            raise ApiError(400, what, "unsupported")
        try:
            config = service.settings(asked.settings).generation_config()
            question = service.question(asked.turns(service.reads_system))
            preset = asked.settings.get("preset", service.preset)
            return looker.look(Reply(question, asked.token_ids, config, preset))
        except (UserError, QueueFullError, ValueError) as error:
            raise as_api_error(error) from error

    @app.get("/page/picture/{key}")
    def picture(request: Request, language: str = "en") -> HTMLResponse:
        try:
            page = looker.picture(request.url.path, language if language in LANGUAGES else "en")
        except QueueFullError as error:
            raise as_api_error(error) from error
        if page is None:
            what = _("This picture is no longer kept. Look into the reply again.")
            raise ApiError(404, what, "not_found")
        return HTMLResponse(page, headers=_SAFE_PICTURE)


def _add_files(app: FastAPI, frames: Sequence[str]) -> None:
    """Serve the files beside this one by their names, and no others."""
    headers = dict(_SAFE)
    if frames:
        policy = headers["Content-Security-Policy"].removesuffix("'none'") + " ".join(frames)
        headers["Content-Security-Policy"] = policy
    for path in sorted(_HERE.iterdir()):
        if kind := _KINDS.get(path.suffix):
            where = "/" if path.name == "index.html" else f"/page/{path.name}"
            app.get(where)(_file(path, kind, headers))
            app.state.open_paths.add(where)  # the page itself asks for the key


def _file(path: Path, kind: str, headers: Mapping[str, str]) -> Callable[[], Response]:
    """Return the route of one file."""
    content = path.read_bytes()

    async def file() -> Response:
        return Response(content, headers=headers, media_type=kind)

    return file


def _about(service: Service) -> dict[str, Any]:
    """Say in both languages what the page shows of a model and its settings."""
    settings, engine = service.settings({}), service.session.ways["engine"]
    names = settings.preset_names()
    about = [{"name": name, "about": _in_both(settings.about_preset, name)} for name in names]
    return {
        "model": service.name,
        "engine": engine,
        "look": engine == TORCH,
        "memory": service.session.recall.memory is not None,
        "turns": service.session.max_context_turns,
        "max_characters": MOST_CHARACTERS,
        "presets": about,
        "settings": [_setting(settings, name) for name in SETTINGS if name != "preset"],
        "values": {"": _values(settings)}
        | {name: _values(service.settings({"preset": name})) for name in names},
        "processors": {language: said["processors"] for language, said in texts().items()},
    }


def _in_both(say: Callable[[str], str], name: str) -> dict[str, str]:
    """Say something in each language."""
    said = {}
    for language in LANGUAGES:
        with speaking(language):
            said[language] = say(name)
    return said


def _setting(settings: ChatSettings, name: str) -> dict[str, Any]:
    """Describe a setting as the page's dialog needs it."""
    known = settings.known(name)
    return {
        "name": name,
        "kind": known.kind.__name__,
        "low": known.low,
        "high": known.high,
        "about": _in_both(settings.about, name),
    }


def _values(settings: ChatSettings) -> dict[str, Any]:
    """Return what every setting is where nothing is set by hand."""
    return {name: settings.value(name) for name in SETTINGS if name != "preset"}

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What is wrong with a request, in the shape in which OpenAI's clients read it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from data_builders.errors import UserError, shown
from data_builders.translation import _, joined

from .batching_queue import QueueClosedError, QueueFullError

logger = logging.getLogger(__name__)

# Seconds after which a caller that found no place may try again.
RETRY_AFTER = "1"
_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# pydantic's names for what OpenAI calls otherwise; whatever is not here is an invalid value.
_CODES = {"missing": "missing_required_parameter", "json_invalid": "invalid_json"}
# `messages[0].content` at the beginning of a sentence is the field that it is about.
_FIELD = re.compile(r"`?(messages(?:\[\d+\]|\.\w+)*)`?")


class ApiError(Exception):
    """An error that the caller is told.

    Args:
        status: Of HTTP.
        message: A sentence or two.
        code: A word for programs.
        param: The field that is wrong, if it is one.
        headers: More of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what will be told."""
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """Return OpenAI's object."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        kind = _KINDS.get(self.status, kind)
        fields = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": fields}

    def response(self) -> JSONResponse:
        """Return the whole answer."""
        return JSONResponse(self.body(), self.status, self.headers)


def as_api_error(error: BaseException) -> ApiError:
    """Say what became of a request in the words of the API; what nobody foresaw goes to the log."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, UserError):
        return wrong_value(error)
    if isinstance(error, QueueFullError):
        again = {"Retry-After": RETRY_AFTER}
        return ApiError(429, str(error), "rate_limit_exceeded", headers=again)
    if isinstance(error, QueueClosedError):
        message = _("The server is stopping and takes no more requests.")
        return ApiError(503, message, "server_stopping", headers={"Retry-After": RETRY_AFTER})
    if isinstance(error, TimeoutError):
        again = {"Retry-After": RETRY_AFTER}
        return ApiError(503, _("The request waited too long."), "timeout", headers=again)
    if isinstance(error, ValueError):  # settings that do not go together, says `generate()`
        return ApiError(400, shown(" ".join(str(error).split())), "invalid_value")
    # Its text may hold a prompt: only its kind and place are logged.
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    module = place and place.tb_frame.f_globals.get("__name__")  # a path may name the user
    where = f"{module}:{place.tb_lineno}" if place else "?"
    logger.error("%s at %s", type(error).__name__, where)
    return ApiError(500, _("The server failed at this request."), "server_error")


def wrong_value(error: UserError, param: str | None = None, *more: str) -> ApiError:
    """Return the answer to a value that one of our own sentences refuses, with more of them."""
    found = _FIELD.match(str(error))
    param = param or (found[1] if found else None)
    return ApiError(400, joined(str(error), *more), "invalid_value", param)


def _of_validation(error: RequestValidationError) -> ApiError:
    """Tell the first thing that pydantic does not like."""
    first = error.errors()[0]
    if isinstance(own := first.get("ctx", {}).get("error"), UserError):
        return wrong_value(own)
    steps = [part for part in first["loc"] if part != "body"]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in steps)
    param = "" if first["type"] == "json_invalid" else shown(param.lstrip("."))[:100]
    code = _CODES.get(first["type"], "invalid_value")
    code = "invalid_type" if first["type"].endswith("_type") else code
    what = _("`{param}` is wrong: {reason}.", param=param or _("the body"), reason=first["msg"])
    return ApiError(400, what, code, param or None)


def add_error_handlers(app: FastAPI) -> None:
    """Have every error of the app told in OpenAI's shape."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _of_validation(error).response()

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_")
        told = ApiError(error.status_code, f"{phrase}.", code, headers=error.headers)
        return told.response()

    @app.exception_handler(ApiError)
    async def of_ours(request: Request, error: ApiError) -> JSONResponse:
        return error.response()

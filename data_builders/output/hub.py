# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What may go wrong between here and the Hugging Face Hub, as sentences for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

from huggingface_hub import constants
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import validate_repo_id

from data_builders.errors import UserError
from data_builders.translation import _, joined, marked

NO_TOKEN = marked("Pushing needs a token of the Hub. Run `hf auth login`, or set HF_TOKEN.")
# A gateway that has lost its Hub answers with a page of HTML.
UNREACHABLE = (HTTPError, ConnectionError, TimeoutError, JSONDecodeError)


def check_repo_id(repo_id: str, setting: str, placeholder: str) -> None:
    """Refuse what is no `owner/name`, or a card's placeholder, without asking the Hub."""
    try:
        validate_repo_id(repo_id)
        fine = "/" in repo_id and repo_id != placeholder
    except HFValidationError:
        fine = False
    if not fine:
        raise UserError(
            "{setting} must be owner/name, of letters, digits, `-`, `_` and `.`, at most 96 of "
            "them (got {name!r}). Take your own name on the Hub for the owner.",
            setting=setting,
            name=repo_id,
        )


@contextmanager
def hub_errors(repo_id: str) -> Iterator[None]:
    """Word the errors of a push to a repository.

    The Hub's own texts are left out: they may quote the request, with the token in it.
    """
    try:
        yield
    except LocalTokenNotFoundError:
        raise UserError(NO_TOKEN) from None
    except HfHubHTTPError as error:
        raise UserError(_refused(repo_id, error.response.status_code)) from None
    except (OfflineModeIsEnabled, *UNREACHABLE):
        told = (
            _(
                "The Hub cannot be reached, so {name} was not pushed. Unset HF_HUB_OFFLINE, and",
                name=repo_id,
            )
            if constants.HF_HUB_OFFLINE
            else _(
                "The Hub cannot be reached, so {name} was not pushed. Check the network, and",
                name=repo_id,
            )
        )
        raise UserError(joined(told, _again())) from None


def _refused(repo_id: str, status: int) -> str:
    """Word an answer of the Hub that is no success."""
    if status == 401:
        return _(
            "The Hub does not know the token given for {name}. Run `hf auth login`, or set "
            "HF_TOKEN to one that may write.",
            name=repo_id,
        )
    if status in (403, 404):
        return _(
            "The token may not write to {name}. Check the owner's name, and that the token has the "
            "right to write there.",
            name=repo_id,
        )
    if status == 429:
        many = _("The Hub has had too many requests from you (429). Wait some minutes, and")
        return joined(many, _again())
    told = _(
        "The Hub answers {status} when {name} is pushed. Wait a little, and",
        status=status,
        name=repo_id,
    )
    return joined(told, _again())


def _again() -> str:
    return _("push again with the same command; what has arrived is not sent twice.")

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

NO_TOKEN = "Pushing needs a token of the Hub. Run `hf auth login`, or set HF_TOKEN."
# A gateway that has lost its Hub answers with a page of HTML.
UNREACHABLE = (HTTPError, ConnectionError, TimeoutError, JSONDecodeError)
_AGAIN = "push again with the same command; what has arrived is not sent twice."


def check_repo_id(repo_id: str, setting: str, placeholder: str) -> None:
    """Refuse what is no `owner/name`, or a card's placeholder, without asking the Hub."""
    try:
        validate_repo_id(repo_id)
        fine = "/" in repo_id and repo_id != placeholder
    except HFValidationError:
        fine = False
    if not fine:
        raise UserError(
            f"{setting} must be owner/name, of letters, digits, `-`, `_` and `.`, at most 96 of "
            f"them (got {repo_id!r}). Take your own name on the Hub for the owner."
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
        what = "Unset HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "Check the network"
        raise UserError(
            f"The Hub cannot be reached, so {repo_id} was not pushed. {what}, and {_AGAIN}"
        ) from None


def _refused(repo_id: str, status: int) -> str:
    """Word an answer of the Hub that is no success."""
    if status == 401:
        return (
            f"The Hub does not know the token given for {repo_id}. Run `hf auth login`, or set "
            "HF_TOKEN to one that may write."
        )
    if status in (403, 404):
        return (
            f"The token may not write to {repo_id}. Check the owner's name, and that the token "
            "has the right to write there."
        )
    if status == 429:
        return f"The Hub has had too many requests from you (429). Wait some minutes, and {_AGAIN}"
    return f"The Hub answers {status} when {repo_id} is pushed. Wait a little, and {_AGAIN}"

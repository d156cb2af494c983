# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Puts a finished run on the Hugging Face Hub, in one commit and after a look at every file.

python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --dry_run
python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --private
python -m tfchat_hf.publishing runs/mine --hub_model_id name/model --with_logs --push_memory
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars, validate_repo_id

from ..settings.run_folder import SETTINGS_FILE
from ..text.errors import UserError
from .model_card import PLACEHOLDER
from .privacy import find_leaks, machine_places
from .upload_plan import UploadPlan, plan_upload

Report = Callable[[str], None]
MAX_LEAKS_SHOWN = 10
# Seconds before each new try of the commit; huggingface_hub itself tries single files again.
WAITS = (1.0, 4.0)


@dataclass(frozen=True)
class PushOrder:
    """What a user asked to have pushed.

    Attributes:
        repo_id: where to, `owner/name`.
        private: whether only the owner shall see it; None leaves it to the Hub.
        dry_run: only say what would be uploaded.
        with_logs: upload samples and logs too.
        with_memory: upload the memory too, which holds the corpus.
    """

    repo_id: str
    private: bool | None = None
    dry_run: bool = False
    with_logs: bool = False
    with_memory: bool = False


def push_order(training: Any) -> PushOrder | None:
    """Takes the push out of the training settings: the Trainer must not push by itself.

    transformers would create the repository before training and upload at every checkpoint.

    Args:
        training: the training settings; `push_to_hub` is False afterwards.

    Returns:
        The order, or None if nobody asked for a push.

    Raises:
        UserError: if it could not be carried out: better now than after the training.
    """
    asked, dry_run = training.push_to_hub, getattr(training, "push_dry_run", False)
    training.push_to_hub = False
    if not asked and not dry_run:
        return None
    if not training.hub_model_id:
        raise UserError(
            "`push_to_hub` needs `hub_model_id`, the name of the repository (not set). Add "
            f"--hub_model_id {PLACEHOLDER}."
        )
    order = PushOrder(
        training.hub_model_id,
        training.hub_private_repo,
        dry_run,
        with_memory=getattr(training, "push_memory", False),
    )
    check_order(order)
    return order


def check_order(order: PushOrder) -> None:
    """Refuses what cannot succeed, without asking the Hub.

    Raises:
        UserError: for a name that is not `owner/name`, or where nobody is logged in.
    """
    problem = f"`hub_model_id` must be owner/name (got {order.repo_id!r}). Use {PLACEHOLDER}."
    if order.repo_id.count("/") != 1 or order.repo_id == PLACEHOLDER:
        raise UserError(problem)
    try:
        validate_repo_id(order.repo_id)
    except HFValidationError:
        raise UserError(
            f"{problem[:-1]}, of letters, digits, `-`, `_` and `.`, at most 96 of them."
        ) from None
    if not order.dry_run and not get_token():
        raise UserError(_NOT_LOGGED_IN)


def publish(
    folder: str | Path,
    order: PushOrder,
    report: Report,
    wait: Callable[[float], None] = time.sleep,
) -> str | None:
    """Uploads a finished run folder; a dry run only says what would be uploaded.

    All files go up in one commit: whatever stops it, the repository shows all of them or none.
    Files that are there already are not sent again, so the same command may be repeated.

    Args:
        folder: the run folder.
        order: where to and how.
        report: takes the lines meant for the user.
        wait: called with the seconds before each new try.

    Returns:
        The address of the model, or None after a dry run.

    Raises:
        UserError: for a folder or an order that cannot be pushed.
        UserError: if the Hub does not take it.
    """
    check_order(order)
    plan = plan_upload(folder, order.repo_id, order.with_logs, order.with_memory)
    check_privacy(plan, folder)
    for line in plan.lines():
        report(line)
    if order.dry_run:
        report("dry run: nothing was uploaded.")
        return None
    api = HfApi()
    with _push_errors(order.repo_id):
        _make_repository(api, order, report)
        _commit(api, plan, report, wait)
    url = f"{api.endpoint}/{order.repo_id}"
    report(f"pushed: {url}")
    return url


def publish_after_training(folder: str | Path, order: PushOrder, report: Report) -> bool:
    """Pushes the run that has just ended; a failure is told and costs nothing of the run.

    Returns:
        Whether all that was asked for is done.
    """
    try:
        publish(folder, order, report)
    except (UserError, OSError) as error:
        report(f"not pushed: {error}")
        report(
            f"The run in {folder} is finished and safe. Push it later with: python -m "
            f"tfchat_hf.publishing.push {folder} --hub_model_id {order.repo_id}"
        )
        return False
    return True


def check_privacy(plan: UploadPlan, folder: str | Path) -> None:
    """Refuses texts that hold an access token or a path of this machine.

    Raises:
        UserError: names each file and line, never the thing itself.
    """
    places, secrets = machine_places(folder, *_places_of(folder)), [get_token() or ""]
    found = [
        f"  {upload.name}, line {leak.line}: {leak.kind}"
        for upload in plan.uploads
        for leak in find_leaks(upload.read_text() or "", places, secrets)
    ]
    if found:
        more = len(found) - MAX_LEAKS_SHOWN
        shown = [*found[:MAX_LEAKS_SHOWN], *([f"  and {more} more"] if more > 0 else [])]
        raise UserError(
            f"Some files of {folder} are not fit to be published:\n"
            + "\n".join(shown)
            + "\nTake that out of the files, and push again."
        )


def _places_of(folder: str | Path) -> list[str]:
    """Lists the absolute paths among the settings of a run: where its data lay, for one."""
    path = Path(folder, SETTINGS_FILE)
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    values = (settings or {}).values()
    return [value for value in values if isinstance(value, str) and Path(value).is_absolute()]


def _make_repository(api: HfApi, order: PushOrder, report: Report) -> None:
    """Creates the repository, or finds it and makes sure that it is as private as asked."""
    try:
        known = api.model_info(order.repo_id)
    except RepositoryNotFoundError:
        api.create_repo(order.repo_id, private=order.private, exist_ok=True)
        return
    if order.private and not known.private:
        raise UserError(
            f"{order.repo_id} is public already, so what is pushed would be too. Push without "
            "--private, or to another name."
        )
    report(f"{order.repo_id} exists: files of the same names are replaced, others stay.")


def _commit(api: HfApi, plan: UploadPlan, report: Report, wait: Callable[[float], None]) -> None:
    """Uploads everything in one commit, once more when the network or the Hub stumbles."""
    for seconds in (*WAITS, None):
        # New each time: an operation remembers what became of it.
        files = [
            CommitOperationAdd(
                upload.name, upload.source if upload.content is None else upload.content
            )
            for upload in plan.uploads
        ]
        try:
            api.create_commit(plan.repo_id, files, commit_message="Upload model with TFChat-HF")
            return
        except (HTTPError, ConnectionError, TimeoutError) as error:
            if seconds is None or not _passing(error):
                raise
            report(f"the upload was interrupted: trying again in {seconds:g} s")
            wait(seconds)


def _passing(error: Exception) -> bool:
    """Tells whether the same request may succeed a little later."""
    return not isinstance(error, HfHubHTTPError) or error.response.status_code in (
        *(408, 412, 429),
        *range(500, 600),
    )


_NOT_LOGGED_IN = "Pushing needs a token of the Hub. Run `hf auth login`, or set HF_TOKEN."


@contextmanager
def _push_errors(repo_id: str) -> Iterator[None]:
    """Words the errors of the Hub; their own texts may quote the request with its token."""
    try:
        yield
    except LocalTokenNotFoundError:
        raise UserError(_NOT_LOGGED_IN) from None
    except HfHubHTTPError as error:
        raise UserError(_refused(repo_id, error.response.status_code)) from None
    except (OfflineModeIsEnabled, HTTPError, ConnectionError, TimeoutError):
        what = "Unset HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "Check the network"
        raise UserError(
            f"The Hub cannot be reached, so {repo_id} was not pushed. {what}, and push again "
            "with the same command; what has arrived is not sent twice."
        ) from None


def _refused(repo_id: str, status: int) -> str:
    """Words an answer of the Hub that is no success."""
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
    return (
        f"The Hub answers {status} when {repo_id} is pushed. Push again later with the same "
        "command; what has arrived is not sent twice."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Pushes a run folder as the command line says.

    Args:
        argv: the command line without the program's name; None takes the real one.

    Returns:
        0 when it is done, 2 for an error that the message explains.
    """
    asked = _parser().parse_args(argv)
    order = PushOrder(
        asked.hub_model_id,
        asked.private or None,
        asked.dry_run,
        asked.with_logs,
        asked.push_memory,
    )
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        publish(asked.run_folder, order, report=print)
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped: nothing of it is visible. The same command goes on.\n")
        return 130
    except (UserError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tfchat_hf.publishing",
        description="Put a finished run on the Hugging Face Hub.",
        allow_abbrev=False,
    )
    parser.add_argument("run_folder", help="the `output_dir` of a finished run")
    parser.add_argument("--hub_model_id", required=True, help="where to: owner/name")
    parser.add_argument("--private", action="store_true", help="only the owner sees it")
    parser.add_argument("--dry_run", action="store_true", help="only list what would be uploaded")
    parser.add_argument("--with_logs", action="store_true", help="upload samples and logs too")
    parser.add_argument(
        "--push_memory", action="store_true", help="upload the memory too: it holds the corpus"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

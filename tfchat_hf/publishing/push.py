# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A finished run, or a Space of it, to the Hub: in one commit, after a look at every file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from data_builders.errors import UserError
from data_builders.output.hub import NO_TOKEN, UNREACHABLE, check_repo_id, hub_errors
from data_builders.translation import _

from ..settings.run_folder import check_not_in_training
from .upload_checks import check_privacy, check_whole
from .upload_plan import PLACEHOLDER, UploadPlan, plan_upload

# Seconds before each new try of the commit; huggingface_hub itself tries single files again.
WAITS = (1.0, 4.0)

Report = Callable[[str], None]


@dataclass(frozen=True)
class PushOrder:
    """What a user asked to have pushed.

    Attributes:
        repo_id: Where to, `owner/name`.
        private: Whether only the owner shall see it; None leaves it to the Hub.
        dry_run: Only say what would be uploaded.
        with_logs: Upload samples and logs too.
        push_memory: Upload the memory too, which holds the corpus.
        space_sdk: What runs the Space that is to be made; None where a model is pushed.
    """

    repo_id: str
    private: bool | None = None
    dry_run: bool = False
    with_logs: bool = False
    push_memory: bool = False
    space_sdk: str | None = None

    @property
    def repo_type(self) -> str:
        """Return what the Hub calls this kind of repository."""
        return "space" if self.space_sdk else "model"

    def command(self, folder: str | Path) -> str:
        """Return the command that carries it out."""
        switches = ("private", "dry_run", "with_logs", "push_memory")
        asked = "".join(f" --{name}" for name in switches if getattr(self, name))
        return f"python -m tfchat_hf.publishing {folder} --hub_model_id {self.repo_id}{asked}"


def push_order(training: Any) -> PushOrder | None:
    """Take the push out of the training settings: the Trainer must not push by itself.

    transformers would create the repository before training and upload at every checkpoint.

    Args:
        training: The training settings; `push_to_hub` is False afterwards.

    Returns:
        The order, or None if nobody asked for a push.

    Raises:
        UserError: If it could not be carried out: better now than after the training.
    """
    asked, training.push_to_hub = training.push_to_hub, False
    if not asked and not training.push_dry_run:
        return None
    if not training.hub_model_id:
        raise UserError(
            "`push_to_hub` needs `hub_model_id`, the name of the repository (not set). Add "
            "--hub_model_id {example}.",
            example=PLACEHOLDER,
        )
    order = PushOrder(
        training.hub_model_id,
        private=training.hub_private_repo,
        dry_run=training.push_dry_run,
        push_memory=training.push_memory,
    )
    check_order(order)
    return order


def check_order(order: PushOrder) -> None:
    """Refuse what cannot succeed, without asking the Hub."""
    setting = "--space" if order.space_sdk else "`hub_model_id`"
    check_repo_id(order.repo_id, setting, PLACEHOLDER)
    if not order.dry_run and not get_token():
        raise UserError(NO_TOKEN)


def publish(folder: str | Path, order: PushOrder, report: Report) -> None:
    """Upload a finished run folder; a dry run only says what would be uploaded.

    Args:
        folder: The run folder.
        order: Where to and how.
        report: Takes the lines meant for the user.

    Raises:
        UserError: For a folder or an order that cannot be pushed, or if the Hub does not take it.
    """
    check_order(order)
    push(plan_model(folder, order), folder, order, report)


def plan_model(folder: str | Path, order: PushOrder) -> UploadPlan:
    """List the files of a finished run, of which each is whole."""
    check_not_in_training(Path(folder))
    plan = plan_upload(folder, order.repo_id, order.with_logs, order.push_memory)
    check_whole(plan, Path(folder))
    return plan


def push(plan: UploadPlan, folder: str | Path, order: PushOrder, report: Report) -> None:
    """Upload what is planned, or say in a dry run what that is.

    All files go up in one commit: whatever stops it, the repository shows all of them or none.
    Files that are there already are not sent again, so the same command may be repeated.
    """
    check_privacy(plan, folder)
    for line in plan.lines(order.repo_id):
        report(line)
    if order.dry_run:
        report(_("dry run: nothing was uploaded."))
        return
    api = HfApi()
    with hub_errors(order.repo_id):
        _make_repository(api, order, report)
        _commit(api, order, plan, report)
    kind = "spaces/" if order.space_sdk else ""
    report(_("pushed: {address}", address=f"{api.endpoint}/{kind}{order.repo_id}"))


def publish_after_training(folder: str | Path, order: PushOrder, report: Report) -> bool:
    """Push the run that has just ended; a failure is told and costs nothing of the run.

    Returns:
        Whether all that was asked for is done.
    """
    try:
        publish(folder, order, report)
    except (ValueError, OSError) as error:
        report(_("not pushed: {error}", error=error))
        report(
            _(
                "The run in {folder} is finished and safe. Push it later: {command}",
                folder=folder,
                command=order.command(folder),
            )
        )
        return False
    return True


def _make_repository(api: HfApi, order: PushOrder, report: Report) -> None:
    """Create the repository, or find it and make sure that it is as private as asked."""
    try:
        known = api.repo_info(order.repo_id, repo_type=order.repo_type)
    except RepositoryNotFoundError:
        api.create_repo(
            order.repo_id,
            private=order.private,
            repo_type=order.repo_type,
            space_sdk=order.space_sdk,
            exist_ok=True,
        )
        return
    if order.private and not known.private:
        raise UserError(
            "{name} is public already, so what is pushed would be too. Push without --private, or "
            "to another name.",
            name=order.repo_id,
        )
    report(
        _(
            "{name} exists: files of the same names are replaced, others stay.",
            name=order.repo_id,
        )
    )


def _commit(api: HfApi, order: PushOrder, plan: UploadPlan, report: Report) -> None:
    """Upload everything in one commit, once more when the network or the Hub stumbles."""
    # `upload_folder` of huggingface_hub 2.4 cuts a commit of more than 20 files that fails into
    # several where hf_xet is installed: half a model would be visible.
    for seconds in (*WAITS, None):
        # New each time: an operation remembers what became of it.
        files = [
            CommitOperationAdd(file.name, file.source if file.content is None else file.content)
            for file in plan.uploads
        ]
        try:
            message = f"Upload {order.repo_type} with TFChat-HF"
            api.create_commit(
                order.repo_id, files, commit_message=message, repo_type=order.repo_type
            )
            return
        except UNREACHABLE as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else 500
            if seconds is None or (status < 500 and status not in (408, 412, 429)):
                raise
            report(_("the upload was interrupted: trying again in {seconds:g} s", seconds=seconds))
            time.sleep(seconds)
        except ValueError as error:  # how huggingface_hub says what is wrong with the card's header
            raise UserError(str(error)) from error

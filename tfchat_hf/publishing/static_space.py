# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A Space that needs no processor: the page of `--engine web`, in which the model runs itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from data_builders.translation import LANGUAGES, _, marked, speaking

from ..engines.dependencies import WEB
from ..engines.exported_folder import NOTES, find_export
from .push import PushOrder, Report, check_order, plan_model, push
from .space import space_header
from .upload_plan import CARD_FILE, Upload, UploadPlan

SDK = "static"
# Of the run itself: what the card is, and its picture.
_CARD = (CARD_FILE, "curves.png")


def publish_static_space(
    folder: str | Path, order: PushOrder, report: Report, model_id: str | None = None
) -> None:
    """Push the page that a run was exported to; a dry run only says what would be uploaded.

    Args:
        folder: The run folder, with the export in it.
        order: Where to and how.
        report: Takes the lines meant for the user.
        model_id: The model on the Hub whose card the Space names; None puts the card into it.

    Raises:
        UserError: There is no such export, or it is stale or cannot be pushed.
    """
    check_order(order)
    push(plan_static_space(folder, order, model_id), folder, order, report)


def plan_static_space(
    folder: str | Path, order: PushOrder, model_id: str | None = None
) -> UploadPlan:
    """List the files of a static Space; see `publish_static_space`."""
    name = order.repo_id.split("/")[1]
    model = plan_model(folder, replace(order, repo_id=name))
    page = find_export(folder, WEB)
    card = space_header(Path(folder), order.repo_id, model_id, sdk=SDK, app_file="index.html")
    text = "\n\n".join([card, *_explained(order.repo_id, model_id)]) + "\n"
    plan = UploadPlan(
        [Upload(CARD_FILE, marked("the Space's card"), Path(CARD_FILE), text.encode())]
    )
    for path in sorted(path for path in page.rglob("*") if path.is_file()):
        at = path.relative_to(page).as_posix()
        if at not in (CARD_FILE, NOTES):
            plan.uploads.append(Upload(at, marked("the page in the browser"), path))
    if not model_id:
        kept = [upload for upload in model.uploads if upload.name in _CARD]
        plan.uploads += [replace(upload, name=f"{name}/{upload.name}") for upload in kept]
    return plan


def _explained(space: str, model_id: str | None) -> Iterator[str]:
    """Say to strangers, in each language, what they talk to, and how to have it at home."""
    name = space.split("/")[1]
    card = model_id or f"spaces/{space}/blob/main/{name}/{CARD_FILE}"
    for language in LANGUAGES:
        with speaking(language):
            yield _(
                "A small chat model, trained with TFChat-HF, that runs in your own browser: what "
                "you write stays there. What it learned from, how well, and its limits: [its "
                "card]({card}).",
                card=f"https://huggingface.co/{card}",
            )
            yield _(
                "It knows nothing beyond its training pairs and states wrong things with "
                "confidence. Do not use it for advice."
            )
            yield _("To have it at home, clone this Space, and in its folder:")
            yield "```bash\npython -m http.server\n```"

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A Space that needs no processor: the page of `--engine web`, in which the model runs itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from data_builders.translation import marked

from ..engines.dependencies import WEB
from ..engines.exported_folder import NOTES, find_export
from .push import PushOrder, plan_model
from .space_card import space_card
from .upload_plan import CARD_FILE, Upload, UploadPlan

# Of the run itself: what the card is, and its picture.
_CARD = (CARD_FILE, "curves.png")


def plan_static_space(
    folder: str | Path, order: PushOrder, model_id: str | None = None
) -> UploadPlan:
    """List the files of a static Space; see `publish_space`.

    Raises:
        UserError: There is no such export, or it is stale or cannot be pushed.
    """
    name = order.repo_id.split("/")[1]
    model = plan_model(folder, replace(order, repo_id=name))
    page = find_export(folder, WEB)
    how = {"sdk": order.space_sdk, "app_file": "index.html"}
    text = space_card(folder, order.repo_id, model_id, static=True, **how)
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

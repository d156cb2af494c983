# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A Space of a finished run: a page on the Hub where strangers talk to the model.

Its folder has all that it needs and starts anywhere: this package as a wheel (it cannot be had
from an index of packages), what that needs, and the model, unless it is read from the Hub.
"""

from __future__ import annotations

import io
import json
import tomllib
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError

from data_builders.errors import UserError
from data_builders.output.hub import hub_errors
from data_builders.translation import marked

from .push import PushOrder, Report, check_order, plan_model, push
from .space_card import space_card
from .static_space import plan_static_space
from .upload_checks import check_privacy
from .upload_plan import CARD_FILE, Upload, UploadPlan

SDK, PORT = "docker", 7860
_PACKAGE = Path(__file__).parents[1]
_HOUSES = (_PACKAGE, _PACKAGE.parent / "data_builders")
# A model and a corpus that come with the package, and what Python leaves behind.
_LEFT_OUT = {"small_talk", "__pycache__"}
_DOCKERFILE = """\
FROM python:3.13-slim
# Spaces run as user 1000.
RUN useradd --create-home --uid 1000 user
WORKDIR /app
COPY requirements.txt *.whl ./
# For a Space with a GPU, leave out the index of torch's builds for processors.
RUN pip install --no-cache-dir --root-user-action ignore \\
    --extra-index-url https://download.pytorch.org/whl/cpu -r requirements.txt
COPY . .
USER 1000
EXPOSE {port}
CMD {command}
"""


def publish_space(
    folder: str | Path, order: PushOrder, report: Report, model_id: str | None = None
) -> None:
    """Push a Space for a finished run; a dry run only says what would be uploaded.

    Args:
        folder: The run folder; with the export in it for a static Space.
        order: Where to and how.
        report: Takes the lines meant for the user.
        model_id: The model on the Hub that the Space loads, or whose card a static one names; None
            puts the model's files, or the card, into it.

    Raises:
        UserError: For a folder or an order that cannot be pushed, or if the Hub does not take it.
    """
    check_order(order)
    if order.space_sdk != SDK:
        plan = plan_static_space
    else:
        plan = plan_space
        if model_id and not order.dry_run:
            _check_readable(model_id)
    push(plan(folder, order, model_id), folder, order, report)


def plan_space(folder: str | Path, order: PushOrder, model_id: str | None = None) -> UploadPlan:
    """List the files of a Space, each with its content.

    Args:
        folder: The run folder.
        order: Where to and how.
        model_id: The model on the Hub that the Space loads; None puts the model's files into it.
    """
    # The model is called as its folder is, and the programs of its card find it there.
    name, project = order.repo_id.split("/")[1], _project()
    model = plan_model(folder, replace(order, repo_id=name))
    needs = [*project["dependencies"], *project["optional-dependencies"]["serve"]]
    wheel = f"tfchat_hf-{project['version']}-py3-none-any.whl"
    command = ["python", "-m", "tfchat_hf.serve", model_id or name, "--web", "--no-api-key"]
    # The Hub shows the page within its own.
    command += ["--frame", "https://huggingface.co", "--host", "0.0.0.0", "--port", str(PORT)]
    card = space_card(folder, order.repo_id, model_id, static=False, sdk=SDK, app_port=PORT)
    made = [
        (CARD_FILE, marked("the Space's card"), card),
        (
            "Dockerfile",
            marked("how the Hub builds and starts it"),
            _DOCKERFILE.format(port=PORT, command=json.dumps(command)),
        ),
        (
            "requirements.txt",
            marked("what it installs"),
            "".join(f"{line}\n" for line in (*needs, f"./{wheel}")),
        ),
    ]
    plan = UploadPlan([Upload(at, why, Path(at), text.encode()) for at, why, text in made])
    packed = _pack(_sources(folder), project, needs)
    plan.uploads.append(Upload(wheel, marked("TFChat-HF itself"), Path(wheel), packed))
    if not model_id:
        plan.uploads += [replace(upload, name=f"{name}/{upload.name}") for upload in model.uploads]
        plan.stays = model.stays
    return plan


def _check_readable(model_id: str) -> None:
    """Make sure that a Space, which has no token, can read a model on the Hub."""
    with hub_errors(model_id):
        try:
            HfApi().model_info(model_id, token=False)
        except RepositoryNotFoundError:
            raise UserError(
                "The Hub has no model {name} that everyone may read, so the Space could not load "
                "it. Push the model first, or leave --hub_model_id out: then the model's files go "
                "into the Space.",
                name=model_id,
            ) from None


def _project() -> dict[str, Any]:
    """Read pyproject.toml, which is beside the package in a checkout and in it in a wheel."""
    places = (_PACKAGE / "pyproject.toml", _PACKAGE.parent / "pyproject.toml")
    path = next(path for path in places if path.is_file())
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]


def _sources(folder: str | Path) -> list[Upload]:
    """List the files of this package that serving takes; none may tell of this machine."""
    found = [
        Upload(path.relative_to(house.parent).as_posix(), "", path)
        for house in _HOUSES
        for path in sorted(house.rglob("*"))
        if path.is_file()
        and not any(part in _LEFT_OUT or part[0] == "." for part in path.parts[len(house.parts) :])
    ]
    check_privacy(UploadPlan(found), folder)
    return found


def _pack(sources: Sequence[Upload], project: dict[str, Any], needs: Sequence[str]) -> bytes:
    """Pack the package as a wheel: the same bytes whenever that is done."""
    info = f"tfchat_hf-{project['version']}.dist-info"
    about = ["Metadata-Version: 2.1", "Name: tfchat-hf", f"Version: {project['version']}"]
    about += [f"Requires-Python: {project['requires-python']}"]
    about += [f"Requires-Dist: {line}" for line in needs]
    kind = ["Wheel-Version: 1.0", "Generator: tfchat-hf", "Root-Is-Purelib: true"]
    kind += ["Tag: py3-none-any"]
    files = {source.name: source.source.read_bytes() for source in sources}
    for name, lines in (("METADATA", about), ("WHEEL", kind)):
        files[f"{info}/{name}"] = "".join(f"{line}\n" for line in lines).encode()
    record = f"{info}/RECORD"
    files[record] = "".join([*map(_recorded, files, files.values()), f"{record},,\n"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        for name, content in files.items():
            # An entry by itself is dated 1980, the time of a file is not asked for.
            wheel.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _recorded(name: str, content: bytes) -> str:
    """Give the line of a wheel's file in its RECORD."""
    digest = urlsafe_b64encode(sha256(content).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(content)}\n"

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A finished run to the Hugging Face Hub, in one commit and after a look at every file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from safetensors import SafetensorError, safe_open

from data_builders.output.hub import NO_TOKEN, UNREACHABLE, check_repo_id, hub_errors
from data_builders.output.privacy import find_leaks, machine_places, without_paths
from data_builders.output.terminal import GAP, columns
from data_builders.report import counted

from ..settings.run_folder import (
    MEMORY_FOLDER,
    METRICS_FILE,
    SETTINGS_FILE,
    check_finished,
)
from ..text.errors import UserError

CARD_FILE = "README.md"
# Stands in the card for the repository until there is one.
PLACEHOLDER = "your-name/your-model"
WEIGHTS = "*.safetensors"
PICKLES = ("*.pt", "*.bin", "*.pth", "*.pkl", "*.pickle", "*.ckpt")
# What goes, and why; the first pattern that fits counts. Anything else stays.
_GOES = {
    CARD_FILE: "the model card",
    WEIGHTS: "weights",
    "model.safetensors.index.json": "which weights lie in which file",
    "config.json": "the network's shape",
    "generation_config.json": "how it answers by default",
    "tokenizer.json": "the tokenizer",
    "tokenizer_config.json": "the tokenizer's special tokens",
    "special_tokens_map.json": "the tokenizer's special tokens",
    "chat_template.jinja": "how several turns become one input",
    "*_tfchat.py": "the network's code",
    METRICS_FILE: "results",
    SETTINGS_FILE: "settings of the run, paths cut to their last part",
    "curves.png": "picture of the card",
    "LICENSE*": "licence",
    "NOTICE*": "licence",
}
_LOGS = {
    "samples*.jsonl": "questions and replies of your data",
    "data_report.json": "counts of the data",
    "events.out.tfevents.*": "curves for TensorBoard",
    "trainer_state.json": "the trainer's log",
}
_LOG_FOLDERS = ("runs", "logs", "tensorboard")
_MEMORY_SUFFIXES = (".json", ".arrow", ".safetensors")
# Without these nobody can load the model.
_REQUIRED = ("config.json", "tokenizer.json", "tokenizer_config.json")
_MAX_LEAKS_SHOWN = 10
# Seconds before each new try of the commit; huggingface_hub itself tries single files again.
WAITS = (1.0, 4.0)

Report = Callable[[str], None]


@dataclass(frozen=True)
class Upload:
    """One file to upload.

    Attributes:
        name: Its path in the repository.
        reason: What it is for.
        source: The file here.
        content: What is sent in place of the file, if it was changed for the public.
    """

    name: str
    reason: str
    source: Path
    content: bytes | None = None

    @property
    def size(self) -> int:
        """Return how many bytes are sent."""
        return self.source.stat().st_size if self.content is None else len(self.content)

    def read_text(self) -> str:
        """Return what is sent, read as text."""
        sent = self.source.read_bytes() if self.content is None else self.content
        return sent.decode("utf-8", errors="replace")


@dataclass
class UploadPlan:
    """Which files of a run folder go, and which stay and why, by path."""

    uploads: list[Upload] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)

    def lines(self, repo_id: str) -> Iterator[str]:
        """Yield the plan in lines for the user, largest file first."""
        total = sum(upload.size for upload in self.uploads)
        yield f"to upload to {repo_id}: {counted(len(self.uploads), 'file')}, {readable(total)}"
        uploads = sorted(self.uploads, key=lambda upload: -upload.size)
        rows = [(upload.name, readable(upload.size), upload.reason) for upload in uploads]
        yield from columns(rows, right=(1,), indent=GAP)
        if self.stays:
            yield f"stays here: {counted(len(self.stays), 'file')} and folders"
            yield from columns(sorted(self.stays.items()), indent=GAP)


@dataclass(frozen=True)
class PushOrder:
    """What a user asked to have pushed.

    Attributes:
        repo_id: Where to, `owner/name`.
        private: Whether only the owner shall see it; None leaves it to the Hub.
        dry_run: Only say what would be uploaded.
        with_logs: Upload samples and logs too.
        push_memory: Upload the memory too, which holds the corpus.
    """

    repo_id: str
    private: bool | None = None
    dry_run: bool = False
    with_logs: bool = False
    push_memory: bool = False

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
            f"--hub_model_id {PLACEHOLDER}."
        )
    order = PushOrder(
        training.hub_model_id,
        private=training.hub_private_repo,
        dry_run=training.push_dry_run,
        push_memory=training.push_memory,
    )
    _check_order(order)
    return order


def _check_order(order: PushOrder) -> None:
    """Refuse what cannot succeed, without asking the Hub."""
    check_repo_id(order.repo_id, "`hub_model_id`", PLACEHOLDER)
    if not order.dry_run and not get_token():
        raise UserError(NO_TOKEN)


def publish(folder: str | Path, order: PushOrder, report: Report) -> None:
    """Upload a finished run folder; a dry run only says what would be uploaded.

    All files go up in one commit: whatever stops it, the repository shows all of them or none.
    Files that are there already are not sent again, so the same command may be repeated.

    Args:
        folder: The run folder.
        order: Where to and how.
        report: Takes the lines meant for the user.

    Raises:
        UserError: For a folder or an order that cannot be pushed, or if the Hub does not take it.
    """
    _check_order(order)
    plan = plan_upload(folder, order.repo_id, order.with_logs, order.push_memory)
    _check_privacy(plan, folder)
    for line in plan.lines(order.repo_id):
        report(line)
    if order.dry_run:
        report("dry run: nothing was uploaded.")
        return
    api = HfApi()
    with hub_errors(order.repo_id):
        _make_repository(api, order, report)
        _commit(api, order.repo_id, plan, report)
    report(f"pushed: {api.endpoint}/{order.repo_id}")


def publish_after_training(folder: str | Path, order: PushOrder, report: Report) -> bool:
    """Push the run that has just ended; a failure is told and costs nothing of the run.

    Returns:
        Whether all that was asked for is done.
    """
    try:
        publish(folder, order, report)
    except (ValueError, OSError) as error:
        report(f"not pushed: {error}")
        report(f"The run in {folder} is finished and safe. Push it later: {order.command(folder)}")
        return False
    return True


def _make_repository(api: HfApi, order: PushOrder, report: Report) -> None:
    """Create the repository, or find it and make sure that it is as private as asked."""
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


def _commit(api: HfApi, repo_id: str, plan: UploadPlan, report: Report) -> None:
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
            api.create_commit(repo_id, files, commit_message="Upload model with TFChat-HF")
            return
        except UNREACHABLE as error:
            status = error.response.status_code if isinstance(error, HfHubHTTPError) else 500
            if seconds is None or (status < 500 and status not in (408, 412, 429)):
                raise
            report(f"the upload was interrupted: trying again in {seconds:g} s")
            time.sleep(seconds)
        except ValueError as error:  # how huggingface_hub says what is wrong with the card's header
            raise UserError(str(error)) from error


def plan_upload(
    folder: str | Path, repo_id: str, with_logs: bool = False, with_memory: bool = False
) -> UploadPlan:
    """Sort the files of a finished run folder.

    Args:
        folder: The run folder.
        repo_id: `owner/name`; put into the card's code blocks.
        with_logs: Upload samples and logs too.
        with_memory: Upload the memory too.

    Returns:
        What goes and what stays.

    Raises:
        UserError: If the folder holds no finished run, or one that nobody could load.
    """
    folder = Path(folder)
    check_finished(folder, with_memory)
    opened = (*_LOG_FOLDERS, MEMORY_FOLDER) if with_memory else _LOG_FOLDERS
    plan = UploadPlan()
    for top in sorted(folder.iterdir()):
        inside = top.is_dir() and not top.is_symlink() and top.name in opened
        for path in sorted(top.rglob("*")) if inside else [top]:
            name = path.relative_to(folder).as_posix()
            goes, reason = _judge(path, name, with_logs)
            if goes:
                plan.uploads.append(Upload(name, reason, path, _public_content(path, repo_id)))
            elif not inside or not path.is_dir():
                plan.stays[f"{name}/" if path.is_dir() else name] = reason
    _check_whole(folder, plan)
    return plan


def _judge(path: Path, name: str, with_logs: bool) -> tuple[bool, str]:
    """Decide whether a file goes, and why; `name` is its path in the folder."""
    if _fits(path.name, PICKLES):
        return False, "pickle format: loading it can run code"
    if path.is_symlink():
        return False, "a link: what it leads to may not be meant for the public"
    if path.is_dir():
        why = "a folder that is not part of the model"
        if name == MEMORY_FOLDER:
            why = "the memory, which holds the corpus word for word; --push_memory uploads it"
        elif name.startswith("checkpoint-"):
            why = "optimizer and random state, to resume from"
        return False, why
    if name.startswith(f"{MEMORY_FOLDER}/"):
        goes = path.suffix in _MEMORY_SUFFIXES
        return goes, "the memory: the corpus, to answer from" if goes else "not part of the memory"
    if name == path.name and (reason := _reason(name, _GOES)):
        return True, reason
    if reason := _reason(path.name, _LOGS):
        return with_logs, reason if with_logs else f"{reason}; --with_logs uploads it"
    return False, "not part of the model"


def _reason(name: str, patterns: Mapping[str, str]) -> str:
    """Return the reason of the first pattern that fits a name, or nothing."""
    return next((why for pattern, why in patterns.items() if fnmatch(name, pattern)), "")


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a name is one of some kinds."""
    return any(fnmatch(name.lower(), pattern) for pattern in patterns)


def _public_content(path: Path, repo_id: str) -> bytes | None:
    """Change what must read otherwise in public: the card's name, the settings' paths."""
    if path.name == CARD_FILE:
        text = path.read_text(encoding="utf-8")
        return text.replace(PLACEHOLDER, repo_id).encode() if PLACEHOLDER in text else None
    if path.name == SETTINGS_FILE:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        shown = {key: without_paths(value, key) for key, value in settings.items()}
        return yaml.safe_dump(shown, allow_unicode=True, sort_keys=False).encode()
    return None


def _check_whole(folder: Path, plan: UploadPlan) -> None:
    """Make sure that what is sent can be loaded."""
    weights = [upload for upload in plan.uploads if _fits(upload.name, (WEIGHTS,))]
    if not [upload for upload in weights if "/" not in upload.name]:
        pickled = [name for name in plan.stays if _fits(name, PICKLES)]
        found = f" (found {', '.join(pickled)})" if pickled else ""
        raise UserError(
            f"{folder} has no weights as safetensors{found}. Files in pickle format are never "
            "uploaded, because loading one can run code: load the model and save it with "
            "`save_pretrained`, then push."
        )
    names = {upload.name for upload in plan.uploads}
    if missing := [name for name in _REQUIRED if name not in names]:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}, without which nobody can load the model. "
            "Train again with --overwrite, or save model and tokenizer there."
        )
    for upload in weights:
        try:
            # Reads the header only, and checks that the file is as long as the header says.
            with safe_open(upload.source, framework="np"):
                pass
        except SafetensorError:
            raise UserError(
                f"{upload.source} is cut off or broken. Save the model again, then push."
            ) from None


def _check_privacy(plan: UploadPlan, folder: str | Path) -> None:
    """Refuse texts that hold an access token or a path of this machine, by file and line alone."""
    path = Path(folder, SETTINGS_FILE)
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    values = [value for value in (settings or {}).values() if isinstance(value, str)]
    # Where the data lay, for one.
    places = machine_places(folder, *(value for value in values if Path(value).is_absolute()))
    found = [
        f"  {upload.name}, line {leak.line}: {leak.kind}"
        for upload in plan.uploads
        if not _fits(upload.name, (WEIGHTS, "*.png"))
        for leak in find_leaks(upload.read_text(), places, [get_token() or ""])
    ]
    if not found:
        return
    shown, more = found[:_MAX_LEAKS_SHOWN], len(found) - _MAX_LEAKS_SHOWN
    if more > 0:
        shown.append(f"  and {more} more")
    raise UserError(
        f"Some files of {folder} are not fit to be published:\n"
        + "\n".join(shown)
        + "\nTake that out of the files, and push again."
    )


def readable(size: int) -> str:
    """Write a number of bytes as people do: 950 B, 12.3 kB, 84.0 MB."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size} B"

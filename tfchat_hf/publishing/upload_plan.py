# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which files of a run folder go to the Hub and which stay, and why."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from safetensors import SafetensorError, safe_open

from data_builders.output.card import without_paths

from ..memory import MEMORY_FOLDER
from ..settings.run_folder import METRICS_FILE, SETTINGS_FILE
from ..text.errors import UserError
from .model_card import CARD_FILE, PLACEHOLDER

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
_MEMORY_SUFFIXES = (".json", ".arrow", ".safetensors")
_LOG_FOLDERS = ("runs", "logs", "tensorboard")
# Without these nobody can load the model.
REQUIRED = ("config.json", "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Upload:
    """One file to upload.

    Attributes:
        name: its path in the repository.
        reason: what it is for.
        source: the file here.
        content: what is sent in place of the file, if it was changed for the public.
    """

    name: str
    reason: str
    source: Path
    content: bytes | None = None

    @property
    def size(self) -> int:
        """How many bytes are sent."""
        return self.source.stat().st_size if self.content is None else len(self.content)

    def read_text(self) -> str | None:
        """Gives the text that is sent; None for a file that is no text."""
        if fnmatch.fnmatch(self.name, WEIGHTS) or self.name.endswith(".png"):
            return None
        sent = self.source.read_bytes() if self.content is None else self.content
        return sent.decode("utf-8", errors="replace")


@dataclass
class UploadPlan:
    """What of a run folder goes and what stays.

    Attributes:
        repo_id: where to, `owner/name`.
        uploads: the files that go.
        stays: the others, by path, each with the reason.
    """

    repo_id: str
    uploads: list[Upload] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Says the plan in lines for the user, largest file first."""
        total = sum(upload.size for upload in self.uploads)
        yield f"to upload to {self.repo_id}: {len(self.uploads)} files, {readable(total)}"
        width = max((len(upload.name) for upload in self.uploads), default=0)
        for upload in sorted(self.uploads, key=lambda upload: -upload.size):
            yield f"  {upload.name:<{width}}  {readable(upload.size):>9}  {upload.reason}"
        if self.stays:
            yield f"stays here: {len(self.stays)} files and folders"
            width = max(map(len, self.stays))
            for name, reason in sorted(self.stays.items()):
                yield f"  {name:<{width}}  {reason}"


def plan_upload(
    folder: str | Path, repo_id: str, with_logs: bool = False, with_memory: bool = False
) -> UploadPlan:
    """Sorts the files of a finished run folder.

    Args:
        folder: the run folder.
        repo_id: `owner/name`; put into the card's code blocks.
        with_logs: upload samples and logs too.
        with_memory: upload the memory too.

    Returns:
        The plan; nothing is sent.

    Raises:
        UserError: if the run is not finished, a file is missing, or weights are torn.
    """
    folder = Path(folder)
    _check_finished(folder)
    plan = UploadPlan(repo_id)
    for path in sorted(folder.iterdir()):
        if path.name == MEMORY_FOLDER and path.is_dir() and not path.is_symlink():
            _sort_memory(plan, path, with_memory)
        elif path.is_dir():
            _sort_folder(plan, path, with_logs)
        else:
            _sort_file(plan, path, path.name, with_logs)
    if with_memory and not (folder / MEMORY_FOLDER).is_dir():
        raise UserError(
            f"{folder} has no {MEMORY_FOLDER}/ to push. Write it with `python -m tfchat_hf.memory "
            f"build {folder}`, or leave out --push_memory."
        )
    _check_whole(folder, plan)
    return plan


def _check_finished(folder: Path) -> None:
    """Refuses a folder that is no finished run."""
    if not folder.is_dir():
        raise UserError(
            f"{folder} is no folder. Give the `output_dir` of a finished run, such as runs/mine."
        )
    if not (folder / METRICS_FILE).is_file():
        raise UserError(
            f"{folder} holds no finished run (no {METRICS_FILE} in it). Finish it with the "
            "command that began it and --resume, then push."
        )


def _check_whole(folder: Path, plan: UploadPlan) -> None:
    """Makes sure that what is sent can be loaded."""
    names = {upload.name for upload in plan.uploads}
    weights = [upload for upload in plan.uploads if fnmatch.fnmatch(upload.name, WEIGHTS)]
    if not [upload for upload in weights if "/" not in upload.name]:
        pickled = [name for name in plan.stays if _fits(name, PICKLES)]
        found = f" (found {', '.join(pickled)})" if pickled else ""
        raise UserError(
            f"{folder} has no weights as safetensors{found}. Files in pickle format are never "
            "uploaded, because loading one can run code: load the model and save it with "
            "`save_pretrained`, then push."
        )
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}, without which nobody can load the model. "
            "Train again with --overwrite, or save model and tokenizer there."
        )
    for upload in weights:
        try:
            # Reads the header only, and checks that the file is as long as the header says.
            with safe_open(upload.source, framework="pt"):
                pass
        except SafetensorError:
            raise UserError(
                f"{upload.source} is cut off or broken. Save the model again, then push."
            ) from None


def _sort_file(plan: UploadPlan, path: Path, name: str, with_logs: bool) -> None:
    """Puts one file on one of the two lists."""
    if _fits(path.name, PICKLES):
        plan.stays[name] = "pickle format: loading it can run code"
        return
    if path.is_symlink():
        plan.stays[name] = "a link: what it leads to may not be meant for the public"
        return
    reason = _reason(path.name, _GOES) if name == path.name else None
    log = _reason(path.name, _LOGS)
    if reason is None and log is not None:
        if not with_logs:
            plan.stays[name] = f"{log}; --with_logs uploads it"
            return
        reason = log
    if reason is None:
        plan.stays[name] = "not part of the model"
        return
    plan.uploads.append(Upload(name, reason, path, _public_content(path, plan.repo_id)))


def _sort_memory(plan: UploadPlan, folder: Path, with_memory: bool) -> None:
    """Keeps the memory here unless it was asked for: it is the corpus."""
    if not with_memory:
        plan.stays[f"{folder.name}/"] = (
            "the memory, which holds the corpus word for word; --push_memory uploads it"
        )
        return
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder.parent).as_posix()
        if path.is_symlink() or (path.is_file() and path.suffix not in _MEMORY_SUFFIXES):
            plan.stays[name] = "not part of the memory"
        elif path.is_file():
            plan.uploads.append(Upload(name, "the memory: the corpus, to answer from", path))


def _sort_folder(plan: UploadPlan, folder: Path, with_logs: bool) -> None:
    """Keeps checkpoints and folders of the user here; logs are looked at file by file."""
    if folder.name in _LOG_FOLDERS and not folder.is_symlink():
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder.parent).as_posix()
                _sort_file(plan, path, name, with_logs)
        return
    kind = "optimizer and random state, to resume from"
    plan.stays[f"{folder.name}/"] = (
        kind if folder.name.startswith("checkpoint-") else "a folder that is not part of the model"
    )


def _public_content(path: Path, repo_id: str) -> bytes | None:
    """Changes what must read otherwise in public: the card's name, the settings' paths."""
    if path.name == CARD_FILE:
        text = path.read_text(encoding="utf-8")
        return text.replace(PLACEHOLDER, repo_id).encode() if PLACEHOLDER in text else None
    if path.name == SETTINGS_FILE:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        shown = {key: without_paths(value, key) for key, value in settings.items()}
        return yaml.safe_dump(shown, allow_unicode=True, sort_keys=False).encode()
    return None


def _reason(name: str, patterns: dict[str, str]) -> str | None:
    """Finds the reason of the first pattern that fits a name."""
    return next((why for pattern, why in patterns.items() if fnmatch.fnmatch(name, pattern)), None)


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Tells whether a name is one of some kinds."""
    return any(fnmatch.fnmatch(name.lower(), pattern) for pattern in patterns)


def readable(size: int) -> str:
    """Writes a number of bytes as people do: 950 B, 12.3 kB, 84.0 MB."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size} B"

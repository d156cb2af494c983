# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What of a run folder goes to the Hub and what stays, and each file as the public gets it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import yaml

from data_builders.errors import UserError
from data_builders.output.privacy import without_paths
from data_builders.output.terminal import GAP, columns
from data_builders.translation import _, counted_text, marked

from ..settings.reading import read_yaml
from ..settings.run_folder import MEMORY_FOLDER, METRICS_FILE, SETTINGS_FILE, check_finished

CARD_FILE = "README.md"
# Stands in the card for the repository until there is one.
PLACEHOLDER = "your-name/your-model"
WEIGHTS = "*.safetensors"
_BINARY = (".safetensors", ".png", ".arrow", ".onnx", ".wasm")
PICKLES = ("*.pt", "*.bin", "*.pth", "*.pkl", "*.pickle", "*.ckpt")
_EVENTS = "events.out.tfevents.*"
# What goes, and why; the first pattern that fits counts. Anything else stays.
_GOES = {
    CARD_FILE: marked("the model card"),
    WEIGHTS: marked("weights"),
    "model.safetensors.index.json": marked("which weights lie in which file"),
    "config.json": marked("the network's shape"),
    "generation_config.json": marked("how it answers by default"),
    "tokenizer.json": marked("the tokenizer"),
    "tokenizer_config.json": marked("the tokenizer's special tokens"),
    "special_tokens_map.json": marked("the tokenizer's special tokens"),
    "chat_template.jinja": marked("how several turns become one input"),
    "*_tfchat.py": marked("the network's code"),
    METRICS_FILE: marked("results"),
    SETTINGS_FILE: marked("settings of the run, paths cut to their last part"),
    "curves.png": marked("picture of the card"),
    "LICENSE*": marked("licence"),
    "NOTICE*": marked("licence"),
}
_LOGS = {
    "samples*.jsonl": marked("questions and replies of your data"),
    "data_report.json": marked("counts of the data"),
    _EVENTS: marked("curves for TensorBoard"),
    "trainer_state.json": marked("the trainer's log"),
}
_LOG_FOLDERS = ("runs", "logs", "tensorboard")
_MEMORY_SUFFIXES = (".json", ".arrow", ".safetensors")
# The switches that let more go.
WITH_LOGS, PUSH_MEMORY = "--with_logs", "--push_memory"
# TensorBoard puts the machine's name into names of files, transformers into those of folders.
_EVENT_FILE = re.compile(r"(events\.out\.tfevents\.\d+)\..*?((?:\.\d+\.\d+)?(?:\.v2)?)")
_DATED_FOLDER = re.compile(r"([A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d)_.*")


@dataclass(frozen=True)
class Upload:
    """One file to upload.

    Attributes:
        name: Its path in the repository.
        reason: What it is for.
        source: The file here.
        content: What is sent in place of the file, if it was changed for the public.
        switch: What lets it go; empty where it goes anyway.
    """

    name: str
    reason: str
    source: Path
    content: bytes | None = None
    switch: str = ""

    @property
    def size(self) -> int:
        """Return how many bytes are sent."""
        return self.source.stat().st_size if self.content is None else len(self.content)

    @property
    def is_text(self) -> bool:
        """Tell whether a person can edit it."""
        return self.source.suffix not in _BINARY and not fnmatch(self.source.name, _EVENTS)

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
        yield counted_text(
            "to upload to {name}: {number} file, {size}",
            "to upload to {name}: {number} files, {size}",
            len(self.uploads),
            name=repo_id,
            size=readable(total),
        )
        uploads = sorted(self.uploads, key=lambda upload: -upload.size)
        rows = [(upload.name, readable(upload.size), _(upload.reason)) for upload in uploads]
        yield from columns(rows, right=(1,), indent=GAP)
        if self.stays:
            yield counted_text(
                "stays here: {number} file and folders",
                "stays here: {number} files and folders",
                len(self.stays),
            )
            yield from columns(sorted(self.stays.items()), indent=GAP)


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
        UserError: If the folder holds no finished run.
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
                public, content = _public_name(name), _public_content(path, repo_id)
                switch = PUSH_MEMORY if name.startswith(f"{MEMORY_FOLDER}/") else WITH_LOGS
                switch = "" if reason in _GOES.values() else switch
                plan.uploads.append(Upload(public, reason, path, content, switch))
            elif not inside or not path.is_dir():
                plan.stays[f"{name}/" if path.is_dir() else name] = reason
    return plan


def _judge(path: Path, name: str, with_logs: bool) -> tuple[bool, str]:
    """Decide whether a file goes, and why; `name` is its path in the folder."""
    if fits(path.name, PICKLES):
        return False, _("pickle format: loading it can run code")
    if path.is_symlink():
        return False, _("a link: what it leads to may not be meant for the public")
    if path.is_dir():
        if name == MEMORY_FOLDER:
            held = _("the memory, which holds the corpus word for word")
            return False, _switched(held, PUSH_MEMORY)
        if name.startswith("checkpoint-"):
            return False, _("optimizer and random state, to resume from")
        return False, _("a folder that is not part of the model")
    if name.startswith(f"{MEMORY_FOLDER}/"):
        goes = path.suffix in _MEMORY_SUFFIXES
        return goes, (
            marked("the memory: the corpus, to answer from")
            if goes
            else _("not part of the memory")
        )
    if name == path.name and (reason := _reason(name, _GOES)):
        return True, reason
    if reason := _reason(path.name, _LOGS):
        return with_logs, reason if with_logs else _switched(_(reason), WITH_LOGS)
    return False, _("not part of the model")


def _switched(reason: str, switch: str) -> str:
    return _("{reason}; {switch} uploads it", reason=reason, switch=switch)


def _reason(name: str, patterns: Mapping[str, str]) -> str:
    """Return the reason of the first pattern that fits a name, or nothing."""
    return next((why for pattern, why in patterns.items() if fnmatch(name, pattern)), "")


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a name is one of some kinds."""
    return any(fnmatch(name.lower(), pattern) for pattern in patterns)


def _public_name(name: str) -> str:
    """Take the name of the machine out of a path."""
    *folders, last = name.split("/")
    found = _EVENT_FILE.fullmatch(last)
    kept = [_DATED_FOLDER.sub(r"\1", folder) for folder in folders]
    return "/".join([*kept, found[1] + found[2] if found else last])


def _public_content(path: Path, repo_id: str) -> bytes | None:
    """Change what must read otherwise in public: the card's name, the settings' paths."""
    if path.name == CARD_FILE:
        text = read_text_file(path)
        return text.replace(PLACEHOLDER, repo_id).encode() if PLACEHOLDER in text else None
    if path.name == SETTINGS_FILE:
        settings = read_yaml(str(path))
        shown = {key: without_paths(setting.value, key) for key, setting in settings.items()}
        return yaml.safe_dump(shown, allow_unicode=True, sort_keys=False).encode()
    return None


def read_text_file(path: Path) -> str:
    """Read a text.

    Raises:
        UserError: It is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError("{path} is not UTF-8. Save it as UTF-8, then push.", path=path) from None


def readable(size: int) -> str:
    """Write a number of bytes as people do: 950 B, 12.3 kB, 84.0 MB."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.1f} {unit}"
    return f"{size} B"

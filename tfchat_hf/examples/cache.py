# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What is derived from dialogues once and kept: named by all it depends on, whole or not there.

It is not the cache of `Dataset.map`. That one lies in the user's data folder, stops at a file that
was cut short, does not see that one was replaced by hand, and could only hold the rows before
duplicates are dropped, so that each start would compare all of them again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import datasets
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from data_builders.translation import _
from data_builders.writing import whole_folder

from ..text import tokenization, tokenizer_training, vocabulary
from ..text.tokenizer_training import train_tokenizer, turns_of

logger = logging.getLogger(__name__)

# Written last into an entry: what it must hold.
MANIFEST = "entry.json"


def entry_folder(kind: str, cache_dir: str | None, depends_on: Any) -> Path:
    """Name the folder of an entry, which need not be there yet.

    Args:
        kind: what the entries are, a folder of the cache.
        cache_dir: the cache; None is that of `datasets`.
        depends_on: everything that the content follows from, as JSON can write it.
    """
    text = json.dumps(depends_on, sort_keys=True)
    root = Path(cache_dir or datasets.config.HF_DATASETS_CACHE)
    return root / kind / hashlib.sha256(text.encode()).hexdigest()[:32]


def dataset_identity(dataset: datasets.Dataset) -> list[Any] | None:
    """Identify the rows that a dataset holds, the same in each process.

    The fingerprint of `datasets` alone would miss a file that was replaced by hand.

    Returns:
        What `entry_folder` takes; None if nothing may be cached: the dataset lies in memory, or
        caching is turned off in `datasets`, whose fingerprints are then random.
    """
    if not dataset.cache_files or not datasets.is_caching_enabled():
        return None
    paths = [Path(file["filename"]) for file in dataset.cache_files]
    files = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    return [dataset._fingerprint, len(dataset), files]


def source_version(*modules: ModuleType) -> str:
    """Name the code of modules, so that results of older code are not taken for its own."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


def train_tokenizer_once(
    dialogues: datasets.Dataset,
    scheme: str,
    vocab_size: int,
    model_max_length: int,
    cache_dir: str | None = None,
    user_dictionaries: Sequence[str] = (),
) -> PreTrainedTokenizerBase:
    """Train a tokenizer on all turns, or loads the one that the same training gave before.

    Args:
        dialogues: the training split; what lies in memory only is not cached.
        scheme: see `train_tokenizer`, as for the next two.
        vocab_size: the most tokens to have.
        model_max_length: the length that truncation cuts to.
        cache_dir: where entries lie; None is the cache of `datasets`.
        user_dictionaries: files in jieba's format.
    """
    identity = dataset_identity(dialogues)
    asked = (scheme, vocab_size, model_max_length, user_dictionaries)
    if identity is None:
        return train_tokenizer(turns_of(dialogues), *asked)
    depends_on = [identity, *asked[:3], _digests(user_dictionaries), _training_version()]
    folder = entry_folder("tfchat_tokenizers", cache_dir, depends_on)
    tokenizer = _load(folder)
    if tokenizer is None:
        with whole_folder(folder, shared=True) as fresh:
            trained = train_tokenizer(turns_of(dialogues), *asked)
            trained.save_pretrained(fresh)
            (fresh / MANIFEST).write_text(json.dumps({"tokens": len(trained)}), encoding="utf-8")
        # Loaded again, so that a first start and a later one work with the very same thing.
        tokenizer = _load(folder)
    if tokenizer is None:
        raise OSError(
            _(
                "the tokenizer just written to {folder} cannot be read. Check the disk.",
                folder=folder,
            )
        )
    return tokenizer


def _digests(files: Sequence[str]) -> list[str]:
    """Name the content of files; training says what is wrong with one that cannot be read."""
    contents = [Path(file).read_bytes() if Path(file).is_file() else b"" for file in files]
    return [hashlib.sha256(content).hexdigest() for content in contents]


def _training_version() -> list[str]:
    """Name the code that trains: ours and the packages it relies on."""
    versions = [source_version(tokenization, tokenizer_training, *vocabulary.MODULES)]
    for package in ("tokenizers", "jieba", "transformers"):
        try:
            versions.append(version(package))
        except PackageNotFoundError:
            versions.append("")
    return versions


def _load(folder: Path) -> PreTrainedTokenizerBase | None:
    """Load an entry; None where there is none, or a damaged one."""
    if not folder.is_dir():
        return None
    try:
        tokens = json.loads((folder / MANIFEST).read_text())["tokens"]
        # trust_remote_code=False: the folder must never run code.
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        if len(tokenizer) != tokens:
            found = len(tokenizer)
            raise ValueError(_("{found} tokens instead of {tokens}", found=found, tokens=tokens))
        # Marks of having been loaded, which would be saved with the run.
        for key in ("is_local", "local_files_only"):
            tokenizer.init_kwargs.pop(key, None)
    # `tokenizers` raises bare Exception for a file that it cannot parse.
    except Exception as error:
        warn_of_damage(folder, error)
        return None
    return tokenizer


def warn_of_damage(folder: Path, error: Exception) -> None:
    """Say that an entry is made anew, and why."""
    told = _(
        "{folder} in the cache is damaged ({error}) and is made anew.", folder=folder, error=error
    )
    logger.warning("%s", told)

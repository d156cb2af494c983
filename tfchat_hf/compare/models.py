# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The model of a ladder and the one that ranks its candidates."""

from __future__ import annotations

import hashlib
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tfchat_hf

from ..chat.session import load_session
from ..text.errors import UserError


def load_models(
    run: Path, reverse: Path | None, device: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, PreTrainedModel | None]:
    """Loads a model with its tokenizer and, where one is named, a reverse model.

    Args:
        run: folder of the model.
        reverse: folder of a model trained with the sides swapped.
        device: as `load_session` takes it.

    Raises:
        UserError: the two do not go together, or a folder holds no TFChat model.
    """
    session = load_session(str(run), device, memory=False)
    if reverse is None:
        return session.model, session.tokenizer, None
    second = load_session(str(reverse), device, memory=False)
    if not getattr(second.model.config, "swap_sides", False):
        raise UserError(
            f"`--reverse-model` {reverse} was not trained with `swap_sides: true`, so it does not "
            "say which question a reply belongs to. Train one that was."
        )
    if second.tokenizer.get_vocab() != session.tokenizer.get_vocab():
        raise UserError(
            f"`--reverse-model` {reverse} has another vocabulary than {run}. Train it with "
            f"`tokenizer: {run}`."
        )
    return session.model, session.tokenizer, second.model


def model_digest(folder: Path) -> str:
    """Names the weights and settings of a model folder by their bytes."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json"]):
        digest.update(path.name.encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def decoding_code() -> str:
    """Names the code that decodes: replies of an older version are not taken for its own."""
    digest = hashlib.sha256()
    package = Path(str(tfchat_hf.__file__)).parent
    for path in sorted([*package.glob("model/*.py"), *package.glob("fast/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]

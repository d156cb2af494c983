# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The README.md of a Space, in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, SpaceCardData

from data_builders.translation import LANGUAGES, _, marked, speaking

from .upload_plan import CARD_FILE


def space_card(
    folder: str | Path, space: str, model_id: str | None, static: bool, **how: Any
) -> str:
    """Write README.md of a Space, for the Hub in its header and for people below.

    Args:
        folder: The run folder.
        space: The Space, `owner/name`.
        model_id: The model on the Hub that the Space names, if any.
        static: Whether the model runs in the browser.
        how: What runs it.
    """
    name = space.split("/")[1]
    header = SpaceCardData(
        title=name,
        **how,
        license=ModelCard.load(Path(folder, CARD_FILE)).data.get("license"),
        models=[model_id] if model_id else None,
        tags=["tfchat", "chatbot"],
        emoji="💬",
        colorFrom="blue",
        colorTo="green",
        pinned=False,
        short_description="A small chat model to talk to",
    )
    told = [f"---\n{header.to_yaml()}\n---", f"# {name}"]
    for language in LANGUAGES:
        with speaking(language):
            told += _explained(space, model_id, static)
    return "\n\n".join(told) + "\n"


def _explained(space: str, model_id: str | None, static: bool) -> Iterator[str]:
    """Say to strangers what they talk to, and how to have it at home."""
    name = space.split("/")[1]
    card = model_id or f"spaces/{space}/blob/main/{name}/{CARD_FILE}"
    what = (
        marked(
            "A small chat model, trained with TFChat-HF, that runs in your own browser: what you "
            "write stays there. What it learned from, how well, and its limits: [its card]({card})."
        )
        if static
        else marked(
            "A small chat model, trained with TFChat-HF, on the processor of this Space. What it "
            "learned from, how well, and its limits: [its card]({card})."
        )
    )
    yield _(what, card=f"https://huggingface.co/{card}")
    yield _(
        "It knows nothing beyond its training pairs and states wrong things with confidence. "
        "Do not use it for advice."
    )
    if not static:
        address = re.sub(r"[^a-z0-9]+", "-", space.lower())
        yield _(
            "What you write is answered by this Space, and neither kept nor logged there. Programs "
            "ask it as they ask OpenAI, at {address}.",
            address=f"`https://{address}.hf.space/v1`",
        )
    yield _("To have it at home, clone this Space, and in its folder:")
    served = f"python -m tfchat_hf.serve {model_id or name} --web"
    commands = "python -m http.server" if static else f"pip install -r requirements.txt\n{served}"
    yield f"```bash\n{commands}\n```"

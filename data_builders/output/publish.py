# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A dataset folder of this package to the Hugging Face Hub: Parquet, card and pictures."""

from __future__ import annotations

import logging
from pathlib import Path

import datasets
from huggingface_hub import CommitOperationAdd, DatasetCard, HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError

from data_builders.errors import UserError
from data_builders.output.card import CARD_FILE, PLACEHOLDER
from data_builders.output.hub import check_repo_id, hub_errors
from data_builders.output.privacy import find_leaks, machine_names, machine_places
from data_builders.sources.saved import open_saved
from data_builders.translation import _

logger = logging.getLogger(__name__)

PICTURES = (".png", ".svg", ".jpg", ".jpeg")


def push_dataset(
    folder: str | Path, repo_id: str, private: bool = True, token: str | None = None
) -> str:
    """Upload a saved dataset with its card; a dataset that is there already is replaced.

    `report.json` and `rejects.jsonl` stay here: they hold paths of this machine and raw text.
    A split without rows is left out.

    Args:
        folder: What `save_result` wrote.
        repo_id: Where to: "owner/name".
        private: Keep it to its owner; a repository that is public already is then refused.
        token: A token that may write; None takes the one of `hf auth login`.

    Returns:
        The address of the dataset.
    """
    check_repo_id(repo_id, _("the name of the dataset"), PLACEHOLDER)
    folder = Path(folder)
    splits = _loaded(folder)
    _check_card(folder / CARD_FILE, token)
    api = HfApi(endpoint=datasets.config.HF_ENDPOINT, token=token)
    with hub_errors(repo_id):
        if private and _is_public(api, repo_id):
            raise UserError(
                "{repo_id} is public already, so what is pushed would be too. Push with "
                "`private=False`, or to another name.",
                repo_id=repo_id,
            )
        splits.push_to_hub(repo_id, private=private, token=token)
        extras = [*_card(api, folder, repo_id), *_pictures(folder)]
        if extras:
            api.create_commit(repo_id, extras, commit_message="Add the card", repo_type="dataset")
    url = f"{api.endpoint}/datasets/{repo_id}"
    logger.info("pushed %s to %s", folder, url)
    return url


def _loaded(folder: Path) -> datasets.DatasetDict:
    splits = open_saved(folder)
    # datasets 5.2 pushes a split without rows, and then can load none of the dataset.
    kept = {name: split for name, split in splits.items() if len(split)}
    if not kept:
        raise UserError(
            "{folder} holds no rows in any split, so there is nothing to push.", folder=folder
        )
    if len(kept) < len(splits):
        logger.info("splits without rows are not pushed: %s", ", ".join(splits.keys() - kept))
    return datasets.DatasetDict(kept)


def _check_card(path: Path, token: str | None) -> None:
    """Refuse a card with a secret or a place of this machine in it."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    secrets = [token or "", get_token() or ""]
    for leak in find_leaks(text, machine_places(path.parent), secrets, machine_names()):
        raise UserError(
            "{path}:{line}: {what}, which would be public. Take it out of the card.",
            path=path,
            line=leak.line,
            what=_(leak.kind),
        )


def _is_public(api: HfApi, repo_id: str) -> bool:
    try:
        return not api.dataset_info(repo_id).private
    except RepositoryNotFoundError:
        return False


def _card(api: HfApi, folder: Path, repo_id: str) -> list[CommitOperationAdd]:
    if not (folder / CARD_FILE).is_file():
        return []
    text = (folder / CARD_FILE).read_text(encoding="utf-8").replace(PLACEHOLDER, repo_id)
    card = DatasetCard(text)
    # What `datasets` has just written there finds the files of each split.
    pushed = api.hf_hub_download(repo_id, CARD_FILE, repo_type="dataset")
    found = DatasetCard.load(pushed).data.to_dict()
    for name in ("configs", "dataset_info"):
        if name in found:
            card.data[name] = found[name]
    return [CommitOperationAdd(CARD_FILE, str(card).encode("utf-8"))]


def _pictures(folder: Path) -> list[CommitOperationAdd]:
    return [
        CommitOperationAdd(path.relative_to(folder).as_posix(), path)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in PICTURES and path.is_file()
    ]

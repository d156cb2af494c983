# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`push_dataset` makes a dataset on the Hub that people without this package can load."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest
from huggingface_hub import DatasetCard, constants

from data_builders.building.builder import DIALOGUE_FEATURES
from data_builders.errors import UserError
from data_builders.output.publish import push_dataset
from tests.publishing.fake_hub import FakeHub, Repository, in_place_of_the_hub
from tests.strangers import run_elsewhere

ROOT = Path(__file__).parents[3]
TOKEN = "hf_test"
REPOSITORY = "someone/chats"
PNG = b"\x89PNG\r\n\x1a\n not a real one"
CARD = """---
license: mit
language:
- zh
- en
---

# Chats

你好。 datasets.load_dataset("your-name/your-dataset")

![lengths](pictures/lengths.png)
"""

STRANGER = """
import json, sys
sys.modules["data_builders"] = None
import datasets
loaded = datasets.load_dataset(sys.argv[1])
rows = {name: list(split) for name, split in loaded.items()}
streamed = datasets.load_dataset(sys.argv[1], split="train", streaming=True)
print()
print(json.dumps({"rows": rows, "streamed": list(streamed)}))
"""


def heard_by_a_stranger(hub: FakeHub, home: Path) -> dict:
    """Load the dataset in a process without this package."""
    dropped = ("HF_", "HUGGING_FACE_", "PYTHONPATH")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    environment |= {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    home.mkdir()
    done = run_elsewhere(STRANGER, REPOSITORY, environment=environment)
    assert done.returncode == 0, f"{done.stderr}\nunanswered: {hub.unknown}"
    return json.loads(done.stdout.splitlines()[-1])


def dialogue(number: int, question: str) -> dict:
    return {
        "id": f"{number:016x}",
        "turns": [question, f"回复 {number}"],
        "roles": [],
        "lang": "mixed",
        "source": "notes.csv",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    rows = {
        "train": [dialogue(1, "你好吗？"), dialogue(2, "How are you?"), dialogue(3, "在吗")],
        "validation": [dialogue(4, "几点了？")],
        "test": [],
    }
    splits = datasets.DatasetDict(
        {
            name: datasets.Dataset.from_dict(
                {column: [row[column] for row in given] for column in DIALOGUE_FEATURES},
                features=DIALOGUE_FEATURES,
            )
            for name, given in rows.items()
        }
    )
    splits.save_to_disk(folder, num_shards={"train": 1, "validation": 1, "test": 1})
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "lengths.png").write_bytes(PNG)
    (folder / "report.json").write_text('{"sources": ["/home/me/secret-place/notes.csv"]}')
    (folder / "rejects.jsonl").write_text('{"text": "a row left out"}\n')
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with in_place_of_the_hub(monkeypatch, TOKEN) as hub:
        yield hub


def test_what_is_pushed_loads_for_a_stranger_with_card_and_pictures(
    hub: FakeHub, folder: Path, tmp_path: Path
) -> None:
    # The second time what was pushed first is replaced.
    for _ in range(2):
        assert push_dataset(folder, REPOSITORY) == f"{hub.url}/datasets/{REPOSITORY}"
    repository = hub.repositories[f"datasets/{REPOSITORY}"]
    assert repository.private
    files = repository.files
    parquet = {path for path in files if path.startswith("data/")}
    assert {path.split("-")[0] for path in parquet} == {"data/train", "data/validation"}
    assert set(files) - parquet == {"README.md", "pictures/lengths.png"}
    assert files["pictures/lengths.png"] == PNG

    card = DatasetCard(files["README.md"].decode())
    assert card.data.license == "mit" and card.data.language == ["zh", "en"]
    assert card.data.to_dict()["configs"][0]["config_name"] == "default"
    assert "你好。" in card.text and f'load_dataset("{REPOSITORY}")' in card.text
    leaks = [TOKEN, str(tmp_path), "secret-place", "a row left out"]
    everything = [*files.values(), *hub.large_files.values()]
    assert not [leak for leak in leaks for content in everything if leak.encode() in content]

    heard = heard_by_a_stranger(hub, tmp_path / "stranger")
    saved = {name: list(split) for name, split in datasets.load_from_disk(str(folder)).items()}
    assert saved.pop("test") == []
    assert heard["rows"] == saved
    assert heard["streamed"] == saved["train"]


@pytest.mark.parametrize("name", ["no owner", "owner", "a/b/c", "someone/na me"])
def test_a_name_that_is_none_is_refused_before_anything_is_sent(folder: Path, name: str) -> None:
    with pytest.raises(UserError, match="owner/name"):
        push_dataset(folder, name, token=TOKEN)


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a dataset saved"):
        push_dataset(tmp_path, REPOSITORY)


def test_a_card_with_a_place_of_this_machine_is_refused_before_anything_is_sent(
    hub: FakeHub, folder: Path
) -> None:
    with (folder / "README.md").open("a", encoding="utf-8") as card:
        card.write(f"built from {folder}/raw.txt\n")
    with pytest.raises(UserError, match=r"README.md:13: a path of a machine"):
        push_dataset(folder, REPOSITORY)
    assert hub.requests == []


def test_without_a_network_the_sentence_says_so_and_keeps_the_token(folder: Path) -> None:
    with pytest.raises(UserError, match="cannot be reached") as caught:
        push_dataset(folder, REPOSITORY, token=TOKEN)
    assert TOKEN not in str(caught.value) and caught.value.__suppress_context__


def test_a_public_repository_takes_no_private_push(hub: FakeHub, folder: Path) -> None:
    hub.repositories[f"datasets/{REPOSITORY}"] = Repository(private=False)
    with pytest.raises(UserError, match="public already"):
        push_dataset(folder, REPOSITORY)
    assert hub.repositories[f"datasets/{REPOSITORY}"].files == {}


def test_without_a_token_the_next_step_is_to_log_in(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(UserError, match="hf auth login"):
        push_dataset(folder, REPOSITORY)
    assert hub.repositories == {}

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What goes to the Hub is the model and its card; whatever else lies in the folder stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from data_builders.errors import UserError
from tfchat_hf.publishing.upload_plan import plan_upload, readable

REPOSITORY = "someone/tiny"


def names(folder: Path, with_logs: bool = False) -> set[str]:
    return {upload.name for upload in plan_upload(folder, REPOSITORY, with_logs).uploads}


def test_the_model_its_code_its_card_and_its_results_go(folder: Path) -> None:
    # Written out: a new file must be thought about before it becomes public.
    code = {path.name for path in folder.glob("*_tfchat.py")}
    assert len(code) >= 4
    assert names(folder) - code - {"curves.png"} == {
        "README.md",
        "model.safetensors",
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "metrics.json",
        "run_config.yaml",
    }


def test_the_rest_stays_and_each_has_its_reason(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(b"pickled")
    (folder / "linked.safetensors").symlink_to(folder / "model.safetensors")
    stays = plan_upload(folder, REPOSITORY).stays
    assert set(stays) == {
        "checkpoint-9/",
        "samples.jsonl",
        "notes.txt",
        "training_args.bin",
        "linked.safetensors",
    }
    assert "resume" in stays["checkpoint-9/"] and "--with_logs" in stays["samples.jsonl"]
    assert "code" in stays["training_args.bin"]


def test_logs_go_only_when_asked_for_and_pickles_never(folder: Path) -> None:
    (folder / "runs" / "host").mkdir(parents=True)
    for name in ("events.out.tfevents.1", "model.pt", "config.json"):
        (folder / "runs" / "host" / name).write_bytes(b"{}")
    added = names(folder, with_logs=True) - names(folder)
    assert added == {"samples.jsonl", "runs/host/events.out.tfevents.1"}


def test_the_card_names_the_repository_and_the_file_here_stays_as_it_was(folder: Path) -> None:
    before = (folder / "README.md").read_text(encoding="utf-8")
    (card,) = (u for u in plan_upload(folder, REPOSITORY).uploads if u.name == "README.md")
    assert before.count('name = "your-name/your-model"') == 1
    assert f'name = "{REPOSITORY}"' in card.read_text() and "your-name" not in card.read_text()
    assert card.size == len(card.read_text().encode())
    assert (folder / "README.md").read_text(encoding="utf-8") == before


def test_the_settings_go_without_their_paths_and_with_all_else(folder: Path) -> None:
    plan = plan_upload(folder, REPOSITORY)
    (sent,) = (u for u in plan.uploads if u.name == "run_config.yaml")
    shown = yaml.safe_load(sent.read_text())
    kept = yaml.safe_load((folder / "run_config.yaml").read_text(encoding="utf-8"))
    assert Path(kept["dataset"]).is_absolute() and shown["dataset"] == "pairs.jsonl"
    assert shown["output_dir"] == "mine"
    assert {key for key in kept if kept[key] != shown[key]} == {"dataset", "output_dir"}
    assert "generation_max_new_tokens" in shown


def test_an_unfinished_run_is_refused_with_the_way_on(folder: Path) -> None:
    (folder / "metrics.json").unlink()
    with pytest.raises(UserError, match="no finished run.*--resume"):
        plan_upload(folder, REPOSITORY)
    with pytest.raises(UserError, match="is no folder"):
        plan_upload(folder / "nowhere", REPOSITORY)


def test_the_lines_name_every_file_with_its_size(folder: Path) -> None:
    plan = plan_upload(folder, REPOSITORY)
    lines = list(plan.lines(REPOSITORY))
    assert lines[0].startswith(f"to upload to {REPOSITORY}: {len(plan.uploads)} files, ")
    size = readable((folder / "tokenizer.json").stat().st_size)
    (line,) = (line for line in lines if line.split()[0] == "tokenizer.json")
    assert size in line and "the tokenizer" in line
    assert len(lines) == 2 + len(plan.uploads) + len(plan.stays)


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (84_040_000, "84.0 MB")]
)
def test_sizes_are_written_for_people(size: int, words: str) -> None:
    assert readable(size) == words


@pytest.mark.parametrize(
    ("name", "public"),
    [
        (
            "tensorboard/events.out.tfevents.17.my.host.21.0",
            "tensorboard/events.out.tfevents.17.21.0",
        ),
        (
            "tensorboard/events.out.tfevents.17.box.21.0.v2",
            "tensorboard/events.out.tfevents.17.21.0.v2",
        ),
        ("logs/events.out.tfevents.17.box", "logs/events.out.tfevents.17"),
        (
            "runs/Nov28_10-11-12_box/events.out.tfevents.17.box.2.0",
            "runs/Nov28_10-11-12/events.out.tfevents.17.2.0",
        ),
    ],
)
def test_files_of_tensorboard_go_without_the_name_of_the_machine(
    folder: Path, name: str, public: str
) -> None:
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(b"curves")
    assert names(folder, with_logs=True) - names(folder) == {"samples.jsonl", public}

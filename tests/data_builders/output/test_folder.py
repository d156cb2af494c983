# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The folder of a finished dataset: what is in it, when it is refused, what is swept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import datasets
import pytest

import data_builders.output.folder as output
from data_builders.errors import UserError
from data_builders.output.folder import check_output, is_up_to_date, save_result
from data_builders.sources.build import BuildResult, build_dialogues


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> BuildResult:
    folder = tmp_path_factory.mktemp("result")
    rows = [f"问题{i}是什么呢\t答案是{i * 3}。" for i in range(60)]
    (folder / "a.tsv").write_text("\n".join(rows), encoding="utf-8")
    source, cache = str(folder / "a.tsv"), str(folder / "cache")
    return build_dialogues(source, cache_dir=cache, test_fraction=0.2, validation_fraction=0.2)


def marked(folder: Path) -> Path:
    folder.mkdir()
    (folder / "old").write_text("old")
    return folder


def test_the_folder_holds_dataset_report_statistics_and_card(result, tmp_path):
    assert save_result(result, tmp_path / "deep" / "er" / "out") == []
    out = tmp_path / "deep" / "er" / "out"
    loaded = datasets.load_from_disk(str(out))
    assert {name: split.to_list() for name, split in loaded.items()} == {
        name: split.to_list() for name, split in result.dataset.items()
    }
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    statistics = json.loads((out / "statistics.json").read_text(encoding="utf-8"))
    counted = {name: split["dialogues"] for name, split in statistics["splits"].items()}
    assert report["splits"] == counted == {name: len(split) for name, split in loaded.items()}
    assert (out / "README.md").read_text(encoding="utf-8").startswith("---\n")
    assert (out / "rejects.jsonl").exists()
    assert {path.name for path in out.parent.iterdir()} == {"out"}


def test_the_card_shows_the_pictures_that_were_drawn_into_the_folder(result, tmp_path, monkeypatch):
    def draw(statistics: object, folder: Path) -> list[Path]:
        (folder / "turns.png").write_bytes(b"a picture")
        return [folder / "turns.png"]

    monkeypatch.setattr(output, "draw_pictures", draw)
    assert save_result(result, tmp_path / "out") == []
    assert (tmp_path / "out" / "turns.png").read_bytes() == b"a picture"
    assert "](turns.png)" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_without_pictures_the_rest_is_written_and_it_is_said(result, tmp_path, monkeypatch):
    def missing(*given: object) -> list[str]:
        raise UserError("matplotlib is not installed")

    monkeypatch.setattr(output, "draw_pictures", missing)
    assert save_result(result, tmp_path / "out") == [
        "the card has no pictures: matplotlib is not installed"
    ]
    assert (tmp_path / "out" / "README.md").exists()


def test_a_relative_output_is_written_where_one_stands(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_result(result, "out")
    assert is_up_to_date("out", result.build_id)


def test_up_to_date_only_for_the_same_build_written_whole(result, tmp_path):
    out = tmp_path / "out"
    assert not is_up_to_date(out, result.build_id)
    save_result(result, out)
    assert is_up_to_date(out, result.build_id)
    assert not is_up_to_date(out, result.build_id + "0") and not is_up_to_date(out, "")
    (out / "build.json").write_text("{")
    assert not is_up_to_date(out, result.build_id)


@pytest.mark.parametrize("gone", ["*.arrow", "state.json"])
def test_a_damaged_output_is_not_up_to_date(result, tmp_path, gone):
    save_result(result, tmp_path / "out")
    next((tmp_path / "out" / "validation").glob(gone)).unlink()
    assert not is_up_to_date(tmp_path / "out", result.build_id)


@pytest.mark.parametrize("overwrite, said", [(False, "already exists"), (True, "was not made by")])
@pytest.mark.parametrize("kind", ["file", "dangling link", "folder of something else"])
def test_what_is_there_is_never_lost(result, tmp_path, kind, overwrite, said):
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("a thesis")
    elif kind == "dangling link":
        out.symlink_to(tmp_path / "nowhere")
    else:
        marked(out)
    with pytest.raises(UserError, match=said):
        save_result(result, out, overwrite)
    assert os.path.lexists(out) and {path.name for path in tmp_path.iterdir()} == {"out"}


def test_an_empty_folder_may_be_replaced(result, tmp_path):
    (tmp_path / "out").mkdir()
    save_result(result, tmp_path / "out", overwrite=True)
    assert is_up_to_date(tmp_path / "out", result.build_id)


def test_overwriting_leaves_nothing_of_the_old(result, tmp_path):
    out = tmp_path / "out"
    save_result(result, out)
    (out / "more.txt").write_text("old")
    save_result(result, out, overwrite=True)
    assert not (out / "more.txt").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


def test_a_place_under_a_file_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(UserError, match="file is a file, so .*out cannot be made"):
        check_output(tmp_path / "file" / "deep" / "out")


def test_a_place_that_may_not_be_written_is_refused_before_the_work(tmp_path, monkeypatch):
    # To root everything may be written, so the system is asked in its place.
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append(path))
    with pytest.raises(UserError, match="may not be written to. Choose another --output"):
        check_output(tmp_path / "deep" / "out")
    assert asked == [tmp_path]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write it")
def test_a_read_only_folder_is_refused_before_the_work(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="may not be written to"):
        check_output(tmp_path / "out")

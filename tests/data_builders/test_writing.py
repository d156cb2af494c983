# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data_builders.writing import whole_file, write_json, write_whole


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_whole(tmp_path / "text", "你好\r\n")
    write_whole(tmp_path / "bytes", b"\xff\n")
    write_json(tmp_path / "json", {"问": 1})
    assert (tmp_path / "text").read_bytes() == b"\xe4\xbd\xa0\xe5\xa5\xbd\r\n"
    assert (tmp_path / "bytes").read_bytes() == b"\xff\n"
    assert (tmp_path / "json").read_text(encoding="utf-8") == '{"问": 1}'


def test_what_fails_half_way_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    write_whole(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as fresh:
        fresh.write_text("half")
        raise RuntimeError
    assert [each.name for each in tmp_path.iterdir()] == ["kept"] and path.read_text() == "old"


def test_a_file_that_cannot_be_renamed_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "a", "text")
    assert not list(tmp_path.iterdir())

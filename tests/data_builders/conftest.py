# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of data_builders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import data_builders.output.folder as output
from data_builders.dialogue import RawDialogue
from data_builders.formats.base import FileCorpus
from data_builders.report import BuildReport

SHARED_DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(autouse=True, scope="module")
def no_pictures() -> Iterator[None]:
    """Leave the drawing, most of the time of a small build, to the tests that look at it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "draw_pictures", lambda *given: [])
        yield


@pytest.fixture()
def shared_data() -> Path:
    """The folder of real corpora beside the checkout; its tests skip where there is none.

    `formats/test_small_corpora.py` has a few rows of each kind for everybody. What reads a corpus
    of many thousand rows is slow, and run by hand.
    """
    if not SHARED_DATA.is_dir():
        pytest.skip("no corpora in ../shared/data")
    return SHARED_DATA


@pytest.fixture()
def read(tmp_path: Path) -> Callable[..., tuple[list[RawDialogue], BuildReport]]:
    """Give a function that writes content into a file and reads it with a family."""

    def read_with(
        corpus: type[FileCorpus], content: str | bytes, name: str = "a.txt", **settings: object
    ) -> tuple[list[RawDialogue], BuildReport]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        report = BuildReport()
        config = corpus.BUILDER_CONFIG_CLASS(files=(str(path),), **settings)
        return list(corpus.read_sources(config, report)), report

    return read_with

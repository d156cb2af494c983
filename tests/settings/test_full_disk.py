# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What libraries say of a full disk is told in one way."""

from __future__ import annotations

import re

import pytest
from safetensors import SafetensorError

from tfchat_hf.settings.full_disk import disk_errors


def test_every_kind_of_full_disk_is_one_error(tmp_path):
    def fail(error):
        with disk_errors("`checkpoint-7`", tmp_path, "Make room."):
            raise error

    kinds = [
        OSError(28, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 640 vs 598"),
        RuntimeError("basic_ios::clear: iostream error"),
    ]
    for error in kinds:
        with pytest.raises(OSError, match="`checkpoint-7` could not be written") as caught:
            fail(error)
        said = str(caught.value)
        assert re.search(r"[\d,]+\.\d MB free", said) and said.endswith("Make room.")
        assert "\n" not in said
    with pytest.raises(RuntimeError, match="a bug"):
        fail(RuntimeError("a bug"))


def test_a_folder_that_is_not_there_yet_is_measured_by_the_one_above(tmp_path):
    with (
        pytest.raises(OSError, match="Read-only"),
        disk_errors("it", tmp_path / "a" / "b", "Mend."),
    ):
        raise OSError(30, "Read-only file system")

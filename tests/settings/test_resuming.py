# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Which settings of a run may change before it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_builders.errors import UserError
from tfchat_hf.settings.arguments import resolved_settings
from tfchat_hf.settings.parsing import parse_arguments
from tfchat_hf.settings.resuming import check_resumable


def settings(*given: str) -> dict[str, object]:
    return resolved_settings(parse_arguments(["--output_dir", "runs/mine", *given]))


@pytest.mark.parametrize(
    "given", [("--tokenizer_scheme", "char"), ("--tokenizer_user_dictionaries", __file__)]
)
def test_another_tokenizer_is_refused(given: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=f"`{given[0][2:]}` was .* when this run began"):
        check_resumable(settings(), settings(*given), (1, 1), Path("runs/mine"))


@pytest.mark.parametrize(
    "given", [("--dataset_cache_dir", "elsewhere"), ("--dataset", __file__), ("--strict",)]
)
def test_where_the_data_lies_may_change(given: tuple[str, ...]) -> None:
    assert not check_resumable(settings(), settings(*given), (1, 1), Path("runs/mine"))

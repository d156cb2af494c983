# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What nobody foresaw: the caller is told nothing of it, and the log neither text nor path."""

from __future__ import annotations

import logging
from pathlib import Path

from tfchat_hf.serve.errors import as_api_error


def test_the_log_of_a_failure_names_kind_and_module_but_no_text_and_no_path(caplog) -> None:
    caplog.set_level(logging.ERROR)
    try:
        raise RuntimeError("a prompt")
    except RuntimeError as error:
        told = as_api_error(error)
    assert told.status == 500 and "prompt" not in told.message
    assert caplog.messages[0].startswith(f"RuntimeError at {__name__}:")
    assert "prompt" not in caplog.text and str(Path(__file__).parent) not in caplog.messages[0]

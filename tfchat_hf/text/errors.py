# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a user can put right: commands print the sentence, and no traceback."""

from __future__ import annotations


class ChatError(ValueError):
    """Something the person at the keyboard can put right; the message says how."""

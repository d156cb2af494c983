# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a user can put right: commands print the sentence, and no traceback."""

from data_builders.errors import UserError

__all__ = ["UserError"]

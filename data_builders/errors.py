# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The one error of both packages that is meant for a user."""


class UserError(ValueError):
    """What a user can put right: commands print its text as it is, and no traceback."""

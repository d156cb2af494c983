# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The old name of `python -m tfchat_hf.compare`, which says so and ends."""

import sys

if __name__ == "__main__":
    sys.stderr.write("error: this command is now `python -m tfchat_hf.compare`.\n")
    sys.exit(2)

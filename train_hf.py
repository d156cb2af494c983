# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Train a chat model: `tfchat-train` without an installation. `--help` says more."""

import sys

from tfchat_hf.training.command import main

if __name__ == "__main__":
    sys.exit(main())

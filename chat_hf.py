# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Talk to a TFChat model: `tfchat-chat` without an installation. `--help` says more."""

import sys

from tfchat_hf.serve.page.command import main

if __name__ == "__main__":
    sys.exit(main())

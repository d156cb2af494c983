# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""`python -m tfchat_hf.serve`."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())

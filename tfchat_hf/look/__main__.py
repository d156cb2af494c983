# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""``python -m tfchat_hf.look``."""

import sys

from .command import main

sys.exit(main())

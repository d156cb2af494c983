# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What `training.py` compares: one file a contender, and what all of them share."""

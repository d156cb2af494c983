# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a model's corpus knows: its questions and replies, found again by the question."""

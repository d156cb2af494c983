# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Dialogues to tokenised examples, kept in a cache and read from it.

May import `model`, `text` and `settings`.
"""

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Showing a learner why a tokenizer cuts a text where it does: facts, their text, a command."""

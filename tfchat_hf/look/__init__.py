# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""See a text go in: where a tokenizer cuts it, and why there.

May import every other wing.
"""

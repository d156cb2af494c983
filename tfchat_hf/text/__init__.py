# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Text to token ids: the tokenizer and its training, and how turns become encoder input.

May import nothing else of this package.
"""

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One run, from its settings to a finished folder.

May import every wing that a run stands on: `settings`, `examples`, `engines` (for the saved model),
`memory`, `measuring` and `publishing` (for the card and the push). Nothing here is copied into a
model folder.
"""

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Compare a model's presets on questions it was not trained on: table, picture, samples.

May import `chat`, `measuring` and what they stand on.
"""

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The ladder: a model's presets side by side on questions it was not trained on."""

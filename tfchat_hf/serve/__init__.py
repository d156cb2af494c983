# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Many callers, one model: their questions are answered in batches."""

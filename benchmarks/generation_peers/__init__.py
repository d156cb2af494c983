# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Ways to decode the same weights without this project's engines, to measure them against."""

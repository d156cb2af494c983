# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From names and paths to a checked dataset: sources, mixtures, saved datasets, the whole build.

May import every wing but `output` and `commands`.
"""

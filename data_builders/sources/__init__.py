# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""From names and paths to a checked dataset: sources, mixtures, saved datasets, the build as a whole.

May import every wing but `output` and `commands`."""

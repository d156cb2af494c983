# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A training run beside its training: set-up, folder, checkpoints, processes, the end."""

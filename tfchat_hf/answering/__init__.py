# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A file of questions becomes a file of replies."""

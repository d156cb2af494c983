# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A conversation with a model: session, memory, settings, terminal, question files, streaming.

May import `fast`, `engines`, `memory` and what they stand on.
"""

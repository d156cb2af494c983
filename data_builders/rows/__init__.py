# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What several families of formats need to take a file apart."""

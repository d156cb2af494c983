# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A page to talk to a model in the browser, and to look into each token of its replies."""

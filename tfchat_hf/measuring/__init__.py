# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a reader would say of the replies, as far as figures and blind sheets can tell it."""

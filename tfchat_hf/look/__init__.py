# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""See a sentence on its way: where it is cut, what each part of a network makes of it, and why.

May import every other wing.
"""

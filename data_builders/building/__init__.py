# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The way from raw dialogues to Arrow that every format shares.

May import `cleaning`, `selecting` and the report; knows no format.
"""

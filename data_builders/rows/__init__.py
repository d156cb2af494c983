# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a row of named fields and a list of messages mean, for every kind of file.

May import `reading` and the report.
"""

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a training run can be told, read from a YAML file and the command line, and the run folder.

May import `model` and `text`.
"""

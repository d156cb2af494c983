# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a training run can be told, read from a YAML file and the command line, and the run folder.

Read `arguments` (the groups and their defaults), `reading` (file and command line), `keys` (types,
without torch), `rules`, `init_from`, `run_folder`. May import `model` and `text`.
"""

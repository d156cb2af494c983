# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What `python -m data_builders` needs beside the library: options, and the weighing of sources.

May import everything; `weighing` also loads a model of `tfchat_hf`.
"""

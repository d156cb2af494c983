# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The Hub folder: what is copied beside the weights of every model, and all that a reader needs.

Read `configuration_tfchat` (every number), `layers_tfchat` (positions, attention, one layer),
`modeling_tfchat` (the two stacks, the model, its loss), `generation_tfchat` (`generate()` and its
presets). The files import transformers and each other, as `from .name import X`, and nothing else.
"""

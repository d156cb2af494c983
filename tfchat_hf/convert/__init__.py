# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the original TFChat becomes a model folder, and nothing in it is executed.

`unpickling` reads the file, `checkpoint` finds the network in it, `word_map` makes the tokenizer,
`card` tells what the model is. Stands on `model`, `text` and `engines`; nothing stands on it.
"""

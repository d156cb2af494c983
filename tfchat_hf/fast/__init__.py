# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Decoding many replies sooner, behind one door: `generate(..., custom_generate=FastDecoder())`.

What is here calls the network; it holds no second copy of its arithmetic. The cross-entropy of
replies without their logits is here too, for all who measure or train. It may import `model`, and
nothing of it is copied into a model folder.
"""

from .decoder import FastDecoder

__all__ = ["FastDecoder"]

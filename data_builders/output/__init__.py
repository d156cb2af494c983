# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What a dataset is like: figures, pictures, the card and the view in a terminal."""

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What of a cleaned corpus goes into the dataset, and on which side of the split."""

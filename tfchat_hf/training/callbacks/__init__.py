# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What happens beside the updates of a training run; one file a purpose."""

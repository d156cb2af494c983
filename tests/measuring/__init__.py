# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0

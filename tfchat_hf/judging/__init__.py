# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Judge replies by reading: blind sheets of several systems, their scores, what a run is worth.

May import `chat`, `measuring`, `memory` and what they stand on.
"""

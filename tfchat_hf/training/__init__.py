# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""One run from settings to a finished folder: Seq2SeqTrainer where it must differ, and what is around it.

May import every wing that a run stands on: `settings`, `examples`, `measuring`, `memory`, `publishing`."""

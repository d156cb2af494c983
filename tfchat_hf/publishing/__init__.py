# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""A finished run for others: its model card, and its push to the Hugging Face Hub.

May import `settings` and `engines`.
"""

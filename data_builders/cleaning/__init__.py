# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Cleaning, a step a file: each a pure function of one text, which can be used alone.

All steps are idempotent: what a step gives back, it leaves alone the next time.
"""

# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The model that comes with the package, with its memory of the small talk.

It is there so that there is somebody to talk to before anything is trained. Its card,
`small_talk/README.md`, says what it is like; `python -m tfchat_hf.pretrained` puts a run in its
place. Nothing here loads it: it is a folder like that of any finished run.
"""

from pathlib import Path

# For `chat_hf.py`, `from_pretrained` and whoever takes a model's folder.
SMALL_TALK = Path(__file__).parent / "small_talk"
_QUICKSTART = Path("runs/quickstart")


def model_at_hand() -> str:
    """Name whom to talk to where none is named: the run of `make chat` once there is one."""
    return str(_QUICKSTART if (_QUICKSTART / "config.json").is_file() else SMALL_TALK)

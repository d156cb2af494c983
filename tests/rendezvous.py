# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""Where the processes of one training meet, as torchrun arranges it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch.distributed import TCPStore


@contextlib.contextmanager
def rendezvous(processes: int) -> Iterator[list[dict[str, str]]]:
    """Keep a meeting place open and say what the environment of each process tells of it.

    The place is opened here and at once, at a port that the system chooses: one that is only
    looked up, for the first process to open later, may be somebody else's by then.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port)}
    common |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RUN_ID": "none"}
    common |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    yield [{**common, "RANK": str(i), "LOCAL_RANK": str(i)} for i in range(processes)]
    del store

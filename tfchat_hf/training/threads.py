# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""How the threads of torch wait for each other. Imports nothing, for it must come before torch."""

from __future__ import annotations

import os
import sys

# Rounds of its waiting loop in which an OpenMP thread looks for the others before it sleeps. GNU
# OpenMP takes 300,000 (milliseconds), and 1,000 where its own threads outnumber the CPUs; of other
# programs' threads it knows nothing. Beside them a thread spins through the very time on the CPU
# that the thread it waits for would need.
SPIN_COUNT = 1000


def shorten_spinning() -> bool:
    """Let threads that wait for each other sleep soon, as suits a machine with other work to do.

    Sums are split among as many threads as before, so results stay the same to the bit. Does
    nothing where the environment already says how to wait, or where torch is loaded: OpenMP reads
    its variables once, as it is loaded. Another OpenMP than GNU's, which torch brings along on
    Linux, ignores the variable.

    Returns:
        Whether the variable was set.
    """
    told = "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ
    if told or "torch" in sys.modules:
        return False
    os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
    return True

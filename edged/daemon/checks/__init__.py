"""Every check of the running device, one file each.

A new one is a new file with a `CHECK`, a line here, and a remedy for each of its reasons in
:mod:`edged.troubles`.
"""

from __future__ import annotations

from typing import Final

from edged.daemon.checks import (
    ageing,
    cameras,
    clock,
    disk,
    gpu_memory,
    heat,
    memory,
    outbox,
    refusals,
    throttling,
    wear,
)
from edged.daemon.checks.check import Check

ALL: Final[tuple[Check, ...]] = tuple(
    module.CHECK
    for module in (
        heat,
        throttling,
        gpu_memory,
        memory,
        disk,
        outbox,
        ageing,
        wear,
        clock,
        cameras,
        refusals,
    )
)

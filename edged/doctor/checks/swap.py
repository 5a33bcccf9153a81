"""Whether what the engine holds in memory could reach a disk: swap and core dumps.

Data: swap, core_dumps.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup
from edged.privacy import hardening

_HARDENED = """
import dataclasses, json
from edged.privacy import hardening
print(json.dumps(dataclasses.asdict(hardening.harden())))
"""


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """Core dumps are tried in a process that is hardened as the engine is."""
    swap = hardening.swap(host.at("/proc"), host.at("/sys/fs/cgroup"))
    seen = host.ask(_HARDENED)
    data = {"swap": swap, "core_dumps": seen.get("core_dumps")}
    if seen.get("core_dumps") is not False:
        yield Finding(
            "swap.core-dumps",
            "fail",
            "a process that is hardened as the engine is could still write a core dump",
            advice="The kernel refused PR_SET_DUMPABLE; edged does not run on such a system.",
            data=data,
        )
    if swap == "possible":
        yield Finding(
            "swap.possible",
            "warn",
            "this machine swaps to a disk, and memory with faces in it could be written there",
            "/proc/swaps",
            advice="Set MemorySwapMax=0 in the engine's unit, give a container --memory-swap equal "
            "to --memory, or switch swap off.",
            cure=("sudo swapoff -a",),
            data=data,
        )
    elif seen.get("core_dumps") is False:
        words = {
            "none": "there is no swap",
            "memory": "swap is compressed memory (zram)",
            "forbidden": "swap is forbidden to this process",
        }[swap]
        yield Finding("swap.none", "ok", f"{words}, and no core dumps are written", data=data)


CHECK = Check("swap", "privacy", "swap and core dumps", look)

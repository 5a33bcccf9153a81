"""Whether there is memory for the engine.

Data: total_mb, available_mb.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import jetson
from edged.doctor.host import Host
from edged.doctor.setup import Setup

NEEDED_MB = 1024
"""The engine's own memory with FP32 networks on the CPU: about 300 MB for the libraries,
the rest for networks of up to 0.4 GB and buffers of large pictures."""
SHARED_MB = 3072
"""On a Jetson the GPU takes its memory from the same place; building an engine wants more
than running it."""


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """What is available now, which is what counts when the engine starts."""
    known = dict(re.findall(r"^(\w+):\s+(\d+) kB", host.text("/proc/meminfo") or "", re.MULTILINE))
    if "MemAvailable" not in known:
        yield Finding("memory.unknown", "note", "/proc/meminfo does not say what is free")
        return
    available, total = (int(known[key]) // 1024 for key in ("MemAvailable", "MemTotal"))
    data = {"total_mb": total, "available_mb": available}
    shared = jetson(host) is not None
    needed = SHARED_MB if shared else NEEDED_MB
    if available < needed:
        yield Finding(
            "memory.low",
            "warn",
            f"{available} MB of memory are available, and edged wants {needed}",
            advice="Processor and GPU share it here: end what else runs, the desktop first."
            if shared
            else "End what else runs, or the kernel may end the engine.",
            cure=("sudo systemctl set-default multi-user.target",) if shared else (),
            data=data,
        )
    else:
        yield Finding(
            "memory.free", "ok", f"{available} of {total} MB of memory are available", data=data
        )


CHECK = Check("memory", "machine", "free memory", look)

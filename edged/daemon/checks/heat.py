"""Too hot: the board is about to slow down, or to switch off."""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen, above
from edged.troubles import COOLER_C, HOT_CPU_C, HOT_GPU_C


def look(seen: Seen, lit: bool) -> str:
    """The processor's hottest sensor, then the GPU's."""
    if above(seen.doc.cpu_temp_c, HOT_CPU_C, COOLER_C, lit=lit):
        return "hot-cpu"
    if above(seen.doc.gpu_temp_c, HOT_GPU_C, COOLER_C, lit=lit):
        return "hot-gpu"
    return ""


CHECK = Check("heat", ("hot-cpu", "hot-gpu"), look, sets_after_s=15.0, clears_after_s=15.0)

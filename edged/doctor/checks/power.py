"""Whether a Jetson runs at the speed that it could: power mode and clocks.

The mode in force and the modes that there are stand in two files that anybody may read,
so `nvpmodel` is not asked.  A mode's number says nothing: on an Orin Nano the fastest one
is 2 of 0 to 3; NVIDIA's name for "no cap" is MAXN.

Data: mode, fastest, clocks_fixed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edged.daemon.box_figures import MODE_NOW, MODES
from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import jetson
from edged.doctor.host import Host
from edged.doctor.setup import Setup

_DEFAULT = re.compile(r"<\s*PM_CONFIG\s+DEFAULT\s*=\s*(\d+)")


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """A capped board works, slower; clocks that move cost the first frames after a pause."""
    if jetson(host) is None:
        return
    catalogue = host.text("/etc/nvpmodel.conf") or ""
    modes = {int(number): name for number, name in MODES.findall(catalogue)}
    status = host.text("/var/lib/nvpmodel/status") or ""
    chosen = MODE_NOW.search(status) or _DEFAULT.search(catalogue)
    fixed = clocks_fixed(host)
    if not modes or chosen is None:
        yield Finding("power.unknown", "note", "nvpmodel does not say which power mode is set")
        return
    now, best = int(chosen[1]), fastest(modes)
    mode = modes.get(now, str(now))
    data = {"mode": mode, "fastest": modes.get(best, ""), "clocks_fixed": fixed}
    if best != now and not mode.upper().startswith("MAXN"):
        yield Finding(
            "power.capped",
            "warn",
            f"the board runs in power mode {mode}; {modes.get(best, 'another')} is faster",
            "/var/lib/nvpmodel/status",
            advice="The mode stays after a restart. Your power supply and cooling must bear it.",
            cure=(f"sudo nvpmodel -m {best}",),
            data=data,
        )
    elif fixed is False:
        yield Finding(
            "power.clocks",
            "note",
            f"power mode {mode}; the GPU's clock follows the load",
            advice="Fixed clocks make the first frames after a pause as fast as the rest, for "
            "more heat. The setting is gone after a restart.",
            cure=("sudo jetson_clocks",),
            data=data,
        )
    else:
        yield Finding("power.full", "ok", f"power mode {mode}", data=data)


def fastest(modes: dict[int, str]) -> int:
    """Number of the mode without a cap, else of the one with the most watts in its name."""

    def speed(number: int) -> float:
        name = modes[number].upper()
        if name.startswith("MAXN"):
            return 10_001.0 if "SUPER" in name else 10_000.0
        watts = re.search(r"(\d+)\s*W", name)
        return float(watts[1]) if watts else 0.0

    return max(modes, key=speed)


def clocks_fixed(host: Host) -> bool | None:
    """Whether the GPU's lowest clock is its highest, as jetson_clocks sets it."""
    for name in host.names("/sys/class/devfreq/*"):
        if re.search(r"\.(gpu|ga10b|gv11b)$|/gpu-gpc-0$", name):
            low, high = (host.text(f"{name}/{kind}_freq") for kind in ("min", "max"))
            return None if low is None or high is None else low == high
    return None


CHECK = Check("power", "graphics", "power mode and clocks (Jetson)", look)

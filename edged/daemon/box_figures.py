"""Figures of the box for `health`, from the kernel's files: wear, throttling, power mode.

    eMMC wear    /sys/block/mmcblk*/device/life_time          two numbers, tenths of its life
    heat         /sys/class/thermal/cooling_device*           type and the step it stands at
    x86          .../cpu*/thermal_throttle/*_throttle_count   grow when a core was slowed down
    a cap        .../cpu0/cpufreq/{scaling,cpuinfo}_max_freq  set by somebody, or by a power mode
    Jetson       /var/lib/nvpmodel/status, /etc/nvpmodel.conf number and name of the power mode

Every function takes the root folder; what is not told is left out.  An NVMe disk tells its
wear to root alone, over an ioctl, so it is not asked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path("/")
_CPU = "sys/devices/system/cpu"
THROTTLED_S = 30.0
"""A core that was slowed down counts as throttled for so long: the counters move in bursts."""
_WORN_OUT = 0x0B
"""eMMC 5.1, EXT_CSD: 1 is "0 to 10 % used", 10 is "90 to 100 %", 11 "exceeded", 0 unknown."""
MODES = re.compile(r"<\s*POWER_MODEL\s+ID\s*=\s*(\d+)\s+NAME\s*=\s*([^\s>]+)", re.IGNORECASE)
_MOST = 1 << 20
MODE_NOW = re.compile(r"pmode:\s*(\d+)")
MODEST = frozenset({"cpu-capped", "gpu-power-cap", "gpu-sync-boost"})
"""Reasons that somebody set or that are normal under load: no throttling."""


class BoxFigures:
    """Asks the kernel; from one thread at a time.

    Args:
        root: "/".
        clock: monotonic seconds.
    """

    def __init__(self, root: Path = ROOT, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._slowed = _slowed(root)
        self._slowed_s = float("-inf")

    def figures(self) -> dict[str, Any]:
        """What is known now; `throttle_reasons` only where there are some."""
        found: dict[str, Any] = {}
        wear, mode = disk_wear_percent(self._root), power_mode(self._root)
        if wear is not None:
            found["disk_wear_percent"] = wear
        if mode:
            found["power_mode"] = mode
        reasons = [*self._cpu_reasons()]
        if reasons:
            found["throttle_reasons"] = tuple(reasons)
        return found

    def _cpu_reasons(self) -> Iterator[str]:
        slowed, now_s = _slowed(self._root), self._clock()
        if slowed > self._slowed:
            self._slowed_s = now_s
        self._slowed = slowed
        if now_s - self._slowed_s < THROTTLED_S or _cooled(self._root, ("cpu", "processor")):
            yield "cpu-thermal"
        if _cooled(self._root, ("gpu", "devfreq")):
            yield "gpu-thermal"
        if _capped(self._root):
            yield "cpu-capped"


def throttled(reasons: tuple[str, ...]) -> bool:
    """Whether one of them means that heat or power slows the machine down."""
    return any(reason not in MODEST for reason in reasons)


def disk_wear_percent(root: Path) -> float | None:
    """Used life of the most used eMMC; None where none tells."""
    worst = 0
    for path in sorted((root / "sys/block").glob("mmcblk*/device/life_time")):
        steps = (_number(word, 16) for word in _text(path).split())
        worst = max([worst, *(step for step in steps if step <= _WORN_OUT)])
    return float(min(100, 10 * worst)) if worst else None


def power_mode(root: Path) -> str:
    """Name of a Jetson's power mode, else the first core's governor; empty: not told."""
    number = MODE_NOW.search(_text(root / "var/lib/nvpmodel/status"))
    if number is not None:
        named = MODES.findall(_text(root / "etc/nvpmodel.conf"))
        names = {int(one): name for one, name in named}
        return str(names.get(int(number[1]), number[1]))[:40]
    return _text(root / _CPU / "cpu0/cpufreq/scaling_governor").strip()[:40]


def _slowed(root: Path) -> int:
    """How often cores were slowed down since the boot."""
    found = (root / _CPU).glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    return sum(_number(_text(path)) for path in found)


def _cooled(root: Path, kinds: tuple[str, ...]) -> bool:
    """Whether the kernel has slowed a device of some kind down to cool it."""
    for path in (root / "sys/class/thermal").glob("cooling_device*/type"):
        kind = _text(path).lower()
        if any(word in kind for word in kinds) and _number(_text(path.with_name("cur_state"))) > 0:
            return True
    return False


def _capped(root: Path) -> bool:
    folder = root / _CPU / "cpu0/cpufreq"
    most = _number(_text(folder / "cpuinfo_max_freq"))
    return 0 < _number(_text(folder / "scaling_max_freq"), absent=most) < most


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[:_MOST]
    except OSError:
        return ""


def _number(text: str, base: int = 10, absent: int = 0) -> int:
    """A number of a file; `absent` where there is none."""
    try:
        return int(text, base)
    except ValueError:
        return absent

"""Waits for a GPU that is in the machine and not ready yet, as at boot.

NVIDIA's kernel module and device nodes can come seconds after the service that needs them;
a program that does not wait runs on the CPU from then on (seen in the field).  Where there
is no such hardware, or the driver answers, nothing is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edged.runtime.driver import Driver, probe
from edged.runtime.driver_faults import look

NVIDIA: Final = "0x10de"
"""PCI vendor."""

_DISPLAY: Final = ("0x0300", "0x0302")
"""PCI classes of a graphics card and of one without a display."""

_PAUSE_S: Final = 1.0


def hardware_here(root: Path = Path("/")) -> bool:
    """Whether the machine has an NVIDIA GPU, whatever its driver says."""
    if look(root, {}).jetson:
        return True
    for device in (root / "sys/bus/pci/devices").glob("*"):
        try:
            vendor = (device / "vendor").read_text().strip()
            kind = (device / "class").read_text().strip()
        except OSError:
            continue
        if vendor == NVIDIA and kind.startswith(_DISPLAY):
            return True
    return False


def awaited(
    wait_s: float,
    tell: Callable[[str], None] = lambda _: None,
    *,
    ask: Callable[[], Driver] = probe,
    root: Path = Path("/"),
    pause: Callable[[float], None] = time.sleep,
) -> Driver:
    """The driver's answer, as soon as it is good, or the last one when time is up.

    Args:
        wait_s: at most so long.
        tell: told why it waits.
        ask: probes the driver.
        root: where /sys and /etc are looked for.
        pause: sleeps.
    """
    until_s = time.monotonic() + wait_s
    while True:
        found = ask()
        if found.usable or time.monotonic() >= until_s or not hardware_here(root):
            return found
        tell(f"waiting for the GPU: {found.problem or 'the driver sees none'}")
        pause(_PAUSE_S)

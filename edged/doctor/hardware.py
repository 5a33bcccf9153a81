"""What kind of machine it is: a Jetson, a PC with an NVIDIA card, or neither.

Reads the device tree and the PCI bus, which need no driver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edged.doctor.finding import Level
from edged.doctor.host import Host
from edged.doctor.setup import Setup
from edged.runtime.driver_wait import NVIDIA

_DISPLAY: Final = "0x03"
"""PCI class of display and 3D controllers, first byte; NVIDIA's audio functions differ."""

JETPACKS: Final[Mapping[tuple[int, ...], str]] = {
    (36, 2): "6.0 DP",
    (36, 3): "6.0",
    (36, 4): "6.1 or 6.2",
    (36, 5): "6.2",
    (38, 2): "7.0",
    (38, 4): "7.1",
    (39, 2): "7.2",
}
"""JetPack by Jetson Linux release and first part of its revision (NVIDIA's release pages)."""

JETPACK_SUPPORTED: Final = "JetPack 6.1 or later, or 7.2 or later"
"""6.1 brings TensorRT 10.3, the oldest that edged's engines are made for; on Orin and Thor
7.2 brings 10.16."""

GPU_RUNTIMES: Final = ("tensorrt", "tensorrt-rtx", "cuda")


@dataclass(frozen=True)
class Jetson:
    """A Jetson board.

    Attributes:
        model: as its device tree names it.
        linux: release and revision of Jetson Linux, such as (36, 4, 3); empty when unknown.
    """

    model: str
    linux: tuple[int, ...]

    @property
    def jetpack(self) -> str:
        """Version of JetPack, or "" where this table does not know it."""
        return JETPACKS.get(self.linux[:2], "")

    @property
    def supported(self) -> bool:
        """Whether engines can be built on it; an unknown newer release counts as one."""
        return self.linux >= (36, 4) and not (38,) <= self.linux < (39,)


def jetson(host: Host) -> Jetson | None:
    """The board, or None on another machine."""
    release = host.text("/etc/nv_tegra_release") or ""
    model = host.text("/proc/device-tree/model") or ""
    compatible = host.text("/proc/device-tree/compatible") or ""
    if not release and "nvidia,tegra" not in compatible and "Jetson" not in model:
        return None
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", release)
    linux: tuple[int, ...] = ()
    if found:
        linux = (int(found[1]), *(int(part) for part in found[2].split(".") if part))
    return Jetson(model or "NVIDIA Jetson", linux)


def cards(host: Host) -> list[str]:
    """PCI addresses of NVIDIA's display and 3D controllers."""
    found = []
    for vendor in host.names("/sys/bus/pci/devices/*/vendor"):
        folder = vendor.rpartition("/")[0]
        kind = host.text(f"{folder}/class") or ""
        if host.text(vendor) == NVIDIA and kind.startswith(_DISPLAY):
            found.append(folder.rpartition("/")[2])
    return found


def has_gpu(host: Host) -> bool:
    """Whether there is an NVIDIA GPU, driver or not (WSL shows one as /dev/dxg)."""
    seen = jetson(host) or cards(host) or host.exists("/dev/dxg")
    return bool(seen or host.names("/dev/nvidia[0-9]*") or host.driver().usable)


def gravity(host: Host, setup: Setup, *runtimes: str) -> Level:
    """How bad it is that something for these runtimes is missing.

    Args:
        host: may have a GPU.
        setup: may ask for a runtime.
        runtimes: that it is needed for; all that use a GPU when none is named.
    """
    if setup.config.runtime.require in (runtimes or GPU_RUNTIMES):
        return "fail"
    if setup.config.runtime.prefer in (runtimes or GPU_RUNTIMES):
        return "warn"
    # Nobody asked for it: an idle GPU is worth a warning, one of several ways to use it
    # is not.
    return "warn" if has_gpu(host) and not runtimes and not setup.wish else "note"

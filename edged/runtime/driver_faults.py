"""Turns what the CUDA driver answered into a problem and its cure, in whole sentences.

The codes are CUresult of NVIDIA's cuda.h.  Knows no process and no library.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_RUN: Final = "then run: edged doctor"

DRIVER: Final = (
    "install NVIDIA's driver (Debian and Ubuntu: apt install nvidia-driver), reboot, " + _RUN
)
"""How a PC gets a driver."""

JETSON_DRIVER: Final = (
    "the driver is part of JetPack: apt install --reinstall nvidia-l4t-cuda, check that "
    "/usr/lib/aarch64-linux-gnu/nvidia is in /etc/ld.so.conf.d and run ldconfig, " + _RUN
)
"""How a Jetson gets one."""

GROUPS: Final = (
    "add the user that runs edged to the groups of those files (ls -l /dev/nvidia*; usually "
    "video and render), allow them in the unit (DeviceAllow=), log in again, " + _RUN
)
"""Who may open the device files; on Jetson they belong to video and render."""

_PC_NODES: Final = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm")
NODE_PATTERNS: Final = (*_PC_NODES, "nvmap", "nvhost-*gpu*", "nvgpu/*/*", "dri/renderD*")
"""Device files that CUDA opens: PC, then Jetson; a PC's render nodes may be another maker's."""

CODES: Final[Mapping[int, tuple[str, str]]] = {
    2: ("has no memory left on the GPU", "stop other programs that use the GPU (nvidia-smi)"),
    34: (
        "is the toolkit's stub library, not a driver",
        "take the CUDA toolkit's stubs folder out of LD_LIBRARY_PATH",
    ),
    35: (
        "is older than the CUDA version asked for",
        "install a newer NVIDIA driver or, on Jetson, the newer JetPack, and reboot",
    ),
    46: ("is in use by another process alone", "stop that process (nvidia-smi shows it)"),
    802: ("waits for the fabric manager", "start the service nvidia-fabricmanager"),
    803: (
        "does not fit the kernel module that is loaded",
        "reboot: the library was updated and the kernel still runs the old module",
    ),
    804: (
        "is a compatibility package that this GPU does not support",
        "remove cuda-compat from LD_LIBRARY_PATH or install the driver it stands in for",
    ),
    999: (
        "reports an unknown error",
        "load the kernel module (modprobe nvidia-uvm) or reboot (dmesg | grep -i nvrm)",
    ),
}
"""What went wrong and what to do, by CUresult; 100 has an own sentence below."""


@dataclass(frozen=True)
class Machine:
    """What of the machine decides about a cure.

    Attributes:
        jetson: this is a Tegra board with JetPack.
        locked: device files of a GPU that this user may not open.
        visible: value of CUDA_VISIBLE_DEVICES, None when it is not set.
    """

    jetson: bool = False
    locked: tuple[str, ...] = ()
    visible: str | None = None


def look(root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> Machine:
    """Looks at the machine's files; opens none of them."""
    release = root / "etc/nv_tegra_release"
    tree = root / "proc/device-tree/compatible"
    try:
        jetson = release.exists() or b"nvidia,tegra" in tree.read_bytes()
    except OSError:
        jetson = False
    patterns = NODE_PATTERNS if jetson else _PC_NODES
    nodes = [node for pattern in patterns for node in sorted((root / "dev").glob(pattern))]
    locked = tuple(str(node) for node in nodes if _locked(node))
    values = os.environ if environment is None else environment
    return Machine(jetson, locked, values.get("CUDA_VISIBLE_DEVICES"))


def _locked(node: Path) -> bool:
    """Whether this user may not open it for what it is for: /dev/nvmap is for reading only."""
    mode = node.stat().st_mode & 0o666
    return not os.access(node, os.R_OK if mode and not mode & 0o222 else os.R_OK | os.W_OK)


def explain_load(text: str, machine: Machine) -> tuple[str, str]:
    """The library could not be loaded; `text` is the loader's."""
    cure = JETSON_DRIVER if machine.jetson else DRIVER
    if not text or "cannot open shared object file" in text:
        return "no CUDA driver: libcuda.so.1 is not on this machine", cure
    return f"the CUDA driver's library does not load: {text[:200]}", cure


def explain_call(call: str, code: int, machine: Machine) -> tuple[str, str]:
    """A call of the driver failed with a CUresult."""
    if machine.locked:
        files = ", ".join(machine.locked[:4])
        return (
            f"the CUDA driver may not open the GPU ({call}: error {code}; no permission: {files})",
            GROUPS,
        )
    if code == 100:
        return no_device(machine)
    what, cure = CODES.get(
        code, ("fails", "run nvidia-smi; if that fails too, install the driver again and reboot")
    )
    return f"the CUDA driver {what} ({call}: error {code})", f"{cure}, {_RUN}"


def no_device(machine: Machine) -> tuple[str, str]:
    """The driver works and sees no GPU."""
    problem = "the CUDA driver sees no GPU (error 100)"
    if machine.locked:
        return f"{problem}: no permission on {', '.join(machine.locked[:4])}", GROUPS
    if machine.visible is not None:
        return (
            f"{problem}: CUDA_VISIBLE_DEVICES is {machine.visible!r}",
            f"unset CUDA_VISIBLE_DEVICES or name a GPU of nvidia-smi -L, {_RUN}",
        )
    if machine.jetson:
        return problem, JETSON_DRIVER
    return problem, f"check that the card is seated and powered (lspci | grep -i nvidia), {_RUN}"

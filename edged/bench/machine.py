"""What a figure was measured on: processor, memory and versions, never a host's name.

Knows the system's own descriptions of itself.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from edged import __version__

_PACKAGES = {
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python"),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "insightface": ("insightface",),
    "scikit-image": ("scikit-image",),
}
"""Name in the report and the distributions that may bring it."""


def describe_machine() -> dict[str, str | int]:
    """Processor, usable cores, memory and kernel."""
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "system": f"{platform.system()} {platform.machine()}",
    }


def describe_versions() -> dict[str, str]:
    """edged, Python and the packages that the figures depend on; absent ones say so."""
    found = {"edged": __version__, "python": platform.python_version()}
    for name, distributions in _PACKAGES.items():
        found[name] = next((v for d in distributions if (v := _version(d))), "absent")
    return found


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    """The model's name as the kernel prints it; boards name themselves in the device tree."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
        return Path("/proc/device-tree/model").read_text(encoding="utf-8").strip("\x00\n ")
    except OSError:
        return platform.processor() or platform.machine()

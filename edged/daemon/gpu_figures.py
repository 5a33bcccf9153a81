"""Figures of the GPU for `health`: temperature, load, clock, memory, power, errors.

NVML (package nvidia-ml-py) knows them on a PC; a Jetson has no NVML for its GPU and tells
temperature, load and clock in files of the kernel.  What is not told is left out.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path("/")
_LOADS = (
    "sys/devices/gpu.0/load",
    "sys/devices/platform/gpu.0/load",
    "sys/devices/platform/*.gpu/load",
    "sys/devices/platform/bus@0/*.gpu/load",
)
"""A Jetson's load, tenths of a percent; the folder depends on JetPack's version."""
_DEVFREQ = re.compile(r"gpu|ga10b|gv11b")
_WORDS = {
    0x04: "gpu-power-cap",
    0x08: "gpu-hw-slowdown",
    0x10: "gpu-sync-boost",
    0x20: "gpu-sw-thermal",
    0x40: "gpu-hw-thermal",
    0x80: "gpu-power-brake",
}
"""nvml.h, nvmlClocksEventReason*: the bits that are neither idle nor a setting of somebody."""
_UNCORRECTED, _VOLATILE, _SM_CLOCK, _XID_EVENT = 1, 0, 1, 0x8
"""nvml.h: NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, NVML_CLOCK_SM,
nvmlEventTypeXidCriticalError."""
_XIDS = 100
"""Events taken at a time, whatever a broken driver sends."""


class GpuFigures:
    """Asks NVML, if it is here; stays quiet after it has failed once at its start.

    Args:
        root: "/", for the kernel's files.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._nvml: Any = None
        self._handle: Any = None
        self._asked = False
        self._events: Any = None
        self._xid: int | None = None

    def _open(self) -> None:
        """At the first question, when it is settled which GPU is ours."""
        self._asked = True
        with contextlib.suppress(Exception):  # absent, no driver, no permission
            nvml: Any = importlib.import_module("pynvml")
            nvml.nvmlInit()
            self._handle = nvml.nvmlDeviceGetHandleByIndex(_index())
            self._nvml = nvml
            events = nvml.nvmlEventSetCreate()
            nvml.nvmlDeviceRegisterEvents(self._handle, _XID_EVENT, events)
            self._events = events

    def figures(self) -> dict[str, Any]:
        """What is known now."""
        if not self._asked:
            self._open()
        if self._nvml is None:
            return self._of_files()
        nvml, handle = self._nvml, self._handle
        asked: dict[str, Callable[[], Any]] = {
            "gpu_temp_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            "gpu_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            "gpu_memory_used_mb": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used // 2**20,
            "gpu_power_w": lambda: round(nvml.nvmlDeviceGetPowerUsage(handle) / 1000, 1),
            "gpu_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, _SM_CLOCK),
            "gpu_ecc_errors": lambda: nvml.nvmlDeviceGetTotalEccErrors(
                handle, _UNCORRECTED, _VOLATILE
            ),
            "throttle_reasons": lambda: words(
                nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
            ),
        }
        found: dict[str, Any] = {}
        for name, ask in asked.items():
            with contextlib.suppress(Exception):  # each card tells what it can
                found[name] = ask()
        self._take_xids()
        if self._xid is not None:
            found["gpu_xid"] = self._xid
        return found

    def _take_xids(self) -> None:
        if self._events is None:
            return
        with contextlib.suppress(Exception):  # a timeout: there are none, or no more
            for _ in range(_XIDS):
                told = self._nvml.nvmlEventSetWait_v2(self._events, 0)
                self._xid = int(told.eventData)

    def _of_files(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for kind in sorted((self._root / "sys/class/thermal").glob("thermal_zone*/type")):
            with contextlib.suppress(OSError, ValueError):
                if "gpu" in kind.read_text().lower():
                    milli = int(kind.with_name("temp").read_text())
                    found["gpu_temp_c"] = round(milli / 1000, 1)
                    break
        for path in (path for pattern in _LOADS for path in self._root.glob(pattern)):
            with contextlib.suppress(OSError, ValueError):
                found["gpu_percent"] = int(path.read_text()) / 10
                break
        for folder in sorted((self._root / "sys/class/devfreq").glob("*")):
            if not _DEVFREQ.search(folder.name):
                continue
            with contextlib.suppress(OSError, ValueError):
                found["gpu_clock_mhz"] = round(int((folder / "cur_freq").read_text()) / 1e6)
                break
        return found


def words(bits: int) -> tuple[str, ...]:
    """What slows the clocks down, of NVML's bits."""
    return tuple(word for bit, word in _WORDS.items() if bits & bit)


def _index() -> int:
    """NVML counts all GPUs, whatever CUDA is allowed to see."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    return int(seen) if seen.isdigit() else 0

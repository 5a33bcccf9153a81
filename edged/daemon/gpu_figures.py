"""Figures of the GPU for `health`: temperature, load, memory, power.

NVML (package nvidia-ml-py) knows them on a PC; a Jetson has no NVML for its GPU and tells
the temperature in a thermal zone of the kernel.  What is not told is left out.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ZONES = Path("/sys/class/thermal")


class GpuFigures:
    """Asks NVML, if it is here; stays quiet after it has failed once at its start.

    Args:
        zones: folder of the kernel's thermal zones.
    """

    def __init__(self, zones: Path = _ZONES) -> None:
        self._zones = zones
        self._nvml: Any = None
        self._handle: Any = None
        self._asked = False

    def _open(self) -> None:
        """At the first question, when it is settled which GPU is ours."""
        self._asked = True
        with contextlib.suppress(Exception):  # absent, no driver, no permission
            nvml: Any = importlib.import_module("pynvml")
            nvml.nvmlInit()
            self._handle = nvml.nvmlDeviceGetHandleByIndex(_index())
            self._nvml = nvml

    def figures(self) -> dict[str, Any]:
        """What is known now."""
        if not self._asked:
            self._open()
        if self._nvml is None:
            return self._zone()
        nvml, handle = self._nvml, self._handle
        asked: dict[str, Callable[[], Any]] = {
            "gpu_temp_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            "gpu_percent": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            "gpu_memory_used_mb": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used // 2**20,
            "gpu_power_w": lambda: round(nvml.nvmlDeviceGetPowerUsage(handle) / 1000, 1),
        }
        found: dict[str, Any] = {}
        for name, ask in asked.items():
            with contextlib.suppress(Exception):  # each card tells what it can
                found[name] = ask()
        return found

    def _zone(self) -> dict[str, Any]:
        for kind in sorted(self._zones.glob("thermal_zone*/type")):
            with contextlib.suppress(OSError, ValueError):
                if "gpu" in kind.read_text().lower():
                    milli = int(kind.with_name("temp").read_text())
                    return {"gpu_temp_c": round(milli / 1000, 1)}
        return {}


def _index() -> int:
    """NVML counts all GPUs, whatever CUDA is allowed to see."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    return int(seen) if seen.isdigit() else 0

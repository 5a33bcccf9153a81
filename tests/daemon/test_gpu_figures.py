"""Figures of the GPU."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from edged.daemon.gpu_figures import GpuFigures


class Nvml:
    """A card that tells everything but its power."""

    NVML_TEMPERATURE_GPU = 0

    def nvmlInit(self):  # noqa: N802 - NVML's name
        pass

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        self.index = index
        return "handle"

    def nvmlDeviceGetTemperature(self, _handle, _kind):  # noqa: N802
        return 61

    def nvmlDeviceGetUtilizationRates(self, _handle):  # noqa: N802
        return SimpleNamespace(gpu=42)

    def nvmlDeviceGetMemoryInfo(self, _handle):  # noqa: N802
        return SimpleNamespace(used=512 << 20)

    def nvmlDeviceGetPowerUsage(self, _handle):  # noqa: N802
        raise RuntimeError("not supported")

    def nvmlDeviceGetClockInfo(self, _handle, kind):  # noqa: N802
        return {1: 1980}[kind]

    def nvmlDeviceGetTotalEccErrors(self, _handle, kind, counter):  # noqa: N802
        return {(1, 0): 2}[kind, counter]

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, _handle):  # noqa: N802
        return 0x1 | 0x4 | 0x40

    def nvmlEventSetCreate(self):  # noqa: N802
        self.xids = [31, 79]
        return "events"

    def nvmlDeviceRegisterEvents(self, _handle, kinds, _events):  # noqa: N802
        assert kinds == 0x8

    def nvmlEventSetWait_v2(self, _events, _timeout_ms):  # noqa: N802
        return SimpleNamespace(eventData=self.xids.pop(0))  # IndexError: NVML's timeout


@pytest.fixture
def nvml(monkeypatch):
    made = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", made)
    return made


def test_what_a_card_tells_is_told_and_the_rest_is_left_out(nvml, tmp_path):
    """Units in every key."""
    assert GpuFigures(tmp_path).figures() == {
        "gpu_temp_c": 61, "gpu_percent": 42, "gpu_memory_used_mb": 512, "gpu_clock_mhz": 1980,
        "gpu_ecc_errors": 2, "throttle_reasons": ("gpu-power-cap", "gpu-hw-thermal"),
        "gpu_xid": 79,
    }  # fmt: skip
    assert nvml.index == 0


def test_the_gpu_of_the_configuration_is_asked(nvml, tmp_path, monkeypatch):
    """NVML counts those that CUDA does not see, too."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    GpuFigures(tmp_path).figures()
    assert nvml.index == 2


def test_a_jetson_tells_its_temperature_in_a_thermal_zone(tmp_path, monkeypatch):
    """It has no NVML for its GPU."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    for number, kind, milli in ((0, "cpu-thermal", 50_000), (1, "gpu-thermal", 47_250)):
        zone = tmp_path / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(f"{kind}\n")
        (zone / "temp").write_text(f"{milli}\n")
    assert GpuFigures(tmp_path).figures() == {"gpu_temp_c": 47.2}


@pytest.mark.parametrize(
    "folder", ["gpu.0", "platform/gpu.0", "platform/17000000.gpu", "platform/bus@0/17000000.gpu"]
)
def test_a_jetson_tells_load_and_clock_in_files(tmp_path, monkeypatch, folder):
    """Tenths of a percent, and hertz; where depends on JetPack."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    files = {f"sys/devices/{folder}/load": "437\n",
             "sys/class/devfreq/17000000.ga10b/cur_freq": "624750000\n",
             "sys/class/devfreq/13e00000.emc/cur_freq": "1\n"}  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    assert GpuFigures(tmp_path).figures() == {"gpu_percent": 43.7, "gpu_clock_mhz": 625}


def test_a_machine_without_a_gpu_tells_nothing(tmp_path, monkeypatch):
    """And raises nothing."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert GpuFigures(tmp_path).figures() == {}

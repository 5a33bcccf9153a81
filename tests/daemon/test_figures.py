"""Figures of process and box, and the hash of what runs."""

from __future__ import annotations

import re
from types import SimpleNamespace

import msgspec

from edged.daemon import figures
from edged.runtime.session import RuntimeChoice
from edged.transport.wire_health import HealthDoc

WORDS = {"threads", "throttled", "throttle_reasons", "power_mode", "gpu_ecc_errors", "gpu_xid"}


def test_the_machine_s_figures_bear_their_units():
    """The unit is in the name of each number, and the health document has a field for each."""
    found = figures.Machine().figures()
    assert found["rss_mb"] > 1
    fields = {field.name for field in msgspec.structs.fields(HealthDoc)}
    assert set(found) <= fields
    for name in set(found) - WORDS:
        assert re.search(r"_(mb|percent|1min|c|w|mhz)$", name), name
        assert isinstance(found[name], int | float)


def test_without_sensors_there_is_no_temperature(monkeypatch):
    """A figure that is not known is left out."""
    monkeypatch.setattr(figures.psutil, "sensors_temperatures", dict)
    assert "cpu_temp_c" not in figures.Machine().figures()


def test_the_hottest_sensor_is_shown(monkeypatch):
    """One figure."""
    readings = {"a": [SimpleNamespace(current=40.04)], "b": [SimpleNamespace(current=61.26)]}
    monkeypatch.setattr(figures.psutil, "sensors_temperatures", lambda: readings)
    assert figures.Machine().figures()["cpu_temp_c"] == 61.3


CPU = RuntimeChoice("cpu", "fp32", "the default", wished=True)
GPU = RuntimeChoice("tensorrt", "fp16-planned", "the best here", wished=True)


def test_devices_that_run_the_same_say_the_same_hash():
    """Whatever the order; another file or another runtime is another hash."""
    usual = figures.digest({"a": "11", "b": "22"}, {"a": CPU})
    assert re.fullmatch("[0-9a-f]{12}", usual)
    assert figures.digest({"b": "22", "a": "11"}, {"a": CPU}) == usual
    assert figures.digest({"a": "11", "b": "23"}, {"a": CPU}) != usual
    assert figures.digest({"a": "11", "b": "22"}, {"a": GPU}) != usual
    assert figures.digest({}, {"a": CPU}) != figures.digest({}, {"b": CPU})

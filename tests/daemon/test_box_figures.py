"""Figures of the box, from made-up files of the kernel."""

from __future__ import annotations

import pytest

from edged.daemon.box_figures import THROTTLED_S, BoxFigures, disk_wear_percent, throttled

CPUFREQ = "sys/devices/system/cpu/cpu0/cpufreq"
COUNT = "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count"
LIFE = "sys/block/mmcblk0/device/life_time"


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_box_that_tells_nothing_has_no_figures(tmp_path):
    """And raises nothing."""
    assert BoxFigures(tmp_path).figures() == {}


@pytest.mark.parametrize(
    ("told", "percent"),
    [
        ("0x01 0x03\n", 30.0),
        ("0x0b 0x01", 100.0),
        ("0x00 0x00", None),
        ("0xff 0x02", 20.0),
        ("nonsense", None),
    ],
)
def test_the_more_used_kind_of_flash_counts(tmp_path, told, percent):
    """Tenths of its life; 0 and what is not defined are unknown."""
    write(tmp_path, LIFE, told)
    assert disk_wear_percent(tmp_path) == percent


def test_a_jetson_names_its_power_mode(tmp_path):
    """The number is in one file, its name in the other."""
    write(tmp_path, f"{CPUFREQ}/scaling_governor", "schedutil\n")
    assert BoxFigures(tmp_path).figures() == {"power_mode": "schedutil"}
    write(tmp_path, "var/lib/nvpmodel/status", "pmode:0002 fmode:cool")
    assert BoxFigures(tmp_path).figures() == {"power_mode": "0002"}
    write(tmp_path, "etc/nvpmodel.conf", "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n")
    assert BoxFigures(tmp_path).figures() == {"power_mode": "MAXN_SUPER"}


def test_counters_that_grow_mean_throttling_for_a_while(tmp_path):
    """What they had counted before the start does not."""
    now_s = [100.0]
    write(tmp_path, COUNT, "7\n")
    box = BoxFigures(tmp_path, lambda: now_s[0])
    assert box.figures() == {}
    write(tmp_path, COUNT, "8\n")
    assert box.figures() == {"throttle_reasons": ("cpu-thermal",)}
    now_s[0] += THROTTLED_S - 1
    assert box.figures() == {"throttle_reasons": ("cpu-thermal",)}
    now_s[0] += 1
    assert box.figures() == {}


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("thermal-cpufreq-0", "2", ("cpu-thermal",)),
        ("Processor", "1", ("cpu-thermal",)),
        ("devfreq-17000000.gpu", "3", ("gpu-thermal",)),
        ("thermal-cpufreq-0", "0", ()),
        ("pwm-fan", "3", ()),
        ("intel_powerclamp", "-1", ()),
    ],
)
def test_a_device_that_is_cooled_by_a_lower_clock_is_throttled(tmp_path, kind, state, words):
    """A fan that turns is not."""
    write(tmp_path, "sys/class/thermal/cooling_device0/type", kind)
    write(tmp_path, "sys/class/thermal/cooling_device0/cur_state", state)
    assert BoxFigures(tmp_path).figures().get("throttle_reasons", ()) == words


def test_a_capped_clock_is_told_and_is_no_throttling(tmp_path):
    """Somebody chose it, or a power mode did."""
    write(tmp_path, f"{CPUFREQ}/cpuinfo_max_freq", "2000000")
    write(tmp_path, f"{CPUFREQ}/scaling_max_freq", "2000000")
    assert BoxFigures(tmp_path).figures() == {}
    write(tmp_path, f"{CPUFREQ}/scaling_max_freq", "1500000")
    reasons = BoxFigures(tmp_path).figures()["throttle_reasons"]
    assert reasons == ("cpu-capped",)
    assert not throttled(reasons)
    assert throttled((*reasons, "gpu-hw-thermal"))

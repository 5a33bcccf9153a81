"""A Jetson's power mode and clocks."""

from __future__ import annotations

import pytest
from doctor_kit import ORIN_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.power import fastest, look

MODES = (
    "< PM_CONFIG DEFAULT=1 >\n< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n"
    "< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< POWER_MODEL ID=3 NAME=7W >\n"
)
GPU = "/sys/class/devfreq/17000000.gpu"


def found(root, status, clocks=("1020000000", "1020000000"), modes=MODES):
    files = {
        **ORIN_FILES, "/etc/nvpmodel.conf": modes, "/var/lib/nvpmodel/status": status,
        f"{GPU}/min_freq": clocks[0], f"{GPU}/max_freq": clocks[1],
    }  # fmt: skip
    return only(look(FakeHost(root, files=files), setup()))


def test_the_fastest_mode_is_well(root):
    """It is not the one of the highest number."""
    one = found(root, "pmode:0002 fmode:quiet")
    assert (one.id, one.level) == ("power.full", "ok")
    assert one.data["mode"] == "MAXN_SUPER"


@pytest.mark.parametrize("status", ["pmode:0000", ""])
def test_a_capped_board_warns_with_the_mode_to_set(root, status):
    """The mode in force, or the default of a fresh board, against the fastest."""
    one = found(root, status)
    assert (one.id, one.level) == ("power.capped", "warn")
    assert one.cure == ("sudo nvpmodel -m 2",)


def test_clocks_that_follow_the_load_are_a_note(root):
    """jetson_clocks sets the lowest to the highest."""
    one = found(root, "pmode:0002", ("306000000", "1020000000"))
    assert (one.id, one.level, one.cure) == ("power.clocks", "note", ("sudo jetson_clocks",))


def test_modes_are_compared_by_their_names():
    """No cap before watts, more watts before fewer, whatever the numbers."""
    assert fastest({0: "MAXN", 1: "10W", 2: "50W"}) == 0
    assert fastest({0: "MAXN", 1: "MAXN_SUPER"}) == 1
    assert fastest({0: "15W", 1: "7W", 3: "40W"}) == 3


def test_a_board_that_names_no_mode_is_a_note(root):
    """A container has neither file."""
    assert found(root, "", modes="").id == "power.unknown"


def test_other_machines_have_nothing_to_say(root):
    """A PC has no nvpmodel."""
    assert ids(look(FakeHost(root), setup())) == {}

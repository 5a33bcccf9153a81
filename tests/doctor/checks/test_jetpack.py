"""Which JetPack a Jetson has."""

from __future__ import annotations

import pytest
from doctor_kit import ORIN_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.jetpack import look


def found(root, release):
    files = {**ORIN_FILES, "/etc/nv_tegra_release": f"# {release}, GCID: 1, BOARD: generic\n"}
    return only(look(FakeHost(root, files=files), setup()))


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("R36 (release), REVISION: 4.0", "JetPack 6.1 or 6.2"),
        ("R36 (release), REVISION: 5.1", "JetPack 6.2"),
        ("R39 (release), REVISION: 2.1", "JetPack 7.2"),
        ("R40 (release), REVISION: 1.0", "Jetson Linux 40.1.0"),
    ],
)
def test_a_release_that_is_new_enough_is_named(root, release, name):
    """By JetPack's version where the table knows it."""
    one = found(root, release)
    assert one.level == "ok"
    assert name in one.what


@pytest.mark.parametrize(
    "release",
    ["R35 (release), REVISION: 4.1", "R36 (release), REVISION: 3", "R38 (release), REVISION: 2.0"],
)
def test_a_release_without_a_fitting_tensorrt_is_told(root, release):
    """JetPack 5 and 6.0 are too old, 7.0 and 7.1 too early."""
    one = found(root, release)
    assert (one.id, one.level) == ("jetpack.old", "note")
    assert "6.1" in one.advice


def test_a_board_that_does_not_say_is_a_note(root):
    """A container has the device tree and not the file."""
    files = {"/proc/device-tree/compatible": "nvidia,p3701\x00nvidia,tegra234\x00"}
    assert ids(look(FakeHost(root, files=files), setup())) == {"jetpack.unknown": "note"}


def test_other_machines_have_nothing_to_say(root):
    """A PC has no JetPack."""
    assert ids(look(FakeHost(root), setup())) == {}

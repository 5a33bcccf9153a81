"""Packages that edged is made of."""

from __future__ import annotations

import pytest
from doctor_kit import FakeHost, ids, only, setup

from edged.doctor.checks.packages import core, look, satisfies

NEEDS = [
    "numpy>=1.26",
    "paho-mqtt<3,>=2.1",
    "tomli>=2.0; python_version < '3.11'",
    "onnxruntime>=1.20; extra == 'cpu'",
]


WHOLE = {"numpy": "2.2.0", "paho-mqtt": "2.1.0"}


def found(root, packages, broken=(), **says):
    says = says or {"broken": dict(broken)}
    host = FakeHost(root, packages=packages, says=says, requirements=lambda: NEEDS)
    return list(look(host, setup()))


def test_a_whole_installation_is_well(root):
    """Extras and packages of other Pythons are not asked for."""
    assert ids(found(root, WHOLE)) == {"packages.whole": "ok"}


def test_missing_and_old_packages_fail_with_one_command(root):
    """Both are named with what is needed."""
    one = only(found(root, {"paho-mqtt": "1.6.1"}))
    assert (one.id, one.level) == ("packages.missing", "fail")
    assert "numpy missing" in one.what
    assert "paho-mqtt 1.6.1" in one.what
    assert one.cure == ("/opt/e/bin/python -m pip install 'numpy>=1.26' 'paho-mqtt<3,>=2.1'",)


def test_a_package_that_does_not_load_fails(root):
    """Its own words say why."""
    one = only(found(root, WHOLE, {"zmq": "ImportError: libzmq.so.5"}))
    assert (one.id, one.level) == ("packages.broken", "fail")
    assert "libzmq.so.5" in one.what
    assert one.cure[0].endswith("pyzmq")


def test_a_package_that_kills_its_process_fails(root):
    """The doctor lives on."""
    one = only(found(root, WHOLE, died="was killed by signal 4"))
    assert (one.id, one.level) == ("packages.died", "fail")
    assert "signal 4" in one.what


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [
        ("4.13.0.90", ">=4.12,<5", True),
        ("5.0.0", ">=4.12,<5", False),
        ("4.9", ">=4.12,<5", False),
        ("2.1", ">=2.1.0", True),
        ("13.9.4", "", True),
    ],
)
def test_versions_are_compared_by_number(version, bounds, fits):
    """4.9 is older than 4.12."""
    assert satisfies(version, bounds) is fits


def test_edgeds_own_needs_are_read():
    """The list in the metadata of this installation has its core packages."""
    from edged.doctor.host import Host

    assert {"numpy", "msgspec", "pyzmq"} <= set(core(Host().requirements()))
    assert "onnxruntime" not in core(Host().requirements())

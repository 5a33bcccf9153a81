"""Whether this Python can have the wheels."""

from __future__ import annotations

import pytest
from doctor_kit import ORIN_FILES, FakeHost, ids, setup

from edged.doctor.checks.python import look


def jetson(root, **known):
    """A Jetson whose apt has brought TensorRT for its own Python 3.10."""
    host = FakeHost(
        root, files={**ORIN_FILES, "/usr/lib/python3.10/dist-packages/tensorrt/__init__.py": ""},
        machine="aarch64", **known,
    )  # fmt: skip
    host.at("/usr/bin").mkdir(parents=True)
    host.at("/usr/bin/python3.10").touch()
    host.at("/usr/bin/python3").symlink_to("python3.10")
    return host


def test_a_usual_python_is_well(root):
    """Glibc and a 64-bit processor are all that the wheels ask."""
    assert ids(look(FakeHost(root), setup())) == {"python.facts": "ok"}


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ({"machine": "armv7l"}, "python.machine"),
        ({"libc": ""}, "python.libc"),
    ],
)
def test_a_system_without_wheels_fails(root, known, found):
    """A 32-bit system and one with another C library have no onnxruntime."""
    assert ids(look(FakeHost(root, **known), setup())) == {found: "fail"}


def test_a_python_that_jetpacks_bindings_are_not_for_is_told(root):
    """An environment of Python 3.12 cannot import what apt brought for 3.10."""
    (found,) = look(jetson(root, python_version=(3, 12, 1)), setup())
    assert (found.id, found.level) == ("python.jetpack", "warn")
    assert found.cure[0].startswith("/usr/bin/python3.10 -m venv --system-site-packages")


def test_jetpacks_own_python_is_well(root):
    """The same board with its own 3.10."""
    found = look(jetson(root, python_version=(3, 10, 12)), setup())
    assert ids(found) == {"python.facts": "ok"}

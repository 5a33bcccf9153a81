"""OpenCV: one, of version 4, that loads."""

from __future__ import annotations

import pytest
from doctor_kit import FakeHost, ids, only, setup

from edged.doctor.checks.opencv import FOLDER_FILE, look

GOOD = {"version": "4.13.0", "cascades": True}


def found(root, says, *packages):
    host = FakeHost(
        root, says=says, packages=dict.fromkeys(packages, "4.13.0.90"),
        owners={FOLDER_FILE: packages},
    )  # fmt: skip
    return list(look(host, setup()))


def test_one_opencv_is_well(root):
    """The headless build, version 4."""
    assert ids(found(root, GOOD, "opencv-python-headless")) == {"opencv.one": "ok"}


def test_two_builds_over_each_other_warn(root):
    """Both are removed and one is put back, in this environment."""
    one = only(found(root, GOOD, "opencv-python", "opencv-python-headless"))
    assert (one.id, one.level) == ("opencv.twice", "warn")
    assert one.cure == (
        "/opt/e/bin/python -m pip uninstall -y opencv-python opencv-python-headless",
        "/opt/e/bin/python -m pip install 'opencv-python-headless>=4.12,<5'",
    )


def test_a_build_for_desktops_fails_on_a_bare_box(root):
    """LibGL is what the build with Qt wants."""
    says = {"missing": "", "text": "libGL.so.1: cannot open shared object file"}
    one = only(found(root, says, "opencv-python"))
    assert (one.id, one.level) == ("opencv.broken", "fail")
    assert "headless" in one.advice


@pytest.mark.parametrize("says", [{"version": "5.0.0", "cascades": False}, {"version": "5.0.0"}])
def test_version_5_fails(root, says):
    """It has no cascades."""
    assert ids(found(root, says, "opencv-python-headless")) == {"opencv.version": "fail"}


def test_an_import_that_kills_its_process_fails(root):
    """The doctor lives on, and says how it ended."""
    one = only(found(root, {"died": "was killed by signal 11"}, "opencv-python-headless"))
    assert (one.id, one.level) == ("opencv.broken", "fail")
    assert "signal 11" in one.what

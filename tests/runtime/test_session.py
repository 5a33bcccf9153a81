"""The meter, and the resident half of a session that computes in host memory."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession

from edged.runtime.session import Meter


def test_a_meter_adds_up_runs():
    """Time and count of every run, and the time of what was moved between them."""
    meter = Meter()
    meter.add(200)
    meter.add(50)
    meter.moved(7)
    assert (meter.total_ns, meter.runs) == (257, 2)


def test_on_a_cpu_the_device_is_the_host():
    """An array goes up, through a network and down again, and into memory that is given."""
    session = FakeSession({"x": (3,)}, {"y": (3,)}, lambda feeds: [feeds["x"] * 2])
    into = np.zeros(3, np.float32)
    (doubled,) = session.run_resident({"x": session.upload(np.arange(3, dtype=np.float32))})
    assert session.download(doubled, into) is into
    assert into.tolist() == [0, 2, 4]


def test_a_download_changes_no_dtype():
    """Memory of another dtype is refused, not filled with converted numbers."""
    session = FakeSession({}, {}, lambda _feeds: [])
    with pytest.raises(TypeError):
        session.download(np.ones(3, np.float32), np.zeros(3, np.uint8))

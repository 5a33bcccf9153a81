"""The meter that tells a session's time apart from the host's."""

from __future__ import annotations

from edged.runtime.session import Meter


def test_a_meter_adds_up_runs():
    """Time and count of every run."""
    meter = Meter()
    meter.add(200)
    meter.add(50)
    assert (meter.total_ns, meter.runs) == (250, 2)

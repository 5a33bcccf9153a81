"""Free memory."""

from __future__ import annotations

from doctor_kit import ORIN_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.memory import look


def info(available_mb):
    return {
        "/proc/meminfo": f"MemTotal: {8000 * 1024} kB\nMemAvailable: {available_mb * 1024} kB\n"
    }


def test_enough_memory_is_well(root):
    """Two GB are enough on a PC."""
    assert ids(look(FakeHost(root, files=info(2000)), setup())) == {"memory.free": "ok"}


def test_too_little_memory_warns(root):
    """The figures are told, in MB."""
    found = only(look(FakeHost(root, files=info(500)), setup()))
    assert (found.id, found.level) == ("memory.low", "warn")
    assert found.data == {"total_mb": 8000, "available_mb": 500}


def test_a_jetson_wants_more_because_its_gpu_shares_it(root):
    """Two GB are not enough there, and the desktop is the first to go."""
    found = only(look(FakeHost(root, files={**info(2000), **ORIN_FILES}), setup()))
    assert found.id == "memory.low"
    assert "multi-user.target" in found.cure[0]


def test_a_system_that_does_not_say_is_a_note(root):
    """Nothing is made up."""
    assert ids(look(FakeHost(root), setup())) == {"memory.unknown": "note"}

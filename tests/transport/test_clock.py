"""The kernel's word on its clock."""

from __future__ import annotations

import ctypes
import time

from edged.transport import clock


def test_kernel_is_asked(monkeypatch) -> None:
    """`TIME_ERROR` and a failed call mean no, every other state means yes."""
    answers = iter([0, 1, 4, 5, -1])

    class Libc:
        def adjtimex(self, _buffer: object) -> int:
            return next(answers)

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Libc())
    assert [clock.clock_synced() for _ in range(5)] == [True, True, True, False, False]


def test_here() -> None:
    """The real call answers and the wall clock counts milliseconds."""
    assert clock.clock_synced() in (True, False)
    assert abs(clock.wall_ms() - time.time() * 1000) < 1000

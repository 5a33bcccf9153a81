"""When a session that fails is closed and opened anew, and when that is given up.

    out of memory   closed at once, opened anew, and the run tried once more
    fails twice     closed, opened anew at the next run
    again           after pauses of 1, 2, 4 .. 30 s; runs meanwhile fail at once
    no use          after six in a row, or when the device is lost: the process must end

An arena that has met its bound never gives memory back, so a session that ran out of
memory once fails for good; only a new one works.  Knows no session and no runtime.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edged.errors import EngineError
from edged.runtime.failures import ExhaustedError, LostError

_STRIKES = 2
"""Failures in a row of another kind than memory before a session is closed."""
_GOOD_RUNS = 20
"""Runs after which earlier failures are forgiven."""


@dataclass(frozen=True)
class Pauses:
    """How long a session that keeps failing waits.

    Attributes:
        first_s, limit_s: after the second opening, and the longest; each doubles.
        most: openings in a row that are tried.
    """

    first_s: float = 1.0
    limit_s: float = 30.0
    most: int = 6

    def after_s(self, openings: int) -> float:
        """Before the next one, after this many in vain."""
        if openings == 0:
            return 0.0
        return min(self.limit_s, self.first_s * 2.0 ** (openings - 1))


class Revival:
    """The failures of one session; on the thread that runs it.

    Args:
        pauses: between openings.
        clock: monotonic, s.

    Attributes:
        trouble: slug of what is wrong now; empty while it runs.
        hopeless: opening it anew is of no use any more.
        openings: since it last ran well for a while.
    """

    def __init__(
        self, pauses: Pauses | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pauses = pauses or Pauses()
        self._clock = clock
        self._strikes = self._good = 0
        self._due_s = 0.0
        self.trouble = ""
        self.hopeless = False
        self.openings = 0

    def failed(self, error: EngineError) -> bool:
        """A run has failed; whether the session is to be closed now."""
        self._good = 0
        self._strikes += 1
        if isinstance(error, LostError):
            self.trouble, self.hopeless = "gpu-lost", True
            return True
        exhausted = isinstance(error, ExhaustedError)
        if not exhausted and self._strikes < _STRIKES:
            return False
        self.trouble = "model-out-of-memory" if exhausted else "model-failing"
        self._strikes = 0
        self._due_s = self._clock() + self._pauses.after_s(self.openings)
        self.hopeless = self.openings >= self._pauses.most
        return True

    def not_opened(self, error: EngineError) -> None:
        """The new session did not open."""
        self.failed(error)
        self.trouble = self.trouble or "model-failing"
        self._strikes = 0
        self._due_s = self._clock() + self._pauses.after_s(self.openings)
        self.hopeless = self.hopeless or self.openings >= self._pauses.most

    @property
    def wait_s(self) -> float:
        """Until it may be opened anew; 0 means now."""
        return max(0.0, self._due_s - self._clock())

    def opening(self) -> None:
        """It is opened anew."""
        self.openings += 1

    def worked(self) -> bool:
        """A run was good; whether it is the first since the session was opened anew."""
        self._strikes = 0
        first, self.trouble = bool(self.trouble), ""
        if self.openings:
            self._good += 1
            if self._good >= _GOOD_RUNS:
                self.openings = self._good = 0
        return first

    def begin(self) -> None:
        """Another session serves from now on: what the old one did is forgotten."""
        self._strikes = self._good = self.openings = 0
        self._due_s, self.trouble, self.hopeless = 0.0, "", False

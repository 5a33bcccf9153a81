"""What looks on while parsers are fed: a clock for each input, and an ear for the log."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from fuzz.mutate import CANARY

HANG_S = 1.0
"""Of a parser's own processor time; a machine that is busy with other work is no hang."""
STALL_S = 20.0
"""Of the wall clock, for a parser that waits for something."""
_TICK_S = 0.25


class Ear(logging.Handler):
    """Formats what the package logs, keeps none of it, and notes whether input was in it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record."""
        text = record.getMessage()
        if CANARY in text:
            self.heard = text

    @contextmanager
    def listening(self) -> Iterator[None]:
        """In the place of the handlers that there are."""
        logger = logging.getLogger("edged")
        before = logger.propagate, logger.handlers
        logger.propagate, logger.handlers = False, [self]
        try:
            yield
        finally:
            logger.propagate, logger.handlers = before


class Hang(BaseException):
    """An input took too long; no `except Exception` of a parser takes it."""


class Watchdog:
    """Raises :class:`Hang` in the main thread when one input takes too long."""

    def __init__(self) -> None:
        self.serial = 0
        """Number of the input that is being fed, 0 for none."""
        self._last = {signal.SIGPROF: (0, 0), signal.SIGALRM: (0, 0)}
        self._bound = {
            signal.SIGPROF: round(HANG_S / _TICK_S), signal.SIGALRM: round(STALL_S / _TICK_S)
        }  # fmt: skip
        self._timers = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}

    def __enter__(self) -> Watchdog:  # noqa: PYI034  # Self needs 3.11
        self._old = {number: signal.signal(number, self._tick) for number in self._timers}
        for timer in self._timers.values():
            signal.setitimer(timer, _TICK_S, _TICK_S)
        return self

    def __exit__(self, *_: object) -> None:
        for number, timer in self._timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, self._old[number])

    def _tick(self, number: int, _frame: FrameType | None) -> None:
        serial, ticks = self._last[number]
        ticks = ticks + 1 if serial == self.serial != 0 else 0
        self._last[number] = (self.serial, ticks)
        if ticks > self._bound[number]:
            self._last[number] = (0, 0)
            raise Hang


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Decoders in C complain to descriptor 2 about every picture; not here."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)

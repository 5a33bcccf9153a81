"""Which frames are under way, and what each thread of the flow has had in hand for how long.

A frame is answered once: by the thread that finishes it, or, when a stage does not come
back in time, by whoever watches.  A thread that hangs in native code cannot be stopped; what
it holds is given up, and if it stays away the process has to end (see
:mod:`edged.daemon.sentry`).  From any thread; knows no stages.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from edged.daemon.flow_parts import Item, age_ms


class FlowWatch:
    """Frames from decoding to answer, and the threads that work on them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, Item] = {}
        self._given_up: set[int] = set()
        self._in_hand: dict[str, float] = {}

    def took(self, item: Item) -> None:
        """A frame is under way, and to be answered by its deadline."""
        with self._lock:
            self._open[id(item)] = item

    def finishing(self, item: Item) -> bool:
        """Nobody else answers it from now on; False when it has been given up before."""
        with self._lock:
            self._open.pop(id(item), None)
            if id(item) in self._given_up:
                self._given_up.discard(id(item))
                return False
            return True

    def give_up(self, older_than_ms: float) -> list[Item]:
        """Frames that took longer and that nobody has begun to finish; each is given once."""
        with self._lock:
            late = [i for i in self._open.values() if age_ms(i.submission) > older_than_ms]
            for item in late:
                del self._open[id(item)]
                self._given_up.add(id(item))
            return late

    @contextmanager
    def hand_on(self, stage: str) -> Iterator[None]:
        """While a thread is in a stage."""
        with self._lock:
            self._in_hand[stage] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._in_hand[stage]

    def longest(self) -> tuple[str, float]:
        """The stage that somebody is in for longest, and for how many seconds; ("", 0) for none."""
        with self._lock:
            if not self._in_hand:
                return "", 0.0
            stage = min(self._in_hand, key=self._in_hand.__getitem__)
            return stage, time.monotonic() - self._in_hand[stage]

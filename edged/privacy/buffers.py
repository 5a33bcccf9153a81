"""Buffers of pictures on their way out, apart from those that raw frames live in.

A buffer is leased; it goes back to the pool only when its encoder is done and every
zero-copy send has let go of it, because a buffer that is rewritten under a zero-copy
send arrives rewritten.  Knows memory; knows no guard and no sockets.
"""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from edged.faces import Image

SPARE = 4
"""Free buffers of one shape that are kept: decode, infer, encode and one in a view."""


class Tracker(Protocol):
    """Says when a zero-copy send is done (`zmq.MessageTracker` is one)."""

    @property
    def done(self) -> bool:
        """Whether the memory may be written again."""
        ...


class OutgoingBuffer:
    """One leased picture buffer.

    Attributes:
        image: (h, w, 3) uint8 BGR, for the pipeline to write.
    """

    __slots__ = ("_memory", "_pool", "_released", "_trackers", "image")

    def __init__(self, memory: Image, pool: OutgoingPool) -> None:
        self._memory = memory
        self._pool = pool
        self._trackers: list[Tracker] = []
        self._released = False
        self.image: Image = memory.view()

    def hold(self, tracker: Tracker | None) -> None:
        """Keep the memory until this send is done."""
        if tracker is not None:
            self._trackers.append(tracker)

    def free(self) -> bool:
        """Whether every send has let go."""
        return all(t.done for t in self._trackers)

    def release(self) -> None:
        """End the lease; the memory is reused once it is free.  Harmless when repeated.

        Memory that went back twice would be leased to two frames at once.
        """
        if not self._released:
            self._released = True
            self._pool.take_back(self._memory, self)


class OutgoingPool:
    """Outgoing buffers by shape; any thread may lease and release."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting: list[tuple[Image, OutgoingBuffer]] = []

    def lease(self, height: int, width: int) -> OutgoingBuffer:
        """A buffer of this size with arbitrary contents; the pipeline writes all of it."""
        with self._lock:
            for index, (memory, last) in enumerate(self._resting):
                if memory.shape[:2] == (height, width) and last.free():
                    del self._resting[index]
                    return OutgoingBuffer(memory, self)
        return OutgoingBuffer(np.empty((height, width, 3), np.uint8), self)

    def take_back(self, memory: Image, last: OutgoingBuffer) -> None:
        """Called by :meth:`OutgoingBuffer.release`."""
        with self._lock:
            self._resting.append((memory, last))
            if len(self._resting) > SPARE:
                del self._resting[0]  # ZeroMQ holds its own reference while it sends

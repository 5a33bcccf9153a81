"""Work that others have for the thread of the sessions, done between two frames.

Sessions, tracks and characters belong to one thread; a command that touches them hands its
work in here and waits.  Knows nothing of what the work is.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from edged.daemon.command_reply import OrderError
from edged.daemon.owner import Task

R = TypeVar("R")

BEGIN_WITHIN_S = 20.0
"""A frame that takes so long is late for its own deadline, by default."""
END_WITHIN_S = 50.0
"""The broker is answered within a minute in any case."""


class Errand(Task):
    """A task that can be called off until it begins."""

    def __init__(self, body: Callable[[], object]) -> None:
        super().__init__("errand", body)
        self._lock = threading.Lock()
        self._off = False
        self._begun = threading.Event()

    def call_off(self, wait_s: float) -> bool:
        """Whether it has not begun within a time, and now never will."""
        if self._begun.wait(wait_s):
            return False
        with self._lock:
            self._off = not self._begun.is_set()
            return self._off

    def begin(self) -> bool:
        """Whether it is to be run, which is then for certain."""
        with self._lock:
            if not self._off:
                self._begun.set()
            return not self._off


class Errands:
    """Hands work to the sessions' thread."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Errand] = queue.SimpleQueue()

    def do(
        self,
        body: Callable[[], R],
        *,
        begin_s: float = BEGIN_WITHIN_S,
        end_s: float = END_WITHIN_S,
    ) -> R:
        """Have something done between two frames, and wait; what it raises is raised here.

        Args:
            body: the work.
            begin_s: it must begin within this, or it is not done.
            end_s: and end within this.

        Raises:
            OrderError: the pipeline does not come to it.
        """
        errand = Errand(body)
        self._waiting.put(errand)
        if errand.call_off(begin_s):
            raise OrderError(
                "pipeline-busy",
                "the pipeline did not come to it, and it is not done: the device's status and "
                "health say whether a frame hangs",
            )
        errand.join(end_s)
        if errand.is_alive():
            raise OrderError("timeout", "it has begun and not ended in time; it may still be done")
        if errand.error is not None:
            raise errand.error
        result: R = errand.result
        return result

    def between(self) -> None:
        """Do one piece of work, if there is some; on the sessions' thread."""
        try:
            errand = self._waiting.get_nowait()
        except queue.Empty:
            return
        if errand.begin():
            errand.run()

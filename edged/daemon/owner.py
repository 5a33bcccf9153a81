"""The thread that owns sessions: it loads, warms, runs, switches and closes them.

A CUDA context, its streams and its captured graphs belong to one thread, so whoever has
work for sessions hands it in here.  Knows nothing of what the work is.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


class Task:
    """A piece of work that the owner does or has done; looks like a thread.

    Attributes:
        name: for messages.
    """

    def __init__(self, name: str, body: Callable[[], Any]) -> None:
        self.name = name
        self._body = body
        self._done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do it; on the owner's thread."""
        try:
            self.result = self._body()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever asked
            self.error = error
        finally:
            self._done.set()

    def is_alive(self) -> bool:
        """Whether it is not done yet."""
        return not self._done.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it is done."""
        self._done.wait(timeout)


class Owner:
    """One thread that does what it is handed, in order.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def begin(self, name: str, body: Callable[[], object]) -> Task:
        """Have something done; returns at once."""
        task = Task(name, body)
        self._work.put(task)
        return task

    def call(self, body: Callable[[], R]) -> R:
        """Have something done and wait for it; what it raises is raised here."""
        task = self.begin("call", body)
        task.join()
        if task.error is not None:
            raise task.error
        result: R = task.result
        return result

    def close(self, timeout_s: float = 10.0) -> None:
        """Do what was handed in, then end the thread."""
        self._work.put(None)
        self._thread.join(timeout_s)

    def _loop(self) -> None:
        while (task := self._work.get()) is not None:
            task.run()

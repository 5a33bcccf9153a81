"""Wakes a thread that waits in a ZeroMQ poller, from any thread.

ZeroMQ sockets belong to one thread; a pipe does not.  Knows nothing else.
"""

from __future__ import annotations

import contextlib
import os


class Wakeup:
    """A self-pipe; `fd` goes into the poller."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def set(self) -> None:
        """Wake the poller; harmless when it is awake, and after :meth:`close`."""
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._write_fd, b"\0")

    def clear(self) -> None:
        """Swallow what woke it."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.fd, 4096):
                pass

    def close(self) -> None:
        """Let go of the pipe."""
        for fd in (self.fd, self._write_fd):
            if fd >= 0:
                os.close(fd)
        self.fd = self._write_fd = -1

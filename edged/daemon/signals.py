"""Signals as something to wait for beside sockets: no handler does any work.

The interpreter writes each signal's number into a socket, which wakes a selector.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What asks a daemon to stop; a terminal that closes sends the last."""


@contextlib.contextmanager
def wakeups_on(*numbers: signal.Signals) -> Iterator[socket.socket]:
    """A socket that becomes readable when one of these signals comes; main thread only."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    with reader, writer:
        before_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        before = {
            number: signal.signal(number, _noted)
            for number in numbers
            # nohup's wish is kept
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            yield reader
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before_fd)


def arrived(wakeups: socket.socket) -> bytes:
    """Numbers of the signals that have come since, one a byte."""
    try:
        return wakeups.recv(4096)
    except BlockingIOError:
        return b""


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the socket has the number already."""

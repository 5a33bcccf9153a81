"""Bounds how many connections a listener of the network may hold open.

libzmq takes every connection, each costs a descriptor until its handshake has failed, and
whoever has no key may open as many as they like: without a bound they end the whole engine
(measured: it stops when its descriptors are used up).  At the bound all of the network are
disconnected, since libzmq cannot shut a listener without its connections (measured).  Who
has a key comes again by itself and sends again; local senders notice nothing.  Used by the
thread that owns the socket.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 256
"""Far more cameras than one engine can serve; a shell allows a process 1024 descriptors."""
_SAY_EVERY_S = 60.0


class Crowd:
    """The connections of one inherited listener.

    Args:
        sock: not bound yet.
        fd: listening descriptor; taken over.
        port: that it listens on.

    Attributes:
        monitor: readable when somebody has come or gone; call :meth:`look` then.
    """

    def __init__(self, sock: zmq.Socket[Any], fd: int, port: int) -> None:
        self._sock = sock
        self._fd = fd
        # The descriptor is bound already, so the address is not used.  A "*" keeps libzmq
        # from looking it up among the interfaces, for which it would want a netlink socket.
        self._bind_to = f"tcp://*:{port}"
        self._bound_at = ""
        self._said_s = float("-inf")
        self._connections: set[int] = set()  # descriptors
        self.monitor = sock.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)

    def open(self) -> None:
        """Take connections.

        Raises:
            zmq.ZMQError: libzmq cannot use the descriptor.
        """
        self._sock.setsockopt(zmq.USE_FD, os.dup(self._fd))  # libzmq closes it with the listener
        self._sock.bind(self._bind_to)
        self._bound_at = self._sock.getsockopt_string(zmq.LAST_ENDPOINT)

    def look(self) -> None:
        """Count who has come and gone; at the bound, disconnect all and begin anew."""
        while self.monitor.poll(0):
            event = recv_monitor_message(self.monitor)
            if event["event"] == zmq.EVENT_ACCEPTED:
                self._connections.add(event["value"])
            else:
                self._connections.discard(event["value"])
        if len(self._connections) >= MOST_CONNECTIONS:
            if time.monotonic() - self._said_s >= _SAY_EVERY_S:
                self._said_s = time.monotonic()
                log.warning("frames: %d connections from the network at once, all are closed; "
                            "keep strangers off that port", len(self._connections))  # fmt: skip
            self._connections.clear()
            self._sock.unbind(self._bound_at)
            self.open()

    def close(self) -> None:
        """Forget the listener, before its socket is closed."""
        self._sock.disable_monitor()
        self.monitor.close(linger=0)
        os.close(self._fd)

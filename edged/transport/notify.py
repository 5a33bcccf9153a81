"""Tells systemd (or the supervisor of `edged run`) how this process is: sd_notify(3).

A datagram of `KEY=value` lines to the socket named by `$NOTIFY_SOCKET`; without one
every call does nothing.  Pet the watchdog from progress of the main loop, never from a
timer of its own.  Knows nothing of what the process does.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Notifier:
    """Sends states to the service manager.

    Args:
        environment: where `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` are read.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        if address.startswith("@"):  # abstract namespace
            address = "\0" + address[1:]
        self._address = address
        self._failed = False
        self._alive_next_s = 0.0
        self.watchdog_s = _watchdog_s(environment) if address else 0.0
        """Longest time between two :meth:`alive` that the manager allows; 0 means any."""

    def ready(self, text: str = "") -> None:
        """Start-up is over."""
        self._send("READY=1", text)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("", text)

    def alive(self) -> None:
        """The main loop has made progress; tells no more often than is of use."""
        now_s = time.monotonic()
        if self.watchdog_s and now_s >= self._alive_next_s:
            self._alive_next_s = now_s + self.watchdog_s / 4
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """A clean stop has begun."""
        self._send("STOPPING=1")

    def _send(self, field: str, text: str = "") -> None:
        if not self._address:
            return
        lines = [line for line in (field, text and f"STATUS={text}") if line]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failed:  # say it once: a deaf manager must not fill the log
                log.warning("the service manager cannot be told (%s)", error.strerror)
            self._failed = True


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Watchdog period in seconds; 0 when none is asked of this very process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return int(environment.get("WATCHDOG_USEC", "0")) / 1e6
    except ValueError:
        return 0.0

"""Telling the service manager."""

from __future__ import annotations

import os
import socket

import pytest

from edged.transport.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True])
def test_states(tmp_path, abstract) -> None:
    """Each call is one datagram to the named socket, abstract or not."""
    address = f"@edged-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address.replace("@", "\0"))
        server.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2500000"})
        assert notifier.watchdog_s == 2.5
        for call, expected in (
            (lambda: notifier.ready("here"), b"READY=1\nSTATUS=here"),
            (lambda: notifier.status("working"), b"STATUS=working"),
            (notifier.alive, b"WATCHDOG=1"),
            (notifier.stopping, b"STOPPING=1"),
        ):
            call()
            assert server.recv(1000) == expected


def test_alive_is_rationed(tmp_path) -> None:
    """However often the loop turns, the manager hears of it four times a period."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.setblocking(False)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        notifier = Notifier(environment)
        for _ in range(100):
            notifier.alive()
        assert server.recv(100) == b"WATCHDOG=1"
        with pytest.raises(BlockingIOError):
            server.recv(100)


def test_nobody_listens(tmp_path, caplog) -> None:
    """Without a socket nothing happens; a dead one is complained of once."""
    Notifier({}).ready()
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.ready()
    notifier.stopping()
    assert len(caplog.records) == 1


def test_watchdog_of_another_process() -> None:
    """A watchdog that is meant for another process is none of ours."""
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}
    assert Notifier(environment).watchdog_s == 0

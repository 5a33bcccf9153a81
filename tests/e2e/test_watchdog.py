"""What a service manager hears of a running engine: beats of work, and silence when it hangs."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import cv2
import pytest
from booth import Booth
from photos import astronaut

from edged.errors import LinkError
from edged.transport.client import FrameClient


@contextmanager
def manager(path):
    """A service manager's socket: (what was said so far, as lines with their time)."""
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(0.2)
        over = threading.Event()

        def listen():
            while not over.is_set():
                try:
                    lines = sock.recv(4096).decode().splitlines()
                except TimeoutError:
                    continue
                heard.extend((time.monotonic(), line) for line in lines)

        thread = threading.Thread(target=listen)
        thread.start()
        yield heard
        over.set()
        thread.join()


def beats(heard, since_s=0.0):
    """Signs of life after a moment."""
    return [at for at, line in heard if line == "WATCHDOG=1" and at > since_s]


def test_an_idle_engine_proves_its_sessions_and_a_hanging_one_falls_silent(tmp_path, test_models):
    """So that systemd restarts it: its main thread and its sockets live on."""
    notify = tmp_path / "notify"
    environment = {"NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "8000000"}
    with manager(notify) as heard, Booth(
        tmp_path, models=test_models, fault="hanging-detector", environment=environment,
        consumer=False,
    ) as booth:  # fmt: skip
        idle_s = time.monotonic()
        while len(beats(heard, idle_s)) < 2:
            assert time.monotonic() < idle_s + 40, heard
            time.sleep(0.1)
        unanswered(booth)
        time.sleep(6)  # a self-test may have been under way, and its beat not yet told
        hung_s = time.monotonic()
        time.sleep(10)
        assert beats(heard, hung_s) == []
        assert booth.ask("ping").status == "ok"
        booth.engine.kill()


def unanswered(booth):
    """Send a shot with a face; nobody answers."""
    with FrameClient(booth.endpoint, timeout_s=2) as client, pytest.raises(LinkError):
        client.send_shot(cv2.imencode(".png", astronaut())[1].tobytes(), camera="booth")

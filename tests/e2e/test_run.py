"""`edged run`: one command, a whole device, and a clean end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest
from booth import Booth, until
from consumer import Consumer
from shots import QUICK, face, real_models

from edged.errors import LinkError
from edged.transport.client import FrameClient


class Device:
    """A booth's files and broker, with `edged run` in the place of its two processes."""

    def __init__(self, folder):
        self.booth = Booth(folder, models=real_models(), extra=QUICK)
        self.process = self.client = self.consumer = None

    def __enter__(self):
        try:
            return self._begin()
        except BaseException:
            self.__exit__()
            raise

    def _begin(self):
        booth = self.booth
        booth.broker.start()
        words = ["-m", "edged", "run", "--config", str(booth.config), "--run-dir",
                 str(booth.run_dir)]  # fmt: skip
        clean = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "EDGED_RUN_DIR")}
        self.process = subprocess.Popen(
            [sys.executable, *words], stdout=booth.log, stderr=booth.log, env=clean
        )
        self.consumer = Consumer(booth.broker.port, "test", "booth-1", keep_raw=True)
        self.client = FrameClient(booth.endpoint, timeout_s=60)
        until(self.online, 60, "the device is online")
        return self

    def __exit__(self, *_exc):
        for part in (self.client, self.consumer):
            if part is not None:
                part.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()  # its programs go with it
            self.process.wait()
        self.booth.broker.stop()
        self.booth.log.close()

    def online(self):
        assert self.process.poll() is None, self.log()
        return self.consumer.status.get("state") == "online"

    def children(self):
        """Program's name -> process, of those that run just now."""
        found = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.Error):
                    words = child.cmdline()
                    if "--config" in words and "edged.privacy.launch" not in words:
                        found[words[words.index("--config") - 1]] = child
        return found

    def log(self):
        return self.booth.log_text()

    def deliver(self, number):
        """Send a shot and wait until the consumer has its result."""
        answer = self.client.send_shot(face(number), camera="quick")
        assert answer.verdict.verdict == "queued"
        self.consumer.wait(lambda: self.consumer.find(answer.verdict.id), 30, "the result")


@pytest.fixture
def device(tmp_path):
    with Device(tmp_path) as running:
        yield running


def gone(processes):
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.mark.parametrize("name", ["engine", "uplink"])
def test_a_killed_program_is_started_again(device, name):
    """A kill -9 of one program costs a moment: the other lives on, and shots go through."""
    device.deliver(1)
    before = device.children()
    assert set(before) == {"engine", "uplink"}
    before[name].kill()
    until(lambda: device.children().get(name) not in (None, before[name]), 30, "its successor")
    device.deliver(2)
    until(device.online, 30, "the device is online")
    now = device.children()
    other = ({"engine", "uplink"} - {name}).pop()
    assert now[other] == before[other]
    assert f"{name}: ended by SIGKILL" in device.log()
    assert not device.consumer.problems


def test_it_stops_in_order(device):
    """SIGTERM ends uplink and then engine, with code 0 and a retained `offline`, `stopped`."""
    device.deliver(3)
    children = device.children().values()
    device.process.send_signal(signal.SIGTERM)
    assert device.process.wait(30) == 0, device.log()
    assert gone(children)
    log = device.log()
    steps = ["SIGTERM: stopping", "uplink: asked to stop", "uplink: stopped",
             "engine: asked to stop", "engine: stopped"]  # fmt: skip
    places = [log.index(step) for step in steps]
    assert places == sorted(places)
    with Consumer(device.booth.broker.port, "test", "booth-1", client_id="late",
                  keep_raw=True) as late:  # fmt: skip
        late.wait(lambda: late.status, what="the retained status")
        assert (late.status["state"], late.status["reason"]) == ("offline", "stopped")
        assert [kept for topic, _, kept in late.raw if topic.endswith("/status")] == [True]
    with FrameClient(device.booth.endpoint, timeout_s=1) as client, pytest.raises(LinkError):
        client.send_shot(face(), camera="quick")


def test_nobody_outlives_a_killed_supervisor(device):
    """A kill -9 of the supervisor takes its programs along, and the broker says so."""
    children = device.children().values()
    device.process.kill()
    device.process.wait()
    until(lambda: gone(children), 10, "its programs end")
    device.consumer.wait(
        lambda: device.consumer.status.get("state") == "offline", 20, "the last will"
    )
    assert device.consumer.status["reason"] == "connection-lost"

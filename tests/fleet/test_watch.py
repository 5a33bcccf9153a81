"""`edged watch`: what it prints of a real broker's devices."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time

import fleet_kit as kit
import paho.mqtt.client as mqtt
import pytest
from mosquitto import Mosquitto
from paho.mqtt.enums import CallbackAPIVersion


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path) as one:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", one.port)
        client.loop_start()
        for name, state, reason in (("a", "online", "ok"), ("b", "offline", "connection-lost")):
            topic = f"edged/museum/{name}/status"
            client.publish(topic, kit.status(state, reason), 1, True).wait_for_publish(10)
        client.loop_stop()
        yield one


def argv(broker, *words):
    return [sys.executable, "-m", "edged", "watch", "--broker", f"mqtt://127.0.0.1:{broker.port}",
            *words]  # fmt: skip


def test_once_lists_the_worst_first_and_ends_with_1(broker):
    """For scripts and for people."""
    done = subprocess.run(argv(broker, "--once", "1", "--json"), capture_output=True, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert [one["address"] for one in found["devices"]] == ["museum/b", "museum/a"]
    said = subprocess.run(argv(broker, "--once", "1"), capture_output=True, check=False, text=True)
    assert said.stdout.index("museum/b") < said.stdout.index("museum/a")
    assert "museum/b: " in said.stdout, "what to do stands below"
    assert found["devices"][0]["remedy"].split()[0] in said.stdout
    assert found["devices"][1]["remedy"] == ""


def test_once_ends_with_0_when_nobody_needs_help(broker):
    """Of those that were searched for."""
    well = subprocess.run(argv(broker, "museum/a", "--once", "1"), capture_output=True, check=False)
    assert (well.returncode, b"museum/a" in well.stdout) == (0, True)
    none = subprocess.run(argv(broker, "nowhere", "--once", "1"), capture_output=True, check=False)
    assert (none.returncode, b"no device" in none.stdout) == (0, True)


def test_it_follows_in_a_terminal_until_ctrl_c(broker):
    """And gives the screen back."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(argv(broker), stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    shown, until_s = b"", time.monotonic() + 30
    while b"museum/b" not in shown and time.monotonic() < until_s:
        shown += os.read(ours, 65536)
    assert b"museum/b" in shown
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # the end of the terminal's other side
        while part := os.read(ours, 65536):
            shown += part
    assert process.wait(10) == 130
    assert b"Traceback" not in shown
    assert shown.rstrip().endswith(b"\x1b[?25h") or b"\x1b[?1049l" in shown
    os.close(ours)

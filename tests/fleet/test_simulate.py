"""Devices that are not there: their messages are real ones, and all of them arrive."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

from mosquitto import Mosquitto, wait_for

from edged.fleet.access import access
from edged.fleet.caller import Caller
from edged.fleet.fleet import Fleet
from edged.fleet.link import FleetLink
from edged.fleet.messages import FILTERS, read


def simulate(broker, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "edged", "simulate", "--broker", f"mqtt://127.0.0.1:{broker.port}",
         "--json", *words],
        stdout=subprocess.PIPE,
    )  # fmt: skip


def test_every_message_is_a_sound_one_and_arrives(tmp_path):
    """What was sent is what was heard and understood, kind by kind; and all is taken back."""
    kinds, unsound, empty = Counter(), [], Counter()

    def heard(topic, payload, _retained):
        found = read(topic, payload)
        if found is not None:
            kinds[found.kind] += 1
        elif payload:
            unsound.append(topic)
        else:
            empty[topic.rpartition("/")[2]] += 1

    with (
        Mosquitto(tmp_path) as broker,
        FleetLink(access(f"mqtt://127.0.0.1:{broker.port}"), FILTERS, heard) as link,
    ):
        link.wait(20)
        process = simulate(broker, "--devices", "120", "--health-s", "1", "--results-per-s", "60",
                           "--seconds", "3")  # fmt: skip
        report = json.loads(process.communicate(timeout=90)[0])
        wait_for(lambda: empty == {"status": 120, "info": 120}, 20, "all is taken back")
    assert report["unacknowledged"] == 0
    assert unsound == []
    assert kinds == report["sent"]
    assert kinds["result"] > 100


def test_a_simulated_device_answers(tmp_path):
    """So that buttons can be tried; and Ctrl-C leaves nothing behind."""
    fleet = Fleet()

    def heard(topic, payload, _retained):
        fleet.feed(topic, payload, 0.0)
        caller.heard(topic, payload)

    with (
        Mosquitto(tmp_path) as broker,
        FleetLink(access(f"mqtt://127.0.0.1:{broker.port}"), FILTERS, heard) as link,
    ):
        caller = Caller(link.publish)
        link.wait(20)
        process = simulate(broker, "--devices", "3")
        wait_for(lambda: len(fleet.devices) == 3, 30, "the devices")
        reply = caller.call("berlin", "sim-0000", "pause", {}, 20)
        assert reply.status == "ok"
        wait_for(lambda: fleet.devices["berlin/sim-0000"].state == "paused", 10, "it says so")
        process.send_signal(2)
        assert process.wait(30) == 0
        process.stdout.close()
        wait_for(lambda: not fleet.devices, 10, "nothing is left")

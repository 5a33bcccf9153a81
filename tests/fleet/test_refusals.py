"""What a broker's access rules forbid is told to whoever runs into them, and not passed over."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import fleet_kit as kit
import paho.mqtt.client as mqtt
import pytest
from mosquitto import Mosquitto, wait_for
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from edged.errors import LinkError
from edged.fleet import mosquitto
from edged.fleet.access import access
from edged.fleet.link import FleetLink

USERS = {"anna": "a", "ben": "b", "haus": "h", "museum/booth-7": "d"}
CONFIG = "homeassistant/device/edged_museum_booth-7/config"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """With the rules of `edged broker acl`, and one device that has said what it is."""
    rules = mosquitto.acl(["anna"], ["ben"], announcers=["haus"])
    with Mosquitto(tmp_path_factory.mktemp("broker"), acl=rules, users=USERS) as one:
        device = client(one, "museum/booth-7")
        device.publish("edged/museum/booth-7/info", kit.info(), 1, True).wait_for_publish(10)
        device.loop_stop()
        yield one


def client(broker, user):
    """Connected, and its loop runs."""
    one = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    one.username_pw_set(user, USERS[user])
    one.connect("127.0.0.1", broker.port)
    one.loop_start()
    return one


@pytest.fixture
def edged(broker, tmp_path):
    """Runs a command as a user."""

    def run(user, *words):
        password = tmp_path / user
        password.write_text(USERS[user])
        password.chmod(0o600)
        return subprocess.run(
            [sys.executable, "-m", "edged", *words, "--broker", f"mqtt://127.0.0.1:{broker.port}",
             "--username", user, "--password-file", str(password)],
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("option", [["--once"], []])
def test_an_announcement_that_is_refused_is_no_success(edged, option):
    """Whether it ends by itself or would go on for ever."""
    done = edged("ben", "fleet", "announce", *option)
    assert done.returncode != 0
    assert "refuses a message" in done.stderr
    assert "edged broker acl" in done.stderr
    assert "announced" not in done.stdout


def test_home_assistant_has_what_it_needs_and_no_more(edged, broker):
    """Its own topics, what devices say, and the commands of its buttons."""
    assert edged("haus", "fleet", "announce", "--once").stdout == "1 device announced\n"
    heard, answers = {}, {}
    haus = client(broker, "haus")
    haus.on_message = lambda _c, _d, m: heard.update({m.topic: m.payload})
    haus.on_publish = lambda _c, _d, mid, reason, _p: answers.update({mid: reason.is_failure})
    haus.subscribe([("homeassistant/#", 1), ("edged/+/+/info", 1)])
    wait_for(lambda: {CONFIG, "edged/museum/booth-7/info"} <= heard.keys())
    assert json.loads(heard[CONFIG])["device"]["name"] == "booth-7"
    refused = {}
    for topic in ("homeassistant/status", "edged/museum/booth-7/cmd/pause",
                  "edged/museum/booth-7/cmd/purge", "edged/museum/booth-7/status"):  # fmt: skip
        mid = haus.publish(topic, b"x", 1).mid
        wait_for(lambda mid=mid: mid in answers)
        refused[topic.rpartition("/")[2]] = refused.get(topic.rpartition("/")[2]) or answers[mid]
    haus.disconnect()
    haus.loop_stop()
    assert refused == {"status": True, "pause": False, "purge": True}
    assert edged("haus", "fleet", "announce", "--remove").returncode == 0


def test_a_command_that_is_refused_is_told_at_once(edged):
    """Not after waiting for a reply that cannot come."""
    begun_s = time.monotonic()
    done = edged("ben", "ctl", "museum/booth-7", "pause", "--timeout", "30")
    assert done.returncode == 69
    assert "refuses edged/museum/booth-7/cmd/pause" in done.stderr
    assert time.monotonic() - begun_s < 20


def test_devices_that_may_not_speak_are_no_simulation(edged):
    """It ends, and the report has the count."""
    done = edged("anna", "simulate", "--devices", "2", "--json")
    assert json.loads(done.stdout)["refused"] >= 1
    assert done.returncode == 69
    assert "simulate at a broker without them" in done.stderr


def test_a_refusal_is_the_reason_also_when_the_connection_ends(tmp_path):
    """Before the subscriptions stand, as on a busy machine: mosquitto 2.0.11 hangs up."""
    (tmp_path / "ben").write_text("b")
    (tmp_path / "ben").chmod(0o600)
    rules = mosquitto.acl([], ["ben"])
    with Mosquitto(tmp_path / "broker", acl=rules, users={"ben": "b"}) as broker:
        wanted = access(f"mqtt://127.0.0.1:{broker.port}", username="ben",
                        password_file=tmp_path / "ben")  # fmt: skip
        link = FleetLink(wanted, ["edged/+/+/info"], lambda *_m: None)
        link.retain("homeassistant/x", b"x")  # goes out with the connection
        with link:
            wait_for(lambda: link.refused)
            broker.kill()
            wait_for(lambda: not link.connected)
            with pytest.raises(LinkError, match="refuses a message"):
                link.wait(5)


def test_a_broker_that_is_full_is_not_taken_for_one_with_rules(broker):
    """What it said is told; advice about access rules would lead nowhere."""
    link = FleetLink(access(f"mqtt://127.0.0.1:{broker.port}"), [], lambda *_m: None)
    full = ReasonCode(PacketTypes.PUBACK, "Quota exceeded")
    link._client.on_publish(link._client, None, 1, full, None)
    with pytest.raises(LinkError, match="Quota exceeded") as told:
        link.settle(1)
    assert "rules" not in str(told.value)


def taken(link):
    """Whether a message that is allowed is taken; mosquitto 2.0.11 may have just hung up."""
    try:
        link.publish("homeassistant/x", b"x", 10)
    except LinkError:
        return False
    return True


def test_what_is_refused_does_not_hide_what_is_taken(broker, tmp_path):
    """Each message by its own acknowledgement, also when the broker hangs up on the refused."""
    password = tmp_path / "haus"
    password.write_text("h")
    password.chmod(0o600)
    wanted = access(f"mqtt://127.0.0.1:{broker.port}", username="haus", password_file=password)
    with FleetLink(wanted, ["homeassistant/#"], lambda *_m: None) as link:
        for number in (1, 2):
            wait_for(lambda: taken(link), 20)
            with pytest.raises(LinkError, match="Not authorized"):
                link.publish("elsewhere", b"x", 10)
            assert link.refused == number
        with pytest.raises(LinkError, match="refuses 2 messages"):
            link.settle(10)


def test_a_command_without_a_connection_is_not_kept_for_later(tmp_path):
    """It fails now, and is not obeyed once the broker is back."""
    heard = []
    with Mosquitto(tmp_path) as broker:
        wanted = access(f"mqtt://127.0.0.1:{broker.port}")
        with FleetLink(wanted, ["edged/#"], lambda *m: heard.append(m)) as link:
            link.wait(10)
            broker.kill()
            wait_for(lambda: not link.connected)
            with pytest.raises(LinkError, match="try again"):
                link.publish("edged/museum/booth-7/cmd/pause", b"x", 1)
            broker.start()
            wait_for(lambda: link.connected, 20)
            link.publish("edged/museum/booth-7/cmd/ping", b"y", 10)
            wait_for(lambda: heard)
    assert [payload for _topic, payload, _retained in heard] == [b"y"]

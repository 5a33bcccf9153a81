"""A watcher's link and its commands, over a real mosquitto."""

from __future__ import annotations

import json
import threading

import fleet_kit as kit
import msgspec
import paho.mqtt.client as mqtt
import pytest
from certificates import Authority
from mosquitto import Mosquitto, free_port, wait_for
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from edged.cli import app
from edged.errors import LinkError
from edged.fleet.access import access
from edged.fleet.caller import Caller
from edged.fleet.link import FleetLink
from edged.fleet.messages import FILTERS
from edged.transport.wire import ReplyDoc


class Device:
    """Answers commands as a device does: asks for a nonce first if it is told to."""

    def __init__(self, port, *, asks=False, error=""):
        self.commands = []
        self._asks, self._error = asks, error
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="booth-7")
        self._client.on_connect = lambda c, *_: c.subscribe("edged/museum/booth-7/cmd/+", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(10)

    def say(self, topic, payload, *, retain=False):
        self._client.publish(f"edged/museum/booth-7/{topic}", payload, 1, retain)

    def _on_message(self, _client, _data, message):
        command = json.loads(message.payload)
        self.commands.append(command)
        reply = ReplyDoc(id=command["id"], ts_ms=1, status="ok", data={"said": command["data"]})
        if self._asks and not command["nonce"]:
            reply.status, reply.error, reply.data = "error", "challenge", {"nonce": "n-1"}
        elif self._error:
            reply.status, reply.error, reply.data = "error", self._error, {}
        self.say("reply/" + message.topic.rpartition("/")[2], msgspec.json.encode(reply))

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Mosquitto(tmp_path_factory.mktemp("broker")) as one:
        yield one


def url_of(broker):
    return f"mqtt://127.0.0.1:{broker.port}"


def ctl(broker, *words):
    return CliRunner().invoke(app, ["ctl", *words, "--broker", url_of(broker), "--timeout", "5"])


def test_it_hears_retained_and_new_messages(broker):
    """Each once, and told apart."""
    heard = []
    with Device(broker.port) as device:
        device.say("status", kit.status(), retain=True)
        with FleetLink(access(url_of(broker)), FILTERS, lambda *m: heard.append(m)) as link:
            link.wait(10)
            device.say("health", kit.health())
            wait_for(lambda: len(heard) >= 2, 10, "both")
        device.say("status", b"", retain=True)
    assert [(topic.rpartition("/")[2], retained) for topic, _payload, retained in heard] == [
        ("status", True), ("health", False),
    ]  # fmt: skip


def test_it_comes_back_after_the_broker(tmp_path):
    """Says why it is away, and subscribes again."""
    heard = []
    with (
        Mosquitto(tmp_path) as broker,
        FleetLink(access(url_of(broker)), FILTERS, lambda *m: heard.append(m)) as link,
    ):
        link.wait(10)
        broker.kill()
        wait_for(lambda: not link.connected, 10, "the end is seen")
        assert link.trouble
        broker.start()
        wait_for(lambda: link.connected, 20, "it is back")
        with Device(broker.port) as device:
            wait_for(lambda: device.say("health", kit.health()) or heard, 10, "it hears again")


def test_an_untrusted_broker_gets_nothing(tmp_path):
    """A certificate of another authority ends in a reason that names the option."""
    folder = Authority().folder(tmp_path / "theirs", "127.0.0.1")
    mine = Authority().folder(tmp_path / "mine", "127.0.0.1")
    with Mosquitto(tmp_path / "broker", tls=folder) as broker:
        wanted = access(f"mqtts://127.0.0.1:{broker.port}", ca_file=mine / "ca.pem")
        with (
            FleetLink(wanted, FILTERS, lambda *_m: None) as link,
            pytest.raises(LinkError, match="--ca-file"),
        ):
            link.wait(5)


def test_a_broker_that_is_not_there_has_no_certificate():
    """Without TLS the reason speaks of none."""
    with (
        FleetLink(access(f"mqtt://127.0.0.1:{free_port()}"), FILTERS, lambda *_m: None) as link,
        pytest.raises(LinkError, match="no broker runs there"),
    ):
        link.wait(5)


def test_a_command_is_answered(broker):
    """By its own reply, whatever else is said meanwhile."""
    with Device(broker.port) as device, FleetLink(
        access(url_of(broker)), FILTERS, lambda t, p, _r: caller.heard(t, p)
    ) as link:  # fmt: skip
        caller = Caller(link.publish)
        link.wait(10)
        device.say("reply/ping", b'{"v":1,"id":"other","ts_ms":1,"status":"ok"}')
        reply = caller.call("museum", "booth-7", "ping", {"a": 1}, 10)
    assert (reply.status, reply.data) == ("ok", {"said": {"a": 1}})


def test_ctl_prints_the_reply_and_answers_the_devices_question(broker):
    """A device whose clock is not synchronised asks back; the person does not notice."""
    with Device(broker.port, asks=True) as device:
        done = ctl(broker, "museum/booth-7", "purge", "consent=ref-1", "all=false", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["data"]["said"] == {"consent": "ref-1", "all": False}
    first, second = device.commands
    assert (first["id"], first["nonce"], second["nonce"]) == (second["id"], "", "n-1")


def test_ctl_ends_with_1_when_the_device_refuses(broker):
    """And says the device's word."""
    with Device(broker.port, error="bad-data"):
        done = ctl(broker, "museum/booth-7", "replay")
    assert (done.exit_code, "bad-data" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["museum/booth-7", "explode"], "rotate-identity"),
        (["Museum/Booth", "ping"], "SITE/NAME"),
        (["booth-7", "replay", "camera"], "KEY=VALUE"),
    ],
)
def test_ctl_tells_what_is_wrong_with_its_words(broker, words, says):
    """Before anything is sent."""
    done = ctl(broker, *words)
    assert done.exit_code == 2
    assert says in done.output


def test_a_silent_device_is_an_error_with_advice(broker):
    """After the time that was given."""
    with FleetLink(access(url_of(broker)), FILTERS, lambda *_m: None) as link:
        link.wait(10)
        with pytest.raises(LinkError, match="may be offline"):
            Caller(link.publish).call("museum", "nobody", "ping", {}, 0.5)

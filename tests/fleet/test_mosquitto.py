"""Access rules for devices and people, at a real mosquitto with certificates."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from fakes.engine import FakeEngine
from mosquitto import accepts, free_port, mosquitto_path, wait_for
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from edged.commands.broker import app
from edged.daemon.uplink import Uplink
from edged.errors import ConfigError
from edged.fleet import mosquitto
from edged.transport.link import TlsSettings, UplinkSettings
from edged.transport.topics import Topics

DEVICES = ("museum/booth-7", "museum/booth-8", "arcade/booth-7")
OURS = "edged/museum/booth-7"
QUICK = {"reconnect_min_s": 0.05, "reconnect_max_s": 0.2, "will_delay_s": 0, "clock": "trust"}


def follow(text: str, folder: Path, device: str = "museum/booth-7") -> None:
    """Run the openssl commands of a configuration's comments, as a person would."""
    comments = "\n".join(line[1:] for line in text.splitlines() if line.startswith("#"))
    commands = re.findall(r"openssl (?:.*\\\n)*.*", comments)
    assert len(commands) == 3
    site, name = device.split("/")
    for command in commands if not (folder / "ca.pem").exists() else commands[2:]:
        words = command.replace("broker.example.org", "127.0.0.1").replace("DNS:", "IP:")
        words = words.replace(r"museum\/booth-7", rf"{site}\/{name}")
        words = words.replace(" booth-7", f" {site}-{name}")
        subprocess.run(["bash", "-ec", words], cwd=folder, check=True, capture_output=True)


class Site:
    """A broker set up as `edged broker` says, word for word."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.people_port = free_port(), free_port()
        text = mosquitto.conf(str(folder), self.port, self.people_port)
        for device in DEVICES:
            follow(text, folder, device)
        for number, (name, word) in enumerate((("operator", "o"), ("dashboard", "d"))):
            new = ["-c"] * (number == 0)
            subprocess.run(
                ["mosquitto_passwd", *new, "-b", str(folder / "passwords"), name, word], check=True
            )
        (folder / "acl").touch(0o600)
        (folder / "acl").write_text(mosquitto.acl(["operator"], ["dashboard"], "", str(folder)))
        # not a part of it: as a test that may be root, and whose files go with it
        more = f"user root\npersistence_location {folder}/\nlog_dest file {folder}/log\n"
        (folder / "conf").write_text(text + more)
        self._process = subprocess.Popen([mosquitto_path(), "-c", str(folder / "conf")])
        wait_for(lambda: accepts(self.port) and accepts(self.people_port), what="mosquitto")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def tls(self, device: str) -> dict[str, Path]:
        stem = device.replace("/", "-")
        return {
            "ca_file": self.folder / "ca.pem", "cert_file": self.folder / f"{stem}.pem",
            "key_file": self.folder / f"{stem}.key",
        }  # fmt: skip


class Client:
    """A client of the broker that notes what it hears and what it is told of its messages."""

    def __init__(
        self, site: Site, *, device: str = "", user: str = "", client_id: str = ""
    ) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.answers: dict[int, str] = {}
        self._subscribed = False
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5
        )
        if device:
            files = site.tls(device)
            self._client.tls_set(files["ca_file"], files["cert_file"], files["key_file"])
        else:
            self._client.tls_set(site.folder / "ca.pem")
            self._client.username_pw_set(user, user[:1])
        self._client.on_message = lambda _c, _d, m: self.heard.append((m.topic, m.payload))
        self._client.on_publish = lambda _c, _d, mid, reason, _p: self.answers.update(
            {mid: str(reason)}
        )
        self._client.on_subscribe = lambda *_: setattr(self, "_subscribed", True)
        self._client.connect("127.0.0.1", site.port if device else site.people_port)
        self._client.loop_start()
        self._client.subscribe("#", qos=1)
        wait_for(lambda: self._subscribed, what="subscribed")

    def may_write(self, topic: str, payload: bytes = b"x") -> bool:
        """Whether the broker takes a message."""
        info = self._client.publish(topic, payload, qos=1)
        wait_for(lambda: info.mid in self.answers)
        return self.answers[info.mid] != "Not authorized"

    def __enter__(self):
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.close()


EVERY = [topic.replace("+", "door") for topic in mosquitto.WRITES]


def test_the_rules_cover_every_topic_of_a_device() -> None:
    """Those that edged has, and no others."""
    topics = Topics("museum", "booth-7")
    known = {topics.doc(t) for t in ("status", "info", "health", "event")} | {
        topics.result("door"), topics.image("door"), topics.gap("door"), topics.reply("door"),
    }  # fmt: skip
    assert {f"{OURS}/{topic}" for topic in EVERY} == known


def test_a_device_writes_its_own_topics_and_no_other(site) -> None:
    """Not a neighbour's, not those of its namesake elsewhere, and no command, not even its own."""
    with Client(site, device="museum/booth-7") as device:
        assert [t for t in EVERY if not device.may_write(f"{OURS}/{t}")] == []
        for other in ("edged/museum/booth-8", "edged/arcade/booth-7", "edged/museum"):
            assert [t for t in EVERY if device.may_write(f"{other}/{t}")] == []
        for topic in (f"{OURS}/cmd/ping", "edged/museum/booth-8/cmd/purge", "other", OURS):
            assert not device.may_write(topic)


def test_a_device_hears_its_own_commands_and_nothing_else(site) -> None:
    """However much it subscribes to."""
    with (
        Client(site, device="museum/booth-7") as device,
        Client(site, device="museum/booth-8") as other,
        Client(site, user="operator") as operator,
    ):
        assert other.may_write("edged/museum/booth-8/image/door", b"a picture")
        assert operator.may_write("edged/museum/booth-8/cmd/purge")
        assert operator.may_write("edged/museum/booth-7/cmd/ping", b"mine")
        wait_for(lambda: device.heard)
        assert device.heard == [("edged/museum/booth-7/cmd/ping", b"mine")]
        wait_for(lambda: len(operator.heard) == 1)
        assert operator.heard == [("edged/museum/booth-8/image/door", b"a picture")]


def test_nobody_takes_a_devices_place_by_its_client_id(site) -> None:
    """Its identity is its id, whatever a client calls itself."""
    with Client(site, device="museum/booth-7", client_id="booth-7") as device:
        with Client(site, device="museum/booth-8", client_id="museum/booth-7") as thief:
            assert not thief.may_write(f"{OURS}/status")
        with Client(site, user="operator", client_id="museum/booth-7"):
            time.sleep(0.2)
        assert device.may_write(f"{OURS}/status")
        assert device._client.is_connected()


def test_a_viewer_sees_and_an_operator_acts(site) -> None:
    """Neither speaks for a device."""
    with Client(site, user="dashboard") as viewer, Client(site, user="operator") as operator:
        with Client(site, device="arcade/booth-7") as device:
            assert device.may_write("edged/arcade/booth-7/health", b"well")
        wait_for(lambda: viewer.heard and operator.heard)
        assert viewer.heard == operator.heard == [("edged/arcade/booth-7/health", b"well")]
        assert not viewer.may_write("edged/arcade/booth-7/cmd/pause")
        assert operator.may_write("edged/arcade/booth-7/cmd/pause")
        for person in (viewer, operator):
            assert not person.may_write("edged/arcade/booth-7/status")


def test_no_one_comes_in_without_a_certificate_or_a_password(site) -> None:
    """Not a stranger, and not one with a password at the devices' door."""
    for port, user in ((site.port, "operator"), (site.people_port, ""), (site.people_port, "x")):
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.tls_set(site.folder / "ca.pem")
        if user:
            client.username_pw_set(user, "o")
        reasons: list[str] = []
        client.on_connect = lambda _c, _d, _f, reason, _p, told=reasons: told.append(str(reason))
        client.on_disconnect = lambda _c, _d, _f, reason, _p, told=reasons: told.append(str(reason))
        client.connect("127.0.0.1", port)
        client.loop_start()
        wait_for(lambda told=reasons: told)
        client.loop_stop()
        assert "Success" not in reasons


def test_edged_works_whole_under_the_rules(site, tmp_path) -> None:
    """Status, info, rows, events, commands and replies of a real uplink pass."""
    endpoint = f"ipc://{tmp_path}/egress.sock"
    engine = FakeEngine(endpoint)
    engine.say_status("online", "ok")
    for topic in ("info", "health", "event"):
        engine.say(topic, b'{"v":1}')
    engine.add(1, "door")
    engine.add_gap(2, 2, 3, "door")
    uplink = Uplink(
        UplinkSettings(
            site="museum", device="booth-7", port=site.port,
            tls=TlsSettings(**site.tls("museum/booth-7")), **QUICK,
        ),
        endpoint,
    )  # fmt: skip
    thread = threading.Thread(target=uplink.run)
    with Client(site, user="operator") as operator:
        thread.start()
        try:
            wait_for(lambda: not engine.rows, what="the rows are acknowledged")
            assert engine.asides == []
            command = b'{"v":1,"id":"c-1","ts_ms":%d}' % (time.time_ns() // 1_000_000)
            assert operator.may_write(f"{OURS}/cmd/ping", command)
            topics = {*EVERY} - {"reply/door"} | {"reply/ping"}
            wait_for(lambda: {t for t, _ in operator.heard} >= {f"{OURS}/{t}" for t in topics})
        finally:
            uplink.stop()
            thread.join(10)
            engine.close()
        wait_for(lambda: b"stopped" in dict(operator.heard)[f"{OURS}/status"], what="offline")


def test_a_broker_of_one_site_knows_devices_by_their_name() -> None:
    """And no person may have the form of a device's name there."""
    text = mosquitto.acl(["Anna"], [], "museum")
    assert "pattern write edged/museum/%u/status" in text
    assert "topic write edged/museum/+/cmd/+" in text
    for operators, one_site in ((["anna"], "museum"), (["a/b"], ""), (["a b"], ""), ([""], "")):
        with pytest.raises(ConfigError):
            mosquitto.acl(operators, [], one_site)
    with pytest.raises(ConfigError):
        mosquitto.acl([], [], "Museum!")


def test_the_command_writes_the_files(tmp_path) -> None:
    """To the terminal, or to a file that others cannot read."""
    run = CliRunner()
    assert run.invoke(app, ["acl"]).output == mosquitto.acl(["operator"], ["dashboard"])
    assert run.invoke(app, ["conf"]).output == mosquitto.conf()
    path = tmp_path / "acl"
    told = run.invoke(app, ["acl", "--operator", "anna", "--viewer", "ben", "--out", str(path)])
    assert told.exit_code == 0
    assert path.read_text() == mosquitto.acl(["anna"], ["ben"])
    assert path.stat().st_mode & 0o777 == 0o600
    assert run.invoke(app, ["acl", "--out", "/no/folder/acl"]).exit_code != 0

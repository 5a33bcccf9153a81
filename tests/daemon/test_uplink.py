"""The uplink as a whole: a real broker on one side, an engine's messages on the other."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from consumer import Consumer
from fakes.engine import FakeEngine
from mosquitto import Mosquitto, accepts, free_port, wait_for

from edged.daemon.uplink import Uplink
from edged.transport.link import UplinkSettings

QUICK = {"reconnect_min_s": 0.05, "reconnect_max_s": 0.3, "will_delay_s": 0, "clock": "trust"}


class Running:
    """An uplink on a thread."""

    def __init__(
        self, settings: UplinkSettings, endpoint: str, protocol: str, synced: bool
    ) -> None:
        self.uplink = Uplink(settings, endpoint, synced=lambda: synced)
        self.uplink._state._redial.protocol = protocol
        self._thread = threading.Thread(target=self.uplink.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop cleanly, unless that was done before."""
        if self._thread.is_alive():
            self.uplink.stop()
            self._thread.join(10)
            assert not self._thread.is_alive()


def spawn(endpoint: str, port: int) -> subprocess.Popen[bytes]:
    """An uplink in a process of its own."""
    code = (
        "import sys\n"
        "from edged.daemon.uplink import serve\n"
        "from edged.transport.link import UplinkSettings\n"
        f"sys.exit(serve(UplinkSettings(site='lab', device='box-1', port={port},"
        f" reconnect_min_s=0.05, will_delay_s=0), {endpoint!r}))"
    )
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.fixture
def endpoint(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/egress.sock"


@pytest.fixture
def engine(endpoint: str) -> Iterator[FakeEngine]:
    engine = FakeEngine(endpoint)
    engine.say_status("online", "ok")
    engine.say("info", b'{"v":1,"models":[]}')
    yield engine
    engine.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def launch(endpoint: str) -> Iterator[Callable[..., Running]]:
    """Starts uplinks to a broker and stops them at the end."""
    started: list[Running] = []

    def start(
        broker: Mosquitto, protocol: str = "5", synced: bool = True, **settings: object
    ) -> Running:
        options = {"site": "lab", "device": "box-1", "port": broker.port} | QUICK | settings
        started.append(Running(UplinkSettings(**options), endpoint, protocol, synced))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def consumer(broker: Mosquitto) -> Iterator[Consumer]:
    with Consumer(broker.port, "lab", "box-1", keep_raw=True) as consumer:
        yield consumer
    assert consumer.problems == []


@pytest.mark.usefixtures("engine")
def test_birth(broker, consumer, launch) -> None:
    """The engine's status and info are retained at the broker as soon as it is connected."""
    launch(broker)
    consumer.wait(lambda: consumer.status.get("state") == "online" and consumer.info)
    with Consumer(broker.port, "lab", "box-1", client_id="late", keep_raw=True) as late:
        late.wait(lambda: late.status and late.info)
        assert late.status["state"] == "online"
        assert all(retained for _topic, _payload, retained in late.raw)


def test_rows_flow(engine, broker, consumer, launch) -> None:
    """Pictures and results of all rows arrive, pictures first, and only then are acknowledged."""
    ids = {engine.add(number) for number in range(1, 51)}
    engine.add_gap(51, 51, 53)
    launch(broker)
    consumer.wait(lambda: consumer.ids() == ids)
    wait_for(lambda: not engine.rows)
    assert engine.acked == list(range(1, 52))
    consumer.wait(lambda: consumer.gaps == {("s-1", "cam-1"): [(51, 53, "poison")]})
    assert consumer.holes({("s-1", "cam-1"): 53}) == []


def test_clean_stop(engine, broker, consumer, launch) -> None:
    """A clean stop says `offline stopped`, retained, and the last will stays unsaid."""
    running = launch(broker)
    consumer.wait(lambda: consumer.status.get("state") == "online")
    running.stop()
    consumer.wait(lambda: consumer.status["state"] == "offline")
    assert consumer.status["reason"] == "stopped"
    assert [status["state"] for status in consumer.statuses] == ["online", "offline"]
    wait_for(lambda: engine.hellos[-1].broker == "down")  # another socket, its own time


def test_broker_killed_in_mid_flow(engine, broker, consumer, launch) -> None:
    """A killed broker costs no row: what it had not acknowledged comes after its restart."""
    launch(broker)
    ids = set()
    for round_number in range(4):
        for number in range(round_number * 30 + 1, round_number * 30 + 31):
            ids.add(engine.add(number, size_bytes=40_000))
        wait_for(lambda n=round_number: len(engine.acked) > n * 30 + 5)
        broker.kill()
        broker.start()
    wait_for(lambda: not engine.rows, 20)
    assert [hello.broker for hello in engine.hellos].count("fresh") >= 4
    # The fake engine forgets what is acknowledged; the real one publishes it again.
    consumer.wait(lambda: len(consumer.ids()) >= len(ids) - 4 * 8 * 4)


def test_session_kept(engine, tmp_path, launch) -> None:
    """A broker that has kept our session is called `present`, one that has not `fresh`."""
    with Mosquitto(tmp_path / "keeper", persistence=True) as keeper:
        launch(keeper)
        wait_for(lambda: engine.hellos and engine.hellos[-1].broker == "fresh")
        keeper.stop()
        wait_for(lambda: engine.hellos[-1].broker == "down")
        keeper.start()
        wait_for(lambda: engine.hellos[-1].broker == "present")


def test_oversize_row(engine, tmp_path, launch) -> None:
    """A row above the broker's packet limit is set aside and those behind it flow."""
    with Mosquitto(tmp_path / "small", max_packet_bytes=100_000) as broker:
        engine.add(1)
        engine.add(2, size_bytes=200_000)
        engine.add(3)
        launch(broker)
        wait_for(lambda: not engine.rows)
        assert engine.asides == [(2, "too-large")]
        assert engine.acked == [1, 3]
        assert broker.log.count("Packet too large") == 0
        assert engine.hellos[-1].max_packet_bytes == 100_000


def test_poison_row(engine, tmp_path, launch) -> None:
    """A row at which the broker hangs up three times is rejected, and the rest arrives."""
    # On 3.1.1 nobody tells us the limit, and ours is set too high.
    with Mosquitto(tmp_path / "small", max_packet_bytes=100_000) as broker:
        for number in range(1, 13):
            engine.add(number, size_bytes=200_000 if number in (5, 9) else 2000)
        launch(broker, protocol="3.1.1", max_packet_bytes=10_000_000)
        wait_for(lambda: not engine.rows, 30)
        assert sorted(engine.asides) == [(5, "rejected"), (9, "rejected")]
        assert sorted(engine.acked) == [1, 2, 3, 4, 6, 7, 8, 10, 11, 12]


def test_falls_back_to_3_1_1(engine, launch) -> None:
    """A broker without MQTT 5 (amqtt) is served with 3.1.1: status, rows, commands, stop."""
    port = free_port()
    command = [sys.executable, "-m", "edged.demo.embedded", str(port)]
    process = subprocess.Popen(command)
    try:
        wait_for(lambda: accepts(port))
        with Consumer(port, "lab", "box-1", mqtt5=False) as consumer:
            ids = {engine.add(number) for number in range(1, 31)}
            running = launch(SimpleNamespace(port=port))
            consumer.wait(lambda: consumer.ids() == ids, 30)
            wait_for(lambda: not engine.rows)
            assert consumer.ask("ping")["status"] == "ok"
            assert engine.hellos[-1].protocol == "3.1.1"
            running.stop()
            consumer.wait(lambda: consumer.status["reason"] == "stopped")
            assert consumer.problems == []
    finally:
        process.terminate()
        process.wait(10)


ACL = """
user box
topic write edged/lab/box-1/status
topic write edged/lab/box-1/result/+
topic write edged/lab/box-1/image/cam-1
topic read edged/lab/box-1/cmd/#
"""


def test_denied_by_acl(engine, tmp_path, launch) -> None:
    """On MQTT 5 a row that the broker's ACL denies is set aside and those behind it flow."""
    password = tmp_path / "password"
    password.write_text("s3cret\n")
    with Mosquitto(tmp_path / "strict", acl=ACL, users={"box": "s3cret"}) as broker:
        engine.add(1)
        engine.add(2, camera="cam-2")
        engine.add(3)
        launch(broker, username="box", password_file=password)
        wait_for(lambda: not engine.rows)
        assert engine.asides == [(2, "not-authorised")]
        assert engine.acked == [1, 3]
        engine.say("health", b"{}")  # denied too, as `info` was: it must not end the link for good
        engine.add(4)
        wait_for(lambda: engine.acked == [1, 3, 4])


def test_wrong_password(engine, tmp_path, launch) -> None:
    """With a wrong password it keeps trying and takes a new one without a restart."""
    password = tmp_path / "password"
    password.write_text("wrong")
    with Mosquitto(tmp_path / "strict", users={"box": "s3cret"}) as broker:
        running = launch(broker, username="box", password_file=password)
        wait_for(lambda: "refuses this device" in running.uplink._state.summary())
        password.write_text("s3cret")
        wait_for(lambda: engine.hellos[-1].broker == "fresh")


def test_engine_restarts(engine, endpoint, broker, consumer, launch) -> None:
    """A restarted engine is greeted without delay and its rows flow."""
    launch(broker)
    wait_for(lambda: engine.hellos and engine.hellos[-1].broker == "fresh")
    engine.mute = True  # so that rows are left over
    left = engine.rows
    engine.add(1)
    engine.close()
    second = FakeEngine(endpoint, rows=left)
    try:
        wait_for(lambda: second.acked == [1])
        consumer.wait(lambda: consumer.ids() == {"shot-1"})
    finally:
        second.close()


def test_engine_silent(engine, broker, consumer, launch) -> None:
    """An engine that hangs makes the device `degraded`; its own word comes back with it."""
    launch(broker, engine_silent_s=1.0)
    consumer.wait(lambda: consumer.status.get("state") == "online")
    engine.mute = True
    consumer.wait(lambda: consumer.status["state"] == "degraded")
    assert consumer.status["reason"] == "engine-silent"
    assert consumer.status["boot"] == "b-1"
    engine.mute = False
    engine.say_status("online", "ok")
    consumer.wait(lambda: consumer.status["state"] == "online")


def test_no_engine(broker, consumer, launch) -> None:
    """Without any engine the broker hears `degraded`, first `starting`, then `engine-silent`."""
    launch(broker, engine_silent_s=2.0)
    consumer.wait(lambda: consumer.status.get("reason") == "engine-silent")
    assert [status["reason"] for status in consumer.statuses] == ["starting", "engine-silent"]
    assert consumer.ask("ping")["error"] == "engine-silent"


def test_commands(engine, broker, consumer, launch) -> None:
    """`ping` and `replay` reach the engine with their data and its answer comes back."""
    launch(broker)
    consumer.wait(lambda: consumer.status.get("state") == "online")
    assert consumer.ask("ping")["status"] == "ok"
    span = {"camera": "cam-1", "from": 1, "to": 3}
    assert consumer.ask("replay", span)["data"] == {"echo": span}
    assert [command.name for command in engine.commands] == ["ping", "replay"]


def test_a_fresh_uplink_asks_back(engine, broker, consumer, launch) -> None:
    """A command from before its start, or a repeated one, is done only with the nonce it gave."""
    running = launch(broker)
    consumer.wait(lambda: consumer.status.get("state") == "online")
    assert consumer.ask("purge", {"all": True}, id="p-1")["status"] == "ok"
    assert consumer.challenges == 1  # which the consumer answers by itself
    running.stop()
    launch(broker)
    count = len(consumer.replies)
    consumer._given.clear()  # one who replays what he has heard
    consumer.publish("cmd/purge", consumer.heard("cmd/purge"))
    consumer.wait(lambda: len(consumer.replies) > count)
    name, reply = consumer.replies[-1]
    assert (name, reply["id"], reply["error"]) == ("purge", "p-1", "bad-nonce")
    assert [command.name for command in engine.commands] == ["purge"]
    consumer.wait(lambda: [event["event"] for event in consumer.events] == ["command-refused"])
    assert consumer.events[0]["data"] == {
        "who": "broker", "name": "purge", "id": "p-1", "outcome": "bad-nonce",
    }  # fmt: skip


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_without_a_clock_a_nonce_stands_in(engine, broker, consumer, launch, protocol) -> None:
    """However wrong the sender's time is, a command is done when it comes back with its nonce."""
    launch(broker, protocol, synced=False)
    consumer.wait(lambda: consumer.status.get("state") == "online")
    assert not consumer.status["clock_synced"]
    assert consumer.ask("purge", {"all": True}, ts_ms=7)["status"] == "ok"
    assert consumer.challenges == 1
    assert consumer.ask("ping", ts_ms=7)["status"] == "ok"
    assert [command.name for command in engine.commands] == ["purge", "ping"]


def test_hostile_commands(engine, broker, consumer, launch) -> None:
    """What is stale, repeated, too large or garbage is refused by name; the next is good."""
    consumer.command("purge", retain=True)  # no such key in the form: ignored
    consumer.publish("cmd/pause", b'{"v":1,"id":"kept","ts_ms":1,"ttl_s":9}', retain=True)
    launch(broker)
    consumer.wait(lambda: consumer.reply_to("kept"))
    assert consumer.reply_to("kept")["error"] == "retained"
    assert consumer.ask("pause", ts_ms=1)["error"] == "expired"
    assert consumer.ask("pause", ts_ms=1 << 53)["error"] == "ahead"
    assert consumer.ask("ping", id="twice")["status"] == "ok"
    consumer.command("ping", id="twice")
    consumer.wait(lambda: [doc["error"] for _n, doc in consumer.replies].count("replayed") == 1)
    for payload, error in (
        (b"\xff\x00", "bad-message"),
        (b"[" * 5000 + b"]" * 5000, "bad-message"),
        (b'{"v":1,"id":"a/../b","ts_ms":1}', "bad-message"),
        (b'{"x":"' + b"x" * 70_000 + b'"}', "too-large"),
    ):
        count = len(consumer.replies)
        consumer.publish("cmd/reload", payload)
        consumer.wait(lambda count=count: len(consumer.replies) > count)
        name, reply = consumer.replies[-1]
        assert (name, reply["error"], reply["id"]) == ("reload", error, "")
    consumer.publish("cmd/format-disk", b"{}")
    consumer.publish("cmd/ping", b"x" * 300_000)  # above what MQTT 5 lets the broker send us
    assert consumer.ask("ping")["status"] == "ok"
    assert {command.name for command in engine.commands} == {"ping"}
    assert not any("format-disk" in topic for topic, _p, _r in consumer.raw if "reply" in topic)


def test_documents(engine, tmp_path, launch) -> None:
    """Health and events pass; an event said while the broker was away comes later."""
    with Mosquitto(tmp_path / "keeper", persistence=True) as broker:
        with Consumer(broker.port, "lab", "box-1") as consumer:
            launch(broker)
            consumer.wait(lambda: consumer.status)
            engine.say("health", b'{"v":1,"rss_mb":7}')
            consumer.wait(lambda: consumer.health == {"v": 1, "rss_mb": 7})
            broker.stop()
            wait_for(lambda: engine.hellos[-1].broker == "down")
            engine.say("event", b'{"v":1,"event":"late"}')
            broker.start()
            consumer.wait(lambda: [event["event"] for event in consumer.events] == ["late"])
        wait_for(lambda: engine.beat.reconnects == 1)


def test_killed_uplink(engine, endpoint, broker, consumer) -> None:
    """Kill -9 of the process: the will says so, and a new process publishes every row."""
    ids = {engine.add(number, size_bytes=20_000) for number in range(1, 101)}
    for _ in range(5):
        done = len(engine.acked)
        process = spawn(endpoint, broker.port)
        wait_for(lambda done=done: len(engine.acked) > done + 3, 30, "some rows")
        process.kill()
        process.wait()
    consumer.wait(lambda: any(s["reason"] == "connection-lost" for s in consumer.statuses))
    before = len(consumer.statuses)
    process = spawn(endpoint, broker.port)
    wait_for(lambda: not engine.rows, 20)
    consumer.wait(lambda: consumer.ids() == ids)
    # Rows may all be there already: a process without its signal handlers is no clean stop.
    consumer.wait(lambda: any(s["state"] == "online" for s in consumer.statuses[before:]))
    process.terminate()
    assert process.wait(10) == 0
    consumer.wait(lambda: consumer.status["reason"] == "stopped")


def test_imports_stay_light() -> None:
    """An uplink process has loaded no image code, no network and no database."""
    code = (
        "import sys, edged.daemon.uplink\n"
        "bad = {'numpy', 'cv2', 'onnxruntime', 'onnx', 'sqlite3', '_sqlite3', 'edged.pipeline',"
        " 'edged.transport.outbox', 'edged.stages', 'edged.runtime'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {bad}' if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

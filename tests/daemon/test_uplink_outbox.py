"""The uplink between a real outbox and a real broker: nothing is lost, nothing is doubled."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from consumer import Consumer
from mosquitto import Mosquitto, wait_for
from outbox_kit import put

from edged.daemon.uplink import Uplink
from edged.transport.egress_server import EgressServer
from edged.transport.ipc import CommandIn
from edged.transport.link import UplinkSettings
from edged.transport.outbox import Outbox, OutboxLimits
from edged.transport.wire import ReplyDoc


class Engine:
    """Outbox and egress server as the engine has them, without frames."""

    def __init__(self, folder: Path) -> None:
        self.outbox = Outbox.open(folder / "outbox", limits=OutboxLimits())
        self.endpoint = f"ipc://{folder}/egress.sock"
        self.server = EgressServer(self.endpoint, self.outbox, self._command)
        self.server.start()

    def shoot(self, count: int) -> list[str]:
        """Put shots; their ids."""
        ids = []
        for _ in range(count):
            ids.append(put(self.outbox, size_bytes=30_000))
            self.server.wake()
        return ids

    def drained(self) -> bool:
        """Whether the broker has everything."""
        return self.outbox.pending(1) == []

    def close(self) -> None:
        """Stop in order."""
        self.server.stop()
        self.outbox.close()

    def _command(self, command: CommandIn) -> ReplyDoc:
        data = {}
        if command.name == "replay":
            span = command.data
            data = self.outbox.replay(span["camera"], span["from"], span["to"])
            self.server.wake()
        return ReplyDoc(id=command.id, ts_ms=1, status="ok", data=data)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    engine.close()


def settings(port: int) -> UplinkSettings:
    return UplinkSettings(
        site="lab", device="box-1", port=port, reconnect_min_s=0.05, reconnect_max_s=0.3,
        will_delay_s=0, clock="trust",
    )  # fmt: skip


@pytest.fixture
def uplink(broker: Mosquitto, engine: Engine) -> Iterator[Uplink]:
    uplink = Uplink(settings(broker.port), engine.endpoint)
    thread = threading.Thread(target=uplink.run, daemon=True)
    thread.start()
    yield uplink
    uplink.stop()
    thread.join(10)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


def recovered(consumer: Consumer, engine: Engine, ids: list[str]) -> None:
    """After recovery and replay every shot is there, once."""
    wait_for(engine.drained, 30)
    last = {(engine.outbox.session, "booth"): len(ids)}
    consumer.recover(last)
    assert consumer.ids() == set(ids)
    assert consumer.problems == []
    assert consumer.gaps == {}


@pytest.mark.usefixtures("uplink")
def test_broker_killed(broker, engine) -> None:
    """A broker that is killed in mid-flow and forgets everything costs not one shot."""
    ids: list[str] = []
    with Consumer(broker.port, "lab", "box-1") as consumer:
        for _ in range(5):
            before = engine.server.uplink_state().published
            ids += engine.shoot(20)
            wait_for(lambda n=before: engine.server.uplink_state().published > n)
            broker.restart()
            wait_for(lambda: engine.server.uplink_state().broker != "down")
        recovered(consumer, engine, ids)
        assert any(result["historical"] for result in consumer.results.values())


def test_uplink_killed(broker, engine) -> None:
    """A process that is killed in mid-flow costs not one shot."""
    code = (
        "import sys\n"
        "from edged.daemon.uplink import serve\n"
        "from edged.transport.link import UplinkSettings\n"
        f"serve(UplinkSettings(site='lab', device='box-1', port={broker.port}, clock='trust',"
        f" reconnect_min_s=0.05), {engine.endpoint!r})"
    )
    ids: list[str] = []
    with Consumer(broker.port, "lab", "box-1") as consumer:
        for _ in range(5):
            process = subprocess.Popen([sys.executable, "-c", code])
            ids += engine.shoot(20)
            before = len(consumer.results)
            consumer.wait(lambda before=before: len(consumer.results) > before)
            process.kill()
            process.wait()
        process = subprocess.Popen([sys.executable, "-c", code])
        recovered(consumer, engine, ids)
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.usefixtures("uplink")
def test_replay(broker, engine) -> None:
    """What a consumer missed comes again on request, marked as history."""
    ids = engine.shoot(5)
    wait_for(engine.drained)
    with Consumer(broker.port, "lab", "box-1") as late:
        assert late.ask("replay", {"camera": "booth", "from": 2, "to": 4})["data"]["rows"] == 3
        late.wait(lambda: late.ids() == set(ids[1:4]))
        assert all(result["historical"] for result in late.results.values())

"""The uplink's end of the engine's socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from mosquitto import wait_for

from edged.daemon.engine_socket import EngineSocket
from edged.daemon.uplink_events import EngineFound, EngineGone, FromEngine
from edged.transport.ipc import Beat, DocOut, RowAck, pack


class Ends:
    """An engine's ROUTER that comes and goes, and our end."""

    def __init__(self, folder: Path) -> None:
        self.endpoint = f"ipc://{folder}/egress.sock"
        self._context = zmq.Context()
        self.ours = EngineSocket(self._context, self.endpoint)
        self.seen: list[object] = []

    def engine(self) -> zmq.Socket[bytes]:
        """An engine comes."""
        router = self._context.socket(zmq.ROUTER)
        router.linger = 0
        router.bind(self.endpoint)
        return router

    def until(self, event: object) -> None:
        """Serve until an event has come; forgets those before it."""

        def come() -> bool:
            self.seen += self.ours.service()
            return event in self.seen

        wait_for(come)
        del self.seen[: self.seen.index(event) + 1]

    def close(self) -> None:
        """Ours goes."""
        self.ours.close()
        self._context.destroy(linger=0)


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    ends = Ends(tmp_path)
    yield ends
    ends.close()


def test_comes_and_goes(ends) -> None:
    """It notices an engine that comes, goes and comes again."""
    for _ in range(3):
        router = ends.engine()
        ends.until(EngineFound())
        router.close()
        ends.until(EngineGone())


def test_nothing_reaches_a_successor(ends) -> None:
    """What was said to an engine that is gone is not heard by the next one."""
    router = ends.engine()
    ends.until(EngineFound())
    router.close()
    for row in range(100):
        ends.ours.send(RowAck(row))
    ends.until(EngineGone())
    ends.ours.send(RowAck(1))
    router = ends.engine()
    ends.until(EngineFound())
    ends.ours.send(Beat(broker="down"))
    assert router.poll(5000)
    assert router.recv_multipart()[1] == b"beat"


def test_garbage(ends) -> None:
    """What is no message is ignored and the next one is heard."""
    router = ends.engine()
    ends.until(EngineFound())
    ends.ours.send(Beat(broker="down"))
    assert router.poll(5000)
    peer = router.recv_multipart()[0]
    for parts in ([b"x"], [b"row", b"{"], [b"doc", b"{}"], pack(DocOut("health"), b"{}")):
        router.send_multipart([peer, *parts])
    ends.until(FromEngine(DocOut("health"), (b"{}",)))


def test_engine_that_does_not_read(ends) -> None:
    """A full pipe is given up for a new socket, so that nothing is silently lost."""
    router = ends.engine()
    router.rcvhwm = 1
    ends.until(EngineFound())
    for row in range(5000):
        ends.ours.send(RowAck(row))
    ends.until(EngineGone())

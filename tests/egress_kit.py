"""A bare uplink for tests of the engine's side of egress.sock: a real DEALER."""

import time

import zmq

from edged.transport.ipc import Beat, Hello, RowOut, pack, unpack

PATIENCE_S = 10.0


class Uplink:
    """A bare uplink: says what a test tells it to and keeps what it hears."""

    def __init__(self, endpoint: str) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.connect(endpoint)
        self.heard: list[tuple[object, list[bytes]]] = []
        self.unanswered = 0

    def say(self, message) -> None:
        """Send a message."""
        self.unanswered += isinstance(message, (Hello, Beat))
        self.socket.send_multipart(pack(message))

    def hear(self, kind: type, count: int = 1) -> list[tuple]:
        """The first messages of a kind that were not taken yet."""
        end_s = time.monotonic() + PATIENCE_S
        while True:
            found = [item for item in self.heard if isinstance(item[0], kind)][:count]
            if len(found) == count:
                for item in found:
                    self.heard.remove(item)
                    self.unanswered -= kind is Beat
                return found
            assert self.socket.poll(max(0, int(1000 * (end_s - time.monotonic())))), (
                f"{len(found)} of {count} {kind.__name__}"
            )
            self.heard.append(unpack(self.socket.recv_multipart()))

    def rows(self, count: int) -> list[RowOut]:
        """The next rows."""
        return [item[0] for item in self.hear(RowOut, count)]

    def settle(self) -> None:
        """Wait until the engine has done all that was said so far."""
        self.say(Beat(broker="present"))
        self.hear(Beat, self.unanswered)

    def has(self, kind: type) -> bool:
        """Whether one was heard and not taken."""
        return any(isinstance(item[0], kind) for item in self.heard)

    def close(self) -> None:
        """Hang up."""
        self.context.destroy(linger=0)

"""A small engine for tests of the uplink: hands rows out as `edged.transport.ipc` says."""

from __future__ import annotations

import hashlib
import threading
import time

import msgspec
import zmq

from edged.transport import ipc
from edged.transport.wire import ReplyDoc, StatusDoc


class FakeEngine:
    """Keeps rows until they are acknowledged; hands them out again after each hello."""

    def __init__(self, endpoint: str, rows: dict | None = None, session: str = "s-1") -> None:
        self.rows = {} if rows is None else rows  # number -> (RowOut, [doc, jpeg?])
        self.session = session
        self.hellos: list[ipc.Hello] = []
        self.commands: list[ipc.CommandIn] = []
        self.acked: list[int] = []
        self.asides: list[tuple[int, str]] = []
        self.beat: ipc.Beat | None = None
        self.mute = False  # hangs: reads nothing, says nothing
        self._kept: list[tuple[str, bytes]] = []
        self._out: list[list[bytes]] = []
        self._peer, self._hello, self._flying = b"", ipc.Hello(broker="down"), set()
        self._stopping = threading.Event()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.bind(endpoint)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, number: int, camera: str = "cam-1", size_bytes: int = 2000) -> str:
        """A result row with a picture; its id."""
        jpeg = number.to_bytes(4, "big") * (size_bytes // 4)
        digest = hashlib.sha256(jpeg).hexdigest()
        doc = {"v": 1, "id": f"shot-{number}", "session": self.session, "camera": camera,
               "seq": number, "historical": False,
               "image": {"sha256": digest, "size_bytes": len(jpeg)}}  # fmt: skip
        out = ipc.RowOut(row=number, kind="result", camera=camera, id=f"shot-{number}")
        self.rows[number] = (out, [msgspec.json.encode(doc), jpeg])
        return f"shot-{number}"

    def add_gap(self, number: int, first: int, last: int, camera: str = "cam-1") -> None:
        """A gap row."""
        doc = {"v": 1, "session": self.session, "camera": camera, "from": first, "to": last,
               "reason": "poison"}  # fmt: skip
        out = ipc.RowOut(row=number, kind="gap", camera=camera)
        self.rows[number] = (out, [msgspec.json.encode(doc)])

    def say(self, topic: str, doc: bytes) -> None:
        """Send a document; all but events again to each new hello."""
        if topic != "event":
            self._kept = [kept for kept in self._kept if kept[0] != topic] + [(topic, doc)]
        self._out.append(ipc.pack(ipc.DocOut(topic), doc))

    def say_status(self, state: str, reason: str = "", boot: str = "b-1") -> None:
        """Send a status document."""
        doc = StatusDoc(
            ts_ms=1, clock_synced=True, state=state, reason=reason, since_ms=5, boot=boot
        )
        self.say("status", msgspec.json.encode(doc))

    def close(self) -> None:
        """End like a process that is killed: at once."""
        self._stopping.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self.mute:
                time.sleep(0.01)
                continue
            if self._socket.poll(10):
                peer, *parts = self._socket.recv_multipart()
                self._take(peer, ipc.unpack(parts)[0])
            while self._out and self._peer:
                self._socket.send_multipart([self._peer, *self._out.pop(0)])
            if self._hello.broker != "down":
                for number, (row, blobs) in list(self.rows.items()):
                    if number not in self._flying and len(self._flying) < self._hello.window:
                        self._flying.add(number)
                        self._socket.send_multipart([self._peer, *ipc.pack(row, *blobs)])

    def _take(self, peer: bytes, message: ipc.Message) -> None:
        if isinstance(message, ipc.Hello):
            self._peer, self._hello = peer, message
            self._flying.clear()
            kept = [ipc.pack(ipc.DocOut(topic), doc) for topic, doc in self._kept]
            self._out += [message for message in kept if message not in self._out]
            self.hellos.append(message)
        elif isinstance(message, ipc.RowAck | ipc.RowAside):
            self._flying.discard(message.row)
            if self.rows.pop(message.row, None) is not None:
                if isinstance(message, ipc.RowAck):
                    self.acked.append(message.row)
                else:
                    self.asides.append((message.row, message.reason))
        elif isinstance(message, ipc.CommandIn):
            self.commands.append(message)
            reply = ReplyDoc(id=message.id, ts_ms=1, status="ok", data={"echo": message.data})
            out = ipc.ReplyOut(name=message.name, id=message.id)
            self._out.append(ipc.pack(out, msgspec.json.encode(reply)))
        elif isinstance(message, ipc.Beat):
            self.beat = message

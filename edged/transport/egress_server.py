"""The engine's side of `egress.sock`: hands the outbox's rows and documents to the uplink.

One thread owns the socket.  There is one uplink at a time: the newest `hello` wins, and
begins the hand-out afresh.  What can cross are the messages of
:mod:`edged.transport.ipc` and no others; a message that does not parse is dropped and
counted.  Knows nothing of MQTT, frames or models.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import msgspec
import zmq

from edged.errors import FrameError
from edged.transport.command_runner import CommandRunner
from edged.transport.ipc import (
    MAX_JSON_BYTES,
    Beat,
    CommandIn,
    DocOut,
    Hello,
    Message,
    ReplyOut,
    RowAck,
    RowAside,
    RowOut,
    pack,
    unpack,
)
from edged.transport.ipcpath import IpcClaim
from edged.transport.outbox import Outbox
from edged.transport.outbox_rows import OnEvent
from edged.transport.wakeup import Wakeup
from edged.transport.wire import DocTopic, ReplyDoc

log = logging.getLogger(__name__)

_MAX_WINDOW = 64
_EVENTS = 256
"""Events kept while there is no broker; the oldest give way."""
_TICK_MS = 1000
_BLOCKED_MS = 20
"""Pause before a message is tried again that the uplink's buffer had no room for."""
_SILENT_S = 5.0
"""The uplink beats once a second; after so long it counts as gone."""
_BURST = 64
"""Messages read in one go before rows are handed out again."""
_RETRY_S = 1.0
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class UplinkState:
    """What health says of the uplink.

    Attributes:
        connected: it was heard from within the last seconds.
        broker: "down", "present" or "fresh".
        last_beat_age_s: None when it was never heard from.
        in_flight: rows that it has and has not acknowledged.
        published, reconnects: as it counts them.
        max_packet_bytes: the broker's limit, 0 when it named none.
    """

    connected: bool = False
    broker: str = "down"
    protocol: str = ""
    last_beat_age_s: float | None = None
    in_flight: int = 0
    published: int = 0
    reconnects: int = 0
    max_packet_bytes: int = 0


class EgressServer:
    """Serves the uplink.

    Args:
        endpoint: `ipc://` path; bound with mode 0600.
        outbox: where the rows are.
        on_command: does a command that the uplink has checked, on a thread of its own.
        on_event: told `uplink-connected` and `uplink-lost`, from the server's thread.
    """

    def __init__(
        self,
        endpoint: str,
        outbox: Outbox,
        on_command: Callable[[CommandIn], ReplyDoc],
        on_event: OnEvent = lambda _name, _reason, _data: None,
    ) -> None:
        self._endpoint = endpoint
        self._outbox = outbox
        self._on_event = on_event
        self._wakeup = Wakeup()
        self._runner = CommandRunner("egress", on_command, self.wake)
        self._lock = threading.Lock()  # guards what publish() and uplink_state() share
        self._kept: dict[str, bytes] = {}
        self._unsent: dict[str, bytes] = {}
        self._events: deque[bytes] = deque(maxlen=_EVENTS)
        self._stopping = threading.Event()
        self._peer: bytes | None = None
        self._hello: Hello | None = None
        self._beat = Beat(broker="down")
        self._heard_s: float | None = None
        self._was_connected = False
        self._in_flight: set[int] = set()
        self._acked: list[int] = []
        self._answers_due = 0
        self._retry_at_s = 0.0
        self._outbox_failed = False

    def start(self) -> None:
        """Bind and begin to serve.

        Raises:
            OperatorError: another process has the path.
            LinkError: ZeroMQ refuses it.
        """
        self._claim = IpcClaim.take(self._endpoint)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.MAXMSGSIZE, 2 * MAX_JSON_BYTES)
        self._socket.setsockopt(zmq.SNDHWM, 4 * _MAX_WINDOW)
        self._socket.setsockopt(zmq.LINGER, 200)
        try:
            self._claim.bind(self._socket)
        except BaseException:
            self._context.destroy(linger=0)
            self._claim.release()
            raise
        self._thread = threading.Thread(target=self._run, name="egress", daemon=True)
        self._runner.start()
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Send what is due, end the thread, give the path back."""
        self._runner.stop(timeout_s)
        self._stopping.set()
        self.wake()
        self._thread.join(timeout_s)
        self._context.destroy(linger=200)
        self._claim.release()
        self._wakeup.close()

    def wake(self) -> None:
        """There may be rows to hand out; from any thread."""
        self._wakeup.set()

    def publish(self, topic: DocTopic, doc: bytes) -> None:
        """Send a document; from any thread.

        The newest status, info and health are kept and sent to every new uplink;
        events wait for a broker, the oldest giving way.
        """
        with self._lock:
            if topic == "event":
                self._events.append(doc)
            else:
                self._kept[topic] = self._unsent[topic] = doc
        self.wake()

    def uplink_state(self) -> UplinkState:
        """How the uplink does; from any thread."""
        with self._lock:
            hello, beat, heard_s = self._hello, self._beat, self._heard_s
            in_flight = len(self._in_flight)
        age_s = None if heard_s is None else time.monotonic() - heard_s
        connected = hello is not None and age_s is not None and age_s < _SILENT_S
        return UplinkState(
            connected=connected,
            broker=beat.broker if connected else "down",
            protocol=hello.protocol if hello else "",
            last_beat_age_s=age_s,
            in_flight=in_flight,
            published=beat.published,
            reconnects=beat.reconnects,
            max_packet_bytes=hello.max_packet_bytes if hello else 0,
        )

    # -- the thread --------------------------------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wakeup.fd, zmq.POLLIN)
        wait_ms = _TICK_MS
        while not self._stopping.is_set():
            poller.poll(wait_ms)
            self._wakeup.clear()
            try:
                self._claim.regain(self._socket)
                self._receive()
                self._watch()
                wait_ms = _TICK_MS if self._send_due() else _BLOCKED_MS
                self._guarded(self._outbox.tidy)
            except zmq.ZMQError as error:
                log.error("egress socket failed: %s", error)  # noqa: TRY400
                wait_ms = _TICK_MS
        self._receive()
        self._send_due()

    def _receive(self) -> None:
        for _ in range(_BURST):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            peer, *rest = parts
            try:
                message, _blobs = unpack(rest)
            except ValueError as error:
                log.warning("egress: a message was dropped: %s", error)
                continue
            self._take(peer, message)
        else:
            self.wake()  # there may be more
        self._flush_acks()

    def _take(self, peer: bytes, message: Message) -> None:
        if isinstance(message, Hello):
            self._greet(peer, message)
        elif peer != self._peer:
            return  # an uplink that was replaced, or one that has not said hello
        elif isinstance(message, RowAck) and message.row in self._in_flight:
            self._acked.append(message.row)
        elif isinstance(message, RowAside) and message.row in self._in_flight:
            self._guarded(self._outbox.set_aside, message.row, message.reason)
            with self._lock:
                self._in_flight.discard(message.row)
        elif isinstance(message, CommandIn):
            self._runner.submit([peer], message, message.name, message.id)
        elif isinstance(message, Beat):
            self._answers_due += 1
            with self._lock:
                self._beat = message
        with self._lock:
            self._heard_s = time.monotonic()

    def _greet(self, peer: bytes, hello: Hello) -> None:
        self._flush_acks()
        self._answers_due = self._answers_due + 1 if peer == self._peer else 1
        with self._lock:
            self._peer, self._hello = peer, hello
            self._beat = Beat(
                broker=hello.broker,
                published=self._beat.published,
                reconnects=self._beat.reconnects,
            )
            self._in_flight.clear()
            self._unsent = dict(self._kept)
            self._heard_s = time.monotonic()
        if hello.broker == "fresh":
            count = self._guarded(self._outbox.requeue_all)
            log.info("the broker has no session of ours: %s rows are published again", count)

    def _flush_acks(self) -> None:
        if not self._acked:
            return
        self._guarded(self._outbox.ack, *self._acked)
        if self._outbox_failed:
            return  # a full disk, say: they are noted later, and not handed out again till then
        with self._lock:
            self._in_flight.difference_update(self._acked)
        self._acked.clear()

    def _watch(self) -> None:
        """Say once when the uplink comes or goes."""
        state = self.uplink_state()
        if state.connected != self._was_connected:
            self._was_connected = state.connected
            name = "uplink-connected" if state.connected else "uplink-lost"
            (log.info if state.connected else log.warning)("%s", name.replace("-", " "))
            self._on_event(name, "", {})

    # -- sending -----------------------------------------------------------------------

    def _send_due(self) -> bool:
        """Send all that can be sent now; False when the uplink's buffer is full."""
        return (
            self._send_answers()
            and self._send_replies()
            and self._send_docs()
            and self._send_rows()
        )

    def _send_answers(self) -> bool:
        """A sign of life for a sign of life: the uplink tells by it that the engine is there."""
        while self._answers_due and self._peer is not None:
            beat = Beat(broker=self._beat.broker, in_flight=len(self._in_flight))
            if not self._send(self._peer, pack(beat)):
                return False
            self._answers_due -= 1
        return True

    def _send_replies(self) -> bool:
        while self._runner.replies:
            ticket, name, reply = self._runner.replies[0]
            out = ReplyOut(name=name, id=reply.id)  # type: ignore[arg-type]
            if not self._send(ticket[0], pack(out, msgspec.json.encode(reply))):
                return False
            self._runner.replies.popleft()
        return True

    def _send_docs(self) -> bool:
        while self._peer is not None:
            with self._lock:
                topic = next(iter(self._unsent), None)
                doc = self._unsent[topic] if topic is not None else None
                if doc is None and self._events and self._beat.broker != "down":
                    topic, doc = "event", self._events[0]
            if topic is None or doc is None:
                return True
            if not self._send(self._peer, pack(DocOut(topic), doc)):  # type: ignore[arg-type]
                return False
            with self._lock:
                if topic == "event":
                    if self._events and self._events[0] is doc:
                        self._events.popleft()
                elif self._unsent.get(topic) is doc:
                    del self._unsent[topic]
        return True

    def _send_rows(self) -> bool:
        if time.monotonic() < self._retry_at_s:
            return True
        while self._peer is not None and self._hello is not None and self._beat.broker != "down":
            room = min(max(1, self._hello.window), _MAX_WINDOW) - len(self._in_flight)
            if room <= 0:
                return True
            rows = self._guarded(self._outbox.pending, room, self._in_flight) or []
            if not rows:
                return True
            for number in rows:
                if not self._send_row(number):
                    return False
        return True

    def _send_row(self, number: int) -> bool:
        row = self._guarded(self._outbox.load, number)
        peer = self._peer
        if row is None or peer is None:
            return not self._outbox_failed
        blobs = [row.doc_json] if row.jpeg is None else [row.doc_json, row.jpeg]
        out = RowOut(row=row.row, kind=row.kind, camera=row.camera, id=row.id)
        if not self._send(peer, pack(out, *blobs)):
            return False
        if self._peer is not None:
            self._outbox.handed_out(number)
            with self._lock:
                self._in_flight.add(number)
        return True

    def _send(self, peer: bytes, parts: list[bytes]) -> bool:
        """False when there is no room; a peer that is gone counts as sent to."""
        try:
            self._socket.send_multipart([peer, *parts], zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            if peer == self._peer:
                with self._lock:
                    self._peer = self._hello = None
                    self._in_flight.clear()
        return True

    def _guarded(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do something with the outbox; its trouble is said once and tried again."""
        try:
            result = work(*args, **kwargs)
        except FrameError as error:
            if not self._outbox_failed:
                log.error("egress: %s", error)  # noqa: TRY400
            self._outbox_failed = True
            self._retry_at_s = time.monotonic() + _RETRY_S
            return None
        self._outbox_failed = False
        return result

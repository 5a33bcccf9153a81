"""The uplink's end of the engine's egress socket, as events and one call.

A monitor tells when the other end comes and goes.  After each loss a new socket is
opened, so that nothing that was meant for, or said by, an engine that is gone can reach
or come from its successor.  Knows the forms of the messages and not what they are for.
"""

from __future__ import annotations

import logging
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from edged.daemon.uplink_events import EngineFound, EngineGone, FromEngine
from edged.transport.ipc import Message, pack, unpack

log = logging.getLogger(__name__)

_LINGER_MS = 500
"""At the end the last acknowledgements still go out."""
_MAX_MESSAGE_BYTES = 256 * 1024 * 1024
"""MQTT's own bound of a packet."""
_PER_TURN = 64
"""Messages taken before the broker's side gets its turn."""

EngineEvent = EngineFound | EngineGone | FromEngine


class EngineSocket:
    """A DEALER that knows whether anybody is there.

    Args:
        context: ZeroMQ's.
        endpoint: of the engine's ROUTER.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self._context = context
        self._endpoint = endpoint
        self._connected = False
        self._events: list[EngineEvent] = []
        self._open()

    def register(self, poller: zmq.Poller) -> None:
        """Have `poller` wake when there is something to do."""
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)

    def send(self, message: Message) -> None:
        """Say something; without anybody there it is lost, as hello begins afresh."""
        if not self._connected:
            return
        try:
            self._socket.send_multipart(pack(message), zmq.NOBLOCK)
        except zmq.Again:  # an engine that hangs has filled the pipe
            log.warning("the engine does not read; beginning again with a new socket")
            self._lose()

    def service(self) -> list[EngineEvent]:
        """What has happened since the last call, in order."""
        self._watch()
        for _ in range(_PER_TURN):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            try:
                message, blobs = unpack(parts)
            except ValueError:
                log.error("the engine sent what is no message; it is ignored")  # noqa: TRY400
                continue
            self._events.append(FromEngine(message, tuple(blobs)))
        events, self._events = self._events, []
        return events

    def _watch(self) -> None:
        while self._monitor.poll(0):
            what = recv_monitor_message(self._monitor)["event"]
            if what == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._connected = True
                self._events.append(EngineFound())
            elif what == zmq.EVENT_DISCONNECTED and self._connected:
                self._lose()

    def _lose(self) -> None:
        self._connected = False
        self._shut(linger_ms=0)
        self._open()
        self._events.append(EngineGone())

    def _open(self) -> None:
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 100)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_BYTES)
        events = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        self._monitor: zmq.Socket[Any] = self._socket.get_monitor_socket(events)
        self._socket.connect(self._endpoint)

    def _shut(self, *, linger_ms: int) -> None:
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=linger_ms)

    def close(self) -> None:
        """Give the socket up; what was said still goes out."""
        self._shut(linger_ms=_LINGER_MS)

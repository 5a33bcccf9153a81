"""Takes frames in over ZeroMQ and gives the answers back.

One thread owns every socket here.  It reads a message, reads its header, holds it against
the limits and puts it into the :class:`Mailbox`; the pipeline takes it from there and
hands the answer back with :meth:`FrameServer.answer`, which may be called from any thread.

    sockets --(this thread)--> mailbox --(pipeline's threads)--> answer() --(this thread)--> sockets

One bad message costs one error answer and nothing else.  A shot that finds no room is
held, and its socket is not read until there is room: ZeroMQ's own bounds then hold the
senders back.  Payloads are not looked into beyond their first bytes, and never logged.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import zmq

from edged.errors import FrameError, OperatorError
from edged.transport.admission import Admission, Message, understand
from edged.transport.curve import CurveServer
from edged.transport.header import Names
from edged.transport.late import LateAnswers
from edged.transport.limits import FrameLimits
from edged.transport.listeners import (
    MAX_PARTS,
    Listener,
    Subscription,
    bind_router,
    connect_subscriber,
    inherit_router,
    read_parts,
)
from edged.transport.mailbox import Mailbox, Submission, Ticket
from edged.transport.wire import OutgoingPicture, VerdictDoc, answer
from edged.transport.wire_health import FrameFigures
from edged.verdicts import SENTENCES, Reason, Verdict

log = logging.getLogger(__name__)

_TURN = 32
"""Messages read from one socket before the others and the answers get their turn."""
_STOP_S = 5.0
_RETRY_MS = 10
"""How often an answer is tried again whose client has no room for it just now."""
_LOOK_MS = 1000
"""How often the sockets' paths are looked at when nothing happens."""
_LATE_S = 5.0
_LATE_BYTES = 64 * 1024 * 1024
"""How long, and how many bytes of, such answers are kept for all clients together."""


@dataclass(repr=False)
class _Traffic:
    """Counters of the server's thread; others read a copy."""

    received: int = 0
    received_bytes: int = 0
    answered: int = 0
    undeliverable: int = 0
    revoked: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class FrameServer:
    """See the module.  Making it opens nothing; `start` binds.

    Args:
        endpoints: to bind: `ipc:///path`, or `tcp://host:port`.
        limits: what messages may cost.
        cameras: configured camera -> its scene.
        scenes: configured scenes.
        mailbox: where good frames go.
        imagezmq_subscriptions: publishing imagezmq cameras to connect to.
        default_camera: of messages that name none; without one the only camera is it.
        curve: keys for TCP.
        listen_fds: listening sockets that the launcher opened; taken over.
        socket_mode: permissions of ipc sockets.
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        limits: FrameLimits,
        cameras: Mapping[str, str],
        scenes: Collection[str],
        mailbox: Mailbox,
        *,
        imagezmq_subscriptions: Sequence[Subscription] = (),
        default_camera: str | None = None,
        curve: CurveServer | None = None,
        listen_fds: Sequence[int] = (),
        socket_mode: int = 0o600,
    ) -> None:
        self._endpoints = (endpoints,) if isinstance(endpoints, str) else tuple(endpoints)
        self._limits = limits
        names = Names(dict(cameras), frozenset(scenes), default_camera)
        self._admission = Admission(names, limits)
        self._mailbox = mailbox
        self._subscriptions = tuple(imagezmq_subscriptions)
        self._curve = curve
        self._listen_fds = tuple(listen_fds)
        self._socket_mode = socket_mode
        self._context: zmq.Context[Any] | None = None
        self._gate: Any = None
        self._listeners: list[Listener] = []
        self._held: dict[int, tuple[Message, Submission]] = {}  # by index of the listener
        self._answers: deque[tuple[Ticket, list[bytes]]] = deque()
        self._late = LateAnswers(max_bytes=_LATE_BYTES, max_age_s=_LATE_S)
        self._answering = threading.RLock()  # a signal handler may wake us from anywhere
        self._wake_fd = -1
        self._stopping = threading.Event()
        self._paused: Reason | None = None
        self._thread: threading.Thread | None = None
        self._traffic = _Traffic()

    # -- any thread -----------------------------------------------------------------

    def start(self) -> None:
        """Open the sockets and begin to read.

        Raises:
            ConfigError, OperatorError, LinkError: a socket cannot be opened; none is then.
        """
        if self._context is not None:
            raise OperatorError("the frame server was started twice; restart the engine")
        self._context = zmq.Context()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._open(self._context)
        except BaseException:
            self._close()
            raise
        self._mailbox.on_room(self._wake)
        self._thread = threading.Thread(target=self._run, name="edged-frames", daemon=True)
        self._thread.start()
        for listener in self._listeners:
            log.info("frames: open at %s", listener.name)

    def stop(self) -> None:
        """Send what answers are waiting, close the sockets, free their paths.

        Shots that are held are answered `stopping`; harmless when repeated.
        """
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            self._thread.join(_STOP_S)
            if self._thread.is_alive():
                log.error("frames: the socket thread does not end; its sockets stay open")
                return
            self._thread = None
        self._close()

    def pause(self, reason: Reason) -> None:
        """Answer every message with `failed` and this reason (`paused`, `stopping`)."""
        self._paused = reason
        self._wake()

    def resume(self) -> None:
        """Take frames again."""
        self._paused = None
        self._wake()

    def know(self, names: Names) -> None:
        """Take other cameras and scenes, from the next message on."""
        self._admission.names = names

    def answer(
        self, ticket: Ticket, doc: VerdictDoc, picture: OutgoingPicture | None = None
    ) -> bool:
        """Give a sender its answer; the first one for a ticket counts.

        The picture goes along when the sender asked for it, and a shot's id in any case.

        Returns:
            False when the ticket was answered before or wants none.
        """
        with self._answering:
            if ticket.answered:
                return False
            ticket.answered = True
        if ticket.shot and not doc.id:
            doc = msgspec.structs.replace(doc, id=ticket.shot)
        parts = [msgspec.json.encode(doc)]
        if picture is not None and ticket.wants_picture:
            parts.append(picture.jpeg)
        self._answers.append((ticket, parts))
        self._wake()
        return True

    @property
    def alive(self) -> bool:
        """Whether the socket thread runs; a watchdog asks."""
        return self._thread is not None and self._thread.is_alive()

    def counts(self) -> FrameFigures:
        """What the server did."""
        traffic = self._traffic
        return FrameFigures(
            received=traffic.received,
            received_bytes=traffic.received_bytes,
            refused=dict(traffic.refused),
            answered=traffic.answered,
            undeliverable=traffic.undeliverable,
            revoked=traffic.revoked,
            holding=len(self._held),
        )

    def _wake(self) -> None:
        with self._answering:  # the descriptor must not be closed in between
            if self._wake_fd >= 0:
                os.eventfd_write(self._wake_fd, 1)

    # -- opening and closing ----------------------------------------------------------

    def _open(self, context: zmq.Context[Any]) -> None:
        if self._curve is not None:
            self._gate = self._curve.authenticator(context)
        for endpoint in self._endpoints:
            self._listeners.append(
                bind_router(
                    context, endpoint, self._limits, curve=self._curve, mode=self._socket_mode
                )
            )
        for fd in self._listen_fds:
            self._listeners.append(inherit_router(context, fd, self._limits, curve=self._curve))
        for subscription in self._subscriptions:
            self._listeners.append(connect_subscriber(context, subscription, self._limits))

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._gate is not None:
            self._gate.stop()
            self._gate = None
        if self._context is not None:
            self._context.term()
            self._context = None
        with self._answering:
            if self._wake_fd >= 0:
                os.close(self._wake_fd)
                self._wake_fd = -1

    # -- the socket thread --------------------------------------------------------------

    def _run(self) -> None:
        try:
            poller = zmq.Poller()
            poller.register(self._wake_fd, zmq.POLLIN)
            for listener in self._listeners:
                poller.register(listener.socket, zmq.POLLIN)
                if listener.crowd is not None:
                    poller.register(listener.crowd.monitor, zmq.POLLIN)
            while not self._stopping.is_set():
                ready = dict(poller.poll(_RETRY_MS if self._late else _LOOK_MS))
                if self._wake_fd in ready:
                    os.eventfd_read(self._wake_fd)
                for listener in self._listeners:
                    listener.look_after()
                self._send_answers()
                self._offer_held_again(poller)
                for index, listener in enumerate(self._listeners):
                    if listener.socket in ready and index not in self._held:
                        self._read(index, listener, poller)
            for message, _ in self._held.values():
                self._refuse(message, Reason.STOPPING)
            self._held.clear()
            self._send_answers()
        except Exception as error:
            log.critical("frames: the socket thread failed (%s)", type(error).__name__)
            raise

    def _send_answers(self) -> None:
        self._traffic.undeliverable += self._late.retry(self._try)
        while self._answers:
            ticket, parts = self._answers.popleft()
            self._send(ticket, parts)

    def _offer_held_again(self, poller: zmq.Poller) -> None:
        for index, (message, submission) in list(self._held.items()):
            if self._paused is not None:
                self._refuse(message, self._paused)
            elif not self._mailbox.offer_shot(submission):
                continue
            del self._held[index]
            poller.register(self._listeners[index].socket, zmq.POLLIN)
            log.info("frames: there is room again; %s is read", self._listeners[index].name)

    def _read(self, index: int, listener: Listener, poller: zmq.Poller) -> None:
        for _ in range(_TURN):
            parts = read_parts(listener.socket, keep=MAX_PARTS + 1)
            if parts is None:
                return
            self._traffic.received += 1
            sender = listener.curve.sender(parts[-1]) if listener.curve else None
            if listener.curve and sender is None:
                self._traffic.revoked += 1  # and no answer
                continue
            message = understand(index, listener, parts, sender)
            self._traffic.received_bytes += 0 if message.payload is None else len(message.payload)
            held = self._take_in(message)
            if held is not None:
                self._held[index] = (message, held)
                poller.unregister(listener.socket)
                log.info("frames: shots wait; %s is not read until there is room", listener.name)
                return

    def _take_in(self, message: Message) -> Submission | None:
        """Answer a message or queue it; returns the shot that has to be held."""
        try:
            return self._admit(message)
        except FrameError as error:
            self._refuse(message, Reason(error.reason))
        except Exception as error:  # noqa: BLE001  # one message must not end the thread
            log.error("frames: a message could not be handled (%s)", type(error).__name__)  # noqa: TRY400
            self._refuse(message, Reason.PIPELINE_ERROR)
        return None

    def _admit(self, message: Message) -> Submission | None:
        submission = self._admission.check(message, paused=self._paused)
        if message.imagezmq:
            self._reply_text(message, b"OK")
        if submission.header.shot is not None:
            return None if self._mailbox.offer_shot(submission) else submission
        older = self._mailbox.offer_stream(submission)
        if older is not None:
            self.answer(older.ticket, answer(Verdict.DROPPED, Reason.SUPERSEDED))
        return None

    def _refuse(self, message: Message, reason: Reason) -> None:
        self._traffic.refused[reason.value] += 1
        log.debug("frames: refused a message: %s", reason.value)
        if message.imagezmq:
            self._reply_text(message, f"ERROR {reason.value}: {SENTENCES[reason]}".encode())
        else:
            self.answer(message.ticket, answer(Verdict.FAILED, reason))

    def _reply_text(self, message: Message, text: bytes) -> None:
        """Answer an imagezmq REQ, which wants one part and wants it before its next frame."""
        if not message.ticket.answered:
            message.ticket.answered = True
            self._send(message.ticket, [text])

    def _send(self, ticket: Ticket, parts: list[bytes]) -> None:
        """Send an answer, or keep it for a while when its client has no room for it."""
        if ticket.client is None:
            return
        if self._late.waits_for(ticket.client) or not self._try(ticket, parts):
            self._traffic.undeliverable += self._late.add(ticket, parts)

    def _try(self, ticket: Ticket, parts: list[bytes]) -> bool:
        """Send an answer; False when its client has no room for it."""
        assert ticket.client is not None
        index, routing_id = ticket.client
        try:
            self._listeners[index].socket.send_multipart(
                [routing_id, *ticket.envelope, *parts], zmq.NOBLOCK
            )
        except zmq.Again:
            return False
        except zmq.ZMQError:  # EHOSTUNREACH: it is gone
            self._traffic.undeliverable += 1
        else:
            self._traffic.answered += 1
        return True

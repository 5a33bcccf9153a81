"""Decides whether one message becomes a frame of the mailbox.

Splits a message into its parts, reads its header and holds it against names, rates and
limits; what fails is a :class:`FrameError` with the reason that the sender is told.  Uses
no socket: the server gives it parts and acts on what it says.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import zmq

from edged.errors import FrameError
from edged.transport import images
from edged.transport.header import Names, read_header
from edged.transport.limits import FrameLimits
from edged.transport.listeners import Listener
from edged.transport.mailbox import Submission, Ticket
from edged.transport.ratelimit import RateLimiter
from edged.verdicts import Reason


@dataclass(repr=False)
class Message:
    """One message, as far as it has been understood.

    Attributes:
        listener: where it came in.
        ticket: where its answer goes.
        head, payload: its two parts; None when it has not two.
        imagezmq: its sender speaks imagezmq.
        sender: camera whose key it came with; None on sockets without keys.
    """

    listener: Listener
    ticket: Ticket
    head: zmq.Frame | None = None
    payload: zmq.Frame | None = None
    imagezmq: bool = False
    sender: str | None = None


def understand(
    index: int, listener: Listener, parts: list[zmq.Frame], sender: str | None = None
) -> Message:
    """Tell routing id, delimiter (REQ sends one) and body apart.

    Args:
        index: of the listener, for the ticket.
        listener: where the message came in.
        parts: as ZeroMQ gave them; a surplus counts, its contents do not matter.
        sender: camera whose key it came with, on a socket with keys.
    """
    if listener.camera is not None:  # a publisher: nobody to answer
        body, ticket = parts, Ticket()
    else:
        body = parts[1:]
        envelope: tuple[bytes, ...] = ()
        if body and not len(body[0]):
            envelope, body = (b"",), body[1:]
        ticket = Ticket((index, parts[0].bytes), envelope)
    if len(body) != 2:
        return Message(listener, ticket, sender=sender)
    return Message(listener, ticket, body[0], body[1], sender=sender)


class Admission:
    """The checks, with the memory that rates need.  Used by one thread.

    Args:
        names: configured cameras and scenes.
        limits: of sizes and rates.

    Attributes:
        names: may be replaced at any time, from any thread.
    """

    def __init__(self, names: Names, limits: FrameLimits) -> None:
        self.names = names
        self._limits = limits
        self._messages = RateLimiter(limits.rate_per_s, limits.burst, clients=limits.clients)
        self._shots = RateLimiter(limits.shots_per_s, limits.shots_burst, clients=limits.clients)

    def check(self, message: Message, *, paused: Reason | None = None) -> Submission:
        """Make a submission of a message; fills in how its sender is answered.

        Args:
            message: from :func:`understand`.
            paused: why no frames are taken just now, if so.

        Raises:
            FrameError: why not.
        """
        # A key has one rate, however many connections it opens.
        client = message.sender or message.ticket.client or message.listener.name
        within_rate = self._messages.allow(client)
        if message.head is None or message.payload is None:
            raise FrameError(Reason.BAD_MESSAGE, "not two parts")
        parsed = read_header(
            message.head.buffer,
            self.names,
            self._limits,
            now_ms=time.time_ns() // 1_000_000,
            camera=message.sender or message.listener.camera,
        )
        message.imagezmq, message.ticket.shot = parsed.imagezmq, parsed.shot
        if paused is not None:
            raise FrameError(paused, "no frames are taken just now")
        if not within_rate:
            raise FrameError(Reason.RATE_LIMITED, "client above its rate of messages")
        if parsed.header is None:
            raise parsed.error or FrameError(Reason.BAD_HEADER, "no header")
        header = parsed.header
        if message.sender is not None and header.camera != message.sender:
            raise FrameError(Reason.UNKNOWN_CAMERA, "the key is another camera's")
        if header.shot is not None and not self._shots.allow(client):
            raise FrameError(Reason.RATE_LIMITED, "client above its rate of shots")
        payload = message.payload.buffer
        images.admit(header, payload, self._limits)
        message.ticket.wants_picture = header.want == "image"
        return Submission(message.ticket, header, payload, time.monotonic_ns())

"""The messages between engine (ROUTER) and uplink (DEALER) on `egress.sock`.

Each message is `[kind, JSON, *blobs]`.  The engine owns the outbox: it hands rows out
within the uplink's window, keeps them until they are acknowledged, and hands them out
again to a new uplink (a new `hello`) as if nothing had been sent.

    uplink -> engine   hello    Hello        at start and after each broker (re)connect
                       ack      RowAck       image and result of a row are PUBACKed
                       aside    RowAside     the broker will never take this row
                       command  CommandIn    a checked command from the broker
                       beat     Beat         once a second
    engine -> uplink   row      RowOut       + [document JSON] or [document JSON, JPEG]
                       doc      DocOut       + [document JSON]
                       reply    ReplyOut     + [document JSON]
                       beat     Beat         answers every hello and beat

Knows the forms only; sockets are in :mod:`edged.transport.egress_server` and
:mod:`edged.daemon.uplink`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edged.transport.wire import NAME, Command, DocTopic

MAX_JSON_BYTES = 256 * 1024
"""Bound of any JSON part on this socket."""


class Hello(msgspec.Struct, kw_only=True):
    """Begins a hand-out afresh.

    Attributes:
        broker: "down" (hand out no rows), "present" (broker kept our session) or
            "fresh" (it did not: every retained row is published again).
        window: rows that may be unacknowledged at a time.
        protocol: MQTT version in use, for `info`.
        max_packet_bytes: the broker's limit, 0 when it named none.
    """

    broker: Literal["down", "present", "fresh"]
    window: int = 8
    protocol: str = ""
    max_packet_bytes: int = 0


class RowAck(msgspec.Struct):
    """Image and result of a row are at the broker."""

    row: int


class RowAside(msgspec.Struct):
    """The broker will never take this row."""

    row: int
    reason: Literal["too-large", "not-authorised", "rejected"]


class CommandIn(msgspec.Struct, kw_only=True):
    """A command that the uplink has checked."""

    name: Command
    id: str
    data: dict[str, Any] = {}


class Beat(msgspec.Struct, kw_only=True):
    """Sign of life of the uplink."""

    broker: Literal["down", "present", "fresh"]
    in_flight: int = 0
    published: int = 0
    reconnects: int = 0


class RowOut(msgspec.Struct, kw_only=True):
    """Attributes: row: number to acknowledge; kind: which topic its document goes to."""

    row: int
    kind: Literal["result", "gap"]
    camera: str
    id: str = ""


class DocOut(msgspec.Struct):
    """A document for the broker follows."""

    topic: DocTopic


class ReplyOut(msgspec.Struct, kw_only=True):
    """The reply to a command follows."""

    name: Command
    id: str


_KINDS: dict[bytes, type[msgspec.Struct]] = {
    b"hello": Hello,
    b"ack": RowAck,
    b"aside": RowAside,
    b"command": CommandIn,
    b"beat": Beat,
    b"row": RowOut,
    b"doc": DocOut,
    b"reply": ReplyOut,
}
_NAMES = {cls: kind for kind, cls in _KINDS.items()}
Message = Hello | RowAck | RowAside | CommandIn | Beat | RowOut | DocOut | ReplyOut
_ENCODER = msgspec.json.Encoder()
__all__ = [
    "MAX_JSON_BYTES",
    "NAME",
    "Beat",
    "CommandIn",
    "DocOut",
    "Hello",
    "Message",
    "ReplyOut",
    "RowAck",
    "RowAside",
    "RowOut",
    "pack",
    "unpack",
]


def pack(message: Message, *blobs: bytes) -> list[bytes]:
    """The parts of a message, without a routing id."""
    return [_NAMES[type(message)], _ENCODER.encode(message), *blobs]


def unpack(parts: list[bytes]) -> tuple[Message, list[bytes]]:
    """A message and its blobs.

    Raises:
        ValueError: on anything that :func:`pack` would not have made.
    """
    if len(parts) < 2 or len(parts) > 4:
        raise ValueError("a message has two to four parts")
    cls = _KINDS.get(bytes(parts[0]))
    if cls is None:
        raise ValueError("unknown message kind")
    if len(parts[1]) > MAX_JSON_BYTES:
        raise ValueError("JSON part too long")
    try:
        message: Message = msgspec.json.decode(parts[1], type=cls)  # type: ignore[assignment]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"not a valid {cls.__name__}") from error
    return message, list(parts[2:])

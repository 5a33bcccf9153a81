"""Reads what devices publish.  Everything from the broker is hostile until it has passed here.

A topic says whose message it is and of what kind; the payload must be of that kind, and
small enough.  Knows no broker and keeps nothing.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from edged.transport.topics import PREFIX, is_name
from edged.transport.wire import EventDoc, GapDoc, ReplyDoc, ResultDoc, StatusDoc
from edged.transport.wire_health import HealthDoc
from edged.transport.wire_info import InfoDoc

MAX_DOC_BYTES = 256 * 1024
"""Of a JSON document; `info` of a device with every model is about 20 kB."""
MAX_IMAGE_BYTES = 8 * 1024 * 1024
"""Of a picture; a 4K JPEG of quality 95 is about 3 MB."""

Kind = Literal["status", "info", "health", "event", "result", "image", "gap", "reply"]
Body = StatusDoc | InfoDoc | HealthDoc | EventDoc | ResultDoc | GapDoc | ReplyDoc | bytes

_PLAIN: dict[str, Any] = {
    "status": msgspec.json.Decoder(StatusDoc),
    "info": msgspec.json.Decoder(InfoDoc),
    "health": msgspec.json.Decoder(HealthDoc),
    "event": msgspec.json.Decoder(EventDoc),
}
_NAMED: dict[str, Any] = {
    "result": msgspec.json.Decoder(ResultDoc),
    "gap": msgspec.json.Decoder(GapDoc),
    "reply": msgspec.json.Decoder(ReplyDoc),
}
FILTERS: tuple[str, ...] = (
    *(f"{PREFIX}/+/+/{kind}" for kind in _PLAIN),
    *(f"{PREFIX}/+/+/{kind}/+" for kind in (*_NAMED, "image")),
)
"""What to subscribe to for a whole fleet; commands are not listened to."""


class Heard(msgspec.Struct, frozen=True):
    """One message of a device.

    Attributes:
        site, device: from the topic.
        kind: of the message.
        name: the camera (result, image, gap) or the command (reply); else "".
        body: the document, or a JPEG's bytes.
    """

    site: str
    device: str
    kind: Kind
    name: str
    body: Body


def read(topic: str, payload: bytes) -> Heard | None:
    """What a message says; None when it is not one of a device, or is not sound."""
    levels = topic.split("/")
    if len(levels) not in {4, 5} or levels[0] != PREFIX or not all(map(is_name, levels[1:])):
        return None
    site, device, kind = levels[1:4]
    name = levels[4] if len(levels) == 5 else ""
    if kind == "image" and name:
        sound = len(payload) <= MAX_IMAGE_BYTES and payload[:3] == b"\xff\xd8\xff"
        return Heard(site, device, "image", name, payload) if sound else None
    decoder = (_NAMED if name else _PLAIN).get(kind)
    if decoder is None or len(payload) > MAX_DOC_BYTES:
        return None
    try:
        body = decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Heard(site, device, cast("Kind", kind), name, body)

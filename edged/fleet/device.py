"""One device as its messages show it.  Everything kept is bounded."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field

from edged.fleet.history import History
from edged.fleet.messages import Heard
from edged.transport.wire import EventDoc, GapDoc, ReplyDoc, ResultDoc, StatusDoc
from edged.transport.wire_health import HealthDoc
from edged.transport.wire_info import InfoDoc

EVENTS = 100
GAPS = 200
CAMERAS = 32
"""Cameras whose last result and picture are kept; a device has a handful."""
REPLIES = 50


@dataclass(slots=True)
class Picture:
    """The last published picture of a camera: its result, and the JPEG that has its hash."""

    jpeg: bytes = b""
    result: ResultDoc | None = None
    at_s: float = 0.0


@dataclass(slots=True)
class Device:
    """What is known of one device.

    Attributes:
        site, name: from the topics.
        status, info, health: the last document of each; None before the first.
        status_at_s, health_at_s: when they were heard, on the hearer's monotonic clock.
        history: the last hour.
        events, gaps, replies: (heard at, document), newest last.
        pictures: by camera; one is shown once its result is there, and no old one that is
            delivered again takes a newer one's place.
        counts: messages heard, by kind.
        revision: grows with every message.
    """

    site: str
    name: str
    status: StatusDoc | None = None
    info: InfoDoc | None = None
    health: HealthDoc | None = None
    status_at_s: float = 0.0
    health_at_s: float = 0.0
    history: History = field(default_factory=History)
    events: deque[tuple[float, EventDoc]] = field(default_factory=lambda: deque(maxlen=EVENTS))
    gaps: deque[tuple[float, GapDoc]] = field(default_factory=lambda: deque(maxlen=GAPS))
    replies: deque[tuple[float, str, ReplyDoc]] = field(
        default_factory=lambda: deque(maxlen=REPLIES)
    )
    pictures: dict[str, Picture] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    revision: int = 0
    _waiting: dict[str, bytes] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """`site/name`."""
        return f"{self.site}/{self.name}"

    @property
    def state(self) -> str:
        """The state that the device says, or "unknown" before its first status."""
        return self.status.state if self.status is not None else "unknown"

    def take(self, heard: Heard, now_s: float) -> None:
        """Note one message of this device."""
        self.revision += 1
        self.counts[heard.kind] += 1
        body = heard.body
        match body:
            case StatusDoc():
                self.status, self.status_at_s = body, now_s
            case HealthDoc():
                self.health, self.health_at_s = body, now_s
                self.history.add(body, now_s)
            case EventDoc():
                self.events.append((now_s, body))
            case GapDoc():
                self.gaps.append((now_s, body))
            case ReplyDoc():
                self.replies.append((now_s, heard.name, body))
            case ResultDoc():
                self._show(heard.name, body, now_s)
            case bytes():
                self._waiting.clear()  # devices send a picture and then its result
                self._waiting[heard.name] = body
            case InfoDoc():
                self.info = body

    def _show(self, camera: str, result: ResultDoc, now_s: float) -> None:
        jpeg = self._waiting.pop(camera, b"")
        note = result.image
        if note is None or hashlib.sha256(jpeg).hexdigest() != note.sha256:
            jpeg = b""  # another shot's, which was replaced on the way
        if camera in self.pictures and result.historical:
            return
        self.pictures.pop(camera, None)
        while len(self.pictures) >= CAMERAS:
            del self.pictures[next(iter(self.pictures))]
        self.pictures[camera] = Picture(jpeg, result, now_s)

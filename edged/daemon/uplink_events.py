"""What goes into the uplink's state machine and what comes out.

What the broker's connection tells is in :mod:`edged.transport.link`.  Values only.
"""

from __future__ import annotations

import msgspec

from edged.transport.ipc import Message
from edged.transport.link import (
    Acked,
    Arrived,
    Connected,
    Lost,
    Protocol,
    Publish,
    Refused,
    Subscribed,
)


class Start(msgspec.Struct, frozen=True):
    """The process is ready to work."""


class Tick(msgspec.Struct, frozen=True):
    """Nothing happened but time."""


class Stop(msgspec.Struct, frozen=True):
    """A clean stop is asked for; a second one does not wait."""


class EngineFound(msgspec.Struct, frozen=True):
    """The socket to the engine is connected, perhaps to a new engine."""


class EngineGone(msgspec.Struct, frozen=True):
    """The socket to the engine has lost its other end."""


class FromEngine(msgspec.Struct, frozen=True):
    """A message of the engine."""

    message: Message
    blobs: tuple[bytes, ...] = ()


Event = (
    Start | Tick | Stop | EngineFound | EngineGone | FromEngine
    | Connected | Refused | Lost | Acked | Subscribed | Arrived
)  # fmt: skip


class Open(msgspec.Struct, frozen=True):
    """Connect to the broker, with this last will."""

    protocol: Protocol
    will: bytes


class Close(msgspec.Struct, frozen=True):
    """Drop the connection to the broker."""


class Leave(msgspec.Struct, frozen=True):
    """End the connection to the broker cleanly."""


class Subscribe(msgspec.Struct, frozen=True):
    """Subscribe to the commands."""

    topic_filter: str


class Send(msgspec.Struct, frozen=True):
    """Tell the engine."""

    message: Message


class Ended(msgspec.Struct, frozen=True):
    """Nothing is left to do."""


Effect = Open | Close | Leave | Subscribe | Send | Publish | Ended

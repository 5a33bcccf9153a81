"""What the uplink says to the engine about itself: hello and beat, and when.

Sans I/O.  Knows neither rows nor the broker's connection.
"""

from __future__ import annotations

from typing import Literal

from edged.transport.ipc import Beat, Hello

BEAT_S = 1.0
HELLO_AGAIN_S = 2.0
"""A hello is repeated until the engine has said something."""
FRESH_FOR_S = 5.0
"""`fresh` is said again to an engine that was lost within this time of answering it: it
may have died before the outbox was told that the broker has forgotten everything."""


class EngineHail:
    """The state of the talk with the engine.

    Args:
        window: rows that may be unacknowledged at a time.

    Attributes:
        attached: the socket has another end.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._answered = False
        self._hello_s = 0.0
        self._beat_s = float("-inf")
        self._fresh = False
        self._unsure_until_s = 0.0
        self._up = False
        self._protocol = ""
        self._limit_bytes = 0
        self.attached = False

    def broker_up(self, *, session_present: bool, protocol: str, limit_bytes: int) -> None:
        """The broker has taken us."""
        self._up = True
        self._protocol = protocol
        self._limit_bytes = limit_bytes
        if not session_present:
            self._fresh = True

    def broker_down(self) -> None:
        """The connection to the broker is over."""
        self._up = False

    def gone(self, now_s: float) -> None:
        """The engine's end of the socket is gone."""
        self.attached = False
        if now_s < self._unsure_until_s:
            self._fresh = True

    def heard(self, now_s: float) -> None:
        """The engine said something."""
        self._answered = True
        if self._up and self._fresh:
            self._fresh = False
            self._unsure_until_s = now_s + FRESH_FOR_S

    def hello(self, now_s: float) -> Hello:
        """Begin a hand-out afresh."""
        self._answered = False
        self._hello_s = now_s
        return Hello(
            broker=self._word(),
            window=self._window,
            protocol=self._protocol if self._up else "",
            max_packet_bytes=self._limit_bytes if self._up else 0,
        )

    def hello_due(self, now_s: float) -> bool:
        """Whether a hello has gone unanswered for too long."""
        return self.attached and not self._answered and now_s - self._hello_s >= HELLO_AGAIN_S

    def beat(self, now_s: float, *, in_flight: int, published: int, reconnects: int) -> Beat:
        """A sign of life."""
        self._beat_s = now_s
        return Beat(
            broker=self._word(),
            in_flight=in_flight,
            published=published,
            reconnects=reconnects,
        )

    def beat_due(self, now_s: float) -> bool:
        """Whether it is time for a sign of life."""
        return self.attached and now_s - self._beat_s >= BEAT_S

    def _word(self) -> Literal["down", "present", "fresh"]:
        if not self._up:
            return "down"
        return "fresh" if self._fresh else "present"

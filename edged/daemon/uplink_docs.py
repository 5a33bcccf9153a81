"""Documents on their way to the broker: status, info, health, events, replies.

A document that the broker refuses must not end the link at every attempt: its topic is
left alone for a while.  Sans I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from edged.transport.link import Publish

log = logging.getLogger(__name__)

DENIED_FOR_S = 600.0
"""How long a topic is left alone after the broker has refused it."""
_FAILURE = 0x80
"""Reason codes of PUBACK from here on are refusals (MQTT 5, section 3.4.2.1)."""


class DocBook:
    """Documents that the broker has not acknowledged.

    Args:
        next_token: gives numbers that no other message has.

    Attributes:
        limit_bytes: the broker's largest packet; 0 means none.
    """

    def __init__(self, next_token: Callable[[], int]) -> None:
        self._next_token = next_token
        self._flying: dict[int, str] = {}  # token -> topic
        self._denied: dict[str, float] = {}  # topic -> to be tried again at, s
        self.limit_bytes = 0

    @property
    def in_flight(self) -> int:
        """Documents published and not acknowledged."""
        return len(self._flying)

    def message(self, topic: str, payload: bytes, *, retain: bool, now_s: float) -> Publish | None:
        """What to publish; None when the broker would not take it."""
        if self._denied.get(topic, 0.0) > now_s:
            return None
        message = Publish(topic=topic, payload=payload, token=self._next_token(), retain=retain)
        if self.limit_bytes and message.packet_bytes() > self.limit_bytes:
            log.error("%s is larger than the broker's limit of a packet; it is not sent", topic)
            return None
        self._flying[message.token] = topic
        return message

    def holds(self, token: int) -> bool:
        """Whether a message in flight is a document."""
        return token in self._flying

    def acked(self, token: int, code: int, now_s: float) -> bool:
        """Note a PUBACK; False when it was a refusal."""
        topic = self._flying.pop(token)
        if code < _FAILURE:
            return True
        log.error(
            "the broker refuses %s (reason code %#04x): allow it in its access rules; it is "
            "tried again in %.0f s", topic, code, DENIED_FOR_S,
        )  # fmt: skip
        self._denied[topic] = now_s + DENIED_FOR_S
        return False

    def forget(self) -> None:
        """The connection ended."""
        self._flying.clear()

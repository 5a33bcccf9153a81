"""What a broker has acknowledged of what a paho client published, and what it refused.

paho tells of each message by itself alone, and a refusal in the acknowledgement not at all
unless asked.
"""

from __future__ import annotations

import threading
from typing import Any

from paho.mqtt import client as paho


class Postbook:
    """Counts for one client; from any thread.

    Args:
        client: whose `on_publish` it takes.  All messages have QoS 1.
    """

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._given = self._answered = self._turned_down = 0
        self._refused: dict[int, str] = {}  # of the last use of each number
        self._last_word = ""
        client.on_publish = self._on_publish

    @property
    def waiting(self) -> int:
        """Messages without an acknowledgement."""
        with self._lock:
            return self._given - self._answered

    @property
    def refused(self) -> int:
        """Messages that the broker acknowledged, but did not take."""
        with self._lock:
            return self._turned_down

    @property
    def last_word(self) -> str:
        """Why the broker refused the last one that it did."""
        with self._lock:
            return self._last_word

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> paho.MQTTMessageInfo:
        """Give the client a message, with QoS 1; returns at once."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        with self._lock:
            self._given += 1
        return info

    def why_refused(self, info: paho.MQTTMessageInfo) -> str:
        """The broker's word for a message that was published; empty: it took it."""
        with self._lock:
            return self._refused.get(info.mid, "")

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: Any, _found: Any
    ) -> None:
        with self._lock:
            self._answered += 1
            self._refused.pop(mid, None)
            if reason.is_failure:
                self._turned_down += 1
                self._refused[mid] = self._last_word = str(reason)

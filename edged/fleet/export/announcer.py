"""Tells Home Assistant of devices as they are heard of, and again when it begins anew."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

from edged.fleet.export import homeassistant
from edged.fleet.messages import read
from edged.transport.topics import is_name
from edged.transport.wire_info import InfoDoc

FILTERS: tuple[str, ...] = ("edged/+/+/info", "edged/+/+/status", homeassistant.BIRTH)
MAX_DEVICES = 20_000
_MAX_VERSION = 40  # characters; from the broker

Publish = Callable[[str, bytes], None]
"""Topic and payload; retained."""


class Announcer:
    """Documents of devices, retained; from any thread.

    Args:
        publish: sends to the broker.

    Attributes:
        said: topic -> document that stands at the broker.
    """

    def __init__(self, publish: Publish) -> None:
        self.said: dict[str, bytes] = {}
        self._publish = publish
        self._lock = threading.Lock()

    def heard(self, topic: str, payload: bytes) -> None:
        """One message of the broker."""
        if topic == homeassistant.BIRTH:
            if payload == b"online":
                self._again()
            return
        heard = read(topic, payload)
        if heard is None:
            levels = topic.split("/")
            if not payload and levels[-1] == "status" and len(levels) == 4:
                self._say(homeassistant.topic(levels[1], levels[2]), b"")
            return
        if isinstance(heard.body, InfoDoc):
            names = [name for name in heard.body.cameras if is_name(name)]
            version = heard.body.edged[:_MAX_VERSION]
            found = homeassistant.discovery(heard.site, heard.device, names[:32], version)
            self._say(homeassistant.topic(heard.site, heard.device), json.dumps(found).encode())

    def take_back(self) -> None:
        """Every device that was announced is gone from Home Assistant."""
        with self._lock:
            topics = list(self.said)
            self.said.clear()
        for topic in topics:
            self._publish(topic, b"")

    def _say(self, topic: str, document: bytes) -> None:
        with self._lock:
            if self.said.get(topic, b"") == document or len(self.said) >= MAX_DEVICES:
                return
            if document:
                self.said[topic] = document
            else:
                del self.said[topic]
        self._publish(topic, document)

    def _again(self) -> None:
        with self._lock:
            everything = list(self.said.items())
        for topic, document in everything:
            self._publish(topic, document)

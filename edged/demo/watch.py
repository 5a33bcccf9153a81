"""The demo's subscriber: what a consumer at the broker sees, and nothing else.

Keeps every document and picture in memory and checks that each result's SHA-256 is that
of the picture that came before it.  Knows the topics of the README and no part of edged
but the wire's structs.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edged.errors import LinkError
from edged.transport.wire import ResultDoc


class Watcher:
    """Subscribes to everything below one device.

    Attributes:
        counts: messages by kind ("status", "result", ...).
        states: `status` documents' states in order.
        info: last `info` document.
        health: last `health` document.
        results: result documents by id.
        repeats: results that came more than once with the same (session, camera, seq).
    """

    def __init__(self, port: int, site: str, device: str, *, mqtt5: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.states: list[str] = []
        self.info: dict[str, Any] = {}
        self.health: dict[str, Any] = {}
        self.results: dict[str, ResultDoc] = {}
        self.repeats = 0
        self._pictures: dict[str, bytes] = {}
        self._seen: set[tuple[str, str, int]] = set()
        self._base = f"edged/{site}/{device}/"
        self._changed = threading.Condition()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="edged-demo-watcher",
            protocol=mqtt.MQTTv5 if mqtt5 else mqtt.MQTTv311,
        )
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def picture(self, doc: ResultDoc) -> bytes | None:
        """The picture that a result describes, found by its SHA-256."""
        return self._pictures.get(doc.image.sha256)

    def wait_for(self, what: str, test: Callable[[], bool], limit_s: float) -> None:
        """Wait until `test` is true; it is asked after every message.

        Raises:
            LinkError: the time was up; `what` says what did not come.
        """
        end = time.monotonic() + limit_s
        with self._changed:
            while not test():
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    raise LinkError(f"{what} did not reach the broker within {limit_s:.0f} s")

    def _on_connect(self, client: mqtt.Client, *_rest: Any) -> None:
        client.subscribe(self._base + "#", qos=1)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        kind = message.topic[len(self._base) :].split("/")[0]
        with self._changed:
            self.counts[kind] += 1
            if kind == "image":
                data = bytes(message.payload)
                self._pictures[hashlib.sha256(data).hexdigest()] = data
            elif kind == "result":
                self._take(msgspec.json.decode(message.payload, type=ResultDoc))
            elif kind == "status":
                self.states.append(str(json.loads(message.payload)["state"]))
            elif kind in ("info", "health"):
                setattr(self, kind, json.loads(message.payload))
            self._changed.notify_all()

    def _take(self, doc: ResultDoc) -> None:
        key = (doc.session, doc.camera, doc.seq)
        self.repeats += key in self._seen
        self._seen.add(key)
        self.results[doc.id] = doc

"""A consumer of a device's topics, as an integrator would write one; self-contained.

Persistent session, QoS 1.  Keeps results, pictures and gaps by (session, camera, seq),
checks each picture's SHA-256 against its result, finds the sequence numbers for which
nothing came, and asks for a replay of them.  Knows MQTT and JSON, nothing of edged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

Key = tuple[str, str, int]  # session, camera, seq


class Consumer:
    """Subscribes to everything below `edged/<site>/<device>/`.

    Attributes:
        status, info, health: last document of each, {} before the first.
        statuses: all status documents in order, offline ones included.
        events, replies: all of them in order; replies with their command's name.
        challenges: how often the device asked back before it did a command; answered at
            once, and no reply.
        results: result document by (session, camera, seq).
        pictures: JPEG by SHA-256; only the last `keep_pictures`, digests stay.
        gaps: (session, camera) -> list of (from, to, reason).
        deliveries: how often each key came, repetitions included.
        problems: broken promises: another content or id for one key, a result before its
            picture, two keys for one id.
        raw: (topic, payload bytes, retained) of every message when `keep_raw` is set.
    """

    def __init__(
        self, port: int, site: str, device: str, *, client_id: str = "consumer",
        host: str = "127.0.0.1", mqtt5: bool = True, keep_pictures: int = 10_000,
        keep_raw: bool = False,
    ) -> None:  # fmt: skip
        self.base = f"edged/{site}/{device}/"
        self.status: dict[str, Any] = {}
        self.info: dict[str, Any] = {}
        self.health: dict[str, Any] = {}
        self.statuses: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.replies: list[tuple[str, dict[str, Any]]] = []
        self.challenges = 0
        self._given: dict[str, dict[str, Any]] = {}  # id -> command
        self.results: dict[Key, dict[str, Any]] = {}
        self.pictures: dict[str, bytes] = {}
        self.gaps: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        self.deliveries: Counter[Key] = Counter()
        self.problems: list[str] = []
        self.raw: list[tuple[str, bytes, bool]] = []
        self.sessions_present: list[bool] = []
        self._digests: set[str] = set()
        self._keys: dict[str, Key] = {}  # result id -> key
        self._keep_pictures = keep_pictures
        self._keep_raw = keep_raw
        self._changed = threading.Condition(threading.RLock())
        self._ready = False
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if mqtt5 else False,
            protocol=mqtt.MQTTv5 if mqtt5 else mqtt.MQTTv311,
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        options: dict[str, Any] = {}
        if mqtt5:
            # A session begun with clean_start=1 is never written to mosquitto's disk.
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 86_400
            options = {"clean_start": False, "properties": properties}
        self._client.connect(host, port, keepalive=20, **options)
        self._client.loop_start()
        self.wait(lambda: self._ready, what="the consumer is subscribed")

    def close(self) -> None:
        """Leave; the session stays at the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # -- asking -----------------------------------------------------------------------

    def wait(
        self, condition: Callable[[], object], timeout_s: float = 15.0, what: str = ""
    ) -> None:
        """Wait until `condition()` holds; AssertionError after the deadline."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise AssertionError(f"not within {timeout_s} s: {what or condition}")
                self._changed.wait(min(left_s, 0.05))

    def ids(self) -> set[str]:
        """Ids of all results."""
        with self._changed:
            return {result["id"] for result in self.results.values()}

    def find(self, result_id: str) -> dict[str, Any] | None:
        """A result by its id."""
        with self._changed:
            key = self._keys.get(result_id)
            return self.results.get(key) if key is not None else None

    def picture(self, result_id: str) -> bytes:
        """The picture of a result."""
        result = self.find(result_id)
        assert result is not None, "no such result came"
        return self.pictures[result["image"]["sha256"]]

    def covered(self, key: Key) -> bool:
        """Whether a result with its picture, or a gap, came for a sequence number."""
        session, camera, seq = key
        with self._changed:
            result = self.results.get(key)
            if result is not None and result["image"]["sha256"] in self._digests:
                return True
            return any(a <= seq <= b for a, b, _why in self.gaps.get((session, camera), ()))

    def holes(
        self, last: dict[tuple[str, str], int] | None = None
    ) -> list[tuple[str, str, int, int]]:
        """Ranges (session, camera, first, last) of which nothing came.

        Args:
            last: highest sequence number known from elsewhere, for (session, camera); what
                came says only where a hole between two is.
        """
        found = []
        with self._changed:
            known = {key[:2] for key in self.results} | set(self.gaps) | set(last or {})
            for session, camera in sorted(known):
                seqs = [key[2] for key in self.results if key[:2] == (session, camera)]
                seqs += [b for _a, b, _why in self.gaps.get((session, camera), ())]
                highest = max([*seqs, (last or {}).get((session, camera), 0)])
                first = None
                for seq in range(1, highest + 2):
                    missing = seq <= highest and not self.covered((session, camera, seq))
                    if missing and first is None:
                        first = seq
                    elif not missing and first is not None:
                        found.append((session, camera, first, seq - 1))
                        first = None
        return found

    def command(self, name: str, data: dict[str, Any] | None = None, **override: Any) -> str:
        """Give a command; its id."""
        doc = {"v": 1, "id": str(uuid.uuid4()), "ts_ms": time.time_ns() // 1_000_000,
               "ttl_s": 30, "data": data or {}} | override  # fmt: skip
        self._given[str(doc["id"])] = doc
        self.publish(f"cmd/{name}", json.dumps(doc).encode())
        return str(doc["id"])

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish below the device's base topic and wait for the broker's PUBACK."""
        self.wait(self._client.is_connected, what="the consumer is connected")
        with contextlib.suppress(RuntimeError):  # lost just now: paho sends it again itself
            info = self._client.publish(self.base + topic, payload, qos=1, retain=retain)
            info.wait_for_publish(10)

    def heard(self, topic: str) -> bytes:
        """The last message of a topic below the base, as everybody who listens has it."""
        return next(p for t, p, _kept in reversed(self.raw) if t == self.base + topic)

    def ask(
        self, name: str, data: dict[str, Any] | None = None, timeout_s: float = 15.0,
        **override: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Give a command and wait for its reply."""
        command_id = self.command(name, data, **override)
        self.wait(lambda: self.reply_to(command_id), timeout_s, f"a reply to {name}")
        reply = self.reply_to(command_id)
        assert reply is not None
        return reply

    def reply_to(self, command_id: str) -> dict[str, Any] | None:
        """The first reply to a command."""
        with self._changed:
            return next((doc for _name, doc in self.replies if doc["id"] == command_id), None)

    def recover(
        self, last: dict[tuple[str, str], int] | None = None, timeout_s: float = 30.0
    ) -> int:
        """Ask for a replay of all holes until there are none; how many were asked for.

        Args:
            last: as for :meth:`holes`.
            timeout_s: AssertionError after it.
        """
        deadline = time.monotonic() + timeout_s
        asked = 0
        while holes := self.holes(last):
            assert time.monotonic() < deadline, f"holes left: {holes}"
            for session, camera, first, end in holes:
                data = {"session": session, "camera": camera, "from": first, "to": end}
                command_id = self.command("replay", data)
                asked += 1
                with contextlib.suppress(AssertionError):  # no answer: ask again
                    self.wait(lambda c=command_id: self.reply_to(c), 3.0)
            with contextlib.suppress(AssertionError):
                self.wait(lambda: not self.holes(last), 3.0)
        return asked

    # -- paho's thread ------------------------------------------------------------------

    def _on_connect(self, client: mqtt.Client, _d: Any, flags: Any, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            return
        with self._changed:
            self.sessions_present.append(bool(flags.session_present))
        client.subscribe(self.base + "#", qos=1)

    def _on_subscribe(self, *_args: Any) -> None:
        with self._changed:
            self._ready = True
            self._changed.notify_all()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        kind, _, rest = message.topic.removeprefix(self.base).partition("/")
        with self._changed:
            if self._keep_raw:
                self.raw.append((message.topic, bytes(message.payload), bool(message.retain)))
            try:
                self._take(kind, rest, bytes(message.payload))
            except (ValueError, KeyError) as error:
                self.problems.append(f"{message.topic}: not understood ({error!r})")
            self._changed.notify_all()

    def _take(self, kind: str, rest: str, payload: bytes) -> None:
        if kind == "image":
            digest = hashlib.sha256(payload).hexdigest()
            self._digests.add(digest)
            self.pictures[digest] = payload
            while len(self.pictures) > self._keep_pictures:
                del self.pictures[next(iter(self.pictures))]
        elif kind == "result":
            self._take_result(json.loads(payload))
        elif kind == "gap":
            doc = json.loads(payload)
            ranges = self.gaps.setdefault((doc["session"], doc["camera"]), [])
            ranges.append((doc["from"], doc["to"], doc["reason"]))
        elif kind == "status" and payload:
            self.status = json.loads(payload)
            self.statuses.append(self.status)
        elif kind in ("info", "health") and payload:
            setattr(self, kind, json.loads(payload))
        elif kind == "event":
            self.events.append(json.loads(payload))
        elif kind == "reply":
            self._take_reply(rest, json.loads(payload))

    def _take_reply(self, name: str, doc: dict[str, Any]) -> None:
        given = self._given.get(doc["id"])
        if doc["error"] == "challenge" and given is not None:
            self.challenges += 1
            again = json.dumps({**given, "nonce": doc["data"]["nonce"]}).encode()
            self._client.publish(f"{self.base}cmd/{name}", again, qos=1)
        else:
            self.replies.append((name, doc))

    def _take_result(self, doc: dict[str, Any]) -> None:
        key = (doc["session"], doc["camera"], doc["seq"])
        self.deliveries[key] += 1
        before = self.results.get(key)
        if before is not None and (before["id"], before["image"]) != (doc["id"], doc["image"]):
            self.problems.append(f"{key}: came with two ids or two pictures")
        if self._keys.setdefault(doc["id"], key) != key:
            self.problems.append(f"{key}: its id came with another sequence number too")
        if doc["image"]["sha256"] not in self._digests:
            self.problems.append(f"{key}: its picture did not come before it")
        self.results.setdefault(key, doc)

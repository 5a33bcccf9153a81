"""Gives commands to devices and waits for their replies, the device's question included."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from edged.errors import LinkError
from edged.fleet.messages import read
from edged.transport.topics import Topics
from edged.transport.wire import VERSION, Command, CommandDoc, ReplyDoc

TTL_S = 30.0
CHALLENGE = "challenge"

Publish = Callable[[str, bytes, float], None]
"""Topic, payload, seconds that it may take."""


class Caller:
    """Commands under way, by id.  From any thread.

    Args:
        publish: sends to the broker.
    """

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._lock = threading.Condition()
        self._replies: dict[str, ReplyDoc | None] = {}

    def heard(self, topic: str, payload: bytes) -> None:
        """A message of the broker: kept if it is the reply to one of our commands."""
        with self._lock:
            if not self._replies:
                return
        heard = read(topic, payload)
        if heard is None or not isinstance(heard.body, ReplyDoc):
            return
        with self._lock:
            if heard.body.id in self._replies:
                self._replies[heard.body.id] = heard.body
                self._lock.notify_all()

    def call(
        self, site: str, device: str, name: Command, data: Mapping[str, Any], timeout_s: float
    ) -> ReplyDoc:
        """Give a command and wait for what the device says.

        Args:
            site: of the device.
            device: its name.
            name: of the command.
            data: that it takes.
            timeout_s: for all of it.

        Raises:
            LinkError: no reply in time, or the broker did not take it.
        """
        deadline_s = time.monotonic() + timeout_s
        topics = Topics(site, device)
        command = CommandDoc(
            v=VERSION,
            id=str(uuid.uuid4()),
            ts_ms=int(time.time() * 1000),
            ttl_s=TTL_S,
            data=dict(data),
        )
        with self._lock:
            self._replies[command.id] = None
        try:
            reply = self._ask(topics, name, command, deadline_s)
            nonce = reply.data.get("nonce")
            if reply.error == CHALLENGE and isinstance(nonce, str):
                again = msgspec.structs.replace(command, nonce=nonce)
                reply = self._ask(topics, name, again, deadline_s)
            return reply
        finally:
            with self._lock:
                del self._replies[command.id]

    def _ask(
        self, topics: Topics, name: Command, command: CommandDoc, deadline_s: float
    ) -> ReplyDoc:
        with self._lock:
            self._replies[command.id] = None
        left_s = max(0.1, deadline_s - time.monotonic())
        self._publish(topics.command(name), msgspec.json.encode(command), left_s)
        with self._lock:
            while (reply := self._replies[command.id]) is None:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise LinkError(
                        f"{topics.base}: no reply to {name} in time; the device may be offline, or "
                        "its uplink may not be allowed to read commands"
                    )
                self._lock.wait(left_s)
            return reply

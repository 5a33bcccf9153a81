"""A watcher's connection to the broker: messages in, now and then a command out.

paho's own thread runs it and connects again for ever.  The session is a new one each time:
whoever watches wants what is now, and statuses are retained.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.errors import ConfigError, LinkError
from edged.fleet.access import Access
from edged.fleet.postbook import Postbook
from edged.transport.dial import tls_context

_RECEIVE_MAXIMUM = 1000
"""Messages that the broker may have under way to us at a time; its own default is 20."""
_MAX_PACKET_BYTES = 16 * 1024 * 1024
_RECONNECT_S = (1, 15)

OnMessage = Callable[[str, bytes, bool], None]
"""Topic, payload, retained; on paho's thread."""


class FleetLink:
    """Subscribes, and publishes commands; a context manager.

    Args:
        access: to the broker.
        filters: topic filters.
        on_message: gets each message.
        on_change: told when the connection comes or goes.

    Raises:
        ConfigError: a file of the access cannot be used.

    Attributes:
        connected: whether there is a connection now.
        trouble: why there is none, for people; empty when there is one.
        messages: how many have come.
    """

    def __init__(
        self,
        access: Access,
        filters: Iterable[str],
        on_message: OnMessage,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.connected = False
        self.trouble = "not connected yet"
        self.messages = 0
        self._access = access
        self._filters = [(one, 1) for one in filters]
        self._take = on_message
        self._changed = on_change
        self._ready = threading.Event()
        self._answered = threading.Event()
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"edged-fleet-{uuid.uuid4().hex[:12]}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        if access.tls is not None:
            client.tls_set_context(tls_context(access.tls))
        if access.username:
            client.username_pw_set(access.username, access.password())
        self._post = Postbook(client)
        client.reconnect_delay_set(*_RECONNECT_S)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def __enter__(self) -> FleetLink:  # noqa: PYI034 - Self needs 3.11
        """Begin to connect; returns at once."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = _RECEIVE_MAXIMUM
        properties.MaximumPacketSize = _MAX_PACKET_BYTES
        self._client.connect_async(
            self._access.host, self._access.port, keepalive=20, properties=properties
        )
        self._client.loop_start()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, timeout_s: float) -> None:
        """Wait until the subscriptions stand.

        Raises:
            LinkError: they do not in time, or the broker refuses us, or what was published.
        """
        self._answered.wait(timeout_s)
        if not self._ready.is_set() and not (self.connected and self._ready.wait(timeout_s)):
            self._complain()  # some brokers hang up on what they refuse
            raise LinkError(f"{self._access}: {self.trouble or 'it does not answer'}")

    def publish(self, topic: str, payload: bytes, timeout_s: float) -> None:
        """Publish with QoS 1 and wait until the broker has it.

        Raises:
            LinkError: it did not take it, or there is no connection now: a command that
                paho would keep until there is one could be obeyed long after we said no.
        """
        if not self._client.is_connected():
            raise LinkError(f"{self._access}: {self.trouble or 'not connected'}; try again")
        info = self._post.publish(topic, payload)
        try:
            info.wait_for_publish(timeout_s)
        except (RuntimeError, ValueError) as error:
            raise LinkError(f"{self._access}: the message did not reach the broker") from error
        if not info.is_published():
            raise LinkError(f"{self._access}: the broker does not acknowledge; try again")
        if why := self._post.why_refused(info):
            raise LinkError(f"{self._access}: the broker refuses {topic}{_because(why)}")

    def retain(self, topic: str, payload: bytes) -> None:
        """Publish a retained message with QoS 1, without waiting; from any thread."""
        self._post.publish(topic, payload, retain=True)

    @property
    def refused(self) -> int:
        """Messages that the broker did not take."""
        return self._post.refused

    def settle(self, timeout_s: float) -> None:
        """Wait until everything that was published is acknowledged.

        Raises:
            LinkError: it is not in time, or the broker has refused some of it.
        """
        until_s = time.monotonic() + timeout_s
        while self._post.waiting > 0 and not self._post.refused:
            if time.monotonic() > until_s:
                raise LinkError(f"{self._access}: the broker does not acknowledge; try again")
            time.sleep(0.02)
        self._complain()

    def _complain(self) -> None:
        if count := self._post.refused:
            told = "a message" if count == 1 else f"{count} messages"
            why = _because(self._post.last_word)
            raise LinkError(f"{self._access}: the broker refuses {told}{why}")

    # -- paho's callbacks, on its thread ------------------------------------------------

    def _on_connect(
        self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _found: Any
    ) -> None:
        if reason.is_failure:
            self._down(f"the broker refuses us: {reason}; check --username, --password-file "
                       "and certificates")  # fmt: skip
            return
        self.connected, self.trouble = True, ""
        self._answered.set()
        if self._access.username:
            self._refresh_password()
        client.subscribe(self._filters)
        self._changed()

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        doubt = "its certificate is not trusted (--ca-file)"
        if self._access.tls is None:
            doubt = "no broker runs there"
        self._down(f"cannot be reached, or {doubt}")

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _found: Any
    ) -> None:
        if self.connected or not self.trouble:
            self._down(f"the connection ended: {reason}")

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[Any], _found: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self.trouble = "the broker's access rules forbid us to read; see `edged broker acl`"
            return
        self._ready.set()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self.messages += 1
        self._take(topic, bytes(message.payload), bool(message.retain))

    def _down(self, why: str) -> None:
        self.connected, self.trouble = False, why
        self._ready.clear()
        self._answered.set()
        self._changed()

    def _refresh_password(self) -> None:
        """For the next connection: the file may be another by then."""
        try:
            self._client.username_pw_set(self._access.username, self._access.password())
        except ConfigError:
            return  # the one that worked stays


def _because(why: str) -> str:
    """A broker's word for a refusal, and what to do where it is the access rules."""
    if why == "Not authorized":
        return f" ({why}): its access rules forbid this user to write it; see: edged broker acl"
    return f" ({why})"

"""One connection to an MQTT broker at a time, as events and calls, on paho-mqtt.

A new paho client serves each connection, so that paho never queues, repeats or
reconnects anything by itself: what was not acknowledged is published again by whoever
owns it.  paho runs without a thread of its own: the owner polls :meth:`fileno` and calls
:meth:`service`.  Only name look-up, TCP and TLS, which block, happen on a helper thread.

Knows no outbox, no engine and no topic.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from datetime import timedelta
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edged.errors import ConfigError
from edged.transport import mqtt5
from edged.transport.certificate import trouble
from edged.transport.dial import Dial, TlsContext, tls_context
from edged.transport.link import (
    Acked,
    Arrived,
    BrokerEvent,
    Connected,
    Ending,
    Lost,
    Protocol,
    Publish,
    Refused,
    Subscribed,
    UplinkSettings,
    check_settings,
)

log = logging.getLogger(__name__)

_IN_FLIGHT = 20
"""QoS 1 messages that may be unacknowledged at most; mosquitto's own default limit."""
FIRST_ANSWER_S = 3.0
"""Longest wait for the first CONNACK of MQTT 5.  A broker that does not know it should
refuse it, but amqtt 0.12 takes our CONNECT for an unfinished one and waits for the rest."""
_VERSIONS: dict[Protocol, MQTTProtocolVersion] = {
    "5": MQTTProtocolVersion.MQTTv5,
    "3.1.1": MQTTProtocolVersion.MQTTv311,
}


class BrokerLink:
    """The link of one device to its broker.

    Used from one thread; not reentrant.

    Args:
        settings: checked here, before anything is opened.

    Raises:
        ConfigError: the settings are unsafe or name files that are not there.
    """

    def __init__(self, settings: UplinkSettings) -> None:
        check_settings(settings)
        self._settings = settings
        self._client: paho.Client | None = None
        self._protocol: Protocol = "5"
        self._dialling: Dial | None = None
        self._up = False
        self._tls: TlsContext | None = None
        self._greeted = False  # ever connected
        self._answer_by_s = 0.0
        self._events: list[BrokerEvent] = []
        self._tokens: dict[int, int] = {}  # packet id -> token
        self._queue: deque[Publish] = deque()
        self._room = _IN_FLIGHT
        if settings.tls is not None:
            tls_context(settings.tls)  # a wrong file is said at start, not at night
            if settings.tls.cert_file and (found := trouble(settings.tls.cert_file)):
                log.warning("%s", found)

    def open(self, protocol: Protocol, will_topic: str, will: bytes) -> None:
        """Begin to connect; ends in :class:`Connected` or :class:`Refused`."""
        self.close()
        self._protocol = protocol
        try:
            client = self._new_client()
        except ConfigError as error:  # a file was replaced by a wrong one while we ran
            self._events.append(Refused("other", str(error)))
            return
        client.will_set(
            will_topic,
            will,
            qos=1,
            retain=True,
            properties=mqtt5.will(self._settings.will_delay_s) if protocol == "5" else None,
        )
        self._client = client
        properties = mqtt5.connect(self._settings.session_expiry_s) if protocol == "5" else None
        self._dialling = Dial(client, self._settings, properties)

    def close(self) -> None:
        """Give the connection up at once; without :meth:`leave` the broker sends the will."""
        client, self._client = self._client, None
        self._up = False
        self._events.clear()
        self._tokens.clear()
        self._queue.clear()
        if self._dialling is not None:
            self._dialling.forget()  # which closes what may still come of it
            self._dialling = None
        elif client is not None:
            _silence(client)
            sock = client.socket()
            if sock is not None:
                sock.close()

    def leave(self) -> None:
        """Disconnect cleanly: the broker keeps our session and forgets the will."""
        if self._client is not None and self._dialling is None:
            _silence(self._client)
            self._client.loop_read()  # closing on unread bytes would reset the connection
            self._client.disconnect()
            self._client.loop_write()
        self.close()

    def publish(self, message: Publish) -> None:
        """Publish with QoS 1; lost without an event when the connection is down."""
        if self._client is not None and self._up:
            self._queue.append(message)
            self._pump(self._client)

    def subscribe(self, topic_filter: str) -> None:
        """Ask for messages with QoS 1; ends in :class:`Subscribed`."""
        if self._client is not None and self._up:
            self._client.subscribe(topic_filter, qos=1)

    def fileno(self) -> int:
        """What to poll for reading: the helper thread's pipe or the socket; -1 for nothing."""
        if self._dialling is not None:
            return self._dialling.fileno()
        sock = self._client.socket() if self._client is not None else None
        return sock.fileno() if sock is not None else -1

    def wants_write(self) -> bool:
        """Whether to poll :meth:`fileno` for writing too."""
        return (
            self._dialling is None and self._client is not None and bool(self._client.want_write())
        )

    def service(self, *, readable: bool, writable: bool) -> list[BrokerEvent]:
        """Move bytes, keep the connection alive, return what happened.

        Call it after each poll, and once a second without one.
        """
        if self._dialling is not None:
            if not self._dialling.done():
                return []
            refused = self._dialling.refused
            self._dialling.forget()
            self._dialling = None
            if refused is not None:
                self._client = None
                return [refused]
            first = self._protocol == "5" and not self._greeted
            patience_s = FIRST_ANSWER_S if first else 2 * self._settings.connect_timeout_s
            self._answer_by_s = time.monotonic() + patience_s
        client = self._client
        if client is not None:
            try:
                self._move(client, readable=readable, writable=writable)
            except Exception as error:
                log.warning(
                    "the broker sent what is not MQTT (%s); the connection is given up",
                    type(error).__name__,
                )
                log.debug("the parser's error", exc_info=True)
                self._ended("garbled")
            if not self._up and not self._events and time.monotonic() >= self._answer_by_s:
                self._events.append(Refused("silent", "it does not answer CONNECT"))
        events, self._events = self._events, []
        if any(isinstance(event, Refused | Lost) for event in events):
            self.close()
        return events

    def _move(self, client: paho.Client, *, readable: bool, writable: bool) -> None:
        if readable:
            client.loop_read()
            while (sock := client.socket()) is not None and _buffered(sock):
                client.loop_read()
        if writable or client.want_write():
            client.loop_write()
        client.loop_misc()
        if client.socket() is None:
            self._ended("closed")
        elif self._up:
            self._pump(client)

    def _pump(self, client: paho.Client) -> None:
        """Publish what the broker's receive maximum allows (paho does not heed it)."""
        while self._queue and len(self._tokens) < self._room:
            message = self._queue.popleft()
            info = client.publish(
                message.topic,
                message.payload,
                qos=1,
                retain=message.retain,
                properties=mqtt5.publish(message) if self._protocol == "5" else None,
            )
            self._tokens[info.mid] = message.token

    # -- paho's callbacks: they only note what happened -----------------------------

    def _on_connect(
        self, _client: paho.Client, _data: Any, flags: Any, reason: ReasonCode, found: Any
    ) -> None:
        if reason.is_failure:
            self._events.append(mqtt5.refusal(int(reason.value)))
            return
        self._up = self._greeted = True
        self._room = min(getattr(found, "ReceiveMaximum", _IN_FLIGHT), _IN_FLIGHT)
        self._events.append(
            Connected(
                session_present=bool(flags.session_present),
                protocol=self._protocol,
                max_packet_bytes=getattr(found, "MaximumPacketSize", 0),
            )
        )

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: Any, reason: ReasonCode, _found: Any
    ) -> None:
        from_broker = flags.is_disconnect_packet_from_server
        self._ended(mqtt5.ending(int(reason.value), from_broker=from_broker))

    def _ended(self, why: Ending) -> None:
        was_up, self._up = self._up, False
        if why == "closed" and self._tls is not None and self._tls.garbled:
            why = "garbled"
        if any(isinstance(event, Refused | Lost) for event in self._events):
            return
        self._events.append(Lost(why) if was_up else Refused("closed", self._why_closed()))

    def _why_closed(self) -> str:
        """A broker that wants another certificate hangs up as one that has no time."""
        hint, tls = "it closed the connection before CONNACK", self._settings.tls
        if tls is None:
            return hint
        if tls.cert_file is None:
            return (
                f"{hint}: if it asks devices for a certificate, give this one's in "
                "broker.tls.cert_file and key_file"
            )
        found = trouble(tls.cert_file, soon=timedelta())
        return f"{hint}: " + (
            found or "its log says whether it knows the authority of broker.tls.cert_file"
        )

    def _on_publish(
        self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _found: Any
    ) -> None:
        token = self._tokens.pop(mid, None)
        if token is not None:
            self._events.append(Acked(token, int(reason.value)))

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _found: Any
    ) -> None:
        self._events.append(Subscribed(not any(reason.is_failure for reason in reasons)))

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._events.append(
            Arrived(topic, bytes(message.payload), bool(message.retain), bool(message.dup))
        )

    # -- making a client ---------------------------------------------------------------

    def _new_client(self) -> paho.Client:
        settings = self._settings
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.device,
            clean_session=None if self._protocol == "5" else False,
            protocol=_VERSIONS[self._protocol],
            reconnect_on_failure=False,
        )
        client.max_inflight_messages = 0  # ours to bound, from CONNACK
        client.connect_timeout = settings.connect_timeout_s
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        if settings.username:
            client.username_pw_set(settings.username, self._password())
        if settings.tls is not None:
            self._tls = tls_context(settings.tls)
            client.tls_set_context(self._tls)
        return client

    def _password(self) -> str | None:
        path = self._settings.password_file
        if path is None:
            return None
        try:
            return path.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"broker.password_file = {str(path)!r}: cannot be read as text; "
                "make it readable for the uplink's user"
            ) from error


def _silence(client: paho.Client) -> None:
    """Take our callbacks out of a client that we are done with."""
    client.on_connect = client.on_disconnect = client.on_publish = None
    client.on_subscribe = client.on_message = None


def _buffered(sock: Any) -> bool:
    """Whether TLS has decrypted bytes that a poll of the socket does not show."""
    pending = getattr(sock, "pending", None)
    return pending is not None and pending() > 0

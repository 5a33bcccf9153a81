"""What MQTT 5 adds to 3.1.1: properties to send and reason codes to understand.

Everything that matters is in the payloads; these only help brokers and tools.  Section
numbers are those of the MQTT 5.0 specification.  Knows no connection.
"""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.transport.link import Ending, Publish, Refused

MAX_INCOMING_BYTES = 128 * 1024
"""Largest packet that the broker may send us: a command is at most half of it."""
NOT_AUTHORISED = 0x87
PACKET_TOO_LARGE = 0x95

_UNSUPPORTED_VERSION = 0x84
_CREDENTIALS = frozenset({0x85, 0x86, 0x87, 0x8A})  # client id, password, authority, banned
_KEEPALIVE = 0x8D
_TAKEN_OVER = 0x8E
_LEAVING = frozenset({0x89, 0x8B, 0x9C, 0x9D})  # busy, shutting down, use another server


def connect(session_expiry_s: int) -> Properties:
    """Properties of CONNECT (3.1.2.11)."""
    properties = _new(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = session_expiry_s
    properties.MaximumPacketSize = MAX_INCOMING_BYTES
    return properties


def will(delay_s: int) -> Properties:
    """Properties of the last will (3.1.3.2)."""
    properties = _new(PacketTypes.WILLMESSAGE)
    properties.WillDelayInterval = delay_s
    properties.ContentType = "application/json"
    return properties


def publish(message: Publish) -> Properties:
    """Properties of PUBLISH (3.3.2.3)."""
    properties = _new(PacketTypes.PUBLISH)
    properties.ContentType = message.media_type
    if message.row_id:
        properties.UserProperty = ("id", message.row_id)
    return properties


def refusal(code: int) -> Refused:
    """What a failing reason code of CONNACK (3.2.2.2) means for us."""
    if code == _UNSUPPORTED_VERSION:
        return Refused("version", "it does not speak this MQTT version")
    if code in _CREDENTIALS:
        return Refused(
            "credentials",
            "it refuses this device: check broker.username, broker.password_file, the client "
            "certificate and the broker's list of devices",
        )
    return Refused("other", f"it answered CONNECT with reason code {code:#04x}")


def ending(code: int, *, from_broker: bool) -> Ending:
    """What a reason code of DISCONNECT (3.14.2.1), the broker's or paho's own, means."""
    if code == _KEEPALIVE:
        return "keepalive"
    if from_broker and code == _TAKEN_OVER:
        return "taken-over"
    if from_broker and code in _LEAVING:
        return "leaving"
    return "closed"


def _new(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]

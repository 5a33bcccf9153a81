"""What MQTT 5 adds."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.transport import mqtt5
from edged.transport.link import Publish


@given(st.integers(0, 300_000), st.text("ab/", min_size=1, max_size=99), st.text("x", max_size=64))
def test_packet_bytes(size_bytes, topic, row_id) -> None:
    """The size that is compared with the broker's limit is never below the packet's own."""
    message = Publish(
        topic=topic, payload=bytes(size_bytes), token=1, media_type="image/jpeg", row_id=row_id
    )
    variable = struct.pack("!H", len(topic)) + topic.encode() + b"\0\1"
    body = len(variable) + len(mqtt5.publish(message).pack()) + size_bytes
    length = 1 if body < 128 else 2 if body < 16_384 else 3
    assert 1 + length + body <= message.packet_bytes() <= body + 16


@pytest.mark.parametrize(
    ("code", "why"),
    [(0x84, "version"), (0x86, "credentials"), (0x87, "credentials"), (0x88, "other")],
)
def test_refusal(code, why) -> None:
    """A reason code of CONNACK becomes a remedy."""
    assert mqtt5.refusal(code).why == why


def test_ending() -> None:
    """A reason code of DISCONNECT tells a clone and a leaving broker from the rest."""
    assert mqtt5.ending(0x8E, from_broker=True) == "taken-over"
    assert mqtt5.ending(0x8E, from_broker=False) == "closed"
    assert mqtt5.ending(0x8B, from_broker=True) == "leaving"
    assert mqtt5.ending(0x8D, from_broker=False) == "keepalive"
    assert mqtt5.ending(0x95, from_broker=True) == "closed"

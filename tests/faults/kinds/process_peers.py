"""Others at the device's sockets and at the broker that are slow, or go away in the middle."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
import uuid

import paho.mqtt.client as mqtt
import zmq
from faults.kinds import Kind
from faults.pictures import jpeg, picture
from paho.mqtt.enums import CallbackAPIVersion

from edged.errors import LinkError
from edged.transport.client import FrameClient


def slow_consumer(site, chance):
    """Subscribed with a session that lasts, and it reads nothing."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="slow", clean_session=False)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", site.consumer_port, keepalive=60)
    client.subscribe("edged/#", qos=1)
    deadline = time.monotonic() + 5
    while not subscribed.is_set() and time.monotonic() < deadline:
        client.loop(0.1)
    time.sleep(chance.uniform(0.5, 1.5))
    client.socket().close()


def consumer_cut_off(site, _chance):
    """The integrator's own link dies; its session waits at the broker."""
    with contextlib.suppress(OSError, AttributeError):  # it may be away just now
        site.consumer._client.socket().shutdown(socket.SHUT_RDWR)


def slow_viewer(site, chance):
    """Looks at view.sock and takes nothing."""
    with zmq.Context() as context, context.socket(zmq.SUB) as hub:
        hub.setsockopt(zmq.LINGER, 0)
        hub.setsockopt(zmq.RCVHWM, 1)
        hub.setsockopt(zmq.SUBSCRIBE, b"")
        hub.connect(f"ipc://{site.booth.run_dir}/view.sock")
        time.sleep(chance.uniform(0.5, 1.5))


def client_gone(site, chance):
    """It has sent a shot and does not wait; later the visitor presses again."""
    shot, number = str(uuid.uuid4()), chance.randrange(50_000, 60_000)
    head = {"v": 1, "shot": shot, "camera": "shots", "ts_ms": time.time_ns() // 1_000_000,
            "encoding": "jpeg", "want": "image"}  # fmt: skip
    site.ledger.sent(shot, number, "shots")
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 200)
        dealer.connect(site.endpoint)
        dealer.send_multipart([json.dumps(head).encode(), jpeg(picture(number))])
        time.sleep(chance.uniform(0, 0.3))
    for _ in range(3):
        with contextlib.suppress(LinkError), FrameClient(site.endpoint, timeout_s=20) as client:
            answer = client.send_shot(
                jpeg(picture(number)), camera="shots", shot=shot, want="image"
            )
            site.took(shot, answer)
            return
    raise AssertionError("a shot whose first sender has gone is not answered")


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
"""ZMTP 3.0, RFC 23."""


def message_cut(site, chance):
    """A sender dies in the middle of a message; what it said of its length is not to come."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(site.endpoint.removeprefix("ipc://"))
        raw.sendall(GREETING + bytes([4, len(READY)]) + READY)
        head = b'{"v":1,"camera":"shots"}'
        whole = (
            bytes([1, len(head)]) + head + b"\x02" + struct.pack(">Q", 1_000_000) + bytes(70_000)
        )
        raw.sendall(whole[: chance.randrange(1, len(whole))])
        time.sleep(chance.uniform(0, 0.2))


KINDS = (
    Kind("slow consumer at the broker", slow_consumer),
    Kind("consumer cut off", consumer_cut_off),
    Kind("slow viewer", slow_viewer),
    Kind("client gone in the middle of a shot", client_gone),
    Kind("client gone in the middle of a message", message_cut),
)

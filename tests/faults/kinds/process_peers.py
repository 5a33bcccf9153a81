"""Consumers at the broker that are slow, or go away; senders and viewers are in `inputs`."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import paho.mqtt.client as mqtt
from faults.kinds import Kind
from paho.mqtt.enums import CallbackAPIVersion


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


KINDS = (
    Kind("slow consumer at the broker", slow_consumer),
    Kind("consumer cut off", consumer_cut_off),
)

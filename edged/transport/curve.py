"""CURVE keys of a frame listener that others than this machine can reach.

ZeroMQ's own authenticator asks us for every client key.  Its trap (measured): a rule for
domain "*" is not used when the socket names a domain, and the client then hangs, so one
name serves both.  Knows no frames.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.auth.thread
from zmq.utils import z85

log = logging.getLogger(__name__)

_DOMAIN = "edged-frames"
_SAY_EVERY_S = 60.0
"""A sender tries again and again."""


@dataclass(frozen=True)
class CurveServer:
    """The engine's keys and the clients it lets in; keys are Z85, 40 bytes.

    Attributes:
        public, secret: the engine's pair.
        camera_of: the camera that a public key sends frames as; None: it may not connect.
            Asked at every connection and for every message, from several threads.
    """

    public: bytes
    secret: bytes = field(repr=False)
    camera_of: Callable[[bytes], str | None] = lambda _: None

    def apply(self, sock: zmq.Socket[Any]) -> None:
        """Make a socket, not bound yet, take encrypted connections only."""
        sock.setsockopt(zmq.CURVE_PUBLICKEY, self.public)
        sock.setsockopt(zmq.CURVE_SECRETKEY, self.secret)
        sock.setsockopt(zmq.CURVE_SERVER, 1)
        sock.setsockopt_string(zmq.ZAP_DOMAIN, _DOMAIN)

    def authenticator(self, context: zmq.Context[Any]) -> zmq.auth.thread.ThreadAuthenticator:
        """A started authenticator of the context; stop it before the context ends."""
        gate = zmq.auth.thread.ThreadAuthenticator(context)
        gate.start()
        gate.configure_curve_callback(domain=_DOMAIN, credentials_provider=_Allowed(self.camera_of))
        return gate

    def sender(self, part: zmq.Frame) -> str | None:
        """The camera that a message is from; None: its key has been revoked since.

        Args:
            part: any part of the message, as ZeroMQ gave it.
        """
        try:
            key = part.get("User-Id")  # what the authenticator said of the connection
        except zmq.ZMQError:
            return None
        return self.camera_of(str(key).encode())


@dataclass(frozen=True)
class CurveClient:
    """A sender's keys.

    Attributes:
        public, secret: the sender's pair.
        server: the engine's public key.
    """

    public: bytes
    server: bytes
    secret: bytes = field(repr=False)

    def apply(self, sock: zmq.Socket[Any]) -> None:
        """Make a socket, not connected yet, speak to that engine only."""
        sock.setsockopt(zmq.CURVE_PUBLICKEY, self.public)
        sock.setsockopt(zmq.CURVE_SECRETKEY, self.secret)
        sock.setsockopt(zmq.CURVE_SERVERKEY, self.server)


class _Allowed:
    """What the authenticator asks; `key` comes as 32 raw bytes or as Z85."""

    def __init__(self, camera_of: Callable[[bytes], str | None]) -> None:
        self._camera_of = camera_of
        self._said_s = float("-inf")

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a client with this public key may connect."""
        encoded = key if len(key) == 40 else z85.encode(key)
        known = domain == _DOMAIN and self._camera_of(encoded) is not None
        if not known and time.monotonic() - self._said_s >= _SAY_EVERY_S:
            self._said_s = time.monotonic()
            log.warning("frames: a sender with an unknown or revoked key is refused")
        return known

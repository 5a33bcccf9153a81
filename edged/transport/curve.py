"""CURVE keys of a frame listener that others than this machine can reach.

ZeroMQ's own authenticator asks us for every client key.  Its trap (measured): a rule for
domain "*" is not used when the socket names a domain, and the client then hangs, so one
name serves both.  Knows no frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.auth.thread
from zmq.utils import z85

_DOMAIN = "edged-frames"


@dataclass(frozen=True)
class CurveServer:
    """The engine's keys and the clients it lets in; keys are Z85, 40 bytes.

    Attributes:
        public, secret: the engine's pair.
        clients: public keys that may connect.
    """

    public: bytes
    secret: bytes = field(repr=False)
    clients: frozenset[bytes] = frozenset()

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
        gate.configure_curve_callback(domain=_DOMAIN, credentials_provider=_Allowed(self.clients))
        return gate


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

    def __init__(self, clients: frozenset[bytes]) -> None:
        self._clients = clients

    def callback(self, domain: str, key: bytes) -> bool:
        """Whether a client with this public key may connect."""
        encoded = key if len(key) == 40 else z85.encode(key)
        return domain == _DOMAIN and encoded in self._clients

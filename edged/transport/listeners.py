"""Opens the sockets that frames come in by, each with its limits.

Three kinds: a ROUTER bound by us (ipc, or tcp), a ROUTER on a listener that the launcher
opened and we inherited, a SUB connected to an imagezmq camera that publishes.  A TCP
listener that other machines can reach must have CURVE keys.  Knows nothing of what is
said on them.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Any

import zmq

from edged.errors import ConfigError, LinkError
from edged.transport.crowd import Crowd
from edged.transport.curve import CurveServer
from edged.transport.ipcpath import IpcClaim
from edged.transport.limits import FrameLimits

MAX_PARTS = 4
"""Parts of a message that are kept: delimiter, header, payload and one too many."""

_RCVHWM = 2
"""Messages waiting for us, per client: each may be as large as the payload limit."""
_SNDHWM = 16
"""Answers waiting for one client, each with a JPEG at most."""
_LINGER_MS = 500
"""For the last answers at a stop."""
_HANDSHAKE_MS = 10_000
_HEARTBEAT_MS = 5_000
_RECONNECT_MS, _RECONNECT_MAX_MS = 100, 2_000


@dataclass(frozen=True)
class Subscription:
    """An imagezmq camera that publishes: its address, and the camera that it is."""

    address: str
    camera: str


@dataclass(repr=False)
class Listener:
    """An open socket.

    Attributes:
        name: its endpoint, for the log.
        socket: ROUTER or SUB, used by the server's thread alone.
        camera: of a SUB; None for a ROUTER.
        claim: right to the ipc path.
        curve: its keys; None: it has none.
        crowd: bounds its connections, where it was inherited and others may reach it.
    """

    name: str
    socket: zmq.Socket[Any]
    camera: str | None = None
    claim: IpcClaim | None = None
    curve: CurveServer | None = None
    crowd: Crowd | None = None

    def look_after(self) -> None:
        """Bound its connections, and keep its path."""
        if self.crowd is not None:
            self.crowd.look()
        if self.claim is not None:
            self.claim.regain(self.socket)

    def close(self) -> None:
        """Close the socket, letting last answers go, and free its path."""
        if self.crowd is not None:
            self.crowd.close()
        self.socket.close(linger=_LINGER_MS)
        if self.claim is not None:
            self.claim.release()


def bind_router(
    context: zmq.Context[Any],
    endpoint: str,
    limits: FrameLimits,
    *,
    curve: CurveServer | None,
    mode: int,
) -> Listener:
    """A ROUTER of our own.

    Raises:
        ConfigError: a TCP endpoint without keys that is not loopback; a bad path.
        OperatorError: another process has the path.
        LinkError: it cannot be bound.
    """
    if endpoint.startswith("tcp://"):
        host = endpoint[len("tcp://") :].rpartition(":")[0]
        _require_keys(endpoint, loopback=_is_loopback(host), curve=curve)
    claim = IpcClaim.take(endpoint)
    sock = _router(context, limits)
    try:
        if endpoint.startswith("tcp://"):
            _for_network(sock, curve)
        claim.bind(sock, mode)
    except BaseException:
        sock.close(linger=0)
        claim.release()
        raise
    keys = curve if endpoint.startswith("tcp://") else None
    return Listener(endpoint, sock, claim=claim, curve=keys)


def inherit_router(
    context: zmq.Context[Any], fd: int, limits: FrameLimits, *, curve: CurveServer | None
) -> Listener:
    """A ROUTER on a listening socket that the launcher opened; the descriptor is taken over.

    That is how an engine in an empty network namespace serves a LAN.

    Raises:
        ConfigError: others can reach it and there are no keys.
        LinkError: the descriptor is no listening socket.
    """
    try:
        with socket.socket(fileno=os.dup(fd)) as look:
            family, address = look.family, look.getsockname()
            listening = look.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise LinkError(f"inherited descriptor {fd} is no socket ({error.strerror})") from error
    if not listening:
        raise LinkError(f"inherited descriptor {fd} does not listen; the launcher must listen()")
    network = family in (socket.AF_INET, socket.AF_INET6)
    if network:
        host = f"[{address[0]}]" if family == socket.AF_INET6 else address[0]
        endpoint = f"tcp://{host}:{address[1]}"
        _require_keys(endpoint, loopback=_is_loopback(address[0]), curve=curve)
    else:
        endpoint = f"ipc://{address}"
    sock = _router(context, limits)
    if family == socket.AF_INET6:
        sock.setsockopt(zmq.IPV6, 1)
    if network:
        _for_network(sock, curve)
    crowd = Crowd(sock, fd, address[1]) if network else None
    try:
        if crowd is not None:
            crowd.open()
        else:
            sock.setsockopt(zmq.USE_FD, fd)
            sock.bind(endpoint)
    except zmq.ZMQError as error:
        if crowd is not None:
            crowd.close()
        sock.close(linger=0)
        raise LinkError(f"inherited listener {endpoint} failed ({error.strerror})") from error
    return Listener(endpoint, sock, curve=curve if network else None, crowd=crowd)


def connect_subscriber(
    context: zmq.Context[Any], subscription: Subscription, limits: FrameLimits
) -> Listener:
    """A SUB on a publishing imagezmq camera; it comes and goes as the camera does.

    Raises:
        LinkError: the address cannot be parsed.
    """
    sock = context.socket(zmq.SUB)
    _bound(sock, limits)
    sock.setsockopt(zmq.SUBSCRIBE, b"")
    sock.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
    sock.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
    try:
        sock.connect(subscription.address)
    except zmq.ZMQError as error:
        sock.close(linger=0)
        raise LinkError(
            f"{subscription.address} of camera {subscription.camera} is no ZeroMQ address "
            f"({error.strerror}); an imagezmq PUB has one like ipc:///run/cam or tcp://host:5555"
        ) from error
    return Listener(subscription.address, sock, camera=subscription.camera)


def read_parts(sock: zmq.Socket[Any], *, keep: int) -> list[zmq.Frame] | None:
    """One whole message, or None when none waits.

    A message of more than `keep` parts is read to its end and only its first parts are
    kept, so that the next read begins at a message.
    """
    try:
        parts = [sock.recv(zmq.NOBLOCK, copy=False)]
    except zmq.Again:
        return None
    while sock.getsockopt(zmq.RCVMORE):
        part = sock.recv(zmq.NOBLOCK, copy=False)
        if len(parts) < keep:
            parts.append(part)
    return parts


def _router(context: zmq.Context[Any], limits: FrameLimits) -> zmq.Socket[Any]:
    sock: zmq.Socket[Any] = context.socket(zmq.ROUTER)
    _bound(sock, limits)
    sock.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an answer that cannot go is counted, not lost
    sock.setsockopt(zmq.SNDHWM, _SNDHWM)
    sock.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    return sock


def _bound(sock: zmq.Socket[Any], limits: FrameLimits) -> None:
    sock.setsockopt(zmq.LINGER, _LINGER_MS)
    sock.setsockopt(zmq.RCVHWM, _RCVHWM)
    sock.setsockopt(zmq.MAXMSGSIZE, limits.max_payload_bytes)


def _for_network(sock: zmq.Socket[Any], curve: CurveServer | None) -> None:
    sock.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    sock.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * _HEARTBEAT_MS)
    if curve is not None:
        curve.apply(sock)


def _require_keys(endpoint: str, *, loopback: bool, curve: CurveServer | None) -> None:
    if curve is None and not loopback:
        raise ConfigError(
            f"frames endpoint {endpoint}: other machines can reach it, so it needs CURVE keys; "
            "configure them, or use ipc:// or a loopback address"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

"""The listening socket for cameras on the network: who opens it, and who takes it over.

The engine has no network, so it cannot open one.  Whoever starts it does: `edged run` and
`edged engine` before they shut it in (:func:`open_listener`), systemd by
`edged-frames.socket`.  A listener serves those who come in and reaches nobody, so the
engine's namespace stays empty.  Knows descriptors and addresses, no ZeroMQ.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping

from edged.errors import OperatorError

LISTENER_FD = "EDGED_LISTENER_FD"
"""Environment variable by which our own launchers name the descriptor."""

DEVICE_KEY = "device.key"
"""The device's own pair, in the folder of keys (:mod:`edged.transport.keyring`)."""

_FIRST_FD = 3
"""Of those that systemd passes (sd_listen_fds(3))."""
_MAX_FDS = 64
_BACKLOG = 64


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "192.0.2.5:5555" or "[::]:5555".

    Raises:
        ValueError: it is no numeric address with a port of 1 to 65535.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    if not colon or bracketed != (address.version == 6) or "%" in host:
        raise ValueError("no address and port")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= 65535):
        raise ValueError("no port")
    return str(address), int(port)


def is_local(text: str) -> bool:
    """Whether only this machine reaches an address that :func:`parse_address` takes."""
    return ipaddress.ip_address(parse_address(text)[0]).is_loopback


def open_listener(text: str) -> socket.socket:
    """Listen at an address.

    Raises:
        OperatorError: it is taken, or not this machine's.
    """
    host, port = parse_address(text)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise OperatorError(
            f"frames.lan.listen: {text} cannot be opened ({error.strerror}): another program has "
            "it, or no interface has this address (`ip addr`; 0.0.0.0 takes all)"
        ) from error
    return sock


def handed_in(environment: Mapping[str, str]) -> list[int]:
    """Descriptors that a launcher or systemd left open for this process.

    Raises:
        OperatorError: the variables make no sense.
    """
    found = []
    try:
        if LISTENER_FD in environment:
            found.append(_number(environment[LISTENER_FD], 1 << 20))
        if environment.get("LISTEN_PID") == str(os.getpid()):
            count = _number(environment.get("LISTEN_FDS", "0"), _MAX_FDS)
            found += range(_FIRST_FD, _FIRST_FD + count)
    except ValueError as error:
        raise OperatorError(
            f"{LISTENER_FD} or LISTEN_FDS of the environment is no number; start the engine "
            "with `edged run` or its unit"
        ) from error
    return list(dict.fromkeys(found))  # systemd's, told on by our own launcher


def _number(text: str, most: int) -> int:
    number = int(text)
    if not 0 <= number <= most:
        raise ValueError("out of bounds")
    return number


def take_over(fds: list[int], listen: str | None) -> list[int]:
    """Hold what was handed in against the configuration; the descriptors, closed at exec.

    Args:
        fds: from :func:`handed_in`.
        listen: `frames.lan.listen`; None where there is no such table.

    Raises:
        OperatorError: one is missing, too many, or listens elsewhere.
    """
    if listen is None:
        if fds:
            raise OperatorError(
                "a listener for LAN cameras was handed in, and the configuration has no table "
                "[frames.lan]: add it, or `systemctl disable --now edged-frames.socket`"
            )
        return []
    if len(fds) != 1:
        raise OperatorError(
            f"frames.lan.listen = {listen}: {len(fds)} listeners were handed in instead of one. "
            "Under systemd: `edged install`, then `systemctl enable --now edged-frames.socket` "
            "while the engine is stopped"
        )
    os.set_inheritable(fds[0], False)
    at = _address_of(fds[0])
    if at != parse_address(listen):
        raise OperatorError(
            f"frames.lan.listen = {listen}, but the listener that was handed in is at "
            f"{'no network address' if at is None else f'{at[0]} port {at[1]}'}: "
            "`edged install` writes the address into edged-frames.socket"
        )
    return fds


def _address_of(fd: int) -> tuple[str, int] | None:
    try:
        with socket.socket(fileno=os.dup(fd)) as look:
            if look.family not in (socket.AF_INET, socket.AF_INET6):
                return None
            host, port = look.getsockname()[:2]
            return str(ipaddress.ip_address(host)), port
    except (OSError, ValueError):
        return None

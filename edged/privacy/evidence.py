"""What a process can see of its own isolation, one observation a function.

Reads /proc and asks the kernel; sends nothing, tries no address and needs no rights.
Works under every mode, where the usual ways (netlink, inet sockets) are shut: /proc of
the own process shows the own network namespace, and a local socket answers for
interfaces.  What the observations amount to is known to :mod:`edged.privacy.isolation`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final

from edged.privacy import linux

_SIOCGIFFLAGS: Final = 0x8913
_IFF_UP: Final = 1
_AF_VSOCK: Final = 40


def interfaces() -> dict[str, bool] | None:
    """Names of all network interfaces and whether they are up; None: not known."""
    try:
        lines = Path("/proc/self/net/dev").read_text().splitlines()[2:]
        # ioctl takes any socket: a local one works under the filter too
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asker:
            return {
                name: bool(_flags(asker, name) & _IFF_UP)
                for name in (line.partition(":")[0].strip() for line in lines)
            }
    except OSError:
        return None


def _flags(asker: socket.socket, name: str) -> int:
    request = struct.pack("16s24x", name.encode())
    answer = fcntl.ioctl(asker, _SIOCGIFFLAGS, request)
    flags: int = struct.unpack_from("<H", answer, 16)[0]
    return flags


def routes() -> list[str] | None:
    """Interfaces other than lo that routes lead to; None: not known."""
    try:
        four = Path("/proc/self/net/route").read_text().splitlines()[1:]
        names = [line.split()[0] for line in four if line.strip()]
        six = Path("/proc/self/net/ipv6_route")
        if six.exists():  # absent where IPv6 is switched off
            names += [line.split()[-1] for line in six.read_text().splitlines() if line.strip()]
    except OSError:
        return None
    return [name for name in names if name != "lo"]


def inherited_sockets() -> list[str]:
    """Open sockets that are not local, such as "listener fd 7" and "socket fd 8"."""
    found = []
    for name in sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir()):
        try:
            copy = os.dup(name)
        except OSError:  # the listing's own, closed by now
            continue
        try:
            with socket.socket(fileno=copy) as one:
                if one.family == socket.AF_UNIX:
                    continue
                listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            if error.errno == errno.ENOTSOCK:
                os.close(copy)
            continue
        found.append(f"{'listener' if listens else 'socket'} fd {name}")
    return found


def refused_sockets() -> dict[str, bool]:
    """Which kinds of socket this process cannot make.  They are closed unused."""
    kinds = {
        "inet": (socket.AF_INET, socket.SOCK_DGRAM),
        "inet6": (socket.AF_INET6, socket.SOCK_DGRAM),
        "netlink": (socket.AF_NETLINK, socket.SOCK_RAW),
        "packet": (socket.AF_PACKET, socket.SOCK_RAW),
        "vsock": (_AF_VSOCK, socket.SOCK_STREAM),
    }
    return {name: _refused(*kind) for name, kind in kinds.items()}


def _refused(family: int, kind: int) -> bool:
    try:
        socket.socket(family, kind).close()
    except OSError:
        return True
    return False


def filtered() -> bool:
    """Whether a seccomp filter is on every thread (a container's own counts, too)."""
    for task in Path("/proc/self/task").iterdir():
        try:
            lines = (task / "status").read_text().splitlines()
        except OSError:  # the thread has ended
            continue
        if "Seccomp:\t2" not in lines:
            return False
    return True


def makes_ring() -> bool:
    """Whether io_uring would be allowed: asked with arguments that cannot succeed."""
    try:
        linux.syscall("io_uring_setup", 0, 0)
    except OSError as error:
        return error.errno not in (errno.EPERM, errno.ENOSYS)
    return True

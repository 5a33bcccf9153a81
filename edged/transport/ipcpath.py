"""Owns the path of an `ipc://` socket, as ZeroMQ does not.

Measured: binding an ipc path silently takes it from a living process, and the file stays
after close.  A lock file next to the socket names the owner for as long as it lives (the
kernel lets go of the lock when the process dies, however it dies).

    claim = IpcClaim.take("ipc:///run/edged/frames.sock")   # OperatorError if in use
    claim.bind(socket)                                       # mode 0600
    claim.regain(socket)                                     # now and then: the path may be taken
    ...
    claim.release()                                          # after socket.close()

Knows nothing of what is spoken on the socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import zmq

from edged.errors import ConfigError, LinkError, OperatorError

log = logging.getLogger(__name__)

_LOOK_S = 1.0
"""Between two looks at the path: so long at most nobody new reaches us there."""
_KEPT = 16
"""Listeners without a path that are kept for the sake of their connections, which end with
them (measured with libzmq 4.3.5)."""
_UMASK = threading.Lock()
"""The umask belongs to the process: one bind at a time may change it."""


class IpcClaim:
    """The right to bind one endpoint; other transports than ipc need none and get an empty one."""

    def __init__(self, endpoint: str, path: Path | None, lock_fd: int) -> None:
        self.endpoint = endpoint
        self._path = path
        self._lock_fd = lock_fd
        self._mode = 0o600
        self._file = (0, 0)  # device and inode of our socket's file
        self._look_at_s = 0.0
        self._failed = False
        self._regained = 0

    @classmethod
    def take(cls, endpoint: str) -> IpcClaim:
        """Claim the endpoint.

        Raises:
            ConfigError: the path is too long for a Unix socket, or not absolute.
            OperatorError: a living process has it, or the folder cannot be written.
        """
        path = ipc_path(endpoint)
        if path is None:
            return cls(endpoint, None, -1)
        lock_path = path.with_name(path.name + ".lock")
        try:
            lock_fd = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise OperatorError(
                f"the socket folder of {path} cannot be used ({error.strerror}): create it, or "
                "choose another run folder"
            ) from error
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock_fd)
            raise _in_use(path) from error
        if _answers(path):
            os.close(lock_fd)
            raise _in_use(path)
        return cls(endpoint, path, lock_fd)

    def bind(self, sock: zmq.Socket[Any], mode: int = 0o600) -> None:
        """Bind the socket, which nobody but its owner can reach until it has its mode.

        Raises:
            LinkError: ZeroMQ refuses.
        """
        with _UMASK:
            before = os.umask(0o077)
            try:
                sock.bind(self.endpoint)
            except zmq.ZMQError as error:
                raise LinkError(
                    f"{self.endpoint} cannot be bound ({error.strerror}): free it, or configure "
                    "another endpoint"
                ) from error
            finally:
                os.umask(before)
        if self._path is not None:
            self._path.chmod(mode)
            self._mode, self._file = mode, _identity(self._path)

    def regain(self, sock: zmq.Socket[Any]) -> bool:
        """Bind again if the path is no longer ours: unlinked, or bound by a stranger.

        Connections that are there go on; without this nobody new would ever reach us.
        Looks once a second at most; call it from the thread that owns the socket.

        Returns:
            True when it had to and could.
        """
        now_s = time.monotonic()
        if self._path is None or self._lock_fd < 0 or now_s < self._look_at_s:
            return False
        self._look_at_s = now_s + _LOOK_S
        found = _identity(self._path)
        if found == self._file:
            return False
        self._regained += 1
        if self._regained % _KEPT == 0:
            with contextlib.suppress(zmq.ZMQError):
                sock.unbind(self.endpoint)
        try:
            self.bind(sock, self._mode)
        except (LinkError, OSError) as error:
            if not self._failed:  # said once, not every second
                log.error("%s is gone and cannot be made again: %s", self._path, error)  # noqa: TRY400
            self._failed = True
            return False
        self._failed = False
        how = "another process had bound" if any(found) else "somebody had removed"
        log.error("%s %s: bound again; who came meanwhile was not heard", how, self._path)
        return True

    def release(self) -> None:
        """Give the path back; its socket must be closed.  Harmless when repeated."""
        if self._lock_fd < 0:
            return
        if self._path is not None and _identity(self._path) == self._file:
            self._path.unlink(missing_ok=True)
        os.close(self._lock_fd)  # the lock file stays: unlinking it would race a new owner
        self._lock_fd = -1


def ipc_path(endpoint: str) -> Path | None:
    """The file of an ipc endpoint; None for other transports.

    Raises:
        ConfigError: the path is relative, abstract or too long.
    """
    if not endpoint.startswith("ipc://"):
        return None
    text = endpoint[len("ipc://") :]
    if not text.startswith("/"):
        raise ConfigError(f"endpoint {endpoint}: an ipc path begins with '/', as in ipc:///run/x")
    if len(os.fsencode(text)) > zmq.IPC_PATH_MAX_LEN:
        raise ConfigError(
            f"endpoint {endpoint}: a socket's path has at most {zmq.IPC_PATH_MAX_LEN} bytes; "
            "choose a shorter run folder"
        )
    return Path(text)


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode of what lies at a path; zeros for nothing."""
    try:
        found = path.lstat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def _answers(path: Path) -> bool:
    """Whether somebody who knows nothing of our lock listens there."""
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


def _in_use(path: Path) -> OperatorError:
    return OperatorError(
        f"{path} is in use by another running process: stop the other engine, or choose another "
        "run folder with --run-dir"
    )

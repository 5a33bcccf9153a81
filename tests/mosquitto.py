"""A real mosquitto for tests: own process, own port, own configuration, killed for real.

Use it as a context manager, or call `start`, `kill`, `stop` and `restart`; the port stays
the same for the life of the object.  Knows nothing of edged.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from debian_parts import program


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0, what: str = "") -> None:
    """Poll until `condition()` is true; AssertionError after the deadline."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what or condition}")
        time.sleep(0.01)


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens on a TCP port."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def mosquitto_path() -> str:
    """Path of the broker; skips the test without one, fails it under `CI=true`."""
    return program("mosquitto")


class Mosquitto:
    """One broker.

    Args:
        folder: an own empty folder for configuration, database and log.
        persistence: keep sessions and retained messages over a clean stop.
        max_packet_bytes: the limit that CONNACK names; 0 means none.
        acl: text of an ACL file ("" for none).
        users: name to password; an empty one lets everybody in.
        tls: folder with ca.pem, cert.pem and key.pem of the broker ("" for plain TCP).
        require_client_cert: with `tls`, ask for a certificate of the same CA.
        extra: more lines for mosquitto.conf.

    Attributes:
        host, port: where it listens.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        *,
        persistence: bool = False,
        max_packet_bytes: int = 0,
        acl: str = "",
        users: dict[str, str] | None = None,
        tls: Path | None = None,
        require_client_cert: bool = False,
        extra: str = "",
    ) -> None:
        self._program = mosquitto_path()
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"listener {self.port} {self.host}",
            f"allow_anonymous {'false' if users else 'true'}",
            f"persistence {'true' if persistence else 'false'}",
            f"persistence_location {folder}/",
            "user root",  # only read when started as root: keep the folder writable
            "max_queued_messages 0",  # the default drops silently after 1000
            "set_tcp_nodelay true",
            "log_dest stderr",
            "log_type all",
        ]
        if max_packet_bytes:
            lines.append(f"max_packet_size {max_packet_bytes}")
        if tls is not None:
            lines += [f"cafile {tls}/ca.pem", f"certfile {tls}/cert.pem", f"keyfile {tls}/key.pem"]
            lines.append(f"require_certificate {'true' if require_client_cert else 'false'}")
        if acl:
            (folder / "acl").write_text(acl)
            (folder / "acl").chmod(0o600)
            lines.append(f"acl_file {folder}/acl")
        if users:
            passwords = folder / "passwords"
            passwords.touch(0o600)
            for name, word in users.items():
                subprocess.run(
                    ["mosquitto_passwd", "-b", str(passwords), name, word],
                    check=True, capture_output=True,
                )  # fmt: skip
            lines.append(f"password_file {passwords}")
        (folder / "mosquitto.conf").write_text("\n".join([*lines, extra, ""]))

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has logged so far, over all starts."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> Mosquitto:
        """Start it and return when it accepts connections."""
        assert self._process is None
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(self._answers, what="mosquitto accepts connections")
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"mosquitto ended at once:\n{self.log[-2000:]}")
        return accepts(self.port)

    def kill(self) -> None:
        """`kill -9`: nothing is written, nobody is told."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Clean stop: the database is written when persistence is on."""
        self._end(signal.SIGTERM)

    def restart(self) -> Mosquitto:
        """Kill it and start it again on the same port."""
        self.kill()
        return self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Thaw a frozen broker."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, signum: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(signum)
        if signum != signal.SIGKILL:
            self._process.send_signal(signal.SIGCONT)
        self._process.wait(10)
        self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

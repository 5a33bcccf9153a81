"""Child processes of the demo: started with a log file, never left behind.

Knows processes; knows nothing of what they do.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edged.errors import OperatorError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec only plain calls are safe
_LOG_LINES = 12
_GRACE_S = 5.0


class Child:
    """One process with its output in a file.

    Args:
        name: for messages.
        words: program and arguments.
        log: file that takes stdout and stderr.
        extra: environment variables on top of our own.
    """

    def __init__(
        self, name: str, words: Sequence[str], log: Path, extra: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        parent = os.getpid()
        with log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 - our own words
                list(words),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(extra or {})},
                # Ctrl-C goes to the demo alone, which stops its children in order.
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - two system calls
            )

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def stop(self) -> int:
        """End it, politely first, and return its exit code."""
        # `edged run` takes the first signal as a wish and the second as an order.
        for _ in range(2):
            if self.alive():
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_GRACE_S)
        if self.alive():
            self._process.kill()
        return self._process.wait()

    def tail(self) -> str:
        """Last lines of its output, for the message when it failed."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-_LOG_LINES:])

    def wait_until(self, ready: Callable[[], bool], limit_s: float) -> None:
        """Poll `ready` until it is true.

        Raises:
            OperatorError: the process ended first, or the time was up.
        """
        end = time.monotonic() + limit_s
        while not ready():
            if not self.alive():
                code = self._process.wait()
                raise OperatorError(f"{self.name} ended with {code}; it said:\n{self.tail()}")
            if time.monotonic() > end:
                raise OperatorError(
                    f"{self.name} was not ready after {limit_s:.0f} s; it said:\n{self.tail()}"
                )
            time.sleep(0.05)


def _die_with(parent: int) -> None:
    """In the child: end when the demo is killed.

    A child that changes its user, as mosquitto does under root, is set free by that.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def free_port() -> int:
    """A TCP port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether something listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0

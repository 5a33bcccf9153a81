"""One supervised program: its process, and what it says of itself by sd_notify.

A child has its own session, so that Ctrl-C in a terminal reaches the supervisor alone
and the order of the stop is kept; the kernel kills it when the supervisor goes away,
however that happens.  What to do about a child is decided in
:mod:`edged.daemon.supervisor`; nothing here waits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edged.errors import OperatorError
from edged.privacy import hardening
from edged.transport.lan import LISTENER_FD

NOT_STARTED = 127
"""Exit code of a program that could not be started, as shells have it."""

_DATAGRAM_BYTES = 4096
_STATUS_CHARACTERS = 300
_OWN = (
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", LISTENER_FD
)  # fmt: skip
"""Variables of the supervisor's own manager, which a child must not take for its own."""


@dataclass(frozen=True)
class Program:
    """What is to run.

    Attributes:
        name: for people.
        argv: command line.
        environment: variables besides the supervisor's own.
        pass_fds: open files that it inherits, such as a listener.
        stop_s: time that it gets between SIGTERM and SIGKILL.
        hold_next_s: the next program starts when this one is ready, or has failed, or
            after this time.
        watchdog_s: it is restarted when, having once sent WATCHDOG=1, it falls silent
            for this long; 0 means never.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    stop_s: float = 10.0
    hold_next_s: float = 30.0
    watchdog_s: float = 0.0


class Child:
    """The process of a program, and its successors after crashes.

    Args:
        program: what is to run.
        run_dir: private folder for its notify socket.

    Attributes:
        ready: it has said so.
        was_ready: it or a predecessor has.
        status: its last STATUS line.
        failures: ends in a row that nobody asked for.
        started_s: monotonic time of its start.
        restart_s: when it is to start (again); None: not planned.
        kill_s: when it is to be killed, having been asked to stop; None: not asked.
    """

    def __init__(self, program: Program, run_dir: Path) -> None:
        self.program = program
        self.ready = False
        self.was_ready = False
        self.status = ""
        self.failures = 0
        self.started_s = 0.0
        self.restart_s: float | None = None
        self.kill_s: float | None = None
        self.notify: socket.socket | None = None
        self._alive_s: float | None = None
        self._path = run_dir / f"{program.name}.notify"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it has a process that has not been reaped."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """Process id, 0 when it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> bool:
        """Start a process.

        Returns:
            False when the program cannot be started; `status` says why.

        Raises:
            OperatorError: when the notify socket cannot be made.
        """
        self.close()
        self.ready, self.status, self.kill_s, self._alive_s = False, "", None, None
        self.restart_s = None
        self.started_s = time.monotonic()
        self.notify = self._listen()  # a new one each time: no word of a predecessor counts
        environment = {key: value for key, value in os.environ.items() if key not in _OWN}
        environment |= {"NOTIFY_SOCKET": str(self._path), **self.program.environment}
        if self.program.watchdog_s:
            environment["WATCHDOG_USEC"] = str(int(self.program.watchdog_s * 1e6))
        supervisor = os.getpid()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                self.program.argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=self.program.pass_fds,
                start_new_session=True,
                # safe: the supervisor has one thread
                preexec_fn=lambda: hardening.die_with(supervisor),  # noqa: PLW1509
            )
        except (OSError, subprocess.SubprocessError) as error:
            self.status = f"{self.program.argv[0]}: {error}"
            return False
        return True

    def _listen(self) -> socket.socket:
        self._path.unlink(missing_ok=True)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            notify.bind(str(self._path))
        except OSError as error:
            notify.close()
            raise OperatorError(
                f"{self._path} cannot be made ({error}): choose another, shorter run folder with "
                "--run-dir or EDGED_RUN_DIR"
            ) from error
        return notify

    def listen(self) -> list[str]:
        """Read what it has said since, as `KEY=value` lines, and note it here."""
        lines: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while self.notify:
                lines += self.notify.recv(_DATAGRAM_BYTES).decode(errors="replace").splitlines()
        for line in lines:
            key, _, value = line.partition("=")
            if key == "STATUS":
                shown = "".join(letter if letter.isprintable() else " " for letter in value)
                self.status = shown[:_STATUS_CHARACTERS]
            elif line == "READY=1":
                self.ready = self.was_ready = True
            elif line == "WATCHDOG=1":
                self._alive_s = time.monotonic()
        return lines

    @property
    def watchdog_at_s(self) -> float | None:
        """When its silence will be too long; None: it is not watched."""
        if self._alive_s is None or not self.program.watchdog_s or self.kill_s is not None:
            return None
        return self._alive_s + self.program.watchdog_s

    def reap(self) -> int | None:
        """Exit code if it has ended (negative: by that signal), else None."""
        if self._process is None:
            return None
        # Look before reaping: while the process is a zombie its group's number cannot
        # be given to others, so that only its own leftovers are killed.
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        self.kill()
        code = self._process.wait()
        self._process = None
        self.ready, self.kill_s, self._alive_s = False, None, None
        return code

    def ask_to_stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal it, and note when its time is up."""
        if self._process:
            self.kill_s = time.monotonic() + self.program.stop_s
            self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it and whatever it started, at once."""
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Take its notify socket away."""
        if self.notify:
            self.notify.close()
            self.notify = None
            self._path.unlink(missing_ok=True)

"""The parent of `edged run`: starts programs in order, keeps them up, stops them in reverse.

    start     one after the other; the next when the one before says READY, has failed,
              or has taken its time
    crash     start again after 1, 2, 4 .. 30 s; a minute of running forgives
    give up   on an error that no second start can cure, with the program's exit code
    stop      SIGTERM, SIGINT, SIGHUP: last program first, each with a deadline; a
              second signal kills at once
    hang      a program that falls silent on its watchdog is ended and started again

It holds no frames and speaks with nobody but its children and its own service manager.
Exit code: 0 stopped as asked; 1 stopped as asked, but something had to be killed; else
the code of the program that gave up (see :mod:`edged.errors`).

One thread, one loop, no polling: it sleeps until a child speaks or ends, a signal
comes, or a moment that it has planned.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edged.daemon.child import NOT_STARTED, Child, Program
from edged.daemon.signals import STOPS, arrived, wakeups_on
from edged.errors import ConfigError, ModelError, OperatorError
from edged.transport.notify import Notifier

log = logging.getLogger(__name__)

USAGE = 2
"""Exit code of a command line that was not understood."""
NEVER_CURED = frozenset({ConfigError.exit_code})
"""Codes after which a second start is pointless."""
NOT_CURED_AT_START = frozenset(
    {ModelError.exit_code, OperatorError.exit_code, USAGE, NOT_STARTED}
) | NEVER_CURED  # fmt: skip
"""Codes that end everything while a program has never been ready: a person is there to
read them.  Later they may pass (a full disk, a volume that is not mounted yet)."""

_REMIND_S = 30.0
_STATUS_EVERY_S = 1.0


@dataclass(frozen=True)
class Backoff:
    """How long a crashed program waits.

    Attributes:
        first_s, limit_s: first and longest wait; each doubles the one before.
        forgive_s: a program that ran this long begins anew.
    """

    first_s: float = 1.0
    limit_s: float = 30.0
    forgive_s: float = 60.0

    def delay_s(self, failures: int) -> float:
        """Wait after this many ends in a row, 1 or more."""
        return min(self.limit_s, self.first_s * 2.0 ** min(failures - 1, 30))


class Supervisor:
    """Runs programs until it is told to stop or one gives up.

    Args:
        programs: in the order of their start.
        run_dir: private folder for notify sockets.
        backoff: waits after crashes.
        say: takes one line for each change of state.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        run_dir: Path,
        *,
        backoff: Backoff | None = None,
        say: Callable[[str], None] = log.info,
    ) -> None:
        self._children = [Child(program, run_dir) for program in programs]
        self._backoff = backoff or Backoff()
        self._say = say
        self._notifier = Notifier()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._told_ready = False
        self._code = 0
        self._said: dict[str, tuple[float, str]] = {}
        self._remind_s: dict[str, float] = {}

    def run(self) -> int:
        """Start everything and stay until all has ended; main thread only.

        Returns:
            The exit code, as the module describes.
        """
        with self._selector, wakeups_on(*STOPS, signal.SIGCHLD) as wakeups:
            self._selector.register(wakeups, selectors.EVENT_READ)
            try:
                self._tend()
                while not (self._stopping and not any(c.running for c in self._children)):
                    moment = self._next_moment_s()
                    wait_s = None if moment is None else max(0.0, moment - time.monotonic())
                    self._selector.select(wait_s)
                    for number in arrived(wakeups):
                        if number in STOPS:
                            self._on_stop(signal.Signals(number))
                    self._tend()
            finally:
                for child in self._children:  # none is left, unless by an exception
                    child.kill()
                    child.close()
        return self._code

    # -- what may have changed ----------------------------------------------------------

    def _tend(self) -> None:
        """Look at every child and every planned moment once."""
        for child in self._children:
            if child.notify:
                self._hear(child, child.listen())
            code = child.reap()
            if code is not None:
                self._on_end(child, code)
        now_s = time.monotonic()
        if not self._stopping:
            for child in self._children:
                self._watch(child, now_s)
            self._start_due(now_s)
        if self._stopping:
            self._stop_next(now_s)

    def _watch(self, child: Child, now_s: float) -> None:
        program, watchdog_s = child.program, child.watchdog_at_s
        if child.kill_s is not None and now_s >= child.kill_s:
            child.kill()
            child.kill_s = now_s + program.stop_s  # the kernel needs a moment
        elif watchdog_s is not None and now_s >= watchdog_s:
            self._say(f"{program.name}: no sign of life for {program.watchdog_s:g} s, ending it")
            child.ask_to_stop(signal.SIGABRT)  # faulthandler then prints where it hangs
        elif child.running and not child.ready:
            self._remind(child, now_s)

    def _next_moment_s(self) -> float | None:
        moments: list[float | None] = []
        for number, child in enumerate(self._children):
            moments += [child.kill_s, child.restart_s]
            if not self._stopping:
                moments.append(child.watchdog_at_s)
            if child.running and not child.ready and not self._stopping:
                moments.append(self._remind_s[child.program.name])
                if number + 1 < len(self._children) and not self._children[number + 1].started_s:
                    moments.append(child.started_s + child.program.hold_next_s)
        return min((moment for moment in moments if moment is not None), default=None)

    # -- start --------------------------------------------------------------------------

    def _start_due(self, now_s: float) -> None:
        for child in self._children:
            first = not child.started_s
            due = child.restart_s is not None and now_s >= child.restart_s
            if not child.running and (first or due):
                self._start(child)
            held = child.started_s + child.program.hold_next_s
            lets_next = child.was_ready or child.failures > 0 or now_s >= held
            if self._stopping or not lets_next:
                return

    def _start(self, child: Child) -> None:
        if child.notify:
            self._selector.unregister(child.notify)
        begun = child.start()
        if child.notify:
            self._selector.register(child.notify, selectors.EVENT_READ)
        if not begun:
            self._on_end(child, NOT_STARTED)
            return
        self._remind_s[child.program.name] = child.started_s + _REMIND_S
        self._say(f"{child.program.name}: starting (pid {child.pid})")

    def _hear(self, child: Child, lines: list[str]) -> None:
        name = child.program.name
        if "READY=1" in lines and not self._stopping:
            took_s = time.monotonic() - child.started_s
            self._say(f"{name}: ready after {took_s:.1f} s{_tail(child.status)}")
            if all(one.ready for one in self._children):
                tell = self._notifier.status if self._told_ready else self._notifier.ready
                tell("all programs run")
                self._told_ready = True
        elif lines and child.status and not child.ready:
            said_s, said = self._said.get(name, (0.0, ""))
            if child.status != said and time.monotonic() - said_s >= _STATUS_EVERY_S:
                self._said[name] = (time.monotonic(), child.status)
                self._say(f"{name}: {child.status}")

    def _remind(self, child: Child, now_s: float) -> None:
        name = child.program.name
        if now_s >= self._remind_s[name]:
            self._remind_s[name] = now_s + _REMIND_S
            took_s = now_s - child.started_s
            self._say(f"{name}: still starting after {took_s:.0f} s{_tail(child.status)}")

    # -- end ----------------------------------------------------------------------------

    def _on_end(self, child: Child, code: int) -> None:
        name, ran_s = child.program.name, time.monotonic() - child.started_s
        if self._stopping:
            if code not in (0, -signal.SIGTERM, -signal.SIGKILL):  # a kill has its code
                self._code = self._code or _exit_code(code)
            self._say(f"{name}: stopped{'' if code == 0 else f' ({_why(code)})'}")
            return
        final = NEVER_CURED if child.was_ready else NOT_CURED_AT_START
        if code in final:
            self._say(f"{name}: {_why(code)}; a new start would not help{_tail(child.status)}")
            self._code = _exit_code(code)
            self._begin_stop()
            return
        child.failures = 1 if ran_s >= self._backoff.forgive_s else child.failures + 1
        delay_s = self._backoff.delay_s(child.failures)
        child.restart_s = time.monotonic() + delay_s
        again = f", {child.failures} times in a row" if child.failures > 1 else ""
        line = f"{name}: {_why(code)} after {ran_s:.1f} s{again}; starting again in {delay_s:g} s"
        self._say(line)
        self._notifier.status(line)

    # -- stop ---------------------------------------------------------------------------

    def _on_stop(self, number: signal.Signals) -> None:
        if not self._stopping:
            self._say(f"{number.name}: stopping; a second one kills")
            self._begin_stop()
            return
        self._say(f"{number.name} again: killing what is left")
        for child in self._children:
            if child.running:
                self._code = self._code or 1
                child.kill()

    def _begin_stop(self) -> None:
        self._stopping = True
        self._notifier.stopping()
        for child in self._children:
            child.restart_s = None

    def _stop_next(self, now_s: float) -> None:
        """Move the stop on: the last program that runs is asked, or out of time."""
        for child in reversed(self._children):
            if not child.running:
                continue
            if child.kill_s is None:
                self._say(f"{child.program.name}: asked to stop")
                child.ask_to_stop()
            elif now_s >= child.kill_s:
                self._say(f"{child.program.name}: still there after "
                          f"{child.program.stop_s:g} s, killing it")  # fmt: skip
                self._code = self._code or 1
                child.kill()
                child.kill_s = now_s + child.program.stop_s  # the kernel needs a moment
            return


def _tail(status: str) -> str:
    return f": {status}" if status else ""


def _why(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-code).name}"
    return f"ended by signal {-code}"


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code

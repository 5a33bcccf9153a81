"""Runs a job in a worker process and holds it to its bounds: time, memory, life.

A crash of the worker is a value here, never a crash of the asker.  The bound on memory is
watched from outside: RLIMIT_AS counts address space, of which CUDA reserves hundreds of
gigabytes that it never fills, and a control group of its own would need a delegated one,
which neither a service with `Delegate=no` nor a container has.  So the worker's resident
anonymous memory, its children's included, is read four times a second.

Knows processes and their bounds; what the worker says is heard in :mod:`.heard`, what a
job does is :mod:`.worker`'s.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import psutil

from edged.errors import EngineError, OperatorError
from edged.runtime.backend import BuildProgress
from edged.runtime.build import jobs, room
from edged.runtime.build.heard import Heard
from edged.runtime.build.jobs import Job

log = logging.getLogger(__name__)

TICK_S = 0.25
_FREE_FLOOR = 0.04
"""Share of the machine's memory that a build leaves to others, whatever its limit."""

Ending = Literal["done", "crashed", "stopped"]


@dataclass(frozen=True)
class Limits:
    """What a worker may use.

    Attributes:
        timeout_s: from start to end.
        memory_mb: resident and anonymous; 0 means four fifths of what is free now.
        stop: when set, the worker is killed.
    """

    timeout_s: float
    memory_mb: int = 0
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Outcome:
    """How a worker ended.

    Attributes:
        ending: "done"; "crashed": by a signal or without an answer; "stopped": asked to.
        result: JSON, when done.
        crash: in words, with its signal.
        took_s: from start to end.
        peak_mb: memory that it was seen to use.
    """

    ending: Ending
    result: bytes
    crash: str
    took_s: float
    peak_mb: int


def run(job: Job, limits: Limits, progress: BuildProgress) -> Outcome:
    """Run one job in a fresh process and wait for it.

    Whatever ends this call (Ctrl-C, too), the worker and its children are gone after it.

    Raises:
        EdgedError: of the class that the worker names.
        EngineError: it took too long or too much memory.
        OperatorError: no process could be started.
    """
    start = time.monotonic()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "edged.runtime.build.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the asker alone, which ends the group
            env={**os.environ, "PYTHONSAFEPATH": "1", "ORT_DISABLE_TELEMETRY": "1"},
        )
    except OSError as error:
        raise OperatorError(f"no build process can be started ({error.strerror})") from error
    with child:
        watch = _Watch(child, limits, progress, start)
        try:
            return watch.until_end(jobs.encode(job))
        finally:
            _kill_group(child)


class _Watch:
    """One running worker."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        limits: Limits,
        progress: BuildProgress,
        start: float,
    ) -> None:
        self._child = child
        self._limits = limits
        self._heard = Heard(progress)
        self._start = start
        self._process = psutil.Process(child.pid)
        self._memory_mb = limits.memory_mb or int(0.8 * room.free_memory_mb())
        self._peak_mb = 0

    def until_end(self, job: bytes) -> Outcome:
        assert self._child.stdin
        with contextlib.suppress(BrokenPipeError):  # it died at once; its exit code tells
            self._child.stdin.write(job)
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        stopped = not self._read_all()
        if stopped:
            return self._outcome("stopped")
        code = _end_of(self._child)
        if self._heard.error:
            raise jobs.make_error(*self._heard.error)
        if code == 0 and self._heard.result is not None:
            return self._outcome("done", result=self._heard.result)
        return self._outcome("crashed", crash=self._heard.crash(code))

    def _outcome(self, ending: Ending, *, result: bytes = b"", crash: str = "") -> Outcome:
        took_s = round(time.monotonic() - self._start, 3)
        return Outcome(ending, result, crash, took_s, self._peak_mb)

    def _read_all(self) -> bool:
        """Read until the worker closes its ends; False when it is to stop."""
        assert self._child.stdout
        assert self._child.stderr
        with selectors.DefaultSelector() as selector:
            for stream, take in (
                (self._child.stdout, self._heard.take_lines),
                (self._child.stderr, self._heard.take_words),
            ):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ, take)
            due = 0.0
            while selector.get_map():
                for key, _events in selector.select(TICK_S):
                    block = os.read(key.fd, 65_536)
                    if block:
                        key.data(block)
                    else:
                        selector.unregister(key.fileobj)
                if self._limits.stop.is_set():
                    return False
                if time.monotonic() >= due:
                    due = time.monotonic() + TICK_S
                    self._hold_to_bounds()
                    self._heard.repeat()
                    if not self._alive():
                        # A grandchild may keep the pipes open; what is in them is read.
                        self._drain(selector)
                        return True
        return True

    def _alive(self) -> bool:
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._child.pid, flags) is None

    def _drain(self, selector: selectors.BaseSelector) -> None:
        for key in list(selector.get_map().values()):
            with contextlib.suppress(BlockingIOError):
                while block := os.read(key.fd, 65_536):
                    key.data(block)

    def _hold_to_bounds(self) -> None:
        """Raises EngineError when the worker has gone beyond a bound."""
        if time.monotonic() - self._start > self._limits.timeout_s:
            raise EngineError(
                f"the build took more than {self._limits.timeout_s:g} s and was ended; raise "
                "engines.timeout_s or lower engines.optimisation_level"
            )
        used = room.used_memory_mb(self._process)
        self._peak_mb = max(self._peak_mb, used)
        if used > self._memory_mb:
            raise EngineError(
                f"the build used {used} MiB of memory, more than the {self._memory_mb} MiB that "
                "it may, and was ended; raise engines.memory_mb, lower engines.workspace_mb, or "
                "build while nothing else runs"
            )
        free, all_of_it = room.free_memory_mb(), room.total_memory_mb()
        if free < _FREE_FLOOR * all_of_it and used > free:
            raise EngineError(
                f"the build was ended because only {free} MiB of memory were left to everything "
                "else; lower engines.workspace_mb, or build while nothing else runs"
            )


def _end_of(child: subprocess.Popen[bytes]) -> int:
    """Exit code; its leftovers are killed while its number is still its own."""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    _kill_group(child)
    return child.wait()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the worker and whatever it started, at once; nothing when it was reaped."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def run_with_retries(
    make_job: Callable[[int], Job], limits: Limits, progress: BuildProgress, retries: int
) -> tuple[Outcome, int]:
    """Run a job, and again after a crash; an error that the worker names is final.

    Args:
        make_job: the job of an attempt, counted from 1.
        limits: of each attempt.
        progress: told of all of them.
        retries: attempts after the first.

    Returns:
        The last outcome, and how many attempts it took.

    Raises:
        EdgedError: as :func:`run`.
    """
    for attempt in range(1, retries + 2):
        outcome = run(make_job(attempt), limits, progress)
        if outcome.ending != "crashed":
            break
        log.warning("build worker, attempt %d of %d: %s", attempt, retries + 1, outcome.crash)
        progress(f"crashed, attempt {attempt} of {retries + 1}", 0.0)
    return outcome, attempt

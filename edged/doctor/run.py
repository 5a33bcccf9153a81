"""Runs the checks: several at a time, each within its time, none able to stop the rest.

A check that raises or does not end becomes a finding of its own.  One that hangs keeps
its thread, which nobody waits for: it is a daemon thread and ends with the process.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup

log = logging.getLogger(__name__)

AT_A_TIME = 4
"""Checks mostly wait for a program or a server, so more than the cores of a small box."""

Progress = Callable[[Sequence[str], int], None]
"""Told which checks run and how many have ended."""


@dataclass(frozen=True)
class Outcome:
    """One check and what it said; nothing where it does not apply.

    Attributes:
        check: which.
        findings: what it found.
        took_ms: how long it took.
    """

    check: Check
    findings: tuple[Finding, ...]
    took_ms: float


def run_checks(
    checks: Iterable[Check],
    host: Host,
    setup: Setup,
    progress: Progress = lambda _running, _done: None,
) -> list[Outcome]:
    """Outcomes of all checks, in the order of the checks."""
    waiting = list(checks)
    order = [check.id for check in waiting]
    ended: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    running: dict[str, tuple[Check, float]] = {}
    done: dict[str, Outcome] = {}
    while waiting or running:
        while waiting and len(running) < AT_A_TIME:
            check = waiting.pop(0)
            running[check.id] = (check, time.monotonic())
            threading.Thread(
                target=_look, args=(check, host, setup, ended), name=check.id, daemon=True
            ).start()
        progress(tuple(running), len(done))
        deadline = min(begun + check.timeout_s for check, begun in running.values())
        try:
            outcome = ended.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            now = time.monotonic()
            for check, begun in list(running.values()):
                if now >= begun + check.timeout_s:
                    del running[check.id]
                    done[check.id] = _late(check)
            continue
        if running.pop(outcome.check.id, None):  # else it was given up before
            done[outcome.check.id] = outcome
    progress((), len(done))
    return [done[name] for name in order]


def _look(check: Check, host: Host, setup: Setup, ended: queue.SimpleQueue[Outcome]) -> None:
    begun_s = time.monotonic()
    if check.configured and setup.state == "invalid":
        findings: tuple[Finding, ...] = (_left_out(check),)
    else:
        try:
            findings = tuple(check.look(host, setup))
        except Exception as error:
            log.debug("check %s", check.id, exc_info=True)
            findings = (_broken(check, error),)
    ended.put(Outcome(check, findings, 1000 * (time.monotonic() - begun_s)))


def _late(check: Check) -> Outcome:
    late = Finding(
        f"{check.id}.timeout",
        "warn",
        f"this was not answered within {check.timeout_s:g} s: {check.title}",
        advice="A driver, a disk or a name server hangs; `edged doctor --only "
        f"{check.id}` asks again.",
        data={"timeout_s": check.timeout_s},
    )
    return Outcome(check, (late,), 1000 * check.timeout_s)


def _broken(check: Check, error: Exception) -> Finding:
    """The exception's kind alone: its text may hold anything."""
    kind = type(error).__name__
    return Finding(
        f"{check.id}.error",
        "warn",
        f"this could not be looked at ({kind}): {check.title}",
        advice="That is a mistake of edged's; please report it with the output of "
        f"`edged doctor --only {check.id} --json`.",
        data={"error": kind},
    )


def _left_out(check: Check) -> Finding:
    return Finding(
        f"{check.id}.left-out",
        "note",
        f"not looked at until the configuration is right: {check.title}",
    )

"""Runs the checks on the engine's main tick, and sets and clears troubles."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edged.config import Config
from edged.daemon.checks import ALL
from edged.daemon.checks.check import Check, History, Seen
from edged.health import Health
from edged.transport.wire_health import HealthDoc

LOOK_S = 3.0
"""Between two looks."""
_AFTER = "watch-"
"""Before the names of these troubles: by their names the engine's own come first in `status`."""


class Runner:
    """Looks every few seconds.

    Args:
        health: told of troubles.
        figures: makes the document that the checks look at.
        checks: all, for tests fewer.
    """

    def __init__(
        self, health: Health, figures: Callable[[], HealthDoc], checks: Sequence[Check] = ALL
    ) -> None:
        self._health = health
        self._figures = figures
        self._checks = checks
        self._history = History()
        self._due_s = float("-inf")
        self._lit: dict[str, str] = {}
        self._turned_s: dict[str, float] = {}

    def tick(self, now_s: float, config: Config) -> None:
        """Look, if it is time to."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + LOOK_S
        doc = self._figures()
        published = doc.uplink.published if doc.uplink is not None else 0
        self._history.note(now_s, {**doc.verdicts, **doc.reasons, "published": published})
        seen = Seen(doc, config, self._history, now_s)
        for check in self._checks:
            self._ask(check, seen)

    def _ask(self, check: Check, seen: Seen) -> None:
        lit = self._lit.get(check.name, "")
        found = check.look(seen, bool(lit))
        if found == lit:
            self._turned_s.pop(check.name, None)
            return
        since_s = self._turned_s.setdefault(check.name, seen.now_s)
        if seen.now_s - since_s < (check.sets_after_s if found else check.clears_after_s):
            return
        del self._turned_s[check.name]
        self._lit[check.name] = found
        self._health.trouble(_AFTER + check.name, found or None)

"""Slowed down by heat or power; a power cap or a clock that somebody set is none."""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen


def look(seen: Seen, _lit: bool) -> str:
    """For so long that it is no spike."""
    return "throttled" if seen.doc.throttled else ""


CHECK = Check("throttling", ("throttled",), look, sets_after_s=30.0, clears_after_s=30.0)

"""The clock has not been synchronised for long, where the configuration says that it matters."""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen

PATIENCE_S = 900.0
"""A board without a clock battery has the time minutes after its network."""


def look(seen: Seen, _lit: bool) -> str:
    """With `broker.clock = "trust"` the operator has answered already."""
    doubtful = seen.config.broker.clock == "check" and not seen.doc.clock_synced
    return "clock-not-synchronised" if doubtful else ""


CHECK = Check("clock", ("clock-not-synchronised",), look, sets_after_s=PATIENCE_S)

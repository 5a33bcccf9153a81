"""Unsent results near the outbox's bound: soon the oldest go, or new ones are refused.

Rows that the broker has are not counted: they make room by themselves.
"""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen, above

NEAR = 0.8
FARTHER = 0.1


def look(seen: Seen, lit: bool) -> str:
    """Unsent bytes as a share of the bound."""
    outbox = seen.doc.outbox
    share = outbox.unsent_bytes / outbox.max_bytes if outbox and outbox.max_bytes else None
    return "outbox-nearly-full" if above(share, NEAR, FARTHER, lit=lit) else ""


CHECK = Check("outbox", ("outbox-nearly-full",), look)

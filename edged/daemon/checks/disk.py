"""The disk of the outbox is nearly full: no row is taken below `outbox.min_free_bytes`."""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen, below

NEAR = 2.0
"""At so many times that bound somebody should come."""


def look(seen: Seen, lit: bool) -> str:
    """Free space against the bound."""
    outbox, least = seen.doc.outbox, seen.config.outbox.min_free_bytes
    free_bytes = outbox.disk_free_bytes if outbox is not None else None
    return "disk-nearly-full" if below(free_bytes, NEAR * least, least / 2, lit=lit) else ""


CHECK = Check("disk", ("disk-nearly-full",), look)

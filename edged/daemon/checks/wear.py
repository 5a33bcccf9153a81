"""Flash memory near the end of its life."""

from __future__ import annotations

from edged.daemon.checks.check import Check, Seen, above

WORN_PERCENT = 90.0
"""eMMC counts in tens: its last step before "exceeded"."""


def look(seen: Seen, lit: bool) -> str:
    """It never gets better: only another memory clears it."""
    return "disk-worn" if above(seen.doc.disk_wear_percent, WORN_PERCENT, 0.0, lit=lit) else ""


CHECK = Check("wear", ("disk-worn",), look)
